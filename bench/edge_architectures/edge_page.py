"""What came of each network on each target, as a table, a page and a line of counts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

Result = Mapping[str, Any]

_OUTCOMES = ("agrees", "differs", "unproven", "refused", "no ONNX", "no model", "broken")
_INTRODUCTION = """\
# Architectures on edge runtimes

What `convert --to {targets}` makes of {count} architectures of the `paddleclas` {wheel} wheel, with
seeded weights, exported as PaddleClas does. Made by `bench/edge_architectures`; do not edit.

*agrees*: the file gives what native Paddle does, on every feed, with the worst error as a share of
its limit; `*` where it is above the limit and as exact as Paddle itself. *refused*: the converter
or its runtime does not take the network, with the reason below. *differs*: a file was made and
gives something else, a fault of the converter or the runtime that nothing else reports; `convert`
gives it no name and exits with 1. *seconds*: for conversion and comparison together, without those
for the ONNX file.
"""


def by_network(results: Iterable[Result]) -> dict[str, dict[str, Result]]:
    """Name to target to result, in the order of the results."""
    found: dict[str, dict[str, Result]] = {}
    for item in results:
        found.setdefault(item["name"], {})[item["target"]] = item
    return found


def verdict(item: Result | None) -> str:
    """In a cell."""
    if item is None:
        return "–"
    if item["outcome"] == "agrees":
        return f"agrees, {share(item)}"
    if item["outcome"] == "differs":
        blame = ", ".join(filter(None, (item.get("cause"), item.get("step"))))
        return f"differs: {blame}" if blame else "differs"
    if item["outcome"] == "refused" and item.get("operator"):
        return f"refused: {item['operator']}"
    return str(item["outcome"])


def share(item: Result) -> str:
    """The worst error as a share of its limit; marked where it is above."""
    worst, limit = item.get("worst_error"), item.get("limit")
    if worst is None or not limit:
        return "equal"
    return f"{100 * worst / limit:.0f} %" + ("*" if worst > limit else "")


def rows(results: Sequence[Result], targets: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The table's rows, in the order of ``header``."""
    for name, found in by_network(results).items():
        parameters = next(iter(found.values())).get("parameters")
        million = f"{parameters / 1e6:.1f}" if parameters else "–"
        cells = [
            cell for it in targets for cell in (verdict(found.get(it)), _seconds(found.get(it)))
        ]
        yield name, million, *cells


def header(targets: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns."""
    return ("architecture", "million", *(cell for it in targets for cell in (it, "seconds")))


def terminal_table(results: Sequence[Result], targets: Sequence[str]) -> Table:
    """For rich's console."""
    table = Table(*header(targets))
    for row in rows(results, targets):
        table.add_row(*row)
    return table


def counts(results: Sequence[Result], targets: Sequence[str]) -> str:
    """One line for the terminal."""
    return " · ".join(f"{it}: {_counted(results, it)}" for it in targets)


def page(results: Sequence[Result], targets: Sequence[str], versions: Mapping[str, str]) -> str:
    """The page in Markdown: counts, what did not agree and why, the table."""
    from paddleport.models.zoo.paddleclas.paddleclas_wheel import VERSION

    count = len(by_network(results))
    parts = [_INTRODUCTION.format(count=count, wheel=VERSION, targets="` and `--to ".join(targets))]
    parts.append("Measured with " + ", ".join(f"{key} {it}" for key, it in versions.items()) + ".")
    commits = Counter(item["commit"] for item in results).most_common()
    parts.append("At the commits " + ", ".join(f"{it} ({many})" for it, many in commits) + ".")
    lines = [(it, *(str(_count(results, it, outcome)) for outcome in _OUTCOMES)) for it in targets]
    parts.append(_table(("", *_OUTCOMES), lines))
    for target in targets:
        for outcome in _OUTCOMES[1:]:
            chosen = [
                item for item in results if (item["target"], item["outcome"]) == (target, outcome)
            ]
            if chosen:
                parts.append(f"## {target}: {outcome}")
                parts.append("\n".join(_reason(item) for item in chosen))
    parts.append("## Every architecture")
    parts.append(_table(header(targets), rows(results, targets)))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _seconds(item: Result | None) -> str:
    return f"{item['seconds']:.0f}" if item and "seconds" in item else ""


def _count(results: Sequence[Result], target: str, outcome: str) -> int:
    return sum((item["target"], item["outcome"]) == (target, outcome) for item in results)


def _counted(results: Sequence[Result], target: str) -> str:
    found = {outcome: _count(results, target, outcome) for outcome in _OUTCOMES}
    return ", ".join(f"{many} {outcome}" for outcome, many in found.items() if many)


def _reason(item: Result) -> str:
    why = item.get("why") or item.get("message") or ""
    return f"- {item['name']}: {_cell(why.removeprefix('error: '))}"


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    cells = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in cells)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())
