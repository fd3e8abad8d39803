"""The parity report as Markdown, to paste into a pull request."""

import re
from collections.abc import Sequence

from paddleport.validate.parity.parity_report import BackendRow, ParityReport
from paddleport.validate.reports import figures, float64_distances, latency_tables, summary, tables
from paddleport.validate.reports.summary import explained

_LOG_LINES = 40
_MARKS = re.compile(r"[\\`*\[\]$]")  # what Markdown reads within a line


def reasons(rows: Sequence[BackendRow]) -> list[str]:
    """A sentence for every row that has something to explain."""
    return [f"{row.name}: {text}" for row in rows if (text := explained(row))]


def to_markdown(report: ParityReport) -> str:
    """The whole report: verdict, causes, tables, distances; the long tables are folded."""
    rows = report.rows
    answers = f"{summary.tally(report)} {summary.fastest(report)}".strip()
    blocks = [
        f"# {safe_markdown(str(report.model.get('title', 'model')))}",
        f"**{safe_markdown(summary.headline(report))}** (verdict: {report.verdict}). "
        f"{safe_markdown(answers)}",
        _bullets(
            [
                *(f"to blame: {cause}: {names}" for cause, names in summary.blame(report)),
                f"reference: {summary.reference(report)}",
                f"float64: {report.float64_reference}",
                f"speed: {summary.timing(report)}",
                f"feeds: {summary.fed(report)}",
                *(f"limit: {limit}" for limit in summary.limits(rows)),
            ]
        ),
        markdown_table(tables.backends(rows)),
        f"Errors are in units of {safe_markdown(figures.ERROR_UNIT)}.",
        _bullets(reasons(rows)),
        *_section("Where they part", tables.located(rows)),
        *_section(
            "Backend, reference and float64",
            float64_distances.distances(rows),
            _bullets(float64_distances.sentences(report)),
        ),
        *_section("Latency", latency_tables.medians(report), _latency_notes(report)),
        *_folded("Every latency", latency_tables.latencies(rows)),
        *_folded("Loading and memory", latency_tables.costs(rows), latency_tables.warm_loads(rows)),
        *_folded("The model's own figures", latency_tables.model_figures(report)),
        *_folded("Worst feeds by kind", tables.worst_feeds(rows)),
        *_folded("Changed top-1", tables.top1_changes(rows)),
        *_folded("Could it have failed? A disturbed reference", tables.sensitivity(rows)),
        *_folded("All metrics", float64_distances.metrics(rows)),
        *(block for row in rows for block in _log(row)),
        *_folded("Model, environment, hashes", _facts(report)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _facts(report: ParityReport) -> tables.Table:
    pairs = [pair for pairs in tables.facts(report).values() for pair in pairs]
    pairs += [("command", report.command), ("created", report.created)]
    return tables.Table(
        caption="Facts",
        columns=("what", "value"),
        lines=tuple(pair for pair in pairs if pair[1]),
        texts=2,
    )


def _latency_notes(report: ParityReport) -> str:
    notes = [latency_tables.unsettled(report.rows)]
    if report.published:
        notes.append("Published figures are of other machines, and were not measured here.")
        notes += latency_tables.published_sources(report.published)
    return safe_markdown(" ".join(note for note in notes if note))


def _log(row: BackendRow) -> list[str]:
    # an empty line would end the HTML block that <pre> opens
    lines = [line or " " for line in figures.printable(row.log).splitlines()[-_LOG_LINES:]]
    text = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;")
    return _details(f"Log of {row.name}", f"<pre>{text}</pre>") if text else []


def _section(title: str, table: tables.Table, note: str = "") -> list[str]:
    return [f"## {title}", note, markdown_table(table)] if table.lines else []


def _folded(title: str, table: tables.Table, note: str = "") -> list[str]:
    return _details(title, markdown_table(table), note) if table.lines else []


def _details(title: str, body: str, note: str = "") -> list[str]:
    return [f"<details><summary>{_escaped(title)}</summary>", body, note, "</details>"]


def markdown_table(table: tables.Table) -> str:
    """A table whose numbers are set to the right."""
    rule = ["---"] * table.texts + ["---:"] * (len(table.columns) - table.texts)
    lines = [
        [safe_markdown(cell).replace("|", "\\|") for cell in line]
        for line in (table.columns, *table.lines)
    ]
    lines.insert(1, rule)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {safe_markdown(sentence)}" for sentence in sentences)


def safe_markdown(text: str) -> str:
    """One line that opens no tag, link, picture, code or formula, wherever it stands."""
    return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", _escaped(text))


def _escaped(text: str) -> str:
    plain = figures.one_line(figures.printable(text))
    return plain.replace("&", "&amp;").replace("<", "&lt;")
