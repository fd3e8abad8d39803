"""``paddleport tune``: the fastest configuration on this machine that is still the same model."""

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddleport.cli import options
from paddleport.cli.console import (
    literal,
    new_table,
    print_json,
    print_warning,
    print_written,
    progress_bar,
    stdout,
)
from paddleport.errors import BackendUnavailableError, UsageError, unknown_name
from paddleport.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paddleport.models.resolve import SourceModel
    from paddleport.validate.tune.candidate import ModelVariant, TuneCandidate
    from paddleport.validate.tune.tuning import Tuning

_GOALS = ("latency", "throughput")
_MOST_ROWS = 12  # in the terminal; the report has them all
_STATES = {
    "chosen": "bold green",
    "equal": "green",
    "failed the gate": "bold red",
    "failed": "bold red",
}


def tune(
    model: options.ModelArgument = None,
    goal: Annotated[
        str, typer.Option("--goal", help="latency of one picture, or throughput.")
    ] = "latency",
    backend: Annotated[
        list[str] | None,
        typer.Option("--backend", "-b", help="Repeatable; by default every backend."),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option("--images", metavar="DIR", help="Pictures to check answers on; repeatable."),
    ] = None,
    labelled: Annotated[
        Path | None,
        typer.Option(
            "--labelled",
            metavar="DATA",
            help="The same with labels: a folder for each class, val_list.txt, a CSV, or shards "
            "(.tar, .parquet).",
        ),
    ] = None,
    class_map: options.ClassMapOption = None,
    calibrate: Annotated[
        Path | None,
        typer.Option("--calibrate", metavar="DIR", help="Pictures that int8 takes ranges from."),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", help="For the accuracy checks and the timing together.")
    ] = 120.0,
    precision: Annotated[
        list[str] | None,
        typer.Option("--precision", help="Only these; repeatable. int8 needs the extra quantize."),
    ] = None,
    threads: options.ThreadsOption = None,
    opset: options.OpsetOption = 17,
    weights: options.WeightsOption = "auto",
    program: options.ProgramOption = None,
    params: options.ParamsOption = None,
    profile: Annotated[
        Path | None,
        typer.Option("--profile", metavar="FILE", help="Default: out/NAME/tune.toml"),
    ] = None,
    json: options.JsonOption = False,
) -> None:
    """Find the fastest backend, precision, threads, streams and batch that pass the gate.

    [bold]paddleport tune MobileNetV2 --goal throughput --images photos/[/]

    [bold]paddleport run photos/ --profile out/MobileNetV2/tune.toml[/]
    """
    from paddleport.convert.loadable import loadable
    from paddleport.convert.variants import variants_of
    from paddleport.models.resolve import resolve
    from paddleport.runners import why_not
    from paddleport.validate.accuracy_gate.gate import example_set
    from paddleport.validate.feeds.value_ranges import input_ranges
    from paddleport.validate.tune.tuner import TunePlan
    from paddleport.validate.tune.tuner import tune as find_fastest
    from paddleport.validate.tune.tuning_report import write_report

    if goal not in _GOALS:
        raise UsageError(unknown_name("goal", goal, _GOALS))
    if not 1 <= seconds < float("inf"):
        raise UsageError(f"--seconds {seconds:g} is not possible: 1 or more")
    wanted = [options.precision_from(item) for item in precision or ()]
    for name in backend or ():  # before a conversion that may take long
        if reason := why_not(name):
            raise BackendUnavailableError(f"{name} can't be used here: {reason}")
    with progress_bar() as progress:
        source = resolve(model, weights=weights, program=program, params=params, progress=progress)
        pictures = example_set(  # labels that cannot be right are said before a conversion
            source.preprocess,
            source.program.inputs,
            labelled=labelled,
            images=images or (),
            classes=source.labels,
            class_map=class_map,
            ranges=input_ranges(source),
        )
        variants, without = variants_of(
            source,
            opset=opset,
            precisions=wanted,
            backends=backend or (),
            calibrate=calibrate,
            progress=progress,
        )
        plan = TunePlan(
            goal="throughput" if goal == "throughput" else "latency",
            backends=tuple(backend) if backend else None,
            threads=threads or 0,
            seconds=seconds,
            precisions=tuple(wanted),
        )
        command = shlex.join(["paddleport", *sys.argv[1:]])
        tuning = find_fastest(
            source,
            variants,
            pictures,
            plan,
            make=partial(loadable, source=source),
            command=command,
            progress=progress,
        )
    folder = Path("out") / source.name
    files = write_report(tuning, folder)
    if tuning.chosen is not None:
        target = profile or folder / "tune.toml"
        files = [
            _save(source, tuning, variants, target),
            *files,
        ]
    if source.warning:
        print_warning(source.warning)
    for reason in without:
        print_warning(reason)
    if json:
        print_json(tuning.to_dict())
    else:
        _print(tuning, files)
    if tuning.chosen is None:
        raise typer.Exit(1)


