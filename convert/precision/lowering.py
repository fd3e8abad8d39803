"""The precision step: an ONNX file cast by us, or quantised by NNCF."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleport.convert.targets.base import TargetOptions
from paddleport.errors import BackendUnavailableError, ConversionError, UsageError, unknown_name
from paddleport.models.onnx.mixed_precision.half_model import cast_to_half
from paddleport.models.onnx.onnx_file import onnx_opset, read_onnx_proto
from paddleport.runners.vendor_message import one_line
from paddleport.telemetry import openvino_telemetry_hidden
from paddleport.tensors import Feed

if TYPE_CHECKING:
    import onnx

# Symmetric ranges: with a zero point OpenVINO is no faster than in fp32. One per tensor by
# default: with one per channel ONNX Runtime computes a depthwise convolution in fp32 between two
# conversions, and TensorRT takes none; OpenVINO is as fast, and more exact.
PRESET = "performance"
_LOWEST_OPSET = 13  # the first whose Q/DQ nodes have a scale for every channel
_NO_NNCF = "nncf is not installed: pip install 'paddleport[quantize]'"


@dataclass(frozen=True, kw_only=True)
class PrecisionChange:
    """What lowering an ONNX file's precision came to.

    Attributes:
        kept_fp32: nodes that were left in fp32 without being asked for, and why.
        tools: versions of what had a say in it.
        settings: of the quantisation.
    """

    kept_fp32: Mapping[str, str]
    tools: Mapping[str, str]
    settings: Mapping[str, Any]


def lower_onnx(
    onnx_file: Path, path: Path, options: TargetOptions, calibration: Sequence[Feed]
) -> PrecisionChange:
    """Write a float32 ONNX file in another precision as ``path``; runs inside a worker.

    fp16 and bf16 are cast by us, int8 is quantised by NNCF.

    Args:
        onnx_file: float32.
        path: the file to write.
        options: the precision, and what stays in fp32; fp32 only names the nodes.
        calibration: feeds that int8 takes its ranges from.

    Raises:
        BackendUnavailableError: NNCF is not installed.
        ConversionError: NNCF does not take the model.
        UsageError: a node to keep that is not there.
    """
    proto = named_nodes(onnx_file, options)
    kept: Mapping[str, str] = {}
    tools, settings = {}, {}
    if options.precision == "int8":
        tools = {"nncf": nncf_version()}
        settings = int8_settings(options, calibration)
        with openvino_telemetry_hidden():
            proto = quantized(proto, list(calibration), options)
    elif options.precision in ("fp16", "bf16"):
        half = cast_to_half(proto, options.precision, keep=options.keep_fp32)
        proto, kept = half.proto, dict(half.kept)
    path.write_bytes(proto.SerializeToString(deterministic=True))
    return PrecisionChange(kept_fp32=kept, tools=tools, settings=settings)


def int8_settings(options: TargetOptions, calibration: Sequence[Feed]) -> dict[str, Any]:
    """What NNCF is given, for the provenance."""
    return {
        "preset": PRESET,
        "activations": f"one range per {options.activation_ranges}",
        "fast_bias_correction": True,
        "subset_size": len(calibration),
    }


def named_nodes(onnx_file: Path, options: TargetOptions) -> "onnx.ModelProto":
    """A file with a name for every node, in which the nodes to keep were found.

    Raises:
        UsageError: a node to keep that is not there, or an opset too low for int8.
    """
    proto = named(read_onnx_proto(onnx_file))
    nodes = {node.name for node in proto.graph.node}
    for name in options.keep_fp32:
        if name not in nodes:
            raise UsageError(unknown_name("layer", name, nodes))
    if options.precision == "int8" and onnx_opset(onnx_file) < _LOWEST_OPSET:
        raise UsageError(f"int8 takes opset {_LOWEST_OPSET} or higher: --opset 17")
    return proto


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


def quantized(model: Any, calibration: list[Any], options: TargetOptions) -> Any:
    """By NNCF, which takes an ONNX proto or an OpenVINO model and gives the same kind."""
    nncf = imported("nncf", _NO_NNCF)
    parameters = importlib.import_module("nncf.quantization.advanced_parameters")
    per_tensor = parameters.QuantizationParameters(per_channel=False)
    ranges = None if options.activation_ranges == "channel" else per_tensor
    keep = list(options.keep_fp32)
    try:
        return nncf.quantize(
            model,
            nncf.Dataset(calibration),
            preset=nncf.QuantizationPreset(PRESET),
            subset_size=len(calibration),
            fast_bias_correction=True,
            advanced_parameters=parameters.AdvancedQuantizationParameters(
                activations_quantization_params=ranges
            ),
            ignored_scope=nncf.IgnoredScope(names=keep, validate=False) if keep else None,
        )
    except Exception as error:  # NNCF raises whatever its passes meet
        raise ConversionError(f"NNCF does not quantise this model: {one_line(error)}") from error


def imported(name: str, otherwise: str) -> Any:
    """Import a vendor library, or say ``otherwise`` as a BackendUnavailableError."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise BackendUnavailableError(otherwise) from None


def nncf_version() -> str:
    """The version of NNCF.

    Raises:
        BackendUnavailableError: it is not installed.
    """
    try:
        return version("nncf")
    except PackageNotFoundError:
        raise BackendUnavailableError(_NO_NNCF) from None
