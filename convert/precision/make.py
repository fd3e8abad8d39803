"""Makes the candidate: cast by us, quantised by NNCF, saved by OpenVINO; runs inside a worker."""

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleport.convert.precision.wanted import Wanted
from paddleport.errors import BackendUnavailableError, ConversionError, UsageError, unknown_name
from paddleport.models.onnx.mixed_precision.cast import cast_to_half
from paddleport.models.onnx.onnx_file import onnx_opset, read_onnx_proto
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Feed

if TYPE_CHECKING:
    import onnx

# Symmetric ranges: with a zero point OpenVINO is no faster than in fp32. One a tensor by default:
# with one a channel ONNX Runtime computes a depthwise convolution in fp32 between two conversions,
# and TensorRT takes none; OpenVINO is as fast, and more exact.
PRESET = "performance"
_LOWEST_OPSET = 13  # the first whose Q/DQ nodes have a scale for every channel
_TELEMETRY = "openvino_telemetry"
_NO_NNCF = "nncf is not installed: pip install 'paddleport[quantize]'"


@dataclass(frozen=True)
class Made:
    """What was written.

    Attributes:
        kept: nodes that the conversion itself left in fp32, and why.
        tools: versions of what had a say in it.
        settings: of the quantisation.
    """

    kept: Mapping[str, str]
    tools: Mapping[str, str]
    settings: Mapping[str, Any]


def make_candidate(
    onnx_file: Path, target: Path, wanted: Wanted, calibration: Sequence[Feed]
) -> Made:
    """Write ``onnx_file`` in another precision as ``target``.

    Args:
        onnx_file: float32.
        target: .onnx, or .xml with its .bin beside it.
        wanted: what to make.
        calibration: feeds for int8.

    Raises:
        BackendUnavailableError: NNCF or OpenVINO is not installed.
        ConversionError: NNCF does not take the model.
        UsageError: a node to keep that is not there.
    """
    proto = named(read_onnx_proto(onnx_file))
    nodes = {node.name for node in proto.graph.node}
    for name in wanted.keep:
        if name not in nodes:
            raise UsageError(unknown_name("layer", name, nodes))
    kept: Mapping[str, str] = {}
    tools, settings = {}, {}
    if wanted.precision == "int8":
        if onnx_opset(onnx_file) < _LOWEST_OPSET:
            raise UsageError(f"int8 takes opset {_LOWEST_OPSET} or higher: --opset 17")
        tools = {"nncf": _version("nncf")}
        settings = {
            "preset": PRESET,
            "activations": f"one range a {wanted.ranges}",
            "fast_bias_correction": True,
            "subset_size": len(calibration),
        }
    elif wanted.precision in ("fp16", "bf16") and wanted.format == "onnx":
        half = cast_to_half(proto, wanted.precision, keep=wanted.keep)
        proto, kept = half.proto, dict(half.kept)
    with _no_telemetry():
        if wanted.format == "openvino":
            tools["openvino"] = _version("openvino")
            _save_ir(proto, target, wanted, calibration)
            return Made(kept, tools, settings)
        if wanted.precision == "int8":
            proto = _quantized(proto, list(calibration), wanted)
    target.write_bytes(proto.SerializeToString(deterministic=True))
    return Made(kept, tools, settings)


def named(proto: "onnx.ModelProto") -> "onnx.ModelProto":
    """``proto`` with a name for every node: NNCF, and who wants a layer kept, go by names."""
    taken = {node.name for node in proto.graph.node}
    for index, node in enumerate(proto.graph.node):
        if not node.name:
            name = f"{node.op_type}.{index}"
            while name in taken:
                name += "_"
            node.name = name
            taken.add(name)
    return proto


def _save_ir(
    proto: "onnx.ModelProto", target: Path, wanted: Wanted, calibration: Sequence[Feed]
) -> None:
    if wanted.precision == "bf16":
        raise UsageError(
            "OpenVINO's IR is not stored in bf16: write it in fp32 and run it with --precision bf16"
        )
    if wanted.keep and wanted.precision != "int8":
        raise UsageError("--keep-fp32 is of int8 and of ONNX files: OpenVINO's IR has no use of it")
    openvino = _imported("openvino", "openvino is not installed: pip install 'paddleport[cpu]'")
    beside = target.with_suffix(".source.onnx")
    beside.write_bytes(proto.SerializeToString())
    try:
        model = openvino.Core().read_model(str(beside))
        if wanted.precision == "int8":
            model = _quantized(model, [list(feed.values()) for feed in calibration], wanted)
        openvino.save_model(model, str(target), compress_to_fp16=wanted.precision == "fp16")
    finally:
        beside.unlink()


def _quantized(model: Any, calibration: list[Any], wanted: Wanted) -> Any:
    """By NNCF, which takes an ONNX proto or an OpenVINO model and gives the same kind."""
    nncf = _imported("nncf", _NO_NNCF)
    parameters = importlib.import_module("nncf.quantization.advanced_parameters")
    per_tensor = parameters.QuantizationParameters(per_channel=False)
    keep = list(wanted.keep)
    try:
        return nncf.quantize(
            model,
            nncf.Dataset(calibration),
            preset=nncf.QuantizationPreset(PRESET),
            subset_size=len(calibration),
            fast_bias_correction=True,
            advanced_parameters=parameters.AdvancedQuantizationParameters(
                activations_quantization_params=None if wanted.ranges == "channel" else per_tensor
            ),
            ignored_scope=nncf.IgnoredScope(names=keep, validate=False) if keep else None,
        )
    except Exception as error:  # NNCF raises whatever its passes meet
        raise ConversionError(f"NNCF does not quantise this model: {one_line(error)}") from error


def _imported(name: str, otherwise: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise BackendUnavailableError(otherwise) from None


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Intel's libraries, imported inside, find no telemetry, which reports and writes files."""
    if _TELEMETRY in sys.modules:
        yield
        return
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # how an import is refused
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]


def nncf_version() -> str:
    """The version of NNCF.

    Raises:
        BackendUnavailableError: it is not installed.
    """
    return _version("nncf")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        raise BackendUnavailableError(
            _NO_NNCF if name == "nncf" else f"{name} is not installed: pip install {name}"
        ) from None