def _save(
    source: "SourceModel", tuning: "Tuning", variants: "Sequence[ModelVariant]", target: Path
) -> Path:
    """Write the profile, and its file beside it where that is not the plain conversion."""
    from paddleport.runners.profile import Profile, write_profile
    from paddleport.validate.tune.candidate import PLAIN

    row = tuning.chosen
    if row is None or row.gate is None or row.ms_per_picture is None:
        raise UsageError("nothing was chosen, so there is nothing to save")
    candidate, file = row.candidate, None
    if candidate.variant != PLAIN:
        file = save_file(candidate, variants, target.with_name(source.name))
    measured = {
        "ms_per_picture": f"{row.ms_per_picture:.4g}",
        "answers_as_paddle": f"{row.gate.agreement:.4f}",
        "judged_on": tuning.judged_on,
        "cpu": str(tuning.environment["cpu"]),
        "created": tuning.created,
        **{f"version_{key}": str(text) for key, text in tuning.environment["packages"].items()},
    }
    profile = Profile(
        model=source.name,
        goal=tuning.goal,
        backend=candidate.backend,
        precision=candidate.precision,
        threads=candidate.threads,
        batch=candidate.batch,
        options=dict(candidate.options.extras),
        file=file,
        measured=measured,
    )
    write_profile(target, profile)
    return target


def save_file(candidate: "TuneCandidate", variants: "Sequence[ModelVariant]", beside: Path) -> Path:
    """A copy of the file that a configuration loads, with all that belongs to it."""
    from paddleport.convert.naming import named_artifact
    from paddleport.files import write_atomically

    made = next(
        item.file
        for item in variants
        if item.name == candidate.variant and item.serves(candidate.backend)
    )
    endings = "".join(made.path.suffixes)  # such as .ncnn.param, of a file called "model"
    file = beside.with_name(f"{beside.name}.{candidate.variant}{endings}")
    if made.format == "onnx":
        write_atomically(file, made.path.read_bytes())
        return file
    return named_artifact(made, file).path


def _print(tuning: "Tuning", files: list[Path]) -> None:
    from paddleport.validate.reports import figures
    from paddleport.validate.tune.tuning_report import compared, headline, not_tried

    console = stdout()
    console.print(f"[bold]{literal(str(tuning.model['title']))}[/]")
    console.print(
        f"for {tuning.goal} · judged on {literal(tuning.judged_on)} · "
        f"{counted(tuning.threads, 'thread')} · {tuning.seconds:.0f} s",
        style="dim",
    )
    console.print()
    labelled = any(row.gate is not None and row.gate.top1 is not None for row in tuning.rows)
    numbers = ["as Paddle", "ms per picture", "95 % interval", "pictures/s"]
    if labelled:
        numbers.insert(0, "top-1")
    table = new_table("configuration", "verdict", *numbers, numbers=numbers)
    tried = [row for row in tuning.rows if row.state != "not possible"]
    for row in tried[:_MOST_ROWS]:
        interval = row.interval_ms
        table.add_row(
            literal(row.candidate.name),
            f"[{_STATES.get(row.state, 'dim')}]{row.state}[/]",
            *([_share(row.gate.top1 if row.gate else None)] if labelled else []),
            _share(row.gate.agreement if row.gate else None),
            figures.milliseconds(row.ms_per_picture),
            " to ".join(figures.milliseconds(end) for end in interval) if interval else "",
            f"{row.pictures_per_s:.0f}" if row.pictures_per_s else "",
        )
    console.print(table)
    if len(tried) > _MOST_ROWS:
        console.print(f"and {len(tried) - _MOST_ROWS} more, in the report", style="dim")
    console.print()
    for row in tuning.rows:
        if row.state in ("failed the gate", "failed"):
            console.print(f"[bold]{literal(row.candidate.name)}[/]: {literal(row.reason)}")
    for text in not_tried(tuning):
        console.print(literal(text), style="dim")
    console.print(f"[bold]{literal(headline(tuning))}[/] {compared(tuning)}")
    print_written(files)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
