"""The parity report as Markdown, to paste into a pull request."""

from collections.abc import Sequence

from paddleport.validate.parity.parity_report import BackendRow, ParityReport
from paddleport.validate.reports import figures, float64_distances, latency_tables, summary, tables
from paddleport.validate.reports.markdown_blocks import (
    bullets,
    details,
    folded,
    safe,
    section,
    table_block,
)
from paddleport.validate.reports.summary import explained
from paddleport.validate.reports.told_together import told_together

_LOG_LINES = 40
_BROUGHT_IN = (
    "Measured on other machines and read from a file: no figure above is divided by one of these."
)


def reasons(rows: Sequence[BackendRow]) -> list[str]:
    """A sentence for every row that has something to explain, or for several that have the same."""
    told = told_together((row.name, explained(row)) for row in rows)
    return [f"{', '.join(names)}: {text}" for names, text in told]


def to_markdown(report: ParityReport) -> str:
    """The whole report: verdict, causes, tables, distances; the long tables are folded."""
    rows = report.rows
    answers = f"{summary.tally(report)} {summary.fastest(report)}".strip()
    blocks = [
        f"# {safe(str(report.model.get('title', 'model')))}",
        f"**{safe(summary.headline(report))}** (verdict: {report.verdict}). {safe(answers)}",
        bullets(
            [
                *(f"to blame: {cause}: {names}" for cause, names in summary.blame(report)),
                f"reference: {summary.reference(report)}",
                f"float64: {report.float64_reference}",
                f"speed: {summary.timing(report)}",
                f"feeds: {summary.fed(report)}",
                *(f"limit: {limit}" for limit in summary.limits(rows)),
            ]
        ),
        table_block(tables.backends(rows)),
        f"Errors are in units of {safe(figures.ERROR_UNIT)}.",
        bullets(reasons(rows)),
        *section("Where they part", tables.located(rows)),
        *section(
            "Backend, reference and float64",
            float64_distances.distances(rows),
            bullets(float64_distances.sentences(report)),
        ),
        *section("Latency", latency_tables.medians(report), _latency_notes(report)),
        *section("Brought in", latency_tables.brought_in(report), _BROUGHT_IN),
        *folded("Every latency", latency_tables.latencies(rows)),
        *folded("Loading and memory", latency_tables.costs(rows), latency_tables.warm_loads(rows)),
        *folded("The model's own figures", latency_tables.model_figures(report)),
        *folded("Worst feeds by kind", tables.worst_feeds(rows)),
        *folded("Changed top-1", tables.top1_changes(rows)),
        *folded("Could it have failed? A disturbed reference", tables.sensitivity(rows)),
        *folded("All metrics", float64_distances.metrics(rows)),
        *(block for row in rows for block in _log(row)),
        *folded("Model, environment, hashes", _facts(report)),
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
    return safe(" ".join(note for note in notes if note))


def _log(row: BackendRow) -> list[str]:
    # an empty line would end the HTML block that <pre> opens
    lines = [line or " " for line in figures.printable(row.log).splitlines()[-_LOG_LINES:]]
    text = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;")
    return details(f"Log of {row.name}", f"<pre>{text}</pre>") if text else []
