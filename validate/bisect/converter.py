"""The converter's side: the ONNX graph in float64 against Paddle's own intermediate values."""

import tempfile
from pathlib import Path

from paddleport.errors import UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import read_onnx_proto
from paddleport.progress import Progress, no_progress
from paddleport.tensors import Feed
from paddleport.validate.bisect.exact import save_exact_values
from paddleport.validate.bisect.graph import onnx_graph
from paddleport.validate.bisect.hunt import Finding, hunt
from paddleport.validate.bisect.inside import wrong_inside
from paddleport.validate.bisect.located import Located
from paddleport.validate.bisect.paddle_values import environ, save_paddle_values
from paddleport.validate.bisect.probe import ANSWER_TIMEOUT_S, Deadline
from paddleport.validate.bisect.sentences import converter_sentence
from paddleport.validate.bisect.sides import Side, bad_output
from paddleport.validate.bisect.values import Values
from paddleport.validate.feeds.make_feeds import NamedFeed
from paddleport.worker import Worker


def locate_converter(
    model: Artifact,
    onnx: Artifact,
    feed: NamedFeed,
    onnx_feed: Feed,
    *,
    limit: float,
    seconds: float,
    progress: Progress = no_progress,
) -> Located | None:
    """The first Paddle operator whose value the ONNX graph no longer has.

    Names do not survive every conversion, so each of Paddle's values is looked for by its name
    and then among all values of the ONNX graph. A value that is missing proves nothing:
    converters fold and fuse. So the search goes back from an output that differs through
    missing values only, and ends at an operator all of whose inputs are still there.

    Args:
        model: the Paddle program.
        onnx: the file that should be the same model.
        feed: tensors under Paddle's input names.
        onnx_feed: the same under the ONNX file's.
        limit: what counts as parted, in the tolerance's unit.
        seconds: budget of the search; the values are computed regardless.
        progress: told each step and a guess at the share done.

    Returns:
        ``None`` if no output parts.

    Raises:
        BackendUnavailableError: paddle is not installed, or float64 lacks an operator.
        FeedError: one of them can't compute the feed.
        ModelFileError: the two have another number of outputs.
        WorkerCrashed: Paddle ended its process.
    """
    with tempfile.TemporaryDirectory(prefix="paddleport-") as folder:
        theirs, ours = Path(folder) / "onnx", Path(folder) / "paddle"
        theirs.mkdir()
        ours.mkdir()
        progress("Paddle's values", 0.0)
        with Worker(environ=environ(model)) as worker:
            record = worker.call(
                save_paddle_values, ANSWER_TIMEOUT_S, model, dict(feed.tensors), ours
            )
        progress("float64 values", 0.3)
        with Worker() as worker:
            stored = worker.call(save_exact_values, ANSWER_TIMEOUT_S, onnx.path, onnx_feed, theirs)
        paddle = Side(record.graph, Values(ours, record.stored))
        exact = Side(onnx_graph(read_onnx_proto(onnx.path)), Values(theirs, stored))
        return compare_sides(
            paddle, exact, feed=feed.name, limit=limit, seconds=seconds, progress=progress
        )


def compare_sides(
    paddle: Side,
    exact: Side,
    *,
    feed: str,
    limit: float,
    seconds: float,
    progress: Progress = no_progress,
) -> Located | None:
    """As ``locate_converter``, of values that are computed already."""
    bad = bad_output(paddle, exact, limit)
    if bad is None:
        return None
    inside = wrong_inside(paddle, exact, feed=feed, limit=limit)
    if inside is not None:
        return inside
    if bad.paddle not in paddle.graph.producer:
        raise UsageError(
            f"output {bad.paddle} is an input or a weight of the Paddle program, and differs: "
            "there is no operator to locate"
        )
    tick = _Ticker(Deadline(seconds), progress, len(paddle.graph.steps) * 2)
    return _answer(paddle, hunt(paddle, exact, bad, limit, tick), limit, feed, tick.count)


class _Ticker:
    """Called before each value that is looked up: the clock, the count and the progress bar."""

    def __init__(self, deadline: Deadline, progress: Progress, expected: int) -> None:
        self._deadline, self._progress, self._expected = deadline, progress, expected
        self.count = 0

    def __call__(self, name: str) -> None:
        self._deadline.check()
        self.count += 1
        share = 0.5 + 0.5 * min(0.98, self.count / self._expected)
        self._progress(f"looking for {name}", share)


def _answer(paddle: Side, found: Finding, limit: float, feed: str, looked_up: int) -> Located:
    edge, values = found.edge, paddle.values
    inputs = [name for name in dict.fromkeys(edge.step.inputs) if name in values]
    return Located(
        "converter",
        edge.step.name,
        edge.step.operator,
        edge.value,
        edge.step.position,
        len(paddle.graph.steps),
        tuple(values.range_of(name) for name in inputs),
        edge.before,
        edge.after,
        limit,
        feed,
        looked_up,
        edge.complete,
        converter_sentence(found, limit),
    )
