"""``--engine ray`` of ``run`` and ``evaluate``: its options, and what ``run`` prints with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from paddleport.cli.console import (
    literal,
    print_error,
    print_json,
    print_warning,
    progress_bar,
    shown,
    stdout,
)
from paddleport.errors import ImageError, PortError, UsageError
from paddleport.wording import counted

if TYPE_CHECKING:
    from paddleport.integrations.ray_evaluation import RayChunks
    from paddleport.runners.predictor import PredictorSpec

EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="ray",
        help="Run on a Ray cluster; PICTURES may be addresses (s3://...) and Parquet files, too. "
        "The same command goes on where it was interrupted.",
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option("--address", help="Of the Ray cluster; else RAY_ADDRESS, or one on this machine."),
]
ActorsOption = Annotated[
    int | None,
    typer.Option(
        "--actors",
        help="How many hold the model, each with --threads CPUs (1 if not told) or a GPU.",
        show_default="as many as there is room for",
    ),
]
OutOption = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="With --engine ray: where Parquet files of answers go; -o DIR is the same there.",
    ),
]


def out_and_extras(
    engine: str | None, out: str | None, extra: list[str] | None
) -> tuple[str | None, list[str] | None]:
    """``--out``, and ``-o`` without what is no KEY=VALUE: with an engine that is the folder."""
    folders = [item for item in extra or () if "=" not in item]
    if not folders:
        return out, extra
    if engine is None:
        raise UsageError(
            f"-o {folders[0]} is not possible: write -o KEY=VALUE; a folder for answers goes with "
            "--engine ray"
        )
    if out is not None or len(folders) > 1:
        raise UsageError(
            f"one folder is taken, and there are {', '.join(filter(None, [out, *folders]))}"
        )
    return folders[0], [item for item in extra or () if "=" in item]


def is_asked(
    engine: str | None,
    out: str | None,
    address: str | None,
    actors: int | None,
    *,
    pictures: Sequence[str],
    jsonl: Path | None,
) -> bool:
    """Whether Ray is to run it.

    Raises:
        UsageError: another engine, or options that do not go together.
    """
    if not _is_ray(engine, {"--address": address, "--actors": actors, "--out": out}):
        return False
    if not out:
        raise UsageError("--engine ray writes Parquet files: say where with -o DIR")
    if not pictures:
        raise UsageError("--engine ray takes pictures: name a folder, a glob or a Parquet file")
    if jsonl is not None:
        raise UsageError("--engine ray writes Parquet files to -o DIR: leave --jsonl out")
    for word in (out, *pictures):
        if any("\ud800" <= sign <= "\udfff" for sign in word):
            raise UsageError(
                f"{shown(word)} is no UTF-8, and Ray takes no such command line: name the folder "
                "that it is in"
            )
    return True


def chunks(
    engine: str | None,
    address: str | None,
    actors: int | None,
    *,
    threads: int,
    device: str | None,
) -> "RayChunks | None":
    """What computes ``evaluate``'s chunks; ``None`` is this process.

    Raises:
        UsageError: another engine, or options that do not go together.
    """
    if not _is_ray(engine, {"--address": address, "--actors": actors}):
        return None
    from paddleport.integrations.ray_actors import gpus_for
    from paddleport.integrations.ray_evaluation import RayChunks

    gpus = gpus_for(device or "cpu")
    return RayChunks(address=address, actors=actors, cpus=max(1, threads), gpus=gpus)


def _is_ray(engine: str | None, given: Mapping[str, str | int | None]) -> bool:
    """Whether Ray is the engine; ``given`` are the options that only make sense with it."""
    if engine is None:
        for option, value in given.items():
            if value is not None:
                raise UsageError(f"{option} {value} is for --engine ray, which is not named")
        return False
    if engine != "ray":
        raise UsageError(f"--engine {engine} is not known: ray, or none for this process")
    actors = given.get("--actors")
    if isinstance(actors, int) and actors < 1:
        raise UsageError(f"--actors {actors} is not possible: 1 or more")
    return True


def _has_parts(out: str) -> bool:
    """Whether an interrupted run has left answers."""
    from paddleport.integrations.answer_parts import AnswerParts

    try:
        return bool(AnswerParts(out).names())
    except PortError:  # then it is not known
        return True


def run(
    spec: "PredictorSpec",
    names: Sequence[str],
    out: str,
    address: str | None,
    actors: int | None,
    *,
    json: bool,
) -> NoReturn:
    """Answer the pictures, print a summary, and exit as ``run`` does.

    Raises:
        typer.Exit: always, with 1 if some pictures and 2 if all of them could not be read.
    """
    from paddleport.integrations.ray_run import RayRequest, run_on_ray

    try:
        with progress_bar() as progress:
            found = run_on_ray(
                RayRequest(spec=spec, names=names, out=out, address=address, actors=actors),
                progress,
                lambda error: print_error(ImageError(error)),
            )
    except KeyboardInterrupt:
        goes_on = f"goes on with what {out} has by now"
        begins = f"begins anew, {out} has no answers yet"
        print_warning(f"interrupted: the same command {goes_on if _has_parts(out) else begins}")
        raise
    if json:
        print_json(found.to_dict())
    else:
        before = f", {found.resumed:,} of them before" if found.resumed else ""
        took = f"{found.start_s:.1f} s to start, {found.seconds:.1f} s"
        stdout().print(
            f"[bold]{literal(out)}[/]  {counted(found.pictures, 'picture')}{before}, "
            f"{found.failed:,} not read · {counted(found.parts, 'file')} · {took}"
        )
    raise typer.Exit(0 if not found.failed else 1 if found.failed < found.pictures else 2)
