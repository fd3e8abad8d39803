"""``paddleport device-folder``: what a phone or board is given, and the answers to expect of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddleport.cli import feed_files, options
from paddleport.cli.console import literal, print_json, print_warning, progress_bar, stdout
from paddleport.errors import UsageError

if TYPE_CHECKING:
    from paddleport.convert.device.device_files import WrittenFolder


def device_folder(
    model: options.ModelArgument = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="TARGET", help="ncnn, mnn or any other target of convert."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="A new folder. Default: NAME.TARGET.device"
        ),
    ] = None,
    opset: options.OpsetOption = 17,
    weights: options.WeightsOption = "auto",
    program: options.ProgramOption = None,
    params: options.ParamsOption = None,
    precision: options.PrecisionOption = None,
    images: Annotated[
        list[str] | None,
        typer.Option(
            "--images", metavar="DIR", help="Pictures to feed, instead of drawn ones; repeatable."
        ),
    ] = None,
    shape: options.ShapeOption = None,
    feed: feed_files.FeedOption = None,
    labelled: Annotated[
        Path | None,
        typer.Option("--labelled", metavar="DATA", help="Pictures to check a lower precision on."),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option("--calibrate", metavar="DIR", help="Pictures that int8 takes ranges from."),
    ] = None,
    keep_fp32: Annotated[
        str | None,
        typer.Option("--keep-fp32", metavar="NAME,...", help="Layers that are not lowered."),
    ] = None,
    json: options.JsonOption = False,
) -> None:
    """Write a folder for a phone or board: the model, feeds, and native Paddle's answers.

    The file is made as convert makes it, and checked before it gets into the folder. What comes
    back from the device goes to check-answers.

    [bold]paddleport device-folder MobileNetV2 --to ncnn[/]

    [bold]paddleport device-folder FOLDER --to mnn --images DIR -o phone[/]
    """
    from paddleport.convert.device.device_files import (
        default_folder,
        write_device_folder,
    )
    from paddleport.convert.device.device_request import DeviceRequest
    from paddleport.convert.precision.gate_inputs import GateOptions
    from paddleport.convert.whole_folder import check_folder
    from paddleport.models.resolve import resolve
    from paddleport.runners.preprocessing.picture_files import find_pictures

    if to is None:
        raise UsageError("--to is missing: --to ncnn, --to mnn or another target of convert")
    lowered = options.precision_from(precision)
    in_fp32 = lowered in (None, "fp32")
    for option, given in {
        "--labelled": labelled,
        "--calibrate": calibrate,
        "--keep-fp32": keep_fp32,
    }.items():
        if given and in_fp32:
            raise UsageError(f"{option} is of a lower precision: --precision fp16, bf16 or int8")
    feeds = feed_files.feeds_from(feed)
    request = DeviceRequest(
        to=to,
        asked=model or str(program or ""),
        weights=weights,
        precision=lowered,
        opset=opset,
        shapes=options.ranges_from(shape),
        feed=feeds,
        pictures=list(find_pictures(images or [])),
        keep_fp32=[name.strip() for name in (keep_fp32 or "").split(",") if name.strip()],
        gate=None if in_fp32 else GateOptions(labelled=labelled, calibrate=calibrate, feed=feeds),
    )
    if output is not None:
        check_folder(output)
    with progress_bar() as progress:
        source = resolve(model, weights=weights, program=program, params=params, progress=progress)
        path = output or default_folder(source.name, to, lowered)
        written = write_device_folder(source, path, request, progress=progress)
    if source.warning:
        print_warning(source.warning)
    if json:
        from msgspec import to_builtins

        folder = {"path": str(path), "size_bytes": written.size_bytes}
        print_json({**folder, **to_builtins(written.manifest)})
    else:
        _print_folder(written)


def _print_folder(written: "WrittenFolder") -> None:
    console, manifest = stdout(), written.manifest
    size = f"{written.size_bytes / 1e6:.1f} MB"
    console.print(
        f"[bold]{literal(str(written.path))}[/]  {len(manifest.files) + 1} files · {size}"
    )
    lines = {
        "model": f"{manifest.model_file}, {manifest.precision}",
        "feeds": ", ".join(feed.name for feed in manifest.feeds),
        "expected": manifest.reference,
    }
    lines |= {
        f"here/{item.backend}": f"{item.backend} {item.version} in {item.computes_in}: "
        f"{item.verdict}"
        for item in manifest.here
    }
    if manifest.not_run:
        lines["not run here"] = manifest.not_run
    for name, text in lines.items():
        console.print(f"  {name.split('/')[0]:<12} {literal(text)}")
    console.print(
        f"  {'next':<12} README.md in it says how to run it; then [bold]paddleport check-answers "
        f"{literal(str(written.path))} answers.npz[/]"
    )
