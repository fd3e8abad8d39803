"""Where a target's file leaves the ONNX graph: the layer, as an answer of ``locate``."""

import math
from dataclasses import dataclass
from typing import Literal

from paddleport.progress import Progress
from paddleport.validate.bisect.computation import Computation
from paddleport.validate.bisect.divergence import Divergence, figure, title
from paddleport.validate.bisect.edge_search import JUMP, Deadline
from paddleport.validate.bisect.lost_layer import BadTensor, LostLayer, find_lost_layer
from paddleport.validate.compare.error_scale import output_error


@dataclass(frozen=True)
class Whose:
    """Whose a layer is that the ONNX graph has not: the file's own, or its runtime's.

    Attributes:
        side: as ``Divergence`` has it.
        remark: what there is to say of that; may be empty.
    """

    side: Literal["target", "runtime"]
    remark: str = ""


def lost_layer_divergence(
    file: Computation,
    onnx: Computation,
    *,
    named: str,
    whose: Whose,
    limit: float,
    feed: str,
    deadline: Deadline,
    progress: Progress,
) -> Divergence | None:
    """The first layer of a file whose value the ONNX graph has not; ``None`` if no output parts.

    Args:
        file: the layers and their values: what the file says, or else its runtime.
        onnx: the graph that it was made of, in float64; its outputs are in the same order.
        named: what the file is called.
        whose: the layer is.
        limit: what counts as parted, in the tolerance's unit.
        feed: name of the feed.
        deadline: of the search.
        progress: called with each value that is looked for.
    """
    bad = _bad_tensor(file, onnx, limit)
    if bad is None:
        return None
    count = 0
    expected = 2 * len(file.graph.steps)

    def tick(name: str) -> None:
        nonlocal count
        deadline.check()
        count += 1
        progress(f"looking for {name}", 0.4 + 0.4 * min(0.98, count / expected))

    found = find_lost_layer(file, onnx, bad, limit, tick)
    step = found.edge.step
    return Divergence(
        side=whose.side,
        node=step.name,
        operator=step.operator,
        output=found.edge.value,
        position=step.position,
        nodes=len(file.graph.steps),
        inputs=tuple(
            file.values.range_of(name) for name in dict.fromkeys(step.inputs) if name in file.values
        ),
        error_before=found.edge.before,
        error_after=found.edge.after,
        limit=limit,
        feed=feed,
        cuts=count,
        complete=found.edge.complete,
        sentence=_joined(_describe(found, named, limit), whose.remark),
    )


def _bad_tensor(file: Computation, onnx: Computation, limit: float) -> BadTensor | None:
    """The output that parts and has the fewest layers behind it."""
    found = [
        BadTensor(file=ours, onnx=theirs, error=error)
        for ours, theirs in zip(file.graph.outputs, onnx.graph.outputs, strict=False)
        if ours in file.values and ours in file.graph.producer
        for error in [_output_error(file, ours, onnx, theirs)]
        if error > limit
    ]
    behind = file.graph.behind
    return min(found, key=lambda item: len(behind(item.file, lambda _: False)), default=None)


def _output_error(file: Computation, ours: str, onnx: Computation, theirs: str) -> float:
    value, wanted = file.values.load(ours), onnx.values.load(theirs)
    return (
        output_error(value.reshape(wanted.shape), wanted) if value.size == wanted.size else math.inf
    )


def _describe(found: LostLayer, file: str, limit: float) -> str:
    edge, layer = found.edge, title(found.edge.step)
    if found.elsewhere:
        return (
            f"what the ONNX graph gives out is in {file} as {found.elsewhere}, and {edge.value} is "
            "given out in its place: outputs are swapped, taken from the wrong place, or changed "
            "once more"
        )
    if not edge.complete:
        return (
            f"the time was spent: the fault lies at or before {layer}, whose value the ONNX graph "
            f"does not have; give it more --seconds"
        )
    start = f"{file} leaves the ONNX graph at {layer}: "
    inputs = f"its inputs are there{_as(found)} (off by at most {figure(edge.before)})"
    if found.missing and found.onnx_step is not None and found.reader is not None:
        return (
            f"{start}{inputs}, its value is there too, but as it is before "
            f"{title(found.onnx_step)}, which is missing or another (off by {figure(edge.after)} "
            f"from that, the limit is {limit:g}), and {title(found.reader)} reads it so"
        )
    nearest = (
        "no value of its size is left"
        if math.isinf(edge.after)
        else f"the nearest is off by {figure(edge.after)}"
    )
    later = ", which it exceeds later" if edge.after <= limit else ""
    parts = [f"{start}{inputs}, its value is not ({nearest}, the limit is {limit:g}{later})"]
    if found.onnx_step is not None:
        after = " and ".join(map(title, found.followers))
        parts.append(
            f"the ONNX graph parts at {title(found.onnx_step)}"
            + (f", which {after} follows" if after else "")
        )
    if edge.value not in edge.step.outputs:
        parts.append("its value is not handed out, so the fault may be in what reads it")
    if edge.jump(found.floor) < JUMP:
        parts.append("the error grows gradually, so no single layer makes it")
    return "; ".join(parts)


def _as(found: LostLayer) -> str:
    return f" as {' and '.join(found.places)}" if found.places else ""


def _joined(sentence: str, remark: str) -> str:
    return f"{sentence}; {remark}" if remark else sentence
