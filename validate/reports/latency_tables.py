"""The tables of latency and cost, with the published figures beside them."""

from collections.abc import Mapping, Sequence
from typing import Any

from paddleport.models.zoo.published_figures import MULTIPLY_ADDS, published_gflop
from paddleport.validate.benchmark.latency import Latency
from paddleport.validate.parity.parity_report import BackendRow, Load, ParityReport
from paddleport.validate.reports import figures
from paddleport.validate.reports.tables import Table

# key of a card's published latencies: the device, and what its figures are listed by
_DEVICES = {
    "v100_trt_fp32_ms": ("V100, TensorRT fp32", "batch"),
    "sd855_ms": ("SD855, Paddle-Lite", "threads"),
}


def medians(report: ParityReport) -> Table:
    """The median of every backend in every configuration, and the published ones below.

    ``~`` marks a median that did not settle, a dash a device that nothing was published of.
    Published rows whose figures are all of other configurations are left out.
    """
    configurations = figures.configurations(report.rows)
    lines = [
        (row.name, *(_median(figures.latency_of(row, wanted)) for wanted in configurations))
        for row in report.rows
        if row.latencies
    ]
    for key, (title, axis) in _DEVICES.items():
        cells = [_published(report.published, key, axis, wanted) for wanted in configurations]
        if report.published and any(cells):
            lines.append((f"{title} (published)", *cells))
    columns = ("p50 ms", *(figures.configuration_text(wanted) for wanted in configurations))
    return Table(
        caption="Median latency by batch and threads", columns=columns, lines=tuple(lines), texts=1
    )


def latencies(rows: Sequence[BackendRow]) -> Table:
    """Every figure of every measurement."""
    lines = []
    for row in rows:
        for item in row.latencies:
            low, high = (figures.milliseconds(value) for value in item.interval_ms)
            drift = " ".join(figures.milliseconds(value) for value in item.round_p50_ms)
            times = (item.p50_ms, item.p90_ms, item.p99_ms, item.mean_ms)
            lines.append(
                (
                    row.name,
                    figures.configuration_text(figures.key_of(item)),
                    *(figures.milliseconds(value) for value in times),
                    f"{item.pictures_per_s:.1f}",
                    str(item.runs),
                    f"{low} to {high}",
                    "yes" if item.settled else "no",
                    drift,
                )
            )
    columns = (
        *("backend", "configuration", "p50 ms", "p90 ms", "p99 ms", "mean ms", "rows per s"),
        *("runs", "95 % interval of p50", "settled", "p50 of each round"),
    )
    return Table(caption="Every latency", columns=columns, lines=tuple(lines), texts=2)


def brought_in(report: ParityReport) -> Table:
    """Latencies of other machines, as somebody else measured them."""
    lines = tuple(
        (
            item.device,
            f"{item.runtime} {item.version}",
            item.precision,
            figures.configuration_text((item.batch, item.threads, "inference")),
            figures.milliseconds(item.p50_ms),
            figures.milliseconds(item.p90_ms) or figures.NOTHING,
            figures.NOTHING if item.runs is None else str(item.runs),
            ", ".join(text for text in (item.measured_by, item.measured_at) if text)
            or figures.NOTHING,
            item.file,
        )
        for item in report.brought_in
    )
    columns = (
        *("device", "runtime", "precision", "configuration"),
        *("p50 ms", "p90 ms", "runs", "measured by", "file"),
    )
    return Table(
        caption="Brought in: measured on other machines, by others",
        columns=columns,
        lines=lines,
        texts=4,
    )


def unsettled(rows: Sequence[BackendRow]) -> str:
    """What the mark of a median means; empty where none has it."""
    if all(item.settled for row in rows for item in row.latencies):
        return ""
    return "~: the 95 % interval of the median did not come within ±2 %."


def published_sources(published: Mapping[str, Any]) -> list[str]:
    """Where the published columns come from, and how they were measured there."""
    source = published.get("source")
    methods = published.get("methodology")
    sentences = [f"Source: {source}."] if source else []
    for key, (title, _) in _DEVICES.items():
        if isinstance(methods, Mapping) and key in methods:
            sentences.append(f"{title}: {methods[key]}.")
    if isinstance(methods, Mapping) and methods.get("gflops") == MULTIPLY_ADDS:
        sentences.append("Operations: published as multiply-adds, shown as two each.")
    return sentences


def model_figures(report: ParityReport) -> Table:
    """Size, operations and accuracy as published, beside what was counted here."""
    lines = []
    published = report.published
    for title, key, scale, value in (
        ("parameters, millions", "parameters", 1e6, published.get("mparams")),
        ("operations, GFLOP", "flops", 1e9, published_gflop(published)),
        ("file, MB", "onnx bytes", 1e6, published.get("storage_mb")),
    ):
        found = report.model.get(key)
        here = f"{found / scale:.2f}" if isinstance(found, int | float) else ""
        if report.published:
            lines.append((title, here, figures.NOTHING if value is None else str(value)))
    for key, title in (("top1", "ImageNet top-1"), ("top5", "ImageNet top-5")):
        value = report.published.get(key)
        if report.published:
            share = figures.NOTHING if value is None else f"{100 * value:.1f} %"
            lines.append((title, "not measured", share))
    return Table(
        caption="The model's own figures",
        columns=("figure", "counted here", "published"),
        lines=tuple(lines),
        texts=1,
    )


def costs(rows: Sequence[BackendRow]) -> Table:
    """What a backend costs beside its inferences."""
    lines = []
    for row in rows:
        load = row.load
        cells = (
            figures.milliseconds(load.load_ms),
            figures.milliseconds(load.warm_load_ms) or figures.NOTHING,
            figures.milliseconds(load.first_ms),
            figures.size(load.peak_memory_bytes),
            "" if load.gflops_per_s is None else f"{load.gflops_per_s:.1f}",
            "" if load.share_of_peak is None else f"{100 * load.share_of_peak:.0f} %",
        )
        if load != Load():
            lines.append((row.name, *cells))
    columns = (
        *("backend", "load ms", "warm load ms"),
        *("first run ms", "peak memory", "GFLOP/s", "of peak"),
    )
    return Table(
        caption="Loading, memory, and how much of the machine is used",
        columns=columns,
        lines=tuple(lines),
        texts=1,
    )


def warm_loads(rows: Sequence[BackendRow]) -> str:
    """What a warm load is; empty where nothing was loaded."""
    if all(row.load.load_ms is None for row in rows):
        return ""
    return (
        "Warm load: a start that finds its compiled model in the cache. "
        f"{figures.NOTHING}: none kept, or not measured."
    )


def _median(latency: Latency | None) -> str:
    if latency is None:
        return ""
    return f"{figures.milliseconds(latency.p50_ms)}{'' if latency.settled else ' ~'}"


def _published(
    published: Mapping[str, Any], key: str, axis: str, configuration: figures.CONFIGURATION
) -> str:
    """A device's figure; empty where the device was measured in other configurations."""
    batch, threads, scope = configuration
    if scope != "inference" or (axis == "threads" and batch != 1):
        return ""
    measured = published.get(key) or {}
    column = f"{axis}{threads if axis == 'threads' else batch}"
    if not measured or (column in measured and measured[column] is None):
        return figures.NOTHING
    return figures.milliseconds(measured.get(column))
