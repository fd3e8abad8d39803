"""``paddleport evaluate``: how accurate a model is on labelled pictures, on each backend."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddleport.cli import options, ray_engine
from paddleport.cli.console import (
    fitting_table,
    literal,
    print_json,
    print_warning,
    print_written,
    progress_bar,
    stderr,
    stdout,
)
from paddleport.cli.evaluate_arguments import model_and_data
from paddleport.errors import ModelFileError, UsageError

if TYPE_CHECKING:
    from paddleport.runners.profile import Profile
    from paddleport.validate.evaluate.report.evaluation_report import EvaluationReport

_LEAST_NEEDED = ("ECE", "loss", "computes in", "95 % of it", "pictures/s", "changed")


def evaluate(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL DATA",
            help="MODEL: a name of the zoo, a folder, .tar or program file; an .onnx file with "
            "--no-reference. DATA: labelled pictures: a folder for each class, val_list.txt, a "
            "CSV, or shards (.tar, .parquet).",
        ),
    ] = None,
    list_file: Annotated[
        Path | None,
        typer.Option("--list", metavar="FILE", help="Pictures and labels, one a line; or a CSV."),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option("--root", metavar="DIR", help="What the list's paths start from."),
    ] = None,
    class_map: Annotated[
        Path | None,
        typer.Option(
            "--class-map",
            metavar="FILE",
            help="Which class each label stands for: 'name index' per line, JSON or CSV.",
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option("--backend", "-b", help="Repeatable; by default every backend."),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            help="fp32, fp16, bf16 or int8; repeatable: each on every backend. A file in it is "
            "made where the runtime does not compute in it by itself; int8 needs the extra "
            "quantize.",
            show_default="each backend's own",
        ),
    ] = None,
    onnx: Annotated[
        list[Path] | None,
        typer.Option(
            "--onnx", metavar="FILE", help="An ONNX file that should be the model; repeatable."
        ),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option("--profile", metavar="FILE", help="A configuration of paddleport tune."),
    ] = None,
    no_reference: Annotated[
        bool,
        typer.Option(
            "--no-reference",
            help="Without native Paddle: accuracies are held against the published figure.",
        ),
    ] = False,
    max_drop: Annotated[
        float,
        typer.Option(
            "--max-drop",
            metavar="POINTS",
            help="How much lower than native Paddle's top-1 may be, in percentage points.",
        ),
    ] = 1.0,
    limit: Annotated[
        int | None,
        typer.Option("--limit", help="At most so many pictures, spread evenly over all."),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", help="Pictures per inference.", show_default="1")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Threads that decode pictures; by default as many as CPUs."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted pass was.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where reports go. Default: out/NAME"),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option("--calibrate", metavar="DIR", help="Pictures that int8 takes ranges from."),
    ] = None,
    opset: options.OpsetIfConvertedOption = None,
    weights: options.WeightsOption = "auto",
    program: options.ProgramOption = None,
    params: options.ParamsOption = None,
    device: options.DeviceOption = None,
    threads: options.ThreadsOption = None,
    extra: options.ExtraOption = None,
    engine: ray_engine.EngineOption = None,
    address: ray_engine.AddressOption = None,
    actors: ray_engine.ActorsOption = None,
    json: options.JsonOption = False,
) -> None:
    """Count right answers on labelled pictures: native Paddle and every backend in one pass.

    Exit code 1 if a backend is less accurate than Paddle, 2 if there are too few pictures to tell.

    [bold]paddleport evaluate MobileNetV2 val/ -b openvino --precision fp32 --precision bf16[/]

    [bold]paddleport evaluate MobileNetV2 --list val_list.txt --root ILSVRC2012/ --resume[/]
    """
    from paddleport.convert.model_evaluation import (
        EvaluationRequest,
        LabelledFiles,
        prepare_evaluation,
    )
    from paddleport.convert.rows_asked import RowsAsked
    from paddleport.runners.picture_pipeline import default_workers
    from paddleport.runners.profile import read_profile
    from paddleport.runners.runner_options import available_threads

    tuned = read_profile(profile) if profile is not None else None
    model, data = model_and_data(
        names or [], tuned, program=program, listed=bool(list_file or root)
    )
    if tuned is not None and model is not None and Path(model).name != tuned.model:
        raise UsageError(
            f"the profile is of {tuned.model}, not of {model}: paddleport tune {model}"
        )
    rows = RowsAsked(
        backends=tuple(backend) if backend else None,
        precisions=tuple(options.precision_from(item) for item in precision or ()),
        files=tuple(onnx or ()),
        profile=tuned,
        reference=not no_reference,
        device=device,
        threads=available_threads() if threads is None else threads,
        extras=options.extras_from(extra),
        batch_size=_batch_size(batch_size, tuned),
        opset=opset,
        calibrate=calibrate,
    )
    request = EvaluationRequest(
        model=model,
        pictures=LabelledFiles(data=data, list_file=list_file, root=root, class_map=class_map),
        rows=rows,
        weights=weights,
        program=program,
        params=params,
        limit=limit,
        workers=default_workers() if workers is None else workers,
        resume=resume,
        engine=ray_engine.chunks(engine, address, actors, threads=rows.threads, device=device),
        out=out,
        max_drop=max_drop / 100,
        command=shlex.join(["paddleport", *sys.argv[1:]]),
    )
    with progress_bar() as progress:
        evaluation = prepare_evaluation(request, progress)
    for line in _state_notes(evaluation.folder, resume=resume):
        print_warning(line)
    try:
        with progress_bar() as progress:
            report, files = evaluation.run_and_write(progress)
    except KeyboardInterrupt:
        _print_interrupted(evaluation.folder)
        raise
    if json:
        if evaluation.warning:  # without --json it is among the report's notes
            print_warning(evaluation.warning)
        print_json(report.to_dict())
    else:
        print_evaluation(report, files)
    raise typer.Exit(report.exit_code)


def _batch_size(typed: int | None, tuned: "Profile | None") -> int:
    if typed is not None:
        return typed
    return tuned.batch if tuned is not None else 1


def _state_notes(folder: Path, *, resume: bool) -> list[str]:
    """What a user may not know of an interrupted pass in the folder."""
    from paddleport.validate.evaluate.evaluation_state import STATE_FILE

    found = (folder / STATE_FILE).is_file()
    if resume and not found:
        return [f"nothing to go on with in {folder}: this begins at the first picture"]
    if found and not resume:
        position = _saved_position(folder)
        if position is None:
            return [f"{folder / STATE_FILE} is damaged: this begins at the first picture"]
        return [
            f"the interrupted pass of {position:,} pictures in {folder} is begun anew: --resume "
            "would go on"
        ]
    return []


def _saved_position(folder: Path) -> int | None:
    """How many pictures the state in a folder has counted; ``None`` where it is of no use."""
    from paddleport.validate.evaluate.evaluation_state import SavedPass

    try:
        saved = SavedPass.load(folder)
    except ModelFileError:
        return None
    return saved.position if saved else None


def _print_interrupted(folder: Path) -> None:
    position = _saved_position(folder)
    if position is not None:
        stderr().print(
            f"stopped after {position:,} pictures: the same command with --resume goes on"
        )


def print_evaluation(report: "EvaluationReport", files: list[Path]) -> None:
    """The report as a table, with a sentence for whatever needs one."""
    from paddleport.validate.evaluate.report import evaluation_summary as summary

    console = stdout()
    console.print(f"[bold]{literal(str(report.model['title']))}[/]")
    speed = f" · {found}" if (found := summary.speed(report)) else ""
    console.print(f"data       {literal(summary.data(report) + speed)}", style="dim")
    console.print(f"published  {literal(summary.published(report))}", style="dim")
    console.print()
    console.print(fitting_table(report.table(), _LEAST_NEEDED))
    console.print()
    for name, told in summary.reasons(report):
        console.print(f"[bold]{literal(name)}[/]: {literal(told)}")
    for note in report.notes:
        console.print(f"[dim]{literal(note)}[/]")
    if report.label_problem:
        console.print(f"[bold red]{literal(report.label_problem)}[/]")
    console.print(f"{literal(summary.outcome(report))}", style="dim")
    print_written(files, summary.headline(report))
