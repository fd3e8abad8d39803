"""The overview as one table of texts, the same for terminal, Markdown and page."""

from collections.abc import Sequence

from paddleport.models.zoo.published_figures import published_gflop
from paddleport.validate.overview.model_overview import ModelBackend, ModelOverview, OverviewRow
from paddleport.validate.reports import figures
from paddleport.validate.reports.markdown_blocks import safe, table_block
from paddleport.validate.reports.tables import Table

_LEAST_NEEDED = ("top-5", "of its limit", "M params", "GFLOP", "limit", "MB", "top-1")
_WORDS = {
    "agrees": ("agrees", "agree"),
    "passed": ("passed", "passed"),
    "not run": ("was not run here", "were not run here"),
    "differs": ("differs", "differ"),
    "unproven": ("is unproven", "are unproven"),
    "failed": ("failed", "failed"),
}


def timed_backends(overview: ModelOverview) -> list[str]:
    """The backends that some model has a latency of, in the order of the reports."""
    return list(
        dict.fromkeys(
            item.name for row in overview.rows for item in row.backends if item.p50_ms is not None
        )
    )


def models_table(overview: ModelOverview) -> Table:
    """One line a model: verdict, error, speed against Paddle, size, published figures."""
    timed = [name for name in timed_backends(overview) if _has_speed(overview, name)]
    lines = [_cells(row, timed) for row in overview.rows]
    columns = (
        *("model", "verdict", "worst error", "limit", "of its limit"),
        *(f"{name} ×" for name in timed),
        *("MB", "M params", "top-1", "top-5", "GFLOP"),
    )
    return _without_empty(
        Table(caption="Every model", columns=columns, lines=tuple(lines), texts=2)
    )


def least_needed(overview: ModelOverview) -> list[str]:
    """Columns that a narrow terminal does without, the first of them first; never the fastest."""
    timed = [name for name in timed_backends(overview) if _has_speed(overview, name)]
    timed.sort(key=lambda name: max(_speed(row.backend(name)) or 0.0 for row in overview.rows))
    return [*_LEAST_NEEDED, *(f"{name} ×" for name in timed[:-1])]


def latencies_table(overview: ModelOverview) -> Table:
    """The median of every backend in milliseconds."""
    timed = timed_backends(overview)
    lines = []
    for row in overview.rows:
        times = [figures.milliseconds(_p50(row.backend(name))) for name in timed]
        if any(times):
            lines.append((row.name, *times))
    columns = ("model", *timed)
    return Table(caption="p50, milliseconds", columns=columns, lines=tuple(lines), texts=1)


def tally(overview: ModelOverview) -> str:
    """How many models agree, and what became of the others."""
    counts = {
        verdict: sum(1 for row in overview.rows if row.verdict == verdict) for verdict in _WORDS
    }
    parts = [f"{count} {_WORDS[verdict][count != 1]}" for verdict, count in counts.items() if count]
    missing = overview.total - len(overview.rows)
    if missing:
        parts.append(f"{missing} to come")
    return f"{', '.join(parts)} of {overview.total}" if parts else "no model"


def notes(overview: ModelOverview) -> list[str]:
    """What a reader of the table must know of its figures."""
    found = []
    speeds = {row.speed_reference for row in overview.rows if any(map(_speed, row.backends))}
    if speeds:
        found.append(f"×: how many times faster than {' or '.join(sorted(speeds))}, by the median")
    elif overview.task == "convert":
        found.append("speed against Paddle: paddleport validate with the same models")
    keys = ("top1", "top5", "gflops")
    if any(row.published.get(key) is not None for row in overview.rows for key in keys):
        found.append(
            "top-1, top-5 and GFLOP are published figures, not measured here; GFLOP count two for "
            "a multiply-add"
        )
    seeded = sum(1 for row in overview.rows if row.weights == "seeded")
    if seeded:
        verb = "has" if seeded == 1 else "have"
        found.append(
            f"{seeded} of {overview.total} {verb} seeded weights: speed and agreement mean as much "
            "as with trained ones, labels mean nothing, and the published accuracy is not theirs"
        )
    before = [row for row in overview.rows if row.from_before]
    if before:
        oldest = min(row.measured for row in before)[:16].replace("T", " ")
        found.append(
            f"{len(before)} of {overview.total} are from an earlier run that was asked the same "
            f"(since {oldest} UTC); --fresh measures them again"
        )
    return found


def explanations(overview: ModelOverview) -> list[tuple[OverviewRow, str]]:
    """A sentence for every model that does not agree, the gravest first."""
    order = list(_WORDS)
    rows = [row for row in overview.rows if row.reason]
    rows.sort(key=lambda row: -order.index(row.verdict))
    return [(row, row.reason) for row in rows]


def to_markdown(overview: ModelOverview) -> str:
    """Table, notes and explanations."""
    blocks = [
        f"# {safe(overview.title)}",
        f"**{safe(tally(overview))}**",
        table_block(models_table(overview)),
        "\n".join(f"- {safe(note)}" for note in notes(overview)),
        "\n".join(f"- {safe(row.name)}: {safe(text)}" for row, text in explanations(overview)),
    ]
    latencies = latencies_table(overview)
    if latencies.lines:
        blocks += [f"## {latencies.caption}", table_block(latencies)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def verdict_of(row: OverviewRow) -> str:
    """Such as ``differs: converter``."""
    return f"{row.verdict}: {row.cause}" if row.cause else row.verdict


def published_percent(row: OverviewRow, key: str) -> str:
    """A published accuracy, in percent."""
    share = row.published.get(key)
    return "" if share is None else f"{100 * share:.1f} %"


def _cells(row: OverviewRow, timed: Sequence[str]) -> tuple[str, ...]:
    share = row.worst_error / row.limit if row.worst_error is not None and row.limit else None
    gflop = published_gflop(row.published)
    size = "" if row.size_bytes is None else f"{row.size_bytes / 1e6:.1f}"
    return (
        row.name,
        verdict_of(row),
        "" if row.worst_error is None else figures.error(row.worst_error),
        "" if row.limit is None else figures.error(row.limit),
        "" if share is None else figures.share(share),
        *(_times(row.backend(name)) for name in timed),
        size,
        _parameters(row),
        published_percent(row, "top1"),
        published_percent(row, "top5"),
        "" if gflop is None else f"{gflop:.3g}",
    )


def _parameters(row: OverviewRow) -> str:
    """Counted here, else published."""
    if row.parameters is not None:
        return f"{row.parameters / 1e6:.2f}"
    published = row.published.get("mparams")
    return "" if published is None else f"{published:.2f}"


def _times(found: ModelBackend | None) -> str:
    speed_up = _speed(found)
    return "" if speed_up is None else f"{speed_up:.2f}"


def _speed(found: ModelBackend | None) -> float | None:
    return found.speed_up if found else None


def _p50(found: ModelBackend | None) -> float | None:
    return found.p50_ms if found else None


def _has_speed(overview: ModelOverview, name: str) -> bool:
    """Whether a backend is faster or slower than Paddle, rather than what that is measured by."""
    speeds = [_speed(row.backend(name)) for row in overview.rows]
    return any(speed is not None and speed != 1.0 for speed in speeds)


def _without_empty(table: Table) -> Table:
    """The table without columns of numbers that no line has."""
    kept = [
        at
        for at in range(len(table.columns))
        if at < table.texts or any(line[at] for line in table.lines)
    ]
    return Table(
        caption=table.caption,
        columns=tuple(table.columns[at] for at in kept),
        lines=tuple(tuple(line[at] for at in kept) for line in table.lines),
        texts=table.texts,
    )
