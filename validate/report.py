"""The parity report: what was compared, with what result, where; as JSON and Markdown."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from paddleport.files import write_atomically
from paddleport.validate.compare import OutputComparison
from paddleport.validate.latency import Latency

SCHEMA_VERSION = 1
RowVerdict = Literal["reference", "agrees", "differs", "unproven", "skipped", "failed"]


@dataclass(frozen=True)
class BackendRow:
    """One backend's line of the report.

    Attributes:
        name: the row's name, such as ``onnxruntime`` or ``paddle plain``.
        verdict: ``skipped`` when the backend is not available here, ``failed`` when it broke.
        reason: why the verdict is not ``agrees``; empty when it is.
        computes_in: the precision read back from the runtime; empty if it never loaded.
        comparisons: one an output; empty for the reference.
        latency: ``None`` where it was not measured.
        speed_up: how many times faster than the speed reference, by the median.
        load_ms: importing, loading and compiling.
        notes: what differs from the plain case.
    """

    name: str
    verdict: RowVerdict
    reason: str = ""
    computes_in: str = ""
    comparisons: tuple[OutputComparison, ...] = ()
    latency: Latency | None = None
    speed_up: float | None = None
    load_ms: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def worst(self) -> OutputComparison | None:
        """The comparison with the largest share of its limit, or the first without a value."""
        if not self.comparisons:
            return None
        return max(self.comparisons, key=_share_of_limit)


def _share_of_limit(comparison: OutputComparison) -> float:
    if comparison.worst_error is None:
        return math.inf
    if not comparison.limit:
        return math.inf if comparison.worst_error else 0.0
    return comparison.worst_error / comparison.limit


@dataclass(frozen=True)
class ParityReport:
    """Whether a model is still the same on every backend, and how fast it is there.

    In a notebook it shows itself as a table.

    Attributes:
        model: name, weights, opset, hashes, sizes.
        reference: what the numbers are judged against.
        speed_reference: what the speed is judged against, or why there is none.
        feeds: name and kind of each feed, in order.
        threads: CPU threads of every backend.
        rows: one a backend, the reference first.
        environment: machine and versions.
    """

    model: Mapping[str, Any]
    reference: str
    speed_reference: str
    feeds: tuple[tuple[str, str], ...]
    threads: int
    rows: tuple[BackendRow, ...]
    environment: Mapping[str, Any]

    @property
    def verdict(self) -> Literal["agrees", "differs", "unproven"]:
        """``agrees`` when at least one backend was judged and every judged one agrees."""
        verdicts = [row.verdict for row in self.rows if row.verdict not in ("reference", "skipped")]
        if "differs" in verdicts or "failed" in verdicts:
            return "differs"
        return "agrees" if verdicts and set(verdicts) == {"agrees"} else "unproven"

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, ready for JSON."""
        return {"schema": SCHEMA_VERSION, "verdict": self.verdict, **asdict(self)}

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """The report as Markdown, to paste into a pull request."""
        return _markdown(self)

    def _repr_markdown_(self) -> str:
        return _markdown(self)

    def __str__(self) -> str:
        return _markdown(self)

    def write(self, folder: Path) -> list[Path]:
        """Write ``parity.md`` and ``parity.json`` into ``folder`` and return their paths."""
        files = [folder / "parity.md", folder / "parity.json"]
        write_atomically(files[0], self.to_markdown().encode())
        write_atomically(files[1], self.to_json().encode())
        return files


COLUMNS = (
    "backend",
    "computes in",
    "verdict",
    "worst error / limit",
    "top-1",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "× paddle",
)


def row_cells(row: BackendRow) -> tuple[str, ...]:
    """One row's texts for ``COLUMNS``; what was not measured is empty."""
    worst, latency = row.worst, row.latency
    error = top1 = ""
    if worst is not None:
        if worst.measure == "equality":
            error = f"{worst.worst_error:g} unequal"
        else:
            found = "–" if worst.worst_error is None else f"{worst.worst_error:.1e}"
            error = f"{found} / {worst.limit:.1e}"
        if worst.top1_total:
            top1 = f"{worst.top1_agreeing} of {worst.top1_total}"
    times = (
        [f"{value:.2f}" for value in (latency.p50_ms, latency.p90_ms, latency.p99_ms)]
        if latency
        else ["", "", ""]
    )
    speed_up = "" if row.speed_up is None else f"{row.speed_up:.2f}"
    return (row.name, row.computes_in, row.verdict, error, top1, *times, speed_up)


def reasons(rows: Sequence[BackendRow]) -> list[str]:
    """A sentence for every row that has something to explain."""
    return [
        f"{row.name}: {'; '.join(filter(None, (row.reason, *row.notes)))}"
        for row in rows
        if row.reason or row.notes
    ]


def _markdown(report: ParityReport) -> str:
    header = " | ".join(COLUMNS)
    rule = " | ".join(["---"] * 5 + ["---:"] * 4)
    lines = [
        f"# {report.model['title']}",
        "",
        f"**{report.verdict}** · numbers against {report.reference} · "
        f"speed against {report.speed_reference}",
        "",
        f"| {header} |",
        f"| {rule} |",
        *(f"| {' | '.join(row_cells(row))} |" for row in report.rows),
        "",
        *(f"- {sentence}" for sentence in reasons(report.rows)),
        "",
        f"{len(report.feeds)} feeds, {report.threads} threads each, "
        "error in units of |reference| + its root mean square.",
        "",
        "| | |",
        "| --- | --- |",
        *(f"| {key} | {value} |" for key, value in report.model.items() if key != "title"),
        *(f"| {key} | {value} |" for key, value in report.environment.items() if key != "packages"),
        *(f"| {name} | {found} |" for name, found in report.environment["packages"].items()),
        "",
    ]
    return "\n".join(lines)
