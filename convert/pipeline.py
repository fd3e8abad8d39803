"""From a Paddle model to a checked file of any target, in one pipeline.

Paddle2ONNX, simplifier, ONNX's checker and a comparison with native Paddle make the proven ONNX
file; the precision step lowers it; the target makes its format of that, or of the Paddle program
itself. The result is loaded and compared with native Paddle, and only then gets its name.
"""

import math
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING

from paddleport.arguments import PADDLE_MODEL, check_type
from paddleport.convert.artifact_cache import cached_onnx
from paddleport.convert.conversion import Conversion
from paddleport.convert.embed import pixel_input
from paddleport.convert.naming import check_output
from paddleport.convert.onnx_attempt import OnnxRequest
from paddleport.convert.onnx_conversion import convert_to_onnx
from paddleport.convert.paddle2onnx.supported import DEFAULT_OPSET, check_opset
from paddleport.convert.targets import Target, TargetOptions, target_class
from paddleport.convert.tools import Tools
from paddleport.errors import UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel, resolve_with_warning
from paddleport.process import environment
from paddleport.progress import Progress, no_progress
from paddleport.runners.runner_options import Precision
from paddleport.tensors import GivenFeeds, ShapeRange, listed_feeds
from paddleport.validate.feeds.pixel_feeds import PixelInput

if TYPE_CHECKING:
    from paddleport.convert.precision.gate_inputs import GateOptions

EXPORT_TIMEOUT_S = 300.0


def convert(
    model: SourceModel | str | Path,
    output: Path | str | None = None,
    *,
    to: str = "onnx",
    precision: Precision | None = None,
    opset: int = DEFAULT_OPSET,
    weights: str = "auto",
    shapes: Mapping[str, Sequence[int] | ShapeRange] | None = None,
    allow_upgrade: bool = False,
    keep: bool = False,
    simplify: bool = True,
    embed_preprocess: bool = False,
    keep_fp32: Sequence[str] = (),
    compute_capabilities: Sequence[tuple[int, int]] = (),
    tf32: bool = False,
    lite_target: str = "",
    lite_python: str | Path = "",
    engine: str = "",
    gate: "GateOptions | None" = None,
    feed: GivenFeeds | None = None,
    explain: bool = True,
    timeout_s: float | None = None,
    tools: Tools | None = None,
    progress: Progress = no_progress,
) -> Conversion:
    """Convert a Paddle model, and give the file its name only when it is proven the same.

    Args:
        model: a zoo name, a folder, tar or file, or what ``resolve`` found.
        output: the file; by default as the target names it, in the current folder.
        to: a target's name.
        precision: of the file; by default fp32.
        opset: of the ONNX file, 7 to 21.
        weights: for a zoo name, as ``resolve`` takes it.
        shapes: input name to shape, where the model leaves it free, for the comparison and for
            targets that compile for shapes; the latter take ranges.
        allow_upgrade: accept a higher opset where the model needs one.
        keep: keep what does not pass its check, as ``NAME.differs.onnx``, ``NAME.failed.onnx``
            or ``NAME.unproven.onnx``.
        simplify: fold and fuse with onnxslim.
        embed_preprocess: take pictures as they are cropped, uint8 NHWC, and normalise them in
            the graph; ``feed`` is such a picture then, and the default name NAME.pixels.onnx.
        keep_fp32: names of the ONNX nodes that a lower precision leaves in fp32.
        compute_capabilities: of the GPUs to build for, for targets that can choose.
        tf32: whether float32 products of an engine may be rounded to TF32.
        lite_target: the device that Paddle Lite optimises for, by default arm.
        lite_python: the interpreter that has Paddle Lite; by default PADDLEPORT_LITE_PYTHON.
        engine: that a C++ bundle is built with, ``openvino`` or ``onnxruntime``.
        gate: how a lower precision is checked.
        feed: input name to tensor, or several such mappings, instead of made-up feeds.
        explain: whether a file that differs is held against float64 as well, to name the cause;
            one that is as exact as Paddle agrees then. ``validate`` does that itself.
        timeout_s: for the export, or for what the target makes, in seconds.
        tools: processes that were started earlier; they are closed at the end.
        progress: called with each step and the share done.

    Raises:
        UsageError: an option that the target does not take, or no preprocessing to embed.
        ConversionError: Paddle2ONNX, ONNX's checker or ONNX Runtime said no.
        NotProvenError: the ONNX file that another is made of is not proven to be the same model.
        BackendUnavailableError: a library or device that the target needs is not there.
        PortError: as ``resolve`` and ``make_feeds`` do, and for a file that can't be written.
    """
    _check_arguments(model, output, to, opset)
    target, options = check_options(
        to=to,
        precision=precision,
        opset=opset,
        shapes=shapes,
        allow_upgrade=allow_upgrade,
        keep=keep,
        simplify=simplify,
        embed_preprocess=embed_preprocess,
        keep_fp32=keep_fp32,
        compute_capabilities=compute_capabilities,
        tf32=tf32,
        lite_target=lite_target,
        lite_python=lite_python,
        engine=engine,
        gate=gate,
        timeout_s=timeout_s,
    )
    given = listed_feeds(feed)
    source = model if isinstance(model, SourceModel) else resolve_with_warning(model, weights)
    in_fp32 = precision in (None, "fp32")
    name = file_name(source.name, target, options, embed_preprocess=embed_preprocess)
    path = Path(output or name)
    check_output(path, target, source.model)
    concrete = {name: item.opt for name, item in options.shapes.items()}
    if to == "onnx" and in_fp32:
        export = OnnxRequest(
            opset=opset,
            allow_upgrade=allow_upgrade,
            simplify=simplify,
            timeout_s=timeout_s or EXPORT_TIMEOUT_S,
            shapes=concrete,
            feed=given,
            explain=explain,
            pixels=_pixels(source) if embed_preprocess else None,
        )
        return convert_to_onnx(source, path, export, keep, tools or Tools(), progress)
    from paddleport.convert import target_conversion  # much that the ONNX file has no use for
    from paddleport.convert.making import paddle_model

    if target.made_of == "paddle":
        made_of = paddle_model(target, source)
    else:
        made_of = cached_onnx(source, opset=opset, shapes=concrete, feed=given, progress=progress)
    options = target().check(made_of, options)
    request = target_conversion.TargetRequest(
        source=source,
        model=made_of,
        target=target,
        options=options,
        path=path,
        opset=opset,
        shapes=concrete,
        feed=given,
        keep=keep,
        timeout_s=timeout_s or target.timeout_s,
        progress=progress,
    )
    with environment(target.environ(options)):
        return target_conversion.make_and_check(request, gate, in_fp32=in_fp32)


