"""``paddleport run --feed``: tensors instead of pictures, for any model."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from paddleport.errors import UsageError

if TYPE_CHECKING:
    from paddleport.runners.predictor import PictureAnswer, Predictor, PredictorSpec
    from paddleport.tensors import Feed


def task_for(task: str | None, feeds: Sequence["Feed"], pictures: Sequence[str]) -> str:
    """The task by name: what was typed, else that of what is fed.

    Raises:
        UsageError: no such task; or one of pictures, or pictures themselves, beside feeds.
    """
    from paddleport.runners.tasks import task_named
    from paddleport.runners.tasks.classification import Classification
    from paddleport.runners.tasks.raw_tensors import Tensors

    name = task or (Tensors if feeds else Classification).name
    task_named(name)
    if feeds and name != Tensors.name:
        raise UsageError(
            f"--feed gives tensors, and their answers are the outputs: leave --task {name} out"
        )
    if feeds and pictures:
        raise UsageError(f"--feed and pictures ({', '.join(pictures[:3])}): give one of the two")
    return name


def spec_for_feeds(spec: "PredictorSpec", feeds: Sequence["Feed"]) -> "PredictorSpec":
    """The same with the shapes of the feeds, for who compiles for them or is not told by a file."""
    from paddleport.runners import runner_class
    from paddleport.tensors import ShapeRange

    backend = runner_class(spec.backend)
    untold = backend.files_leave_shapes_out and not spec.model.inputs
    if not backend.compiles_for_shapes and not untold:
        return spec
    shapes = {
        name: ShapeRange.covering([feed[name].shape for feed in feeds if name in feed])
        for name in feeds[0]
    }
    return replace(spec, options=replace(spec.options, shapes=shapes))


def feed_answers(
    predictor: "Predictor", feeds: Sequence["Feed"]
) -> Generator["PictureAnswer", None, None]:
    """All outputs for each feed, in order.

    Raises:
        FeedError: one of them is not what the model takes.
    """
    from paddleport.runners.predictor import PictureAnswer

    for number, feed in enumerate(feeds, 1):
        name = f"given {number}" if len(feeds) > 1 else "given"
        yield PictureAnswer(picture=name, answer=predictor.run(feed))
