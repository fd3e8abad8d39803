"""``python bench/edge_architectures``: what ``convert --to`` makes of PaddleClas's networks.

Each network of ``bench/architectures`` is exported with seeded weights and converted to each
target by the command, as a user does. Results are lines of JSON, one per network and target, and
are not measured again: an interrupted run goes on. The exit code is 1 if a command broke.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent.parent / "architectures"))

from architecture import Architecture, architectures
from edge_measurement import TARGETS, measure
from edge_page import counts, page, terminal_table
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from paddleport.files import write_atomically

OUT = Path("out") / "edge-architectures"
_VERSIONS = ("paddleport", "paddlepaddle", "paddle2onnx", "onnx", "ncnn", "MNN")

Key = tuple[str, str]
"""A network's name and a target's."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is not measured yet, then show everything that is."""
    options = _options(arguments)
    chosen = _chosen(architectures(), options.only, options.limit)
    targets = tuple(options.to or TARGETS)
    file: Path = options.results
    found = dict(_read(file))
    todo = {
        item: wanted
        for item in chosen
        if (wanted := [it for it in targets if _is_wanted(found.get((item.name, it)), options)])
    }
    for values in _measured(todo, options):
        found[values["name"], values["target"]] = values
        _append(file, values)
    shown = [found[key] for item in chosen for it in targets if (key := (item.name, it)) in found]
    console = Console()
    console.print(terminal_table(shown, targets))
    console.print(f"{counts(shown, targets)} · {file}", soft_wrap=True)
    if options.page:
        versions = {name: version(name) for name in _VERSIONS}
        write_atomically(options.page, page(shown, targets, versions).encode())
    return int(any(item["outcome"] == "broken" for item in shown))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python bench/edge_architectures", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="repeatable")
    parser.add_argument("--limit", type=int, help="the first so many")
    parser.add_argument("--to", action="append", metavar="TARGET", help="repeatable")
    parser.add_argument("--jobs", type=int, default=1, help="networks at a time")
    parser.add_argument("--again", action="store_true", help="measure what is measured, too")
    parser.add_argument(
        "--again-unless-agrees", action="store_true", help="measure again what did not agree"
    )
    parser.add_argument("--results", type=Path, default=OUT / "results.jsonl")
    parser.add_argument("--models", type=Path, default=Path("out/architectures/models"))
    parser.add_argument("--keep", action="store_true", help="keep the models; all are some 20 GB")
    parser.add_argument("--page", type=Path, metavar="FILE.md", help="write this page")
    return parser.parse_args(arguments)


def _chosen(
    known: Sequence[Architecture], only: Sequence[str] | None, limit: int | None
) -> list[Architecture]:
    unknown = set(only or ()) - {item.name for item in known}
    if unknown:
        raise SystemExit(f"architectures.json does not list {', '.join(sorted(unknown))}")
    return [item for item in known if not only or item.name in only][:limit]


def _is_wanted(before: dict[str, Any] | None, options: argparse.Namespace) -> bool:
    if before is None or options.again:
        return True
    return bool(options.again_unless_agrees) and before["outcome"] != "agrees"


def _measured(
    todo: dict[Architecture, list[str]], options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    counted = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    named = TextColumn("{task.description}")
    commit = _commit()
    with (
        Progress(*counted, named, console=Console(stderr=True)) as progress,
        ThreadPoolExecutor(options.jobs) as pool,
    ):
        task = progress.add_task("", total=len(todo))
        jobs = {
            pool.submit(measure, item, targets, options.models, keep=options.keep): item
            for item, targets in todo.items()
        }
        for job in as_completed(jobs):
            for values in job.result():
                yield values | {"commit": commit}
            progress.update(task, advance=1, description=jobs[job].name)


def _read(file: Path) -> Iterator[tuple[Key, dict[str, Any]]]:
    """The last line of each network and target; a line that was cut short is none."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    for line in lines:
        try:
            values = json.loads(line)
        except json.JSONDecodeError:
            continue
        yield (values["name"], values["target"]), values


def _append(file: Path, values: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cut_short = file.exists() and not file.read_bytes().endswith(b"\n")
    with file.open("a", encoding="utf-8") as stream:
        stream.write("\n" * cut_short + json.dumps(values) + "\n")


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    folder = Path(__file__).parent
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
