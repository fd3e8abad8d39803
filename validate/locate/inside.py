"""A file that normalises its pictures itself, and does it otherwise than Paddle is fed."""

import math

from paddleport.validate.locate.error import relative_error
from paddleport.validate.locate.graph import Step
from paddleport.validate.locate.located import Located
from paddleport.validate.locate.match import Matcher
from paddleport.validate.locate.sentences import figure, named
from paddleport.validate.locate.sides import Side

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
    shape = wanted.shape
    alike = next((name for name in names if exact.values.stored[name].shape == shape), "")
    error = relative_error(exact.values.load(alike), wanted) if alike else math.inf
    first = next(step for step in exact.graph.steps if raw[0] in step.inputs)
    last = exact.graph.producer.get(alike, first)
    return Located(
        "converter",
        last.name,
        last.operator,
        alike or first.outputs[0],
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


def _sentence(first: Step, last: Step, fed: str, error: float, limit: float) -> str:
    off = "of its shape there is none" if math.isinf(error) else f"it is off by {figure(error)}"
    return (
        f"the file normalises pictures itself, from {named(first)} to {named(last)}, and what "
        f"comes out is not what Paddle is fed as {fed} ({off}, the limit is {limit:g}): its scale, "
        "mean, std, order of channels or layout is another"
    )
