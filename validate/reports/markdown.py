"""The report as Markdown, to paste into a pull request, and the cells that every table shares."""

from collections.abc import Iterable, Sequence

from paddleport.validate.report import BackendRow, ParityReport
from paddleport.validate.reports import figures, tables

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


def explained(row: BackendRow) -> str:
    """Why a row has its verdict, where it parts, and its notes; empty if there is nothing."""
    parts = (row.explanation or row.reason, row.located.sentence if row.located else "")
    return _joined(part for part in (*parts, *row.notes) if part)


def to_markdown(report: ParityReport) -> str:
    """The whole report: verdict, voices, table, causes; the long tables are folded."""
    rows = report.rows
    backends = tables.Table("", COLUMNS, tuple(row_cells(row) for row in rows), _TEXT_COLUMNS)
    blocks = [
        f"# {_safe(str(report.model.get('title', 'model')))}",
        f"**{report.verdict}** · {_safe(figures.summary(report))}",
        _bullets(
            [
                f"reference: {report.reference}",
                f"arbiter: {report.arbiter}",
                f"speed against: {report.speed_reference}",
            ]
        ),
        _table(backends),
        f"{len(report.feeds)} feeds, threads: {report.threads}. Errors are in units of "
        f"{_safe(figures.ERROR_UNIT)}.",
        _bullets(reasons(rows)),
        *_section("Where they part", tables.located(rows)),
        *_section("Worst feeds by kind", tables.worst_feeds(rows)),
        *_section("Latency", tables.latency_grid(report), _latency_notes(report)),
        *_section("Could it have failed? A disturbed reference", tables.sensitivity(rows)),
        *_details("Top-1 changes", _table(tables.top1_changes(rows))),
        *_details("All metrics", _table(tables.metrics(rows))),
        *_details("Loading and memory", _table(tables.costs(rows))),
        *(block for row in rows for block in _log(row)),
        *_details("Model, environment, hashes", _table(tables.facts(report))),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _latency_notes(report: ParityReport) -> str:
    notes = tables.latency_notes(report)
    columns = tables.latency_grid(report).columns
    if {tables.V100, tables.SD855} & set(columns):
        notes.append("V100 and SD855: published figures of other machines, not measured here.")
    return " ".join(notes)


def _log(row: BackendRow) -> list[str]:
    # an empty line would end the HTML block that <pre> opens
    lines = [line or " " for line in figures.printable(row.log).splitlines()[-_LOG_LINES:]]
    text = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;")
    return _details(f"Log of {row.name}", f"<pre>{text}</pre>" if text else "")


def _section(title: str, table: tables.Table, told: str = "") -> list[str]:
    return [f"## {title}", _table(table), told] if table.lines else []


def _details(title: str, body: str) -> list[str]:
    if not body:
        return []
    return [f"<details><summary>{_safe(title)}</summary>", body, "</details>"]


def _table(table: tables.Table) -> str:
    if not table.lines:
        return ""
    rule = ["---"] * table.texts + ["---:"] * (len(table.columns) - table.texts)
    lines = [[_safe(cell) for cell in line] for line in (table.columns, *table.lines)]
    lines.insert(1, rule)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {_safe(sentence)}" for sentence in sentences)


def _safe(text: str) -> str:
    """One line that ends no table cell and opens no tag."""
    plain = figures.one_line(figures.printable(text))
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _joined(parts: Iterable[str]) -> str:
    told = ""
    for part in parts:
        between = " " if told.endswith((".", "!", "?")) else "; "
        told = f"{told}{between if told else ''}{figures.one_line(part)}"
    return told
