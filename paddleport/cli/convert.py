"""``paddleport convert``: Paddle to ONNX, in any precision, and on to engines."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddleport.cli import options
from paddleport.cli.console import (
    print_error,
    print_json,
    print_warning,
    progress_bar,
    stdout,
    verdict_text,
)
from paddleport.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from paddleport.convert.pipeline import Conversion

_TARGETS = ("onnx", "openvino", "tensorrt", "tensorrt-rtx")


def convert(
    model: options.ModelArgument = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Default: NAME.onnx, NAME.PRECISION.onnx|xml, or NAME.BACKEND.engine",
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="onnx|openvino|tensorrt|tensorrt-rtx",
            help="An engine, or OpenVINO's IR, is made of the ONNX file once that is proven; "
            "tensorrt-rtx needs no GPU for it.",
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
    simplify: Annotated[
        bool, typer.Option("--simplify/--no-simplify", help="Fold and fuse with onnxslim.")
    ] = True,
    precision: options.PrecisionOption = None,
    labelled: Annotated[
        Path | None,
        typer.Option(
            "--labelled",
            metavar="DIR",
            help="Pictures that a lower precision is judged on: val_list.txt, or a folder a class.",
        ),
    ] = None,
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
            "--backend", "-b", help="Who judges a lower precision; by default all; repeatable."
        ),
    ] = None,
    capability: options.CapabilityOption = None,
    shape: options.ShapeOption = None,
    feed: options.FeedOption = None,
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
    if to not in _TARGETS:
        raise UsageError(unknown_name("target", to, _TARGETS))
    lowered = to == "openvino" or (to == "onnx" and precision not in (None, "fp32"))
    judging = {
        "--labelled": labelled,
        "--images": images,
        "--calibrate": calibrate,
        "--keep-fp32": keep_fp32,
        "--backend": backend,
    }
    for option, value in judging.items():
        if value and not lowered:
            raise UsageError(f"{option} is of a lower precision: --precision fp16, bf16 or int8")
    if capability and to in ("onnx", "openvino"):
        raise UsageError("--compute-capability is of engines: --to tensorrt-rtx")
    if lowered:
        from paddleport.cli.precision import convert_to_precision

        if allow_upgrade or not simplify or feed:
            raise UsageError(
                "--allow-upgrade, --no-simplify and --feed are of ONNX files in fp32, and a lower "
                "precision is judged on pictures: leave them out"
            )
        return convert_to_precision(
            model,
            output,
            to,
            precision=options.precision_from(precision) or "fp32",
            opset=opset,
            weights=weights,
            program=program,
            params=params,
            shapes=options.shapes_from(shape),
            labelled=labelled,
            images=images or (),
            calibrate=calibrate,
            keep_fp32=keep_fp32,
            backends=backend or (),
            keep=keep,
            timeout_s=timeout,
            json=json,
        )
    if to != "onnx":
        from paddleport.cli.engine import convert_to_engine

        if allow_upgrade or keep or not simplify:
            raise UsageError(
                "--allow-upgrade, --keep and --no-simplify are of ONNX files, and --to "
                f"{to} builds an engine: convert to ONNX first to use them"
            )
        return convert_to_engine(
            model,
            output,
            to,
            opset=opset,
            weights=weights,
            program=program,
            params=params,
            precision=options.precision_from(precision),
            capabilities=options.capabilities_from(capability),
            ranges=options.ranges_from(shape),
            feed=options.feed_from(feed),
            timeout_s=timeout,
            json=json,
        )
    from paddleport.convert.tools import Tools

    with Tools() as tools, progress_bar() as progress:
        from paddleport.convert.pipeline import DEFAULT_TIMEOUT_S, to_onnx
        from paddleport.models.resolve import resolve

        source = resolve(model, weights=weights, program=program, params=params, progress=progress)
        done = to_onnx(
            source,
            output,
            opset=opset,
            allow_upgrade=allow_upgrade,
            keep=keep,
            simplify=simplify,
            shapes=options.shapes_from(shape),
            feed=options.feed_from(feed),
            timeout_s=timeout or DEFAULT_TIMEOUT_S,
            tools=tools,
            progress=progress,
        )
    if source.warning:
        print_warning(source.warning)
    if json:
        print_json(_as_dict(done))
    else:
        _print(done)
    if done.explanation:
        print_error(done.explanation)
        raise typer.Exit(1 if done.verdict == "differs" else 2)


def _print(done: "Conversion") -> None:
    console = stdout()
    where = done.path or "no file written"
    console.print(f"[bold]{where}[/]  opset {done.opset} · {done.size_bytes / 1e6:.1f} MB")
    console.print(
        f"  weights    {done.source.weights_title}: {done.source.weights_from}\n"
        f"  nodes      {done.nodes_before} from Paddle2ONNX, {done.nodes} simplified"
        + (f" ({done.not_simplified})" if done.not_simplified else "")
    )
    for mend in done.mends:
        console.print(f"  mended     {mend}")
    for item in done.comparisons:
        error = "–" if item.worst_error is None else f"{item.worst_error:.1e}"
        ranking = item.ranking
        top1 = f", top-1 {ranking.top1_agreeing} of {ranking.total}" if ranking else ""
        console.print(
            f"  {item.output}: {verdict_text(item.verdict)} with native Paddle on "
            f"{len(done.feeds)} feeds: {item.measure}, worst error {error} / {item.limit:.1e}{top1}"
            + (f": {item.reason}" if item.reason else "")
        )


def _as_dict(done: "Conversion") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "path": str(done.path) if done.path else None,
        "verdict": done.verdict,
        "opset": done.opset,
        "model": done.source.name,
        "weights": done.source.weights,
        "source_sha256": done.source.sha256,
        "size_bytes": done.size_bytes,
        "nodes": done.nodes,
        "nodes_before": done.nodes_before,
        "not_simplified": done.not_simplified,
        "mends": list(done.mends),
        "feeds": list(done.feeds),
        "comparisons": [asdict(item) for item in done.comparisons],
    }
