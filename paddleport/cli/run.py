"""``paddleport run``: pictures to labels on any runtime."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddleport.arguments import check_option
from paddleport.cli import feed_files, options, ray_engine
from paddleport.cli.answers import show_answers
from paddleport.cli.console import print_warning, progress_bar, stderr
from paddleport.cli.profile_options import ProfileOptions
from paddleport.cli.run_feeds import feed_answers, spec_for_feeds, task_for
from paddleport.errors import UsageError
from paddleport.wording import counted

if TYPE_CHECKING:
    from paddleport.runners.base import Runner
    from paddleport.runners.picture_pipeline import Work
    from paddleport.runners.predictor import Predictor

DEFAULT_MODEL, DEFAULT_BACKEND = "MobileNetV2", "onnxruntime"


def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL] [PICTURES]...",
            help="MODEL: a zoo name, .onnx or other converted file, folder, .tar or program file; "
            "MobileNetV2 if none is named. PICTURES: files, folders, globs; "
            "a picture that the package draws if none is named.",
        ),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            "-b",
            help="One that paddleport backends lists.",
            show_default=DEFAULT_BACKEND,
        ),
    ] = None,
    topk: Annotated[int, typer.Option("--topk", help="How many classes to show.")] = 5,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", help="Pictures per inference.", show_default="1")
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
    opset: options.OpsetIfConvertedOption = None,
    weights: options.WeightsOption = "auto",
    device: options.DeviceOption = None,
    threads: options.ThreadsOption = None,
    precision: options.PrecisionOption = None,
    extra: options.ExtraOption = None,
    feed: feed_files.FeedOption = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="NAME",
            help="classification, or tensors: the outputs as they are, for any model.",
            show_default="classification, with --feed tensors",
        ),
    ] = None,
    json: options.JsonOption = False,
    jsonl: Annotated[
        Path | None,
        typer.Option("--jsonl", metavar="FILE", help="Write one JSON line per picture or feed."),
    ] = None,
    engine: ray_engine.EngineOption = None,
    address: ray_engine.AddressOption = None,
    actors: ray_engine.ActorsOption = None,
    out: ray_engine.OutOption = None,
) -> None:
    """Classify pictures on any runtime, with one preprocessing for all; or run any model's feeds.

    [bold]paddleport run --backend openvino[/]

    [bold]paddleport run MobileNetV2.onnx --backend onnxruntime photos/[/]

    [bold]paddleport run photos/ --profile out/MobileNetV2/tune.toml[/]

    [bold]paddleport run photos/ --engine ray -o answers/[/]

    [bold]paddleport run DETECTOR/ --feed image=FILE.npy --feed scale_factor=FILE.npy[/]
    """
    from paddleport.convert.named_files import only_backend, split_model
    from paddleport.convert.prepare import prepare_predictor
    from paddleport.runners.picture_pipeline import Work, default_workers
    from paddleport.runners.runner_options import (
        MOST_IN_A_BATCH,
        MOST_THREADS,
        RunnerOptions,
        available_threads,
    )
    from paddleport.runners.tasks.raw_tensors import feed_tensors

    tuned = ProfileOptions.read(profile)
    named, names_of_pictures = split_model(names or [], tuned.model or DEFAULT_MODEL)
    backend = tuned.backend(backend) or only_backend(named) or DEFAULT_BACKEND
    model = tuned.file_of(named)
    feeds = feed_files.feeds_from(feed)
    if topk < 1:  # before a conversion that may take long, as the others
        raise UsageError(f"--topk {topk} is not possible: 1 or more")
    if batch_size is not None:
        check_option("batch-size", batch_size, MOST_IN_A_BATCH)
    if workers is not None:
        check_option("workers", workers, MOST_THREADS)
    task = task_for(task, feeds, names_of_pictures)
    out, extra = ray_engine.out_and_extras(engine, out, extra)
    on_ray = ray_engine.is_asked(
        engine, out, address, actors, pictures=names_of_pictures, jsonl=jsonl
    )
    if on_ray and threads is None and not tuned.threads:
        threads = 1  # of an actor
    pictures, several = ([], False) if feeds or on_ray else _pictures(names_of_pictures)
    asked = RunnerOptions(
        device=device,
        precision=options.precision_from(precision) or tuned.precision,
        threads=tuned.threads or available_threads() if threads is None else threads,
        extras=tuned.extras | options.extras_from(extra),
    )
    if workers is None:
        workers = asked.threads or 1 if on_ray else default_workers()
    with progress_bar() as progress:
        ready, spec = prepare_predictor(
            model,
            backend,
            asked,
            task=task,
            feed=feeds,
            batch_size=tuned.batch or 1 if batch_size is None else batch_size,
            streams=None if several and tuned.profile is None else 1,
            opset=opset,
            weights=weights,
            progress=progress,
        )
    if not feeds and spec.preprocess is None:
        raise UsageError(f"{named} does not say how pictures are fed. {feed_tensors(ready.inputs)}")
    own = {"topk": topk} if task == "classification" else {}
    spec = replace(spec, task_options=own, workers=workers, fast_decode=fast_decode)
    if on_ray:
        if ready.warning:
            print_warning(ready.warning)
        ray_engine.run(spec, names_of_pictures, str(out), address, actors, json=json)
    with (spec_for_feeds(spec, feeds) if feeds else spec).open() as predictor:
        if ready.warning:
            print_warning(ready.warning)
        work, runner = Work(), predictor.runner
        where = f"{ready.title} · {backend} {runner.computes_in}, {_computed_on(runner)}"
        found = predictor.predict_many(pictures, work=work)
        if feeds:
            found = feed_answers(predictor, feeds)
        of = "feed" if feeds else "picture"
        with closing(found) as answers:
            read, failed = show_answers(
                answers, predictor.task, where, json=json, jsonl=jsonl, of=of
            )
        if fast_decode:
            again, _ = _pictures(names_of_pictures)
            _print_fast_decoding(predictor, again)
    if several:
        stderr().print(f"[dim]{summary(work, runner, workers)}[/]")
    if failed:
        raise typer.Exit(1 if read else 2)


def summary(work: "Work", runner: "Runner", workers: int) -> str:
    """How many pictures per second, where the time went, and on how many threads."""
    shares = ", ".join(f"{name} {share:.0%}" for name, share in work.shares().items())
    streams = f" in {runner.streams} streams" if runner.streams > 1 else ""
    return (
        f"{counted(work.answered, 'picture')} · {work.pictures_per_s:.0f} pictures/s · {shares} · "
        f"{counted(workers, 'worker')}, {_computed_on(runner)}{streams}"
    )


def _computed_on(runner: "Runner") -> str:
    """The threads on a CPU, if they can be chosen; else the device and the runner's notes."""
    if runner.device == "cpu" and runner.uses_threads:
        return counted(runner.options.threads, "thread")
    return " · ".join((runner.device, *runner.notes))


def _pictures(names: list[str]) -> tuple[Iterable[Any], bool]:
    """What to classify, and whether that is more than one picture."""
    from paddleport.runners.preprocessing.picture_files import find_pictures

    if not names:
        from paddleport.models.synthetic.samples import sample_picture

        return [("the picture that paddleport draws", sample_picture())], False
    found = find_pictures(names)
    first = list(islice(found, 2))
    return chain(first, found), len(first) > 1


def _print_fast_decoding(predictor: "Predictor", pictures: Iterable[Any]) -> None:
    """Print to stderr how reduced decoding changed the first JPEGs and their answers."""
    from paddleport.runners.preprocessing.fast_decode import effect_of_fast_decoding

    preprocess = predictor.spec.preprocess
    if preprocess is None:
        return
    files = (picture for picture in pictures if isinstance(picture, Path))
    effect = effect_of_fast_decoding(
        files, preprocess, predictor.same_answer, predictor.task.changed
    )
    stderr().print(f"[dim]{effect}[/]")
