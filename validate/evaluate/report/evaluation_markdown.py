"""The evaluation as Markdown, to paste into a pull request."""

from paddleport.validate.evaluate.report import evaluation_summary, evaluation_tables
from paddleport.validate.evaluate.report.evaluation_report import EvaluationReport
from paddleport.validate.reports import figures
from paddleport.validate.reports.markdown_blocks import bullets, folded, safe, table_block
from paddleport.validate.reports.tables import Table


def evaluation_markdown(report: EvaluationReport) -> str:
    """The whole report: verdict, table, reasons; the long tables are folded."""
    title = safe(str(report.model.get("title", "model")))
    head = f"**{safe(evaluation_summary.headline(report))}** (verdict: {report.verdict})."
    context = {
        "reference": report.reference or "none",
        "published": evaluation_summary.published(report),
        "data": evaluation_summary.data(report),
        "speed": evaluation_summary.speed(report),
    }
    blocks = [
        f"# {title}: accuracy",
        f"{head} {safe(evaluation_summary.outcome(report))}",
        safe(report.label_problem),
        bullets([f"{name}: {text}" for name, text in context.items() if text]),
        table_block(evaluation_tables.evaluated_rows(report)),
        bullets([f"{name}: {text}" for name, text in evaluation_summary.reasons(report)]),
        bullets(list(report.notes)),
        *(
            block
            for row in report.rows
            for table in (
                evaluation_tables.worst(report, row),
                evaluation_tables.confused(report, row),
                evaluation_tables.changed(report, row),
            )
            for block in folded(table.caption, table)
        ),
        *folded(
            f"Pictures that could not be read ({report.data.unreadable:,})",
            evaluation_tables.unreadable(report),
        ),
        *folded("Model, data, environment", _facts(report)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _facts(report: EvaluationReport) -> Table:
    pairs = [pair for pairs in evaluation_tables.facts(report).values() for pair in pairs]
    pairs += [("command", report.command), ("created", report.created)]
    return Table(
        caption="Facts",
        columns=("what", "value"),
        lines=tuple((name, figures.one_line(text)) for name, text in pairs if text),
        texts=2,
    )
