"""Numbers and verdicts as texts, one format for every report, and values as JSON holds them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from paddleport.validate.benchmark.latency import Latency
from paddleport.validate.compare.comparison import OutputComparison
from paddleport.validate.compare.metrics import Ranking
from paddleport.validate.parity.parity_report import BackendRow

NOTHING = "–"  # where a value was looked for and is not there
ERROR_UNIT = "|reference| + the root mean square of the reference output"
_DECIMALS = ((0.1, 4), (1.0, 3), (100.0, 2), (1000.0, 1))  # below so many ms
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
    """Milliseconds: two decimals below 100, fewer above, more below 1."""
    if value is None:
        return ""
    digits = next((digits for below, digits in _DECIMALS if value < below), 0)
    return f"{value:.{digits}f}"


def decimal(value: float | None, digits: int = 4) -> str:
    """A number with so many significant digits."""
    if value is None:
        return NOTHING
    return f"{value:.{digits}g}" if math.isfinite(value) else str(value)


def ulp(value: float | None) -> str:
    """Float32 spacings: one decimal below 10, whole numbers up to a million."""
    if not value or not math.isfinite(value) or value >= 1e6:
        return error(value)
    return f"{value:.{1 if value < 10 else 0}f}"


def times(value: float) -> str:
    """A factor, such as ``1.66 ×``."""
    return f"{value:.2f} ×" if value < 100 else f"{value:.0f} ×"


def share(value: float) -> str:
    """An error as a share of its limit, such as ``72 %``; from ten limits on, ``300 ×``."""
    if not math.isfinite(value):
        return NOTHING
    if value >= 10:
        return f"{value:.0f} ×" if value < 1e4 else f"{value:.0e} ×"
    if 0 < value < 0.001:
        return "< 0.1 %"
    return f"{100 * value:.{1 if 0 < value < 0.1 else 0}f} %"


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


def error_of_limit(comparison: OutputComparison | None) -> str:
    """The worst error beside its limit."""
    if comparison is None:
        return ""
    found = comparison.worst_error
    if comparison.measure == "equality":
        return "not comparable" if found is None else f"{found:g} unequal"
    return f"{found_error(found)} / {error(comparison.limit)}"


def distance_from_float64(row: BackendRow) -> float | None:
    """The largest scaled error of a row's outputs from float64; ``None`` if it was not compared."""
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
    batch, count, scope = configuration
    return f"batch {batch}, {threads(count)}{'' if scope == 'inference' else ', ' + scope}"


def threads(count: int) -> str:
    """Such as ``2 threads``."""
    return f"{count} thread{'' if count == 1 else 's'}"


def facts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A map of plain values as pairs of texts; maps inside it become pairs of their own."""
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            pairs += facts(value)
        elif isinstance(value, list | tuple):
            pairs.append((str(key), ", ".join(str(item) for item in value)))
        elif isinstance(value, int) and value > 9999:
            pairs.append((str(key), f"{value:,}"))
        elif value is not None:
            pairs.append((str(key), str(value)))
    return pairs


def json_value(value: Any) -> Any:
    """``value`` as JSON can hold it: lists for tuples, ``None`` for what is not finite.

    A file name that is no UTF-8 reaches Python as lone surrogates, which no file takes: they are
    written as escapes.
    """
    if isinstance(value, Mapping):
        return {json_value(str(key)): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
