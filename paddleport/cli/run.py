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
from paddleport.cli.tuned import Tuned
from paddleport.errors import ImageError, UsageError

if TYPE_CHECKING:
    from paddleport.convert.prepare import Prepared
    from paddleport.models.card import Preprocess
    from paddleport.runners.base import Runner, RunnerOptions
    from paddleport.runners.pipeline import Work
    from paddleport.runners.tasks.classify import Classified

DEFAULT_MODEL, DEFAULT_BACKEND = "MobileNetV2", "onnxruntime"
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
        str | None,
        typer.Option(
            "--backend", "-b", help="One of: paddleport backends.", show_default=DEFAULT_BACKEND
        ),
    ] = None,
    topk: Annotated[int, typer.Option("--topk", help="How many classes to show.")] = 5,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", help="Pictures an inference.", show_default="1")
    ] = None,
    profile: options.ProfileOption = None,
    fast_decode: Annotated[
        bool,
        typer.Option(
            "--fast-decode",
            help="Decode JPEGs at a reduced size: faster, no longer bit-identical; "
            "the difference is measured and printed.",
        ),
    ] = False,
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

    [bold]paddleport run photos/ --profile out/MobileNetV2/tune.toml[/]
    """
    from paddleport.convert.prepare import fed_shapes, prepare, split_model
    from paddleport.runners import runner_class
    from paddleport.runners.base import RunnerOptions, available_threads
    from paddleport.runners.pipeline import Work, default_workers
    from paddleport.runners.tasks.classify import classify

    tuned = Tuned.read(profile)
    backend = tuned.backend(backend) or DEFAULT_BACKEND
    batch_size = tuned.batch or 1 if batch_size is None else batch_size
    named, names_of_pictures = split_model(names or [], tuned.model or DEFAULT_MODEL)
    model = tuned.file_of(named)
    runner_type = runner_class(backend)
    pictures, several = _pictures(names_of_pictures)
    threads = tuned.threads or available_threads() if threads is None else threads
    workers = default_workers() if workers is None else workers
    extras = tuned.extras | options.extras_from(extra)
    run_options = RunnerOptions(
        device, options.precision_from(precision) or tuned.precision, threads, extras
    )
    runner_type.check_options(run_options)  # before a conversion that may take long
    streams = min(threads, MOST_STREAMS) if several and tuned.profile is None else 1
    run_options = replace(run_options, extras=run_extras(runner_type, run_options, streams))
    with progress_bar() as progress:
        ready = prepare(model, runner_type.formats, opset=opset, weights=weights, progress=progress)
    if ready.preprocess is None:
        raise UsageError(
            f"{model} does not say how pictures are fed: {ready.preprocess_unknown}. "
            "For a model of the zoo with your files: paddleport run NAME --weights FOLDER"
        )
    run_options = replace(run_options, shapes=fed_shapes(ready, runner_type, batch_size))
    with runner_type(ready.model, run_options) as runner:
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
            fast_decode=fast_decode,
        )
        where = f"{ready.title} · {backend} {runner.computes_in}, {_computed_on(runner)}"
        with closing(answers):
            read, failed = _show(answers, where, ready, json=json, jsonl=jsonl)
        if fast_decode:
            again, _ = _pictures(names_of_pictures)
            _print_fast_decoding(runner, again, ready.preprocess, batch_size)
    if several:
        stderr().print(f"[dim]{summary(work, runner, workers)}[/]")
    if failed:
        raise typer.Exit(1 if read else 2)


def run_extras(runner_type: "type[Runner]", asked: "RunnerOptions", streams: int) -> dict[str, str]:
    """The extras, and what is good for ``run`` where the backend takes it and nothing was asked."""
    wanted = {"cache": "true", **({"streams": str(streams)} if streams > 1 else {})}
    for key, text in wanted.items():
        asked = runner_type.with_extra(asked, key, text)
    return dict(asked.extras)


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
    from paddleport.runners.tasks.classify import find_pictures

    if not names:
        from paddleport.models.synthetic.samples import sample_picture

        return [("the picture that paddleport draws", sample_picture())], False
    found = find_pictures(names)
    first = list(islice(found, 2))
    return chain(first, found), len(first) > 1


def _print_fast_decoding(
    runner: "Runner", pictures: Iterable[Any], preprocess: "Preprocess", batch_size: int
) -> None:
    """On stderr, what reduced decoding did to the first JPEGs and to their likeliest class."""
    from paddleport.runners.preprocessing.fast_decode import effect_of_fast_decoding
    from paddleport.runners.tasks.classify import classify

    def top_1(picture: Any) -> int:
        named = [("", picture)]
        (answer,) = classify(runner, named, preprocess=preprocess, topk=1, batch_size=batch_size)
        return answer.predictions[0].index

    files = (picture for picture in pictures if isinstance(picture, Path))
    stderr().print(f"[dim]{effect_of_fast_decoding(files, preprocess, top_1)}[/]")


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
