"""``python bench/architectures``: verdicts on the networks of PaddleClas, and which are mistaken.

Results are kept, one JSON file per architecture, and not measured again: an interrupted run goes
on. The exit code is 1 if there is a false alarm, a missed fault or a command that broke.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any

from architecture import Architecture, architectures
from measurement import Limits, measure
from results_page import page, summary, terminal_table, totals
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from paddleport.files import write_atomically
from paddleport.models.zoo.paddleclas.paddleclas_wheel import VERSION

OUT = Path("out") / "architectures"
_VERSIONS = ("paddleport", "paddlepaddle", "paddle2onnx", "onnx", "onnxruntime", "openvino")
_MISTAKES = ("false alarm", "missed", "broken")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is not measured yet, then show everything that is."""
    options = _options(arguments)
    chosen = _chosen(architectures(), options.only, options.limit)
    results = options.results or OUT / _commit()
    files = {item: results / f"{item.name}.json" for item in chosen}
    todo = {item: file for item, file in files.items() if options.again or not file.exists()}
    _measure_all(todo, options)
    found = [json.loads(file.read_text("utf-8")) for file in files.values()]
    console = Console()
    console.print(terminal_table(found))
    for key in _MISTAKES:
        for line in totals(found)[key]:
            console.print(f"{key}: {line}", soft_wrap=True, markup=False)
    console.print(f"{summary(found)} · {results}", soft_wrap=True)
    if options.page:
        versions = {name: version(name) for name in _VERSIONS}
        write_atomically(options.page, page(found, VERSION, versions).encode())
    return int(any(totals(found)[key] for key in _MISTAKES))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python bench/architectures", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="repeatable")
    parser.add_argument("--limit", type=int, help="the first so many")
    parser.add_argument("--jobs", type=int, default=1, help="architectures at a time")
    parser.add_argument("--again", action="store_true", help="measure what is measured, too")
    parser.add_argument("--results", type=Path, help=f"by default {OUT}/COMMIT")
    parser.add_argument("--models", type=Path, default=OUT / "models", help="exported networks")
    parser.add_argument("--page", type=Path, metavar="FILE.md", help="write this page")
    return parser.parse_args(arguments)


def _chosen(
    known: Sequence[Architecture], only: Sequence[str] | None, limit: int | None
) -> list[Architecture]:
    unknown = set(only or ()) - {item.name for item in known}
    if unknown:
        raise SystemExit(f"architectures.json does not list {', '.join(sorted(unknown))}")
    return [item for item in known if not only or item.name in only][:limit]


def _measure_all(todo: Mapping[Architecture, Path], options: argparse.Namespace) -> None:
    counted = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    named = TextColumn("{task.description}")
    with (
        Progress(*counted, named, console=Console(stderr=True)) as progress,
        ThreadPoolExecutor(options.jobs) as pool,
    ):
        task = progress.add_task("", total=len(todo))
        jobs = {pool.submit(measure, item, options.models, Limits()): item for item in todo}
        for job in as_completed(jobs):
            _keep(todo[jobs[job]], job.result())
            progress.update(task, advance=1, description=jobs[job].name)


def _keep(file: Path, values: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    values |= {"commit": _commit()}
    write_atomically(file, json.dumps(values, indent=1).encode())


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    folder = Path(__file__).parent
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
