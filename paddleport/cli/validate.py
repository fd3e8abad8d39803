"""``paddleport validate``: is it still the same model, and how fast is it."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddleport.cli import feed_files, options
from paddleport.cli.console import (
    fitting_table,
    literal,
    print_json,
    print_warning,
    print_written,
    progress_bar,
    stdout,
)
from paddleport.cli.profile_options import ProfileOptions
from paddleport.cli.several_models import (
    DEFAULT_FOLDER,
    AllOfOption,
    FreshOption,
    ModelsArgument,
    is_several,
    names_of_models,
    refuse_with_several,
    run_models,
    typed_command,
)
from paddleport.errors import UsageError

if TYPE_CHECKING:
    from paddleport.validate.parity.parity_report import ParityReport

EXIT_CODES = {"agrees": 0, "differs": 1, "unproven": 2}
_QUICK_SECONDS = 0.5
_LEAST_NEEDED = ("p90 ms", "vs float64", "p99 ms", "top-1")  # the files hold them all


def validate(
    models: ModelsArgument = None,
    all_of: AllOfOption = None,
    backend: Annotated[
        list[str] | None,
        typer.Option("--backend", "-b", help="Repeatable; by default every backend."),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            help="What the numbers are judged against; naming one insists on it.",
            show_default="paddle-tensorrt where it can run, else paddle",
        ),
    ] = None,
    onnx: options.OnnxOption = None,
    target_file: options.TargetFileOption = None,
    images: Annotated[
        list[str] | None,
        typer.Option("--images", metavar="DIR", help="Pictures to feed; repeatable."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Where reports go. Default: out/NAME; with several models: out, NAME in it",
        ),
    ] = None,
    opset: options.OpsetIfConvertedOption = None,
    weights: options.WeightsOption = "auto",
    program: options.ProgramOption = None,
    params: options.ParamsOption = None,
    shape: options.ShapeOption = None,
    feed: feed_files.FeedOption = None,
    device: options.DeviceOption = None,
    threads: options.ThreadsOption = None,
    precision: options.PrecisionOption = None,
    extra: options.ExtraOption = None,
    profile: options.ProfileOption = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds", help="Most time to measure each backend; 0: none.", show_default="3"
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer feeds, and one latency per backend.")
    ] = False,
    locate: Annotated[
        bool, typer.Option("--locate", help="Name the node where a backend diverges.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="A backend that is skipped is a failure.")
    ] = False,
    worst: Annotated[
        bool, typer.Option("--save-worst", help="Save each backend's worst feeds as .npz.")
    ] = False,
    measured: Annotated[
        list[Path] | None,
        typer.Option(
            "--measured",
            metavar="FILE.json",
            help="Latencies of this model on another device, for the report; repeatable.",
        ),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="A JUnit report, for CI.")
    ] = None,
    fresh: FreshOption = False,
    json: options.JsonOption = False,
) -> None:
    """Compare every backend with native Paddle: numbers, causes, and latency side by side.

    [bold]paddleport validate MobileNetV2[/]

    [bold]paddleport validate --all-of MobileNetV2[/]

    [bold]paddleport validate FOLDER --onnx FILE.onnx --backend onnxruntime --locate[/]
    """
    from paddleport.convert.named_files import read_target_file
    from paddleport.convert.prepare import prepare_source
    from paddleport.convert.remaking import RemadeConversion
    from paddleport.files import write_atomically
    from paddleport.runners.preprocessing.picture_files import find_pictures
    from paddleport.runners.runner_options import available_threads
    from paddleport.validate.parity.validation import save_worst, validate_on_feeds
    from paddleport.validate.parity.validation_plan import Plan
    from paddleport.validate.reports.brought_in import read_brought_in

    names, several = names_of_models(models, all_of), is_several(models, all_of)
    if several:
        of_one = {"--model": program, "--params": params, "--onnx": onnx, "--feed": feed}
        of_one |= {"--target-file": target_file}
        refuse_with_several(
            {**of_one, "--profile": profile, "--junit": junit, "--measured": measured}
        )
    model = names[0] if names else None
    tuned = ProfileOptions.read(profile)
    if tuned.profile is not None:
        backend = [*{tuned.backend(name) or name for name in backend or [tuned.profile.backend]}]
        model = model or (tuned.model if program is None else None)
        onnx = onnx or tuned.onnx_file
    if seconds is None:
        seconds = _QUICK_SECONDS if quick else Plan.seconds_each
    if not (math.isfinite(seconds) and seconds >= 0):
        raise UsageError(f"--seconds {seconds:g} is not possible: 0 or more")
    plan = Plan(
        backends=tuple(backend) if backend else None,
        reference=reference,
        device=device,
        precision=options.precision_from(precision) or tuned.precision,
        threads=tuned.threads or available_threads() if threads is None else threads,
        extras=tuned.extras | options.extras_from(extra),
        shapes=options.given_ranges_from(shape),
        seconds_each=seconds,
        quick=quick,
        locate=locate,
        strict=strict,
    )
    shapes, tensors = options.shapes_from(shape), feed_files.feeds_from(feed)
    pictures = list(find_pictures(images or []))
    if several:
        from paddleport.convert.model_tasks import validation_task
        from paddleport.convert.paddle2onnx.supported import DEFAULT_OPSET

        task = validation_task(
            plan,
            opset=DEFAULT_OPSET if opset is None else opset,
            weights=weights,
            pictures=pictures,
            shapes=shapes,
            worst=worst,
            command=typed_command(),
        )
        folder = out or DEFAULT_FOLDER
        run_models(task, names, families=all_of, folder=folder, fresh=fresh, json=json)
    with progress_bar() as progress:
        source, file = prepare_source(
            model,
            onnx=onnx,
            opset=opset,
            weights=weights,
            program=program,
            params=params,
            shapes=shapes,
            feed=tensors,
            proven=False,
            progress=progress,
        )
        brought_in = [
            item for path in measured or () for item in read_brought_in(path, source.name)
        ]
        made = tuned.other_file if target_file is None else read_target_file(target_file, backend)
        with RemadeConversion(source, file, made) as conversions:
            found = validate_on_feeds(
                source,
                file,
                plan,
                pictures=pictures,
                shapes=shapes,
                feed=tensors,
                conversions=conversions,
                command=typed_command(),
                progress=progress,
            )
        progress("write the report", None)
        report = replace(found.report, brought_in=tuple(brought_in))
        folder = out or DEFAULT_FOLDER / source.name
        files = report.write(folder)
    if junit is not None:
        write_atomically(junit, report.to_junit().encode())
    if worst:
        files += save_worst(found, folder / "worst")
    if source.warning:
        print_warning(source.warning)
    if json:
        print_json(report.to_dict())
    else:
        print_report(report, files)
    raise typer.Exit(EXIT_CODES[report.verdict])


def print_report(report: "ParityReport", files: list[Path]) -> None:
    """The report as a table, with a sentence for whatever needs one."""
    from paddleport.validate.reports import summary
    from paddleport.validate.reports.tables import backends
    from paddleport.validate.reports.told_together import told_together

    console = stdout()
    console.print(f"[bold]{literal(str(report.model['title']))}[/]")
    console.print(f"reference  {literal(summary.reference(report))}", style="dim")
    console.print(f"float64    {literal(report.float64_reference)}", style="dim")
    console.print(f"speed      against {literal(report.speed_reference)}", style="dim")
    console.print()
    console.print(fitting_table(backends(report.rows), _LEAST_NEEDED))
    console.print()
    if report.brought_in:
        _print_brought_in(report)
    plain = {
        row.name
        for row in report.rows
        if row.verdict in ("reference", "agrees", "skipped") and not row.cause
    }
    for names, text in told_together((row.name, summary.explained(row)) for row in report.rows):
        style = "dim" if plain.issuperset(names) else "default"
        console.print(f"[{style}][bold]{literal(', '.join(names))}[/]: {literal(text)}[/]")
    conclusions = {
        "agrees": "all agree" if all(row.counts for row in report.rows) else "all others agree",
        "differs": "not all agree",
        "unproven": "nothing is proven",
    }
    print_written(files, conclusions[report.verdict])


def _print_brought_in(report: "ParityReport") -> None:
    """Latencies of other machines, below and apart from those of this one."""
    from paddleport.validate.reports.latency_tables import brought_in

    found = brought_in(report)
    console = stdout()
    console.print(found.caption, style="dim")
    console.print(fitting_table(found, ("file", "measured by", "runs")))
    console.print()
