"""``paddleport convert``: Paddle to ONNX, in any precision, and on to every target."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from paddleport.cli import feed_files, options
from paddleport.cli.console import (
    print_error,
    print_json,
    print_warning,
    progress_bar,
)
from paddleport.errors import UsageError


def convert(
    model: options.ModelArgument = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Default: NAME.onnx, NAME.pixels.onnx, NAME.PRECISION.onnx (or .xml), "
            "NAME.TARGET.engine",
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="TARGET",
            help="onnx, openvino, tensorrt, tensorrt-rtx or a plug-in's: made of the ONNX file "
            "once that is proven; tensorrt-rtx needs no GPU for it.",
        ),
    ] = "onnx",
    opset: options.OpsetOption = 17,
    weights: options.WeightsOption = "auto",
    program: options.ProgramOption = None,
    params: options.ParamsOption = None,
    allow_upgrade: Annotated[
        bool, typer.Option("--allow-upgrade", help="Accept a higher opset where one is needed.")
    ] = False,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Keep what does not agree, as NAME.differs.onnx, .failed or .unproven."
        ),
    ] = False,
    no_simplify: Annotated[
        bool, typer.Option("--no-simplify", help="Do not fold and fuse with onnxslim.")
    ] = False,
    embed_preprocess: Annotated[
        bool,
        typer.Option(
            "--embed-preprocess",
            help="Take pictures as they are cropped, uint8 NHWC, and normalise in the graph.",
        ),
    ] = False,
    precision: options.PrecisionOption = None,
    labelled: Annotated[
        Path | None,
        typer.Option(
            "--labelled",
            metavar="DATA",
            help="Pictures to check a lower precision on: a folder a class, val_list.txt, a CSV, "
            "or shards (.tar, .parquet).",
        ),
    ] = None,
    class_map: options.ClassMapOption = None,
    images: Annotated[
        list[Path] | None,
        typer.Option("--images", metavar="DIR", help="The same without labels; repeatable."),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option("--calibrate", metavar="DIR", help="Pictures that int8 takes ranges from."),
    ] = None,
    keep_fp32: Annotated[
        str | None,
        typer.Option("--keep-fp32", metavar="NAME,...", help="Layers that are not lowered."),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            "-b",
            help="Backends that check a lower precision; by default all; repeatable.",
        ),
    ] = None,
    capability: options.CapabilityOption = None,
    shape: options.ShapeOption = None,
    feed: feed_files.FeedOption = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            help="Seconds for the export, or for the engine.",
            show_default="300, engine 3600",
        ),
    ] = None,
    json: options.JsonOption = False,
) -> None:
    """Convert a Paddle model to ONNX, and compare the two before the file gets its name.

    [bold]paddleport convert MobileNetV2 --opset 11[/]

    [bold]paddleport convert MobileNetV2 --precision int8 --labelled DIR --calibrate DIR[/]

    [bold]paddleport convert MobileNetV2 --to tensorrt-rtx --compute-capability 8.9[/]
    """
    lower = precision not in (None, "fp32")
    checking = {
        "--labelled": labelled,
        "--class-map": class_map,
        "--images": images,
        "--calibrate": calibrate,
        "--keep-fp32": keep_fp32,
        "--backend": backend,
    }
    for option, value in checking.items():
        if value and not lower:
            raise UsageError(f"{option} is of a lower precision: --precision fp16, bf16 or int8")
    from paddleport.convert.tools import Tools

    exports_now = to == "onnx" and not lower  # else Paddle2ONNX may have run long ago
    with Tools() if exports_now else nullcontext() as tools, progress_bar() as progress:
        from paddleport.convert.pipeline import convert as convert_model
        from paddleport.convert.precision.gate_inputs import GateOptions
        from paddleport.models.resolve import resolve

        source = resolve(model, weights=weights, program=program, params=params, progress=progress)
        done = convert_model(
            source,
            output,
            to=to,
            precision=options.precision_from(precision),
            opset=opset,
            shapes=options.ranges_from(shape),
            allow_upgrade=allow_upgrade,
            keep=keep,
            simplify=not no_simplify,
            embed_preprocess=embed_preprocess,
            keep_fp32=[name.strip() for name in (keep_fp32 or "").split(",") if name.strip()],
            compute_capabilities=options.capabilities_from(capability),
            gate=GateOptions(
                labelled=labelled,
                class_map=class_map,
                images=images or (),
                calibrate=calibrate,
                backends=backend or (),
                feed=feed_files.feeds_from(feed),
            )
            if lower
            else None,
            feed=() if lower else feed_files.feeds_from(feed),
            timeout_s=timeout,
            tools=tools,
            progress=progress,
        )
    if source.warning:
        print_warning(source.warning)
    if json:
        print_json(done.to_dict())
    else:
        from paddleport.cli.conversion_report import print_conversion

        print_conversion(done)
    if done.gate is not None and done.gate.tolerance:
        print_warning(f"validate will call it different: {done.gate.tolerance}")
    if done.explanation:
        print_error(done.explanation)
        raise typer.Exit(1 if done.verdict in ("differs", "failed") else 2)
