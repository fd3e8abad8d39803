"""All results as totals, a table in the terminal, and a page of the documentation."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from measurement import BACKENDS
from rich.table import Table

Result = Mapping[str, Any]

_GROUPS = (
    "converted",
    "unproven",
    "refused",
    "not validated",
    "false alarm",
    "missed",
    "needlessly unproven",
    "broken",
    "unknown",
)
_HEADER = ("architecture", "million", "convert", *BACKENDS, "rounding moves", "file")
_INTRODUCTION = """\
# Architectures

What `convert` and `validate --quick` say of {count} architectures of the `paddleclas` {version}
wheel, with seeded weights, exported as PaddleClas does. Made by `bench/architectures`; do not edit.

Every verdict is held against the network itself in double precision, computed by Paddle: no
Paddle2ONNX, no exported program, none of paddleport's feeds and measures take part in it. *rounding
moves*: how far float32's rounding alone, of the weights or in native Paddle, moves an output, in
units of the outputs' spread; *file*: whether the ONNX file is the network, but for such rounding. A
`differs` on what is right is a **false alarm**, an `agrees` on what is wrong is **missed**.
"""


def totals(results: Sequence[Result]) -> dict[str, list[str]]:
    """Which architectures came to what, by what it is called."""
    groups: dict[str, list[str]] = {key: [] for key in _GROUPS}
    for result in results:
        name = result["name"]
        if "no_model" in result:
            groups["unknown"].append(f"{name}: not exported: {result['no_model']}")
            continue
        convert, validate = result["convert"], result["validate"]
        by_verdict = {"agrees": "converted", "unproven": "unproven"}
        line = name if convert["code"] == 0 else f"{name}: {convert['message']}"
        groups[by_verdict.get(convert["verdict"], "refused")].append(line)
        if not validate["rows"]:
            groups["not validated"].append(f"{name}: {validate['message']}")
        for what, row in _mistakes(result):
            groups[what].append(f"{name}: {row}")
        groups["broken"] += [f"{name}: {what}" for what in _broken(convert, validate)]
        if "unknown" in result["truth"]:
            groups["unknown"].append(f"{name}: {result['truth']['unknown']}")
    return groups


def _mistakes(result: Result) -> Iterator[tuple[str, str]]:
    for where, what in result.get("mistakes", {}).items():
        if where == "convert":
            yield what, f"convert: {result['convert']['message']}"
        else:
            row = result["validate"]["rows"][where]
            yield what, f"{where}: {row['cause'] or row['verdict']}: {row['reason']}"


def _broken(convert: Result, validate: Result) -> Iterator[str]:
    for command, ending in (("convert", convert), ("validate", validate)):
        if ending["broken"]:
            yield f"{command} ended with {ending['code']}: {ending['message']}"
    for name, row in validate["rows"].items():
        if row["verdict"] == "failed":
            yield f"validate, {name}: {row['reason']}"


def rows(results: Iterable[Result]) -> Iterator[tuple[str, ...]]:
    """The table's rows, in the order of ``_HEADER``."""
    for result in results:
        if "no_model" in result:
            yield (result["name"], *("",) * (len(_HEADER) - 2), result["no_model"])
            continue
        convert, validate, truth = result["convert"], result["validate"], result["truth"]
        found = validate["rows"]
        yield (
            result["name"] + ("" if result["batch"] is None else " (batch 1)"),
            f"{result['parameters'] / 1e6:.1f}",
            _verdict(convert["verdict"], convert["code"]),
            *(_row_verdict(found.get(name)) for name in BACKENDS),
            _number(truth),
            truth.get("reference", {}).get("truth", "unknown"),
        )


def _verdict(verdict: str, code: int) -> str:
    return f"{verdict} ({code})" if code else verdict


def _number(truth: Result) -> str:
    if "amplified" not in truth:
        return "unknown"
    return "not finite" if truth["amplified"] is None else f"{truth['amplified']:.0e}"


def _row_verdict(row: Result | None) -> str:
    if row is None:
        return "no row"
    return f"{row['verdict']}: {row['cause']}" if row["cause"] else str(row["verdict"])


def terminal_table(results: Sequence[Result]) -> Table:
    """For rich's console."""
    table = Table(*_HEADER)
    for row in rows(results):
        table.add_row(*row)
    return table


def summary(results: Sequence[Result]) -> str:
    """One line."""
    return " · ".join(f"{key} {len(names)}" for key, names in totals(results).items())


def page(results: Sequence[Result], version: str, versions: Mapping[str, str]) -> str:
    """The page in Markdown: totals, what was refused and why, the table."""
    parts = [_INTRODUCTION.format(count=len(results), version=version)]
    parts.append("Measured with " + ", ".join(f"{key} {it}" for key, it in versions.items()) + ".")
    commits = Counter(item["commit"] for item in results).most_common()
    parts.append("At the commits " + ", ".join(f"{it} ({count})" for it, count in commits) + ".")
    found = totals(results)
    parts.append(_table(("", ""), [(key, str(len(names))) for key, names in found.items()]))
    for key, names in found.items():
        if key != "converted" and names:
            parts.append(f"## {key.capitalize()}\n")
            parts.append("\n".join(f"- {_cell(name)}" for name in names))
    validated = [item["validate"]["rows"] for item in results if "validate" in item]
    causes = Counter(row["cause"] for each in validated for row in each.values())
    del causes[""]
    if causes:
        parts.append("## Causes that validate named\n")
        parts.append(_table(("cause", "rows"), [(key, str(n)) for key, n in causes.most_common()]))
    parts.append("## Every architecture\n")
    parts.append(_table(_HEADER, rows(results)))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    cells = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in cells)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())
