"""The report's tables as texts, the same for Markdown and HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paddleport.validate.compare import OutputComparison
from paddleport.validate.latency import Latency
from paddleport.validate.metrics import Metrics
from paddleport.validate.report import BackendRow, ParityReport
from paddleport.validate.reports import figures

V100, SD855 = "V100, TensorRT fp32", "SD855, Paddle-Lite"
_VOICES = (
    ("backend to reference", "against_reference"),
    ("backend to float64", "against_float64"),
    ("reference to float64", "reference_against_float64"),
)


@dataclass(frozen=True)
class Table:
    """Texts in rows.

    Attributes:
        caption: what it shows.
        columns: their headings.
        lines: one a row, as long as ``columns``; the first cell names the row.
        texts: how many columns from the left are words; the others are numbers.
    """

    caption: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    texts: int


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
    return Table("The first node where they part", columns, tuple(lines), 5)


def worst_feeds(rows: Sequence[BackendRow]) -> Table:
    """The worst error of each kind of feed, with the feed that has it."""
    compared = judged(rows)
    kinds = tuple(dict.fromkeys(feed.kind for _, item in compared for feed in item.worst_feeds))
    lines = []
    for row, item in compared:
        by_kind = {
            feed.kind: f"{figures.found_error(feed.error)} ({feed.feed})"
            for feed in item.worst_feeds
        }
        cells = (by_kind.get(kind, "") for kind in kinds)
        lines.append((row.name, item.output, *cells))
    caption = "Worst error of each kind of feed, in units of the limit's rule, and its feed"
    return Table(caption, ("backend", "output", *kinds), tuple(lines) if kinds else (), 2)


def latency_grid(report: ParityReport) -> Table:
    """The median of every backend in every configuration, with published figures beside it."""
    timed = [row for row in report.rows if row.latencies]
    lines = []
    for configuration in figures.configurations(report.rows):
        cells = [figures.configuration_text(configuration)]
        cells += [_median(figures.latency_of(row, configuration)) for row in timed]
        lines.append((*cells, *_published(report.published, configuration)))
    columns = ("p50 ms", *(row.name for row in timed), V100, SD855)
    # a published column without a figure says nothing
    kept = [
        at for at, name in enumerate(columns) if at <= len(timed) or any(line[at] for line in lines)
    ]
    columns = tuple(columns[at] for at in kept)
    lines = [tuple(line[at] for at in kept) for line in lines]
    return Table("Median latency by batch and threads", columns, tuple(lines), 1)


def latency_notes(report: ParityReport) -> list[str]:
    """How to read the latencies."""
    notes = []
    if any(not item.settled for row in report.rows for item in row.latencies):
        notes.append("~: the 95 % interval of the median did not come within ±2 %.")
    return notes


def latencies(rows: Sequence[BackendRow]) -> Table:
    """Every figure of every measurement."""
    lines = []
    for row in rows:
        for item in row.latencies:
            low, high = item.interval_ms
            drift = " ".join(figures.milliseconds(value) for value in item.round_p50_ms)
            times = (item.p50_ms, item.p90_ms, item.p99_ms, item.mean_ms)
            lines.append(
                (
                    row.name,
                    figures.configuration_text(figures.key_of(item)),
                    *(figures.milliseconds(value) for value in times),
                    f"{item.pictures_per_s:.1f}",
                    str(item.runs),
                    f"{low:.2f} to {high:.2f}",
                    "yes" if item.settled else "no",
                    drift,
                )
            )
    columns = (
        *("backend", "configuration", "p50 ms", "p90 ms", "p99 ms", "mean ms", "rows per s"),
        *("runs", "95 % interval of p50", "settled", "p50 of each round"),
    )
    return Table("Every latency", columns, tuple(lines), 2)


def costs(rows: Sequence[BackendRow]) -> Table:
    """What a backend costs beside its inferences."""
    lines = []
    for row in rows:
        load = row.load
        cells = (
            figures.milliseconds(load.load_ms),
            figures.milliseconds(load.first_ms),
            figures.size(load.peak_memory_bytes),
            "" if load.gflops_per_s is None else f"{load.gflops_per_s:.1f}",
            "" if load.share_of_peak is None else f"{load.share_of_peak:.0%}",
        )
        if any(cells):
            lines.append((row.name, *cells))
    columns = ("backend", "load ms", "first run ms", "peak memory", "GFLOP/s", "of peak")
    return Table("Loading, memory, and how much of the machine is used", columns, tuple(lines), 1)


def voices(rows: Sequence[BackendRow]) -> Table:
    """Candidate, reference and float64, each against each, for every output."""
    lines = []
    for row, item in judged(rows):
        found = [getattr(item, name) for _, name in _VOICES]
        if any(found):
            cells = [cell for one in found for cell in _scaled_and_ulp(one)]
            lines.append((row.name, item.output, item.measure, figures.error(item.limit), *cells))
    pairs = [f"{title}, {unit}" for title, _ in _VOICES for unit in ("scaled", "ULP")]
    columns = ("backend", "output", "measured by", "limit", *pairs)
    return Table("Three voices: who is far from whom", columns, tuple(lines), 3)


def metrics(rows: Sequence[BackendRow]) -> Table:
    """Every figure of every pair of voices."""
    lines = []
    for row in rows:
        for item in row.comparisons:
            for title, name in _VOICES:
                found = getattr(item, name)
                own = row.verdict == "reference" and name != "reference_against_float64"
                if found is not None and not own:
                    lines.append((row.name, item.output, title, *_metric_cells(found)))
    columns = (
        *("backend", "output", "voices", "scaled", "ULP", "max abs", "max rel", "RMSE"),
        *("cosine", "SNR dB", "log-probability", "KL nats"),
    )
    return Table("All metrics", columns, tuple(lines), 3)


def sensitivity(rows: Sequence[BackendRow]) -> Table:
    """The proof that each comparison could have failed."""
    lines = []
    for row, item in judged(rows):
        found = item.sensitivity
        if found is None:
            lines.append((row.name, item.output, "nothing to disturb", "", ""))
            continue
        refused = f"{found.refused_at:g} × limit: {'refused' if found.refused else 'NOT refused'}"
        taken = "accepted" if found.accepted else "NOT accepted"
        accepted = f"{found.accepted_at:g} × limit: {taken}"
        lines.append((row.name, item.output, refused, accepted, "yes" if found.holds else "NO"))
    columns = ("backend", "output", "one element moved by", "every element moved by", "holds")
    return Table(
        "The reference's own output, disturbed, and judged as a backend's is",
        columns,
        tuple(lines),
        5,
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
        for row, item in judged(rows)
        for change in (item.ranking.changes if item.ranking else ())
    ]
    columns = ("backend", "output", "feed", "row", "reference's class", "its class", "margin")
    caption = "Changed top-1; margin: how far the reference's first class is before its second"
    return Table(caption, columns, tuple(lines), 3)


def facts(report: ParityReport) -> Table:
    """Model, hashes, machine, versions and command."""
    pairs = [pair for pair in figures.facts(report.model) if pair[0] != "title"]
    pairs += figures.facts(report.environment)
    for threads, found in report.peak_gflops.items():
        pairs.append((f"peak GFLOP/s, threads: {threads}", f"{found:.1f}"))
    pairs += [("command", report.command), ("created", report.created)]
    lines = tuple(pair for pair in pairs if pair[1])
    return Table("Model, machine and versions", ("what", "value"), lines, 2)


def judged(rows: Sequence[BackendRow]) -> list[tuple[BackendRow, OutputComparison]]:
    """Every comparison of a candidate; the reference's are with itself."""
    return [(row, item) for row in rows if row.verdict != "reference" for item in row.comparisons]


