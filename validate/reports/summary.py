"""The summary: same model or not, on what, how fast, who is to blame, and why, as texts."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paddleport.validate.diagnose.amplified_rounding import AS_EXACT
from paddleport.validate.diagnose.causes import Cause
from paddleport.validate.parity.parity_report import BackendRow, ParityReport, share_of_limit
from paddleport.validate.reports import figures

_CAUSE_TEXTS: dict[Cause, str] = {
    "converter": "the converter",
    "runtime": "the runtime itself",
    "precision": "the precision",
    "preprocessing": "the preprocessing",
    "nondeterminism": "chance: runs differ",
    "batching": "batching",
    "row-order": "the order of the rows",
    "undetermined": "undetermined",
}
_PLURALS = {"picture": "pictures", "extreme": "extremes", "batch": "batches"}
_NAMED = 6  # more names than that are counted


@dataclass(frozen=True, kw_only=True)
class SummaryLine:
    """One backend of the first table, as texts; empty where there is nothing to say.

    Attributes:
        row: whose line it is.
        share: the worst error as a share of its limit.
        filled: how much of the meter beside it is filled, 0 to 100; ``None`` draws none.
        speed_up: against the speed reference.
        p50, p99: milliseconds of the main configuration.
        error, limit: in the tolerance's unit.
        from_float64: distance from the float64 reference, likewise.
        top1: rows whose largest class is the same.
    """

    row: BackendRow
    share: str
    filled: float | None
    speed_up: str
    p50: str
    p99: str
    error: str
    limit: str
    from_float64: str
    top1: str


def line(row: BackendRow) -> SummaryLine:
    """A row's texts; the reference's own comparisons are with itself and say nothing."""
    worst = row.worst if row.verdict != "reference" else None
    ranking = figures.worst_ranking(row) if worst else None
    distance = figures.distance_from_float64(row)
    whole = worst is not None and worst.measure == "equality"
    by_value = worst is not None and not whole
    share = share_of_limit(worst) if worst else math.inf
    return SummaryLine(
        row=row,
        share=figures.share(share) if by_value else "",
        filled=100 * min(share, 1.0) if by_value and math.isfinite(share) else None,
        speed_up="" if row.speed_up is None else figures.times(row.speed_up),
        p50=figures.milliseconds(row.latency.p50_ms) if row.latency else "",
        p99=figures.milliseconds(row.latency.p99_ms) if row.latency else "",
        error=figures.error_of_limit(worst).partition(" / ")[0],
        limit=figures.error(worst.limit) if worst and by_value else "",
        from_float64="" if distance is None else figures.error(distance),
        top1=f"{ranking.top1_agreeing} of {ranking.total}" if ranking else "",
    )


def reference(report: ParityReport) -> str:
    """What the numbers are compared with, and why it is that."""
    reason = report.reference_reason
    return f"{report.reference} ({reason})" if reason else report.reference


def headline(report: ParityReport) -> str:
    """The verdict in a few words."""
    verdicts = {row.verdict for row in report.rows}
    if report.verdict == "agrees":
        return "The same model"
    if "differs" in verdicts:
        somewhere = "agrees" in verdicts
        return "Not the same model everywhere" if somewhere else "Not the same model"
    if report.verdict == "differs":
        return "Not every backend answered"
    return "Not proven everywhere" if "agrees" in verdicts else "Nothing is proven"


def tally(report: ParityReport) -> str:
    """How many backends agree, and what became of the others."""
    rows = [row for row in report.rows if row.verdict != "reference"]
    ran = [row for row in rows if row.verdict != "skipped"]
    counts = Counter(row.verdict for row in rows)
    words = {"differs": "differs" if counts["differs"] == 1 else "differ"}
    others = [
        f"{counts[verdict]} {words.get(verdict, verdict)}"
        for verdict in ("differs", "failed", "unproven", "skipped")
        if counts[verdict]
    ]
    rest = f"; {', '.join(others)}" if others else ""
    if not ran:
        return f"No backend was judged{rest}."
    agree = counts["agrees"]
    plural = "backend agrees" if len(ran) == 1 else "backends agree"
    count = f"All {agree}" if agree == len(ran) > 1 else f"{agree} of {len(ran)}"
    exact = sum(1 for row in ran if row.verdict == "agrees" and row.cause)
    if exact:
        rest = f", {exact} above the limit and {AS_EXACT}{rest}"
    reference = next((row.name for row in report.rows if row.verdict == "reference"), "")
    against = f" with {reference}, the reference" if reference else ""
    return f"{count} {plural}{against}{rest}."


def fastest(report: ParityReport) -> str:
    """The fastest backend that agrees; empty where none was timed."""
    timed = [row for row in report.rows if row.verdict == "agrees" and row.latency]
    if not timed:
        return ""
    best = min(timed, key=lambda row: row.latency.p50_ms if row.latency else 0.0)
    p50_ms = figures.milliseconds(best.latency.p50_ms if best.latency else None)
    if best.speed_up is None:
        return f"Fastest: {best.name}, p50 {p50_ms} ms."
    if best.speed_up == 1:
        return f"None that agrees is faster than {report.speed_reference} (p50 {p50_ms} ms)."
    speed_up = figures.times(best.speed_up)
    against = report.speed_reference
    return f"Fastest: {best.name}, {speed_up} as fast as {against} (p50 {p50_ms} ms)."


def blame(report: ParityReport) -> list[tuple[str, str]]:
    """Each cause in words, and the backends that it made differ."""
    differing = [row for row in report.rows if row.verdict == "differs"]
    found = []
    for cause in dict.fromkeys(row.cause for row in differing):
        names = [row.name for row in differing if row.cause == cause]
        found.append((_CAUSE_TEXTS.get(cause, "undetermined"), _listed(names)))
    return found


def unanswered(report: ParityReport) -> list[tuple[str, str]]:
    """The verdicts without an answer, and the backends that have them."""
    found = []
    for verdict in ("failed", "unproven", "skipped"):
        names = [row.name for row in report.rows if row.verdict == verdict]
        if names:
            found.append((verdict, _listed(names)))
    return found


def fed(report: ParityReport) -> str:
    """How many feeds there were, by kind."""
    kinds = Counter(feed.kind for feed in report.feeds)
    counts = [
        f"{count} {_PLURALS.get(kind, kind) if count > 1 else kind}"
        for kind, count in kinds.items()
    ]
    return f"{len(report.feeds)}{': ' if counts else ''}{', '.join(counts)}"


def timing(report: ParityReport) -> str:
    """What the latencies of the first table were measured with, and the speed against."""
    found = next((row.latency for row in report.rows if row.latency), None)
    if found is None:
        return f"against {report.speed_reference}"
    main = figures.configuration_text(figures.key_of(found))
    return f"{main}; against {report.speed_reference}"


def limits(rows: Sequence[BackendRow]) -> list[str]:
    """Each limit that was applied, with its source."""
    texts = [
        f"{row.computes_in} {figures.error(item.limit)} ({item.limit_source})"
        for row in rows
        for item in row.comparisons
        if row.verdict != "reference" and item.measure != "equality"
    ]
    return list(dict.fromkeys(texts))


def explained(row: BackendRow, *, located: bool = True) -> str:
    """Why a row has its verdict, where it parts, and its notes; empty if there is nothing."""
    parts = [row.explanation or row.reason]
    if located and row.located:
        parts.append(row.located.sentence)
    return _joined(part for part in (*parts, *row.notes) if part)


def _listed(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMED - 1])} and {len(names) - _NAMED + 1} more"


def _joined(parts: Iterable[str]) -> str:
    text = ""
    for part in parts:
        between = " " if text.endswith((".", "!", "?")) else "; "
        text = f"{text}{between if text else ''}{figures.one_line(part)}"
    return text
