"""A tuning as Markdown, as one HTML page with its picture, and as JSON."""

import json
from pathlib import Path

from paddleport.files import write_atomically
from paddleport.validate.reports import figures
from paddleport.validate.reports.figures import json_value
from paddleport.validate.reports.html import html_template, stylesheet
from paddleport.validate.reports.tables import Table
from paddleport.validate.reports.told_together import told_together
from paddleport.validate.tune.tuning import TunedRow, Tuning
from paddleport.validate.tune.tuning_chart import drawable, error_against_time

_SHOWN_AS_OUT = ("failed the gate", "not possible", "failed")


def write_report(tuning: Tuning, folder: Path) -> list[Path]:
    """Write ``tune.html``, ``.md`` and ``.json`` into ``folder`` and return their paths."""
    values = json.dumps(json_value(tuning.to_dict()), indent=2, ensure_ascii=False, allow_nan=False)
    texts = {"html": to_html(tuning), "md": to_markdown(tuning), "json": values + "\n"}
    written = [folder / f"tune.{suffix}" for suffix in texts]
    for file, text in zip(written, texts.values(), strict=True):
        write_atomically(file, text.encode())
    return written


def headline(tuning: Tuning) -> str:
    """What was chosen, in one sentence."""
    chosen = tuning.chosen
    if chosen is None:
        return "Nothing is chosen: no configuration passed the gate and could be timed."
    speed = f"{figures.milliseconds(chosen.ms_per_picture)} ms per picture"
    if tuning.goal == "throughput":
        speed += f", {chosen.pictures_per_s:.0f} pictures per second"
    return f"{chosen.candidate.name}: {speed}."


def compared(tuning: Tuning) -> str:
    """How many times faster the chosen one is than native Paddle's best here."""
    chosen = tuning.chosen
    native = [
        row.ms_per_picture
        for row in tuning.rows
        if row.candidate.backend == "paddle" and row.ms_per_picture and row.interval_ms
    ]
    if chosen is None or chosen.ms_per_picture is None or not native:
        return ""
    return f"{figures.times(min(native) / chosen.ms_per_picture)} native Paddle's best here."


def not_tried(tuning: Tuning) -> list[str]:
    """The backends that cannot be used here, a sentence for each reason."""
    together = told_together(tuning.not_tried.items())
    return [f"not tried: {', '.join(names)}: {reason}" for names, reason in together]


def timed_table(tuning: Tuning) -> Table:
    """Every configuration that was timed in turn."""
    rows = [row for row in tuning.rows if row.state not in _SHOWN_AS_OUT]
    columns = (
        *("configuration", "verdict", "top-1", "as Paddle", "log-prob error", "ms per picture"),
        *("95 % interval", "pictures per second", "runs"),
    )
    return Table(
        caption="What was raced",
        columns=columns,
        lines=tuple(_timed_cells(row) for row in rows),
        texts=2,
    )


def out_table(tuning: Tuning) -> Table:
    """Every configuration that was not, and why."""
    lines = [
        (
            row.candidate.name,
            row.state,
            figures.milliseconds(row.ms_per_picture),
            figures.one_line(row.reason),
        )
        for row in tuning.rows
        if row.state in _SHOWN_AS_OUT
    ]
    columns = ("configuration", "verdict", "ms per picture", "reason")
    return Table(caption="What was not raced", columns=columns, lines=tuple(lines), texts=4)


def to_markdown(tuning: Tuning) -> str:
    """To paste into a pull request."""
    blocks = [
        f"# {tuning.model['title']}: tuned for {tuning.goal}",
        f"**{headline(tuning)}** {compared(tuning)}".strip(),
        f"Judged on {tuning.judged_on}; {tuning.threads} CPU threads, {tuning.seconds:.0f} s.",
        *(_markdown(table) for table in (timed_table(tuning), out_table(tuning)) if table.lines),
        "\n".join(f"- {figures.one_line(text)}" for text in not_tried(tuning)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def to_html(tuning: Tuning) -> str:
    """One page that needs nothing else."""
    name, _, rest = str(tuning.model["title"]).partition(" · ")
    text: str = html_template("paddleport.validate.tune", "tune.html.j2").render(
        tuning=tuning,
        css=stylesheet(),
        name=name,
        rest=rest,
        headline=headline(tuning),
        compared=compared(tuning),
        chart=error_against_time(tuning) if drawable(tuning) else "",
        tables=[table for table in (timed_table(tuning), out_table(tuning)) if table.lines],
        not_tried=not_tried(tuning),
        facts=figures.facts({**tuning.model, **tuning.environment}),
    )
    return figures.printable(text)


def _timed_cells(row: TunedRow) -> tuple[str, ...]:
    gate, interval = row.gate, row.interval_ms
    log_error = gate.log_probability_error if gate else None
    return (
        row.candidate.name,
        row.state,
        f"{gate.top1:.1%}" if gate and gate.top1 is not None else "",
        f"{gate.agreement:.1%}" if gate else "",
        "" if log_error is None else f"{log_error:.2g}",
        figures.milliseconds(row.ms_per_picture),
        " to ".join(figures.milliseconds(end) for end in interval) if interval else "",
        f"{row.pictures_per_s:.0f}" if row.pictures_per_s else "",
        str(row.runs),
    )


def _markdown(table: Table) -> str:
    lines = [table.columns, tuple("---" for _ in table.columns), *table.lines]
    rows = ("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return f"## {table.caption}\n\n" + "\n".join(rows)
