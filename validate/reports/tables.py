"""The report's tables as texts, the same for Markdown and HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paddleport.validate.compare.comparison import OutputComparison
from paddleport.validate.parity.parity_report import BackendRow, ParityReport
from paddleport.validate.reports import figures


@dataclass(frozen=True, kw_only=True)
class Table:
    """Texts in rows.

    Attributes:
        caption: what it shows.
        columns: their headings.
        lines: one per row, as long as ``columns``; the first cell names the row.
        texts: how many columns from the left are words; the others are numbers.
    """

    caption: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    texts: int


def backends(rows: Sequence[BackendRow]) -> Table:
    """Verdict, error and latency of every backend; what was not measured is empty.

    There is no top-1 where nothing classifies.
    """
    ranked = any(figures.worst_ranking(row) for row in rows if row.verdict != "reference")
    columns = (
        *("backend", "computes in", "verdict", "worst error / limit", "vs float64"),
        *(("top-1",) if ranked else ()),
        *("p50 ms", "p90 ms", "p99 ms", "× paddle"),
    )
    lines = tuple(_backend_cells(row, ranked=ranked) for row in rows)
    return Table(caption="Every backend", columns=columns, lines=lines, texts=5 + ranked)


def located(rows: Sequence[BackendRow]) -> Table:
    """Where backends part from the reference."""
    lines = []
    for row in rows:
        if row.located is not None:
            found = row.located
            place = f"{found.position} of {found.nodes}{'' if found.complete else ' or before'}"
            values = (found.error_before, found.limit, found.error_after)
            errors = (figures.error(value) for value in values)
            lines.append((row.name, found.side, found.node, found.operator, place, *errors))
    columns = (
        *("backend", "side", "node", "operator", "position"),
        *("error before", "limit", "error after"),
    )
    return Table(
        caption="The first node where they part", columns=columns, lines=tuple(lines), texts=5
    )


def worst_feeds(rows: Sequence[BackendRow]) -> Table:
    """The worst error of each kind of feed, with the feed that has it."""
    compared = candidate_comparisons(rows)
    kinds = tuple(dict.fromkeys(feed.kind for _, item in compared for feed in item.worst_feeds))
    lines = []
    for row, item in compared:
        by_kind = {
            feed.kind: f"{figures.found_error(feed.error)} ({feed.feed})"
            for feed in item.worst_feeds
        }
        cells = (by_kind.get(kind, "") for kind in kinds)
        lines.append((row.name, item.output, *cells))
    columns, found = ("backend", "output", *kinds), tuple(lines) if kinds else ()
    return one_output(
        Table(
            caption="Worst error of each kind of feed, and its feed",
            columns=columns,
            lines=found,
            texts=2,
        )
    )


def sensitivity(rows: Sequence[BackendRow]) -> Table:
    """The proof that each comparison could have failed."""
    lines = []
    for row, item in candidate_comparisons(rows):
        found = item.sensitivity
        if found is None:
            lines.append((row.name, item.output, "nothing to disturb", "", ""))
            continue
        refused = f"{found.refused_at:g} × limit: {'refused' if found.refused else 'NOT refused'}"
        taken = "accepted" if found.accepted else "NOT accepted"
        accepted = f"{found.accepted_at:g} × limit: {taken}"
        lines.append((row.name, item.output, refused, accepted, "yes" if found.holds else "NO"))
    columns = ("backend", "output", "one element moved by", "every element moved by", "holds")
    caption = "The reference's own output, disturbed, and judged as a backend's is"
    return one_output(Table(caption=caption, columns=columns, lines=tuple(lines), texts=5))


def proven_sensitive(rows: Sequence[BackendRow]) -> str:
    """How many comparisons were shown able to fail."""
    found = [item.sensitivity for _, item in candidate_comparisons(rows)]
    held = sum(1 for item in found if item is not None and item.holds)
    return (
        f"{held} of {len(found)} comparisons were shown able to fail: moved by several times the "
        "limit, the reference's own output was refused, and moved by a part of it, accepted."
    )


def top1_changes(rows: Sequence[BackendRow]) -> Table:
    """Every row of a batch whose largest class changed."""
    lines = [
        (
            row.name,
            item.output,
            change.feed,
            *(str(value) for value in (change.row, change.expected, change.found)),
            figures.error(change.margin),
        )
        for row, item in candidate_comparisons(rows)
        for change in (item.ranking.changes if item.ranking else ())
    ]
    columns = ("backend", "output", "feed", "row", "reference's class", "its class", "margin")
    caption = "Changed top-1; margin: how far the reference's first class is before its second"
    return one_output(Table(caption=caption, columns=columns, lines=tuple(lines), texts=3))


def facts(report: ParityReport) -> dict[str, list[tuple[str, str]]]:
    """Model and hashes, machine, versions, as pairs of texts; empty groups are left out."""
    machine = {key: value for key, value in report.environment.items() if key != "packages"}
    packages = report.environment.get("packages")
    peaks = {
        f"peak GFLOP/s, {figures.threads(int(threads))}": f"{found:.1f}"
        for threads, found in report.peak_gflops.items()
    }
    groups = {
        "Model": {key: value for key, value in report.model.items() if key != "title"},
        "Machine": {**machine, **peaks},
        "Versions": packages if isinstance(packages, Mapping) else {},
    }
    found = {title: figures.facts(values) for title, values in groups.items()}
    return {title: pairs for title, pairs in found.items() if pairs}


def one_output(table: Table) -> Table:
    """The table without its column of outputs, where all lines have the same."""
    at = table.columns.index("output")
    names = {line[at] for line in table.lines}
    if len(names) != 1:
        return table
    columns, *lines = (line[:at] + line[at + 1 :] for line in (table.columns, *table.lines))
    caption = f"{table.caption} (output {names.pop()})"
    return Table(caption=caption, columns=columns, lines=tuple(lines), texts=table.texts - 1)


def candidate_comparisons(rows: Sequence[BackendRow]) -> list[tuple[BackendRow, OutputComparison]]:
    """Every comparison of a candidate; the reference's are with itself."""
    return [(row, item) for row in rows if row.verdict != "reference" for item in row.comparisons]


def feeds(report: ParityReport) -> Table:
    """Everything that was fed."""
    lines = tuple((feed.name, feed.kind, str(feed.batch)) for feed in report.feeds)
    return Table(caption="Every feed", columns=("feed", "kind", "batch"), lines=lines, texts=2)


def _backend_cells(row: BackendRow, *, ranked: bool) -> tuple[str, ...]:
    compared = row.verdict != "reference"  # its own comparisons are with itself: nothing to say
    ranking = figures.worst_ranking(row) if compared else None
    distance = figures.distance_from_float64(row)
    latency = row.latency
    times = (latency.p50_ms, latency.p90_ms, latency.p99_ms) if latency else (None, None, None)
    return (
        row.name,
        row.computes_in,
        figures.verdict(row),
        figures.error_of_limit(row.worst) if compared else "",
        "" if distance is None else figures.error(distance),
        *((f"{ranking.top1_agreeing} of {ranking.total}" if ranking else "",) if ranked else ()),
        *(figures.milliseconds(value) for value in times),
        "" if row.speed_up is None else f"{row.speed_up:.2f}",
    )
