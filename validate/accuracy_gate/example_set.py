"""What a gate is fed: pictures where the model takes one, and feeds of its own kind else."""

from collections.abc import Sequence
from pathlib import Path

from paddleport.errors import UsageError
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import GivenFeeds, TensorSpec, listed_feeds
from paddleport.validate.accuracy_gate.feed_examples import feed_set
from paddleport.validate.accuracy_gate.gate_set import GateSet
from paddleport.validate.accuracy_gate.picture_examples import gate_set, is_picture
from paddleport.validate.feeds.value_ranges import NO_RANGES, InputRanges


def example_set(
    preprocess: Preprocess | None,
    inputs: Sequence[TensorSpec],
    *,
    labelled: Path | None = None,
    images: Sequence[Path] = (),
    classes: Sequence[str] | None = None,
    class_map: Path | None = None,
    given: GivenFeeds | None = None,
    ranges: InputRanges = NO_RANGES,
) -> GateSet:
    """Pictures for a model with one input that takes them, and feeds for any other.

    Args:
        preprocess: how a picture is fed, if that is known.
        inputs: of the model; of feeds, free dimensions get the defaults of ``concrete_inputs``.
        labelled: as ``gate_set`` has it.
        images: likewise.
        classes: likewise.
        class_map: likewise.
        given: tensors to feed instead, in one feed or several, whose first axis counts the
            examples.
        ranges: what integer inputs may hold, under the names of ``inputs``.

    Raises:
        UsageError: pictures for a model that takes none, or both pictures and tensors.
        PortError: as ``gate_set`` does.
    """
    pictures = len(inputs) == 1 and (preprocess is not None or is_picture(inputs[0]))
    feeds = listed_feeds(given)
    if pictures and not feeds:
        return gate_set(
            preprocess,
            inputs[0],
            labelled=labelled,
            images=images,
            classes=classes,
            class_map=class_map,
        )
    if labelled or images or class_map:
        what = "--feed names tensors" if feeds else "this model is not fed with one picture"
        raise UsageError(
            f"{what}, so --labelled, --class-map and --images can't be: leave them out"
        )
    return feed_set(inputs, feeds, ranges=ranges)
