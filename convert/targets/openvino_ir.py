"""OpenVINO's IR, written by OpenVINO out of an ONNX file."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

from paddleport.convert.precision.lowering import (
    imported,
    int8_settings,
    named_nodes,
    nncf_version,
    quantized,
)
from paddleport.convert.targets.base import MadeFile, Target, TargetOptions
from paddleport.errors import BackendUnavailableError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.runners.runner_options import Precision
from paddleport.telemetry import openvino_telemetry_hidden
from paddleport.tensors import Feed

_INSTALL = "openvino is not installed: pip install 'paddleport[cpu]'"


class OpenVinoTarget(Target):
    """An .xml with its .bin; fp16 by OpenVINO's compression, int8 by NNCF on OpenVINO's graph."""

    name: ClassVar[str] = "openvino"
    format: ClassVar[str] = "openvino"
    suffix: ClassVar[str] = ".xml"
    fixed_suffix: ClassVar[bool] = True
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "fp16", "int8")
    lowers: ClassVar[tuple[Precision, ...]] = ("fp16", "int8")
    distributions: ClassVar[tuple[str, ...]] = ("openvino", "nncf")
    parts: ClassVar[tuple[str, ...]] = ("paddleport.convert.precision.lowering",)

    @classmethod
    def file_name(cls, model: str, precision: Precision) -> str:
        """With the precision, fp32 too: an .xml does not show it."""
        return f"{model}.{precision}{cls.suffix}"

    @classmethod
    def check_options(cls, options: TargetOptions) -> None:
        """As every target's; bf16 is no precision of a file here, and fp16 keeps no layers."""
        if options.precision == "bf16":
            raise UsageError(
                "OpenVINO's IR is not stored in bf16: write it in fp32 and run it with "
                "--precision bf16"
            )
        if options.keep_fp32 and options.precision != "int8":
            raise UsageError(
                "--keep-fp32 is of int8 and of ONNX files: OpenVINO's IR has no use of it"
            )
        super().check_options(options)

    @classmethod
    def check_here(cls, options: TargetOptions) -> None:
        """OpenVINO, and NNCF for int8."""
        _version()
        if options.precision == "int8":
            nncf_version()

    def make(
        self, onnx: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        """Read the ONNX file, quantise it if asked to, and save it."""
        proto = named_nodes(onnx.path, options)
        tools, settings = {"openvino": _version()}, {}
        if options.precision == "int8":
            tools["nncf"] = nncf_version()
            settings = int8_settings(options, calibration)
        named_file = path.with_suffix(".source.onnx")
        named_file.write_bytes(proto.SerializeToString())
        with openvino_telemetry_hidden():
            openvino = imported("openvino", _INSTALL)
            try:
                model: Any = openvino.Core().read_model(str(named_file))
                if options.precision == "int8":
                    feeds = [list(feed.values()) for feed in calibration]
                    model = quantized(model, feeds, options)
                half = options.precision == "fp16"
                openvino.save_model(model, str(path), compress_to_fp16=half)
            finally:
                named_file.unlink()
        return MadeFile(files=(path, path.with_suffix(".bin")), tools=tools, settings=settings)


def _version() -> str:
    try:
        return version("openvino")
    except PackageNotFoundError:
        raise BackendUnavailableError(_INSTALL) from None
