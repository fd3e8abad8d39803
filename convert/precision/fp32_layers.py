"""Which layers, kept in fp32, would make a file pass the gate: the most harmful first.

Each layer alone is lowered, and the output compared. Rounding errors of different layers are
nearly independent, so those that hurt most alone are those to keep.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray

from paddleport.convert.precision.gate_check import (
    KeptLayers,
    check_by_gate,
    reasons_of,
    verdict_of,
)
from paddleport.convert.precision.gate_inputs import GateInputs
from paddleport.convert.precision.lowering import named
from paddleport.convert.targets import TargetOptions, target_class
from paddleport.errors import PortError, UsageError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.onnx.mixed_precision.half_model import cast_to_half
from paddleport.models.onnx.onnx_file import read_onnx_proto
from paddleport.progress import Progress
from paddleport.runners import open_runner
from paddleport.runners.tasks.classification import is_softmax
from paddleport.tensors import Array, Feed
from paddleport.validate.compare.error_scale import centred_log
from paddleport.worker import run_in_worker

if TYPE_CHECKING:
    import onnx

    from paddleport.convert.making import Making

_RANKING_PICTURES = 4
_RANKING_S = 120.0
_SEARCH_S = 600.0  # no further try begins after that
_MOST = 32  # layers; nor more than half of all: little would be gained by the rest


def find_layers_to_keep(
    making: "Making",
    failed: Artifact,
    inputs: GateInputs,
    backends: Mapping[str, str],
    timeout_s: float,
    progress: Progress,
) -> KeptLayers | None:
    """Keep 1, 2, 4, ... of the layers that hurt most, until the gate is passed.

    Every try is made and checked as the failed file itself was. ``None`` where the layers cannot
    be told apart: the target leaves none in fp32, its file has no ONNX counterpart that runs
    here, or nothing runs it.
    """
    progress("find the layers that hurt", None)
    target, options = making.target, making.options
    try:
        target.check_options(replace(options, keep_fp32=("any",)))
        ranked = _ranked(making, failed, inputs, timeout_s)
    except PortError:
        return None
    began, count, tried = time.monotonic(), 1, 0
    most = min((len(ranked) + 1) // 2, _MOST)
    harm, closest = dict(ranked), ""
    path = failed.path.with_name(f"retried{target.suffix}")
    while tried < most and time.monotonic() - began < _SEARCH_S:
        tried = min(count, most)
        layers = (*options.keep_fp32, *(name for name, _ in ranked[:tried]))
        progress(f"try with {tried} of {len(ranked)} layers in fp32", None)
        retried = replace(making, options=replace(options, keep_fp32=layers))
        try:
            file, _ = retried.run(path, timeout_s)
        except UsageError:  # the target's own file has no such layer
            return None
        rows, _ = check_by_gate(file, inputs, backends, options.precision or "fp32")
        if verdict_of(rows) == "passed":
            return KeptLayers(layers=layers, tried=tried, of=len(ranked), closest="", harm=harm)
        closest = reasons_of(rows)
        count *= 2
    return KeptLayers(layers=(), tried=tried, of=len(ranked), closest=closest, harm=harm)


def _ranked(
    making: "Making", failed: Artifact, inputs: GateInputs, timeout_s: float
) -> list[tuple[str, float]]:
    lowered = failed.path
    if failed.format != "onnx":
        counterpart = replace(making, target=target_class("onnx"))
        lowered = counterpart.run(failed.path.with_name("counterpart.onnx"), timeout_s)[0].path
    feeds = inputs.gate.feeds(*inputs.inputs)
    some = feeds[:: max(1, len(feeds) // _RANKING_PICTURES)][:_RANKING_PICTURES]
    folder: Path = failed.path.parent
    return run_in_worker(
        rank_layers,
        timeout_s,
        making.onnx.path,
        lowered,
        folder,
        making.options,
        some,
        _RANKING_S,
    )


def rank_layers(
    fp32: Path,
    lowered: Path,
    folder: Path,
    options: TargetOptions,
    feeds: Sequence[Feed],
    at_most_s: float,
) -> list[tuple[str, float]]:
    """The layers of a lowered ONNX file by the harm that each does alone, the worst first.

    Args:
        fp32: the file that it was made of.
        lowered: it.
        folder: for files between.
        options: what it was made with.
        feeds: what is run.
        at_most_s: when to stop; layers that were not reached are left out.

    Returns:
        Names of nodes, and the root mean square change of the outputs, for softmax outputs of
        their log-probabilities.
    """
    proto = named(read_onnx_proto(fp32))
    alone = _half_alone if options.precision in ("fp16", "bf16") else _quantized_alone
    file, deadline = folder / "alone.onnx", time.monotonic() + at_most_s
    file.write_bytes(proto.SerializeToString())
    exact = _outputs(file, feeds)
    found = []
    for name, make in alone(proto, read_onnx_proto(lowered), options):
        if time.monotonic() > deadline:
            break
        file.write_bytes(make().SerializeToString())
        changes = [
            _values(one) - _values(other)
            for one, other in zip(_outputs(file, feeds), exact, strict=True)
        ]
        square = np.mean([np.mean(change**2) if change.size else 0.0 for change in changes])
        found.append((name, float(np.sqrt(square))))
    return sorted(found, key=lambda item: -item[1])


_Alone = Iterator[tuple[str, Callable[[], "onnx.ModelProto"]]]


def _outputs(file: Path, feeds: Sequence[Feed]) -> list[Array]:
    with open_runner("onnxruntime", onnx_artifact(file)) as runner:
        return [tensor for feed in feeds for tensor in runner.run(feed).values()]


def _values(tensor: Array) -> NDArray[np.float64]:
    exact = tensor.astype(np.float64)
    return centred_log(exact) if is_softmax(tensor) else exact


def _half_alone(
    proto: "onnx.ModelProto", lowered: "onnx.ModelProto", options: TargetOptions
) -> _Alone:
    names = [node.name for node in proto.graph.node]
    precision = cast(Literal["fp16", "bf16"], options.precision)
    for name in names:
        if name not in options.keep_fp32:
            others = [other for other in names if other != name]
            yield name, partial(_half, proto, precision, others)


def _half(
    proto: "onnx.ModelProto", precision: Literal["fp16", "bf16"], keep: list[str]
) -> "onnx.ModelProto":
    return cast_to_half(proto, precision, keep=keep).proto


def _quantized_alone(
    proto: "onnx.ModelProto", lowered: "onnx.ModelProto", options: TargetOptions
) -> _Alone:
    """Nodes that are fed by DequantizeLinear, one at a time amid the float32 graph."""
    made = {node.output[0]: node for node in lowered.graph.node}
    quantized = {node.name: node for node in lowered.graph.node}
    stored = {tensor.name: tensor for tensor in lowered.graph.initializer}
    for index, node in enumerate(proto.graph.node):
        quantized_node = quantized.get(node.name)
        if quantized_node is None or len(quantized_node.input) != len(node.input):
            continue
        fed = {
            place: made[name]
            for place, name in enumerate(quantized_node.input)
            if name in made and made[name].op_type == "DequantizeLinear"
        }
        if fed:
            yield node.name, partial(_spliced, proto, index, fed, made, stored)


def _spliced(
    proto: "onnx.ModelProto",
    index: int,
    fed: dict[int, "onnx.NodeProto"],
    made: dict[str, "onnx.NodeProto"],
    stored: dict[str, "onnx.TensorProto"],
) -> "onnx.ModelProto":
    """The float32 graph with one node's inputs quantised as ``fed`` says, by input's place."""
    import onnx

    spliced = onnx.ModelProto()
    spliced.CopyFrom(proto)
    node = spliced.graph.node[index]
    added: list[onnx.NodeProto] = []
    for place, dequantize in fed.items():
        chain = [dequantize]
        if dequantize.input[0] in made:
            chain.insert(0, made[dequantize.input[0]])
        value = node.input[place]
        for part in chain:
            copied = onnx.NodeProto()
            copied.CopyFrom(part)
            if part is not dequantize or len(chain) > 1:
                copied.input[0] = value
            value = f"paddleport.alone.{place}.{len(added)}"
            copied.name = copied.output[0] = value
            added.append(copied)
        node.input[place] = value
    present = {tensor.name for tensor in proto.graph.initializer}
    needed = {name for part in added for name in part.input if name in stored} - present
    spliced.graph.initializer.extend(stored[name] for name in sorted(needed))
    for part in reversed(added):
        spliced.graph.node.insert(index, part)
    return spliced
