"""The converter's side: the ONNX graph in float64 against Paddle's own intermediate values."""

import math
import tempfile
from pathlib import Path

from paddleport.errors import UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.graph_walk import NORMALISING_OPERATORS
from paddleport.models.onnx.onnx_file import read_onnx_proto
from paddleport.progress import Progress, no_progress
from paddleport.runners.reference import ReferenceRunner
from paddleport.tensors import Feed
from paddleport.validate.bisect.backend_process import ANSWER_TIMEOUT_S
from paddleport.validate.bisect.computation import Computation, Graph, GraphStep, StoredValues
from paddleport.validate.bisect.divergence import (
    Divergence,
    describe_lost_operator,
    figure,
    title,
)
from paddleport.validate.bisect.edge_search import Deadline
from paddleport.validate.bisect.float64_values import onnx_graph, save_float64_values
from paddleport.validate.bisect.lost_operator import LostOperator, find_lost_operator
from paddleport.validate.bisect.paddle_values import environ, save_paddle_values
from paddleport.validate.bisect.value_lookup import ValueMatcher, bad_output
from paddleport.validate.compare.error_scale import relative_error
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.worker import Worker

_PIXELS = "uint8"


def locate_converter(
    model: Artifact,
    onnx: Artifact,
    feed: NamedFeed,
    onnx_feed: Feed,
    *,
    limit: float,
    seconds: float,
    progress: Progress = no_progress,
) -> Divergence | None:
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
        progress: called with each step and a guess at the share done.

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
        with Worker(environ=ReferenceRunner.environ) as worker:
            stored = worker.call(
                save_float64_values, ANSWER_TIMEOUT_S, onnx.path, onnx_feed, theirs
            )
        paddle = Computation(record.graph, StoredValues(ours, record.stored))
        float64 = Computation(onnx_graph(read_onnx_proto(onnx.path)), StoredValues(theirs, stored))
        return compare_computations(
            paddle, float64, feed=feed.name, limit=limit, seconds=seconds, progress=progress
        )


def compare_computations(
    paddle: Computation,
    float64: Computation,
    *,
    feed: str,
    limit: float,
    seconds: float,
    progress: Progress = no_progress,
) -> Divergence | None:
    """As ``locate_converter``, of values that are computed already."""
    bad = bad_output(paddle, float64, limit)
    if bad is None:
        return None
    inside = find_wrong_normalisation(paddle, float64, feed=feed, limit=limit)
    if inside is not None:
        return inside
    if bad.paddle not in paddle.graph.producer:
        raise UsageError(
            f"output {bad.paddle} is an input or a weight of the Paddle program, and differs: "
            "there is no operator to locate"
        )
    tick = _Ticker(Deadline(seconds), progress, len(paddle.graph.steps) * 2)
    return _answer(
        paddle, find_lost_operator(paddle, float64, bad, limit, tick), limit, feed, tick.count
    )


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


def _answer(
    paddle: Computation, found: LostOperator, limit: float, feed: str, looked_up: int
) -> Divergence:
    edge, values = found.edge, paddle.values
    inputs = [name for name in dict.fromkeys(edge.step.inputs) if name in values]
    return Divergence(
        side="converter",
        node=edge.step.name,
        operator=edge.step.operator,
        output=edge.value,
        position=edge.step.position,
        nodes=len(paddle.graph.steps),
        inputs=tuple(values.range_of(name) for name in inputs),
        error_before=edge.before,
        error_after=edge.after,
        limit=limit,
        feed=feed,
        cuts=looked_up,
        complete=edge.complete,
        sentence=describe_lost_operator(found, limit),
    )


def find_wrong_normalisation(
    paddle: Computation, float64: Computation, *, feed: str, limit: float
) -> Divergence | None:
    """Where the file's own normalisation leaves what Paddle is fed; ``None`` if it does not.

    Only a file that is fed pixels has one. Its result is the value that Paddle's input is; if
    there is none such in the graph, no operator of Paddle's can be to blame.

    Args:
        paddle: Paddle's values, what it is fed among them.
        float64: the ONNX graph's in float64, likewise.
        feed: name of the feed.
        limit: what counts as parted, in the tolerance's unit.
    """
    raw = [name for name in float64.graph.feeds if name in float64.values]
    raw = [name for name in raw if float64.values.stored[name].dtype == _PIXELS]
    fed = [name for name in paddle.graph.feeds if name in paddle.values]
    fed = [name for name in fed if paddle.values.stored[name].dtype != _PIXELS]
    if len(raw) != 1 or len(fed) != 1:
        return None
    wanted = paddle.values.load(fed[0])
    names = [name for name in float64.values.stored if name in float64.graph.varying]
    if ValueMatcher(float64.values, names, limit).find(wanted) is not None:
        return None
    steps = _normalisation_steps(float64.graph, raw[0])
    if not steps or steps[-1].outputs[0] not in float64.values:
        return None
    first, last = steps[0], steps[-1]
    error = relative_error(float64.values.load(last.outputs[0]), wanted)
    return Divergence(
        side="converter",
        node=last.name,
        operator=last.operator,
        output=last.outputs[0],
        position=last.position,
        nodes=len(float64.graph.steps),
        inputs=(float64.values.range_of(raw[0]),),
        error_before=0.0,
        error_after=error,
        limit=limit,
        feed=feed,
        cuts=len(names),
        complete=True,
        sentence=_normalisation_sentence(first, last, fed[0], error, limit),
    )


def _normalisation_steps(graph: Graph, fed: str) -> list[GraphStep]:
    """The steps from an input to the first operator of the network, each the only reader."""
    value, found = fed, list[GraphStep]()
    while True:
        readers = graph.consumers.get(value, [])
        if len(readers) != 1 or readers[0].operator not in NORMALISING_OPERATORS:
            return found
        found.append(readers[0])
        value = readers[0].outputs[0]


def _normalisation_sentence(
    first: GraphStep, last: GraphStep, fed: str, error: float, limit: float
) -> str:
    off = "it is of another shape" if math.isinf(error) else f"it is off by {figure(error)}"
    return (
        f"the file normalises pictures itself, from {title(first)} to {title(last)}, and what "
        f"comes out is not what Paddle is fed as {fed} ({off}, the limit is {limit:g}): its scale, "
        "mean, std, order of channels or layout is another"
    )
