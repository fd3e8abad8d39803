"""MNN's full quantisation: 8-bit weights and activations, calibrated with tensors of ours."""

import importlib
import json
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddleport.convert.precision.lowering import named_nodes
from paddleport.convert.targets.base import TargetOptions
from paddleport.errors import ConversionError, UsageError
from paddleport.models.mnn.flat_table import DamagedBufferError
from paddleport.models.mnn.mnn_file import MnnGraph, MnnOp, read_mnn
from paddleport.models.mnn.scale_removal import without_scales
from paddleport.tensors import Feed

CONVOLUTIONS = ("Convolution", "ConvolutionDepthwise")  # what MNN's quantiser gives scales to
_BOUNDARIES = (*CONVOLUTIONS, "BinaryOp")  # take floats and give integers, or the reverse
_SETTINGS: Mapping[str, Any] = {
    "feature_quantize_method": "KL",  # EMA loses the outputs' names
    "weight_quantize_method": "MAX_ABS",
    "feature_clamp_value": 127,
    "weight_clamp_value": 127,
    "quant_bits": 8,
    "batch_size": 1,
    "input_type": "sequence",  # tensors as they are; pictures would be normalised by the tool
    "debug": False,
}
_MOVES = ("ConvertTensor", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Permute", "Concat")
_MAX_POOL = "MNN's 8-bit max pooling gives wrong numbers on x86"
_OUTPUT = "what the file gives is not rounded to 8 bits"


@dataclass(frozen=True)
class MnnQuantization:
    """What a quantisation came to.

    Attributes:
        settings: of MNN's quantiser.
        kept_fp32: layers that it left in fp32 without being asked to, and why.
    """

    settings: Mapping[str, Any]
    kept_fp32: Mapping[str, str]


@dataclass(frozen=True)
class _FloatPart:
    """Operators that stay in floats, and tensors that get no scale."""

    ops: Collection[str]
    tensors: Collection[str]


def quantize_mnn(
    source: Path, out: Path, onnx_file: Path, feeds: Sequence[Feed], options: TargetOptions
) -> MnnQuantization:
    """Write an fp32 .mnn as int8; runs inside a worker, whose prints go to its log.

    Args:
        source: the fp32 file that MNN's converter has made of ``onnx_file``.
        out: the file to write.
        onnx_file: says which nodes ``options.keep_fp32`` means.
        feeds: MNN takes the ranges of its activations from them.
        options: ``keep_fp32``.

    Raises:
        ConversionError: MNN quantised nothing, or wrote no file.
        UsageError: a layer to keep that the file doesn't have, or an input that is not float32.
    """
    graph = read_mnn(source)
    asked = _kept(graph, onnx_file, options)
    kept = {op.name: _MAX_POOL for op in graph.ops if _is_max_pool(op)}
    kept |= {
        op.name: _OUTPUT
        for op in graph.ops
        if set(op.outputs) & set(graph.outputs) and op.type not in (*CONVOLUTIONS, *_MOVES)
    }
    floats = _float_part(graph, {*asked, *kept})
    settings = {**_SETTINGS, "used_sample_num": len(feeds), "skip_quant_op_names": [*floats.ops]}
    _run(source, out, graph, feeds, settings)
    try:
        out.write_bytes(without_scales(out.read_bytes(), floats.tensors))
    except (DamagedBufferError, IndexError) as error:  # MNN does not look whether it could write
        raise ConversionError(
            f"MNN's quantiser wrote half a file ({error}): is the disk full?"
        ) from error
    _check(out, floats)
    return MnnQuantization(settings, {name: why for name, why in kept.items() if name not in asked})


def _kept(graph: MnnGraph, onnx_file: Path, options: TargetOptions) -> list[str]:
    """MNN's names of the operators that ONNX's nodes have become."""
    if not options.keep_fp32:
        return []
    nodes = {node.name: set(node.output) for node in named_nodes(onnx_file, options).graph.node}
    found = []
    for name in options.keep_fp32:
        ops = [op.name for op in graph.ops if nodes[name] & {op.name, *op.outputs}]
        if not ops:
            raise UsageError(
                f"{name} is no layer of its own in MNN's file: keep the one before or after it"
            )
        found += ops
    return found


def _is_max_pool(op: MnnOp) -> bool:
    return op.type == "Pooling" and op.parameters.get("type") == "MAXPOOL"


def _float_part(graph: MnnGraph, seeds: Collection[str]) -> _FloatPart:
    """What has to stay in floats for some operators to do so.

    A convolution or an addition turns integers into floats and back by itself. Anything else
    computes in 8 bits as soon as its input has a scale: what lies between those stays in floats as
    a whole, and so do they.
    """
    ops = {op.name for op in graph.ops if op.name in seeds}
    between = [op for op in graph.ops if op.type not in _BOUNDARIES]
    tensors = {name for op in between if op.name in ops for name in _between(op, graph)}
    while True:
        reached = [op for op in graph.ops if tensors & {*op.inputs, *op.outputs}]
        ops |= {op.name for op in reached}
        grown = tensors | {name for op in reached if op in between for name in _between(op, graph)}
        if grown == tensors:
            return _FloatPart(sorted(ops), tensors)
        tensors = grown


def _between(op: MnnOp, graph: MnnGraph) -> set[str]:
    """The tensors around an operator, but what only says that the graph begins or ends here."""
    if set(op.outputs) & set(graph.outputs) and op.type not in _MOVES:
        return set(op.outputs)
    return {*op.inputs, *op.outputs}


def _run(
    source: Path, out: Path, graph: MnnGraph, feeds: Sequence[Feed], settings: Mapping[str, Any]
) -> None:
    tools: Any = importlib.import_module("_tools")  # of MNN's wheel, beside the package
    with tempfile.TemporaryDirectory() as folder:
        _write_feeds(Path(folder, "feeds"), feeds, graph.outputs)
        config = Path(folder, "quantisation.json")
        config.write_text(json.dumps({**settings, "path": f"{Path(folder, 'feeds')}/"}))
        done = tools.mnnquant(["mnnquant", str(source), str(out), str(config)])
    if not done or not out.is_file():
        raise ConversionError("MNN's quantiser does not take this model")


def _write_feeds(folder: Path, feeds: Sequence[Feed], outputs: Sequence[str]) -> None:
    """As the quantiser reads them: a folder each, a text file for each input."""
    for index, feed in enumerate(feeds):
        place = folder / str(index)
        place.mkdir(parents=True)
        for name, item in feed.items():
            if Path(name).name != name:
                raise ConversionError(f"MNN's quantiser can't be fed an input called {name}")
            if item.dtype != np.float32:
                raise UsageError(
                    f"MNN's quantiser takes float32 inputs, and {name} is {item.dtype}: convert "
                    "without --precision int8"
                )
            # nine digits are a float32 exactly
            np.savetxt(place / f"{name}.txt", item.ravel(), fmt="%.9g")
        inputs = [{"name": name, "shape": list(item.shape)} for name, item in feed.items()]
        (place / "input.json").write_text(json.dumps({"inputs": inputs, "outputs": [*outputs]}))


def _check(out: Path, floats: _FloatPart) -> None:
    """Hold the file against what was asked for."""
    graph = read_mnn(out)
    missing = [
        op.name
        for op in graph.ops
        if op.type in CONVOLUTIONS
        and op.name not in floats.ops
        and not _usable(graph.scales.get(op.outputs[0]))
    ]
    if missing:
        raise ConversionError(f"MNN's quantiser left {', '.join(missing[:3])} without a scale")
    if not any(op.type in CONVOLUTIONS and op.name not in floats.ops for op in graph.ops):
        raise ConversionError(
            "nothing of this model can be computed in 8 bits by MNN: it quantises convolutions"
        )


def _usable(scale: Mapping[str, Any] | None) -> bool:
    return scale is not None and bool(np.isfinite(scale["scale"])) and scale["scale"] > 0