def check_options(
    *,
    to: str,
    precision: Precision | None,
    opset: int,
    shapes: Mapping[str, Sequence[int] | ShapeRange] | None,
    allow_upgrade: bool,
    keep: bool,
    simplify: bool,
    embed_preprocess: bool,
    keep_fp32: Sequence[str],
    compute_capabilities: Sequence[tuple[int, int]],
    gate: "GateOptions | None",
    timeout_s: float | None,
    tf32: bool = False,
    lite_target: str = "",
    lite_python: str | Path = "",
    engine: str = "",
) -> tuple[type[Target], TargetOptions]:
    """Refuse what goes with no model, before one is downloaded or built.

    Args are those of ``convert``, and so is what is raised.
    """
    target = target_class(to)
    options = TargetOptions(
        precision=precision,
        keep_fp32=tuple(keep_fp32),
        shapes={name: _as_range(shape) for name, shape in (shapes or {}).items()},
        compute_capabilities=tuple(compute_capabilities),
        tf32=tf32,
        lite_target=lite_target,
        lite_python=str(lite_python),
        engine=engine,
    )
    target.check_options(options)
    check_opset(opset)
    if timeout_s is not None and not 0 < timeout_s < math.inf:
        raise UsageError(f"a timeout of {timeout_s:g} s is not possible: a number above 0")
    in_fp32 = precision in (None, "fp32")
    if in_fp32 and gate is not None:
        raise UsageError("a file in fp32 is compared with native Paddle and takes no gate")
    if to != "onnx" or not in_fp32:
        from paddleport.convert.target_conversion import check_request

        of_onnx_only = {
            "--allow-upgrade": allow_upgrade,
            "--no-simplify": not simplify,
            "--embed-preprocess": embed_preprocess,
        }
        check_request(target, options, gate, keep=keep, of_onnx_only=of_onnx_only)
    return target, options


def file_name(
    model: str, target: type[Target], options: TargetOptions, *, embed_preprocess: bool
) -> str:
    """What a converted file is called where nobody says; one with pixels stands beside the plain.

    Args:
        model: its name.
        target: what makes it.
        options: what it is asked to be.
        embed_preprocess: whether it takes pixels.
    """
    return target.file_name_with(f"{model}.pixels" if embed_preprocess else model, options)


def _check_arguments(model: object, output: object, to: object, opset: object) -> None:
    wanted = PADDLE_MODEL
    if isinstance(model, Artifact) and model.format == "paddle":
        wanted += f", such as {model.path}"
    check_type("model", model, (SourceModel, str, Path), wanted)
    check_type("output", output, (str, Path, NoneType), "a path or None")
    check_type("to", to, str, "the name of a target")
    check_type("opset", opset, Integral, "a whole number")


def _as_range(shape: Sequence[int] | ShapeRange) -> ShapeRange:
    return shape if isinstance(shape, ShapeRange) else ShapeRange.only(tuple(shape))


def _pixels(source: SourceModel) -> PixelInput:
    rules = source.preprocess
    spec = pixel_input(source.program.inputs, rules, source.preprocess_unknown)
    if rules is None:  # which is refused by now
        raise UsageError(source.preprocess_unknown)
    return PixelInput(spec, rules, rules)
