"""``paddleport convert``: Paddle to ONNX, in any precision, and on to every target."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddleport.cli import feed_files, options
from paddleport.cli.console import (
    print_error,
    print_json,
    print_warning,
    progress_bar,
)
from paddleport.cli.several_models import (
    DEFAULT_FOLDER,
    AllOfOption,
    FreshOption,
    ModelsArgument,
    is_several,
    names_of_models,
    refuse_with_several,
    run_models,
)
from paddleport.errors import UsageError

if TYPE_CHECKING:
    from paddleport.convert.precision.gate_inputs import GateOptions
    from paddleport.validate.overview.model_by_model import ModelTask

_Gate = Mapping[str, Any]
"""What ``GateOptions`` is made of; itself it is slow to import."""


def convert(
    models: ModelsArgument = None,
    all_of: AllOfOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|DIR",
            help="Default: NAME.onnx, NAME.pixels.onnx, NAME.PRECISION.onnx (or .xml, "
            ".ncnn.param, .mnn), NAME.TARGET.engine, NAME.arm.nb, a folder NAME-cpp. With several "
            "models a folder, by default out, NAME in it.",
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="TARGET",
            help="onnx, openvino, ncnn, mnn, tensorrt, tensorrt-rtx or a plug-in's: made of the "
            "ONNX file once that is proven; tensorrt-rtx needs no GPU for it. paddle-lite is made "
            "of the Paddle program itself. cpp is a folder that CMake builds.",
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
            help="Pictures to check a lower precision on: a folder for each class, "
            "val_list.txt, a CSV, or shards (.tar, .parquet).",
        ),
    ] = None,
    class_map: options.ClassMapOption = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            "--images", metavar="DIR", help="Pictures without labels to check it on; repeatable."
        ),
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
    lite_target: options.LiteTargetOption = None,
    lite_python: options.LitePythonOption = None,
    engine: options.CppEngineOption = None,
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
    fresh: FreshOption = False,
    json: options.JsonOption = False,
) -> None:
    """Convert a Paddle model to ONNX, and compare the two before the file gets its name.

    [bold]paddleport convert MobileNetV2 --opset 11[/]

    [bold]paddleport convert --all-of MobileNetV2[/]

    [bold]paddleport convert MobileNetV2 --precision int8 --labelled DIR --calibrate DIR[/]

    [bold]paddleport convert MobileNetV2 --to tensorrt-rtx --compute-capability 8.9[/]

    [bold]paddleport convert MobileNetV2 --to cpp -o bundle[/]
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
    names, several = names_of_models(models, all_of), is_several(models, all_of)
    feeds = feed_files.feeds_from(feed)
    wanted: dict[str, Any] = {
        "to": to,
        "precision": options.precision_from(precision),
        "opset": opset,
        "shapes": options.ranges_from(shape),
        "allow_upgrade": allow_upgrade,
        "keep": keep,
        "simplify": not no_simplify,
        "embed_preprocess": embed_preprocess,
        "keep_fp32": [name.strip() for name in (keep_fp32 or "").split(",") if name.strip()],
        "compute_capabilities": options.capabilities_from(capability),
        "lite_target": lite_target or "",
        "lite_python": str(lite_python or ""),
        "engine": engine or "",
        "feed": () if lower else feeds,
        "timeout_s": timeout,
    }
    gate: _Gate | None = None
    if lower:
        gate = {
            "labelled": labelled,
            "class_map": class_map,
            "images": images or (),
            "calibrate": calibrate,
            "backends": backend or (),
            "feed": feeds,
        }
    if several:
        refuse_with_several({"--model": program, "--params": params, "--feed": feed})
        folder = output or DEFAULT_FOLDER
        task = _conversion_of_each(wanted, gate, weights)
        run_models(task, names, families=all_of, folder=folder, fresh=fresh, json=json)
    exports_now = to == "onnx" and not lower  # else Paddle2ONNX may have run long ago
    from paddleport.convert.tools import Tools

    with Tools() if exports_now else nullcontext() as tools, progress_bar() as progress:
        from paddleport.convert.naming import check_name
        from paddleport.convert.pipeline import check_options
        from paddleport.convert.pipeline import convert as convert_model
        from paddleport.models.resolve import resolve

        wanted["gate"] = _gate_options(gate)
        target, _ = check_options(**{key: wanted[key] for key in wanted if key != "feed"})
        if output is not None:
            check_name(output, target)
        model = names[0] if names else None
        source = resolve(model, weights=weights, program=program, params=params, progress=progress)
        done = convert_model(source, output, tools=tools, progress=progress, **wanted)
    if source.warning:
        print_warning(source.warning)
    if source.unread_preprocess:
        print_warning(source.unread_preprocess)
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


def _gate_options(gate: _Gate | None) -> "GateOptions | None":
    if gate is None:
        return None
    from paddleport.convert.precision.gate_inputs import GateOptions

    return GateOptions(**gate)


def _conversion_of_each(wanted: Mapping[str, Any], gate: _Gate | None, weights: str) -> "ModelTask":
    """What is done with each of several models, and what makes another file of it."""
    from paddleport.convert.model_tasks import conversion_task
    from paddleport.files import change_stamp

    shapes = {name: asdict(shape) for name, shape in wanted["shapes"].items()}
    checked = dict(gate or {})
    named = (checked.get("labelled"), checked.get("class_map"), checked.get("calibrate"))
    read = [item for item in (*named, *checked.get("images", ())) if item is not None]
    changed = {str(item): change_stamp(item) for item in read}
    return conversion_task(
        {**wanted, "gate": _gate_options(gate)},
        asked={**wanted, "shapes": shapes, "gate": [changed, str(checked)]},
        weights=weights,
    )
