"""``paddleport run``: pictures to labels on any runtime."""

import json as json_module
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddleport.cli import options
from paddleport.cli.console import (
    print_error,
    print_warning,
    progress_bar,
    stderr,
    stdout,
)
from paddleport.errors import ImageError, UsageError

if TYPE_CHECKING:
    from paddleport.convert.prepare import Prepared
    from paddleport.runners.base import Runner
    from paddleport.runners.classify import Classified
    from paddleport.runners.pipeline import Work

DEFAULT_MODEL = "MobileNetV2"
MOST_STREAMS = 8  # by default; each holds the model's intermediate results once more


def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL] [PICTURES]...",
            help="MODEL: a zoo name, .onnx file, folder, .tar or program file; "
            "MobileNetV2 if none is named. PICTURES: files, folders, globs; "
            "a picture that the package draws if none is named.",
        ),
    ] = None,
    backend: Annotated[
        str, typer.Option("--backend", "-b", help="One of: paddleport backends.")
    ] = "onnxruntime",
    topk: Annotated[int, typer.Option("--topk", help="How many classes to show.")] = 5,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Pictures an inference.")] = 1,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Threads that decode pictures; by default as many as CPUs."),
    ] = None,
    opset: options.OpsetOption = 17,
    weights: options.WeightsOption = "auto",
    device: options.DeviceOption = None,
    threads: options.ThreadsOption = None,
    precision: options.PrecisionOption = None,
    extra: options.ExtraOption = None,
    json: options.JsonOption = False,
    jsonl: Annotated[
        Path | None, typer.Option("--jsonl", metavar="FILE", help="Write a JSON line a picture.")
    ] = None,
) -> None:
    """Classify pictures on any runtime, with one preprocessing for all.

    [bold]paddleport run --backend openvino[/]

    [bold]paddleport run MobileNetV2.onnx --backend onnxruntime photos/[/]
    """
    from paddleport.convert.prepare import fed_shapes, prepare, split_model
    from paddleport.runners import open_runner, runner_class
    from paddleport.runners.base import RunnerOptions, available_threads
    from paddleport.runners.classify import classify
    from paddleport.runners.pipeline import Work, default_workers

    model, names_of_pictures = split_model(names or [], DEFAULT_MODEL)
    runner_type = runner_class(backend)
    pictures, several = _pictures(names_of_pictures)
    threads = available_threads() if threads is None else threads
    workers = default_workers() if workers is None else workers
    extras = options.extras_from(extra)
    if several:
        extras = streamed_extras(runner_type, extras, threads)
    run_options = RunnerOptions(device, options.precision_from(precision), threads, extras)
    runner_type.check_options(run_options)  # before a conversion that may take long
    with progress_bar() as progress:
        ready = prepare(
            model, runner_type.consumes, opset=opset, weights=weights, progress=progress
        )
    if ready.preprocess is None:
        raise UsageError(
            f"{model} does not say how pictures are fed: {ready.preprocess_unknown}. "
            "For a model of the zoo with your files: paddleport run NAME --weights FOLDER"
        )
    if runner_type.compiles_for_shapes:
        run_options = replace(run_options, shapes=fed_shapes(ready, batch_size))
    with open_runner(backend, ready.model, run_options) as runner:
        if ready.warning:
            print_warning(ready.warning)
        work = Work()
        answers = classify(
            runner,
            pictures,
            preprocess=ready.preprocess,
            labels=ready.labels,
            topk=topk,
            batch_size=batch_size,
            workers=workers,
            work=work,
        )
        where = f"{ready.title} · {backend} {runner.computes_in}, {_computed_on(runner)}"
        with closing(answers):
            read, failed = _show(answers, where, ready, json=json, jsonl=jsonl)
    if several:
        stderr().print(f"[dim]{summary(work, runner, workers)}[/]")
    if failed:
        raise typer.Exit(1 if read else 2)


def streamed_extras(
    runner_type: "type[Runner]", extras: dict[str, str], threads: int
) -> dict[str, str]:
    """``extras`` with as many streams as are good for many pictures, where none were asked for."""
    if "streams" not in runner_type.option_names() or "streams" in extras:
        return extras
    return {**extras, "streams": str(min(threads, MOST_STREAMS))}


def summary(work: "Work", runner: "Runner", workers: int) -> str:
    """How many pictures in what time, where the time went, and by how many threads."""
    shares = ", ".join(f"{name} {share:.0%}" for name, share in work.shares().items())
    streams = f" in {runner.streams} streams" if runner.streams > 1 else ""
    return (
        f"{work.pictures} pictures · {work.pictures_per_s:.0f} pictures/s · {shares} · "
        f"{workers} workers, {_computed_on(runner)}{streams}"
    )


def _computed_on(runner: "Runner") -> str:
    """The threads of a CPU; of anything else its name, and what differs from the plain case."""
    if runner.device == "cpu":
        return f"{runner.options.threads} threads"
    return " · ".join((runner.device, *runner.notes))


def _pictures(names: list[str]) -> tuple[Iterable[Any], bool]:
    """What to classify, and whether that is more than one picture."""
    from paddleport.models.samples import sample_picture
    from paddleport.runners.classify import find_pictures

    if not names:
        return [("the picture that paddleport draws", sample_picture())], False
    found = find_pictures(names)
    first = list(islice(found, 2))
    return chain(first, found), len(first) > 1


def _show(
    answers: "Iterator[Classified]",
    where: str,
    ready: "Prepared",
    *,
    json: bool,
    jsonl: Path | None,
) -> tuple[int, int]:
    """Print or write every answer as it comes; how many were read and how many were not."""
    from paddleport.files import writing_atomically

    read = failed = 0
    if jsonl is not None:
        with writing_atomically(jsonl) as stream, progress_bar() as progress:
            for answer in answers:
                stream.write((_as_json(answer) + "\n").encode())
                read, failed = _count(answer, read, failed)
                progress(f"{read + failed} pictures, {failed} not read", None)
        stdout().print(f"[bold]{jsonl}[/]  {read} pictures · {where}")
        return read, failed
    if not json:
        print(f"\033[2m{where}\033[0m" if _styled() else where)
    separator = "["
    for answer in answers:
        read, failed = _count(answer, read, failed)
        if json:
            print(f"{separator}{_as_json(answer)}", end="")
            separator = ",\n "
        elif not answer.error:
            _print(answer)
    if json:
        print("]" if read + failed else "[]")
    return read, failed


def _count(answer: "Classified", read: int, failed: int) -> tuple[int, int]:
    if not answer.error:
        return read + 1, failed
    print_error(ImageError(answer.error))
    return read, failed + 1


def _print(answer: "Classified") -> None:
    """Plain lines: a table of rich takes as long as an inference, and its import as a model."""
    bold, dim, plain = ("\033[1m", "\033[2m", "\033[0m") if _styled() else ("", "", "")
    lines = [f"{bold}{answer.picture}{plain}"]
    for item in answer.predictions:
        label = "" if item.label is None else item.label
        lines.append(f"{item.score:>9.5f}  {dim}{item.index:>5}{plain}  {label}")
    print("\n".join(lines))


def _styled() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _as_json(answer: "Classified") -> str:
    from dataclasses import asdict

    return json_module.dumps(asdict(answer), ensure_ascii=False)
