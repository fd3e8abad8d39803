"""The report as Markdown, to paste into a pull request, and the cells that every table shares."""

import re
from collections.abc import Iterable, Sequence

from paddleport.validate.parity.parity_report import BackendRow, ParityReport
from paddleport.validate.reports import figures, glance, latency_tables, tables, voices

COLUMNS = (
    "backend",
    "computes in",
    "verdict",
    "worst error / limit",
    "vs float64",
    "top-1",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "× paddle",
)
_TEXT_COLUMNS = 6
_LOG_LINES = 40
_MARKS = re.compile(r"[\\`*\[\]$]")  # what Markdown reads within a line


def row_cells(row: BackendRow) -> tuple[str, ...]:
    """One row's texts for ``COLUMNS``; what was not measured is empty."""
    judged = row.verdict != "reference"  # its own comparisons are with itself: nothing to say
    ranking = figures.worst_ranking(row) if judged else None
    distance = figures.distance_from_float64(row)
    latency = row.latency
    times = (latency.p50_ms, latency.p90_ms, latency.p99_ms) if latency else (None, None, None)
    return (
        row.name,
        row.computes_in,
        figures.verdict(row),
        figures.error_of_limit(row.worst) if judged else "",
        "" if distance is None else figures.error(distance),
        f"{ranking.top1_agreeing} of {ranking.total}" if ranking else "",
        *(figures.milliseconds(value) for value in times),
        "" if row.speed_up is None else f"{row.speed_up:.2f}",
    )


def reasons(rows: Sequence[BackendRow]) -> list[str]:
    """A sentence for every row that has something to explain."""
    told = [(row.name, explained(row)) for row in rows]
    return [f"{name}: {text}" for name, text in told if text]


def explained(row: BackendRow, *, located: bool = True) -> str:
    """Why a row has its verdict, where it parts, and its notes; empty if there is nothing."""
    parts = [row.explanation or row.reason]
    if located and row.located:
        parts.append(row.located.sentence)
    return _joined(part for part in (*parts, *row.notes) if part)


def to_markdown(report: ParityReport) -> str:
    """The whole report: verdict, culprits, table, voices; the long tables are folded."""
    rows = report.rows
    backends = tables.Table("", COLUMNS, tuple(row_cells(row) for row in rows), _TEXT_COLUMNS)
    answers = f"{glance.tally(report)} {glance.fastest(report)}".strip()
    blocks = [
        f"# {_safe(str(report.model.get('title', 'model')))}",
        f"**{_safe(glance.headline(report))}** (verdict: {report.verdict}). {_safe(answers)}",
        _bullets(
            [
                *(f"to blame: {culprit}: {names}" for culprit, names in glance.blame(report)),
                f"reference: {glance.reference(report)}",
                f"arbiter: {report.float64_reference}",
                f"speed: {glance.timing(report)}",
                f"feeds: {glance.fed(report)}",
                *(f"limit: {limit}" for limit in glance.limits(rows)),
            ]
        ),
        _table(backends),
        f"Errors are in units of {_safe(figures.ERROR_UNIT)}.",
        _bullets(reasons(rows)),
        *_section("Where they part", tables.located(rows)),
        *_section("Three voices", voices.table(rows), _bullets(voices.sentences(report))),
        *_section("Latency", latency_tables.medians(report), _latency_notes(report)),
        *_folded("Every latency", latency_tables.latencies(rows)),
        *_folded("Loading and memory", latency_tables.costs(rows), latency_tables.warm_loads(rows)),
        *_folded("The model's own figures", latency_tables.model_figures(report)),
        *_folded("Worst feeds by kind", tables.worst_feeds(rows)),
        *_folded("Changed top-1", tables.top1_changes(rows)),
        *_folded("Could it have failed? A disturbed reference", tables.sensitivity(rows)),
        *_folded("All metrics", voices.metrics(rows)),
        *(block for row in rows for block in _log(row)),
        *_folded("Model, environment, hashes", _facts(report)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _facts(report: ParityReport) -> tables.Table:
    pairs = [pair for pairs in tables.facts(report).values() for pair in pairs]
    pairs += [("command", report.command), ("created", report.created)]
    return tables.Table("", ("what", "value"), tuple(pair for pair in pairs if pair[1]), 2)


def _latency_notes(report: ParityReport) -> str:
    notes = [latency_tables.unsettled(report.rows)]
    if report.published:
        notes.append("Published figures are of other machines, and were not measured here.")
        notes += latency_tables.published_sources(report.published)
    return _safe(" ".join(note for note in notes if note))


def _log(row: BackendRow) -> list[str]:
    # an empty line would end the HTML block that <pre> opens
    lines = [line or " " for line in figures.printable(row.log).splitlines()[-_LOG_LINES:]]
    text = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;")
    return _details(f"Log of {row.name}", f"<pre>{text}</pre>") if text else []


def _section(title: str, table: tables.Table, told: str = "") -> list[str]:
    return [f"## {title}", told, _table(table)] if table.lines else []


def _folded(title: str, table: tables.Table, told: str = "") -> list[str]:
    return _details(title, _table(table), told) if table.lines else []


def _details(title: str, body: str, told: str = "") -> list[str]:
    return [f"<details><summary>{_escaped(title)}</summary>", body, told, "</details>"]


def _table(table: tables.Table) -> str:
    rule = ["---"] * table.texts + ["---:"] * (len(table.columns) - table.texts)
    lines = [
        [_safe(cell).replace("|", "\\|") for cell in line] for line in (table.columns, *table.lines)
    ]
    lines.insert(1, rule)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {_safe(sentence)}" for sentence in sentences)


def _safe(text: str) -> str:
    """One line that opens no tag, link, picture, code or formula, wherever it stands."""
    return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", _escaped(text))


def _escaped(text: str) -> str:
    plain = figures.one_line(figures.printable(text))
    return plain.replace("&", "&amp;").replace("<", "&lt;")


def _joined(parts: Iterable[str]) -> str:
    told = ""
    for part in parts:
        between = " " if told.endswith((".", "!", "?")) else "; "
        told = f"{told}{between if told else ''}{figures.one_line(part)}"
    return told