def _median(latency: Latency | None) -> str:
    if latency is None:
        return ""
    return f"{figures.milliseconds(latency.p50_ms)}{'' if latency.settled else ' ~'}"


def _published(
    published: Mapping[str, Any], configuration: figures.CONFIGURATION
) -> tuple[str, str]:
    batch, threads, scope = configuration
    if scope != "inference":
        return "", ""
    return (
        figures.milliseconds(figures.published_v100_ms(published, batch)),
        figures.milliseconds(figures.published_sd855_ms(published, batch, threads)),
    )


def _scaled_and_ulp(found: Metrics | None) -> tuple[str, str]:
    if found is None:
        return figures.NOTHING, figures.NOTHING
    return figures.error(found.scaled), figures.decimal(found.ulp, 3)


def _metric_cells(found: Metrics) -> tuple[str, ...]:
    return (
        *_scaled_and_ulp(found),
        *(figures.error(value) for value in (found.max_abs, found.max_rel, found.rmse)),
        figures.decimal(found.cosine, 9),
        figures.decimal(found.snr_db, 4),
        *(figures.error(value) for value in (found.log_probability, found.kl)),
    )


def feeds(report: ParityReport) -> Table:
    """Everything that was fed."""
    lines = tuple((feed.name, feed.kind, str(feed.batch)) for feed in report.feeds)
    return Table("Every feed", ("feed", "kind", "batch"), lines, 2)
