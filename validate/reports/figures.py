"""Numbers and verdicts as texts: one format for Markdown, HTML, JUnit and the terminal."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from paddleport.validate.compare import OutputComparison
from paddleport.validate.latency import Latency
from paddleport.validate.metrics import Ranking
from paddleport.validate.report import BackendRow, ParityReport

NOTHING = "–"  # where a value was looked for and is not there
ERROR_UNIT = "|reference| + the root mean square of the reference output"
SUMMARIES = {
    "agrees": "The same model: every backend that was judged agrees with the reference.",
    "differs": "Not the same everywhere: at least one backend differs, failed or is missing.",
    "unproven": "Nothing is proven: no backend that was judged could be shown to agree.",
}
CONFIGURATION = tuple[int, int, str]  # batch, threads, scope


def error(value: float | None) -> str:
    """An error in the tolerance's unit, such as ``1.2e-05``."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return "not comparable"
    return f"{value:.1e}" if value else "0"


def found_error(value: float | None) -> str:
    """An error that was looked for; ``None`` is where values were incomparable."""
    return error(math.inf if value is None else value)


def milliseconds(value: float | None) -> str:
    """Milliseconds with two decimals."""
    return "" if value is None else f"{value:.2f}"


def decimal(value: float | None, digits: int = 4) -> str:
    """A number with so many significant digits."""
    if value is None:
        return NOTHING
    return f"{value:.{digits}g}" if math.isfinite(value) else str(value)


def size(count: int | None) -> str:
    """Bytes in MB (10^6)."""
    return "" if count is None else f"{count / 1e6:.1f} MB"


def one_line(text: str) -> str:
    """A vendor's text without its line breaks."""
    return " ".join(text.split())


def printable(text: str) -> str:
    """``text`` without the characters that XML 1.0 and HTML forbid."""
    kept = "\t\n"
    return "".join(
        sign
        for sign in text
        if sign in kept
        or " " <= sign < "\x7f"
        or "\xa0" <= sign < "\ud800"
        or "\ue000" <= sign < "\ufffe"
        or sign > "\uffff"
    )


def verdict(row: BackendRow) -> str:
    """The verdict with its cause, such as ``differs: converter``."""
    return f"{row.verdict}: {row.cause}" if row.cause else row.verdict


def summary(report: ParityReport) -> str:
    """The whole report in one sentence, with the backends that need a look."""
    named = [
        f"{row.name} ({verdict(row)})"
        for row in report.rows
        if row.verdict in ("differs", "failed", "unproven")
        or (row.verdict == "skipped" and report.strict)
    ]
    return f"{SUMMARIES[report.verdict]}{' See ' + ', '.join(named) + '.' if named else ''}"


def error_of_limit(comparison: OutputComparison | None) -> str:
    """The worst error beside its limit."""
    if comparison is None:
        return ""
    found = comparison.worst_error
    if comparison.measure == "equality":
        return "not comparable" if found is None else f"{found:g} unequal"
    return f"{found_error(found)} / {error(comparison.limit)}"


def share_of_limit(comparison: OutputComparison) -> float:
    """The worst error by its limit; infinite where values were incomparable or unequal."""
    if comparison.worst_error is None:
        return math.inf
    if not comparison.limit:
        return math.inf if comparison.worst_error else 0.0
    return comparison.worst_error / comparison.limit


def distance_from_float64(row: BackendRow) -> float | None:
    """The largest scaled error of a row's outputs against the arbiter; ``None`` without one."""
    found = [item.against_float64.scaled for item in row.comparisons if item.against_float64]
    return max(found, default=None)


def worst_ranking(row: BackendRow) -> Ranking | None:
    """The ranking of the output that lost most; ``None`` for no classifier."""
    found = [item.ranking for item in row.comparisons if item.ranking]
    return min(found, key=lambda item: item.top1_agreeing / item.total, default=None)


def configurations(rows: Sequence[BackendRow]) -> list[CONFIGURATION]:
    """Every batch, number of threads and scope that was measured; inference first."""
    found = {key_of(latency) for row in rows for latency in row.latencies}
    return sorted(found, key=lambda item: (item[2] != "inference", item))


def key_of(latency: Latency) -> CONFIGURATION:
    """What a latency was measured with."""
    return latency.batch, latency.threads, latency.scope


def latency_of(row: BackendRow, wanted: CONFIGURATION) -> Latency | None:
    """A row's latency in one configuration, if it was measured."""
    return next((item for item in row.latencies if key_of(item) == wanted), None)


def configuration_text(configuration: CONFIGURATION) -> str:
    """Such as ``batch 1, 2 threads, end to end``."""
    batch, threads, scope = configuration
    unit = "thread" if threads == 1 else "threads"
    return f"batch {batch}, {threads} {unit}{'' if scope == 'inference' else ', ' + scope}"


def published_v100_ms(published: Mapping[str, Any], batch: int) -> float | None:
    """TensorRT FP32 on a V100, as the series page has it for a batch size."""
    return _published(published, "v100_trt_fp32_ms", f"batch{batch}")


def published_sd855_ms(published: Mapping[str, Any], batch: int, threads: int) -> float | None:
    """Paddle-Lite on a Snapdragon 855 at batch 1, as the series page has it."""
    return _published(published, "sd855_ms", f"threads{threads}") if batch == 1 else None


def _published(published: Mapping[str, Any], table: str, key: str) -> float | None:
    found = published.get(table)
    value = found.get(key) if isinstance(found, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def facts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A map of plain values as pairs of texts; maps inside it become pairs of their own."""
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            pairs += facts(value)
        elif isinstance(value, list | tuple):
            pairs.append((str(key), ", ".join(str(item) for item in value)))
        elif value is not None:
            pairs.append((str(key), str(value)))
    return pairs
