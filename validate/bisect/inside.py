"""A file that normalises its pictures itself, and does it otherwise than Paddle is fed."""

import math

from paddleport.models.onnx.normalised_inside import OPERATORS
from paddleport.validate.bisect.error import relative_error
from paddleport.validate.bisect.graph import Graph, Step
from paddleport.validate.bisect.located import Located
from paddleport.validate.bisect.match import Matcher
from paddleport.validate.bisect.sentences import figure, named
from paddleport.validate.bisect.sides import Side

_PIXELS = "uint8"


def wrong_inside(paddle: Side, exact: Side, *, feed: str, limit: float) -> Located | None:
    """Where the file's own normalisation leaves what Paddle is fed; ``None`` if it does not.

    Only a file that is fed pixels has one. Its result is the value that Paddle's input is; if
    there is none such in the graph, no operator of Paddle's can be to blame.

    Args:
        paddle: Paddle's values, what it is fed among them.
        exact: the ONNX graph's in float64, likewise.
        feed: name of the feed.
        limit: what counts as parted, in the tolerance's unit.
    """
    raw = [name for name in exact.graph.feeds if name in exact.values]
    raw = [name for name in raw if exact.values.stored[name].dtype == _PIXELS]
    fed = [name for name in paddle.graph.feeds if name in paddle.values]
    fed = [name for name in fed if paddle.values.stored[name].dtype != _PIXELS]
    if len(raw) != 1 or len(fed) != 1:
        return None
    wanted = paddle.values.load(fed[0])
    names = [name for name in exact.values.stored if name in exact.graph.varying]
    if Matcher(exact.values, names, limit).find(wanted) is not None:
        return None
    steps = _steps(exact.graph, raw[0])
    if not steps or steps[-1].outputs[0] not in exact.values:
        return None
    first, last = steps[0], steps[-1]
    error = relative_error(exact.values.load(last.outputs[0]), wanted)
    return Located(
        "converter",
        last.name,
        last.operator,
        last.outputs[0],
        last.position,
        len(exact.graph.steps),
        (exact.values.range_of(raw[0]),),
        0.0,
        error,
        limit,
        feed,
        len(names),
        True,
        _sentence(first, last, fed[0], error, limit),
    )


def _steps(graph: Graph, fed: str) -> list[Step]:
    """The steps from an input to the first operator of the network, each the only reader."""
    value, found = fed, list[Step]()
    while True:
        readers = graph.consumers.get(value, [])
        if len(readers) != 1 or readers[0].operator not in OPERATORS:
            return found
        found.append(readers[0])
        value = readers[0].outputs[0]


def _sentence(first: Step, last: Step, fed: str, error: float, limit: float) -> str:
    off = "it is of another shape" if math.isinf(error) else f"it is off by {figure(error)}"
    return (
        f"the file normalises pictures itself, from {named(first)} to {named(last)}, and what "
        f"comes out is not what Paddle is fed as {fed} ({off}, the limit is {limit:g}): its scale, "
        "mean, std, order of channels or layout is another"
    )
