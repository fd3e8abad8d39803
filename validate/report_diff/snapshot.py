"""What a comparison needs of a parity report, as typed values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from paddleport.validate.parity.parity_report import RowVerdict
from paddleport.validate.report_diff.median import Median
from paddleport.validate.report_diff.reading import Node

SPEED_REFERENCE = "paddle"  # as validation_plan has it, which this must not import to read a file
_SMALLEST_MS, _LARGEST_MS = 1e-6, 1e9
Configuration = tuple[int, int, str]  # batch, threads, scope, as figures has it


@dataclass(frozen=True)
class Output:
    """One output's comparison.

    Attributes:
        name, measure, limit: as ``OutputComparison`` has them.
        error: the worst; infinite where values were incomparable.
        typical_error: the worst over all feeds but the extremes, likewise.
        max_abs: the largest difference from the reference, in the output's own values.
        reference_distance: of the reference from float64.
        top1: rows with the same largest class, and all rows; ``None`` for no classifier.
        flips: feed and row of every changed top-1 to the reference's margin there.
    """

    name: str
    measure: str
    limit: float
    error: float
    typical_error: float
    max_abs: float | None
    reference_distance: float | None
    top1: tuple[int, int] | None
    flips: Mapping[tuple[str, int], float]


@dataclass(frozen=True)
class Row:
    """One backend under its name; the attributes are those of ``BackendRow`` and its ``Load``.

    Attributes:
        located: side and node, where the parting was looked for.
        medians: configuration to median, in ms.
    """

    verdict: str
    cause: str
    reason: str
    computes_in: str
    outputs: tuple[Output, ...]
    located: str
    medians: Mapping[Configuration, Median]
    load_ms: float | None
    warm_load_ms: float | None
    peak_memory_bytes: float | None


@dataclass(frozen=True)
class Snapshot:
    """One report; the attributes are those of ``ParityReport``.

    Attributes:
        rows: by name; the second of one name is ``name (again)``.
        feeds: each in words.
        cpu: the machine's, empty where it is not known.
        packages: name to version.
    """

    model: Mapping[str, Any]
    rows: Mapping[str, Row]
    feeds: tuple[str, ...]
    threads: int
    strict: bool
    reference: str
    float64_reference: str
    cpu: str
    platform: str
    python: str
    packages: Mapping[str, str]
    peak_gflops: Mapping[str, float]
    command: str
    created: str


def snapshot(root: Node) -> Snapshot:
    """What is needed of a report.

    Raises:
        OutputError: a value is missing or not of its type.
    """
    rows: dict[str, Row] = {}
    for node in root.items("rows"):
        name = node.text("name")
        while name in rows:
            name += " (again)"
        rows[name] = _row(node)
    environment, peaks = root.part("environment"), root.part("peak_gflops")
    packages = environment.part("packages")
    return Snapshot(
        root.part("model").value,
        rows,
        tuple(_feed(node) for node in root.items("feeds")),
        int(root.number("threads") or 0),
        bool(root.at("strict").value),
        root.text("reference"),
        root.text("float64_reference") or root.text("arbiter"),  # as schema 2 has it
        environment.text("cpu"),
        environment.text("platform"),
        environment.text("python"),
        {str(name): packages.text(name) for name in packages.value},
        {str(count): peaks.number(count) or 0.0 for count in peaks.value},
        root.text("command"),
        root.text("created"),
    )


def _row(node: Node) -> Row:
    verdict, load = node.text("verdict"), node.part("load")
    if verdict not in get_args(RowVerdict):
        node.at("verdict").refuse(f"is none of {', '.join(get_args(RowVerdict))}")
    located = node.part("located")
    return Row(
        verdict,
        node.text("cause"),
        node.text("reason"),
        node.text("computes_in"),
        tuple(_output(item) for item in node.items("comparisons")),
        f"{located.text('side')}: {located.text('node')}" if located.value else "",
        dict(_timed(item) for item in node.items("latencies")),
        load.number("load_ms"),
        load.number("warm_load_ms"),
        load.number("peak_memory_bytes"),
    )


def _output(node: Node) -> Output:
    ranking = node.part("ranking")
    agreeing, total = ranking.number("top1_agreeing"), ranking.number("total")
    error = node.number("worst_error")
    kinds = [item for item in node.items("worst_feeds") if item.text("kind") != "extreme"]
    typical = [_error(item.number("error")) for item in kinds] or [_error(error)]
    return Output(
        node.text("output"),
        node.text("measure"),
        node.known_number("limit"),
        _error(error),
        max(typical),
        node.part("against_reference").number("max_abs"),
        node.part("reference_against_float64").number("scaled"),
        (int(agreeing or 0), int(total)) if total else None,
        {
            (item.text("feed"), int(item.number("row") or 0)): item.number("margin") or 0.0
            for item in ranking.items("changes")
        },
    )


def _timed(node: Node) -> tuple[Configuration, Median]:
    key = int(node.known_number("batch")), int(node.known_number("threads")), node.text("scope")
    middle = node.known_number("p50_ms")
    if not _SMALLEST_MS <= middle <= _LARGEST_MS:
        node.at("p50_ms").refuse("is no latency")
    ends = node.items("interval_ms")
    if len(ends) != 2:
        node.at("interval_ms").refuse("is no pair of numbers")
    low, high = (end.own_number() for end in ends)
    return key, Median(middle, min(low, middle), max(high, middle))


def _feed(node: Node) -> str:
    return f"{node.text('name')} ({node.text('kind')}, batch {node.number('batch') or 0:g})"


def _error(value: float | None) -> float:
    return math.inf if value is None else value
