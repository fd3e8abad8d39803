"""The points of the error chart, one per backend, and where its axes put them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paddleport.validate.parity.parity_report import ParityReport, share_of_limit
from paddleport.validate.reports import figures

COMPARED = ("agrees", "differs", "unproven")  # the verdicts that come with an error
LIMIT = "limit"
UNTIMED = 0.04  # where what was not timed stands
_DECADES_BELOW = 2  # at least so many below the limit
_FAR = 20.0  # times the fastest: the axis becomes logarithmic
_SHORTEST_MS = 1e-6
_UNNAMED = -4  # decades from here down, and from 10^4 up, are written as powers


@dataclass(frozen=True, kw_only=True)
class ErrorPoint:
    """One backend in the picture.

    Attributes:
        name: of the row.
        verdict: one of ``COMPARED``.
        share: worst error by limit; infinite where values were incomparable.
        p50_ms: of the main configuration; ``None`` if it was not measured.
    """

    name: str
    verdict: str
    share: float
    p50_ms: float | None


def points(report: ParityReport) -> list[ErrorPoint]:
    """Every backend that was compared, in the report's order."""
    return [
        ErrorPoint(
            name=row.name,
            verdict=row.verdict,
            share=share_of_limit(row.worst),
            p50_ms=row.latency.p50_ms if row.latency else None,
        )
        for row in report.rows
        if row.verdict in COMPARED and row.worst is not None
    ]


def drawable(found: Sequence[ErrorPoint]) -> bool:
    """Whether there is an error and a latency to draw."""
    return any(point.p50_ms is not None for point in found)


def notes(found: Sequence[ErrorPoint]) -> list[str]:
    """What the picture cannot show at its true place."""
    groups: tuple[tuple[str, Callable[[ErrorPoint], bool]], ...] = (
        ("No error at all, drawn at the lower edge: ", lambda point: point.share == 0),
        (
            "Not comparable or unequal, drawn at the upper edge: ",
            lambda point: math.isinf(point.share),
        ),
        ("Not timed, drawn at the left: ", lambda point: point.p50_ms is None),
    )
    named = [
        (start, [point.name for point in found if belongs(point)]) for start, belongs in groups
    ]
    return [f"{start}{', '.join(names)}." for start, names in named if names]


def in_words(point: ErrorPoint) -> str:
    """A point for a screen reader."""
    time = "not timed" if point.p50_ms is None else f"{figures.milliseconds(point.p50_ms)} ms"
    finite = math.isfinite(point.share)
    far = f"{figures.share(point.share)} of its limit" if finite else "not comparable"
    return f"{point.name} {point.verdict}: {far}, {time}"


class ErrorScales:
    """Both axes. Errors of 0 and infinity have a place too: the edges.

    Attributes:
        low, high: the decades of the share of the limit at the lower and the upper edge.
        logarithmic: whether the latency is.
    """

    def __init__(self, found: Sequence[ErrorPoint], reference_ms: float | None) -> None:
        """Of some points, one of which was timed, and the reference's latency."""
        decades = [
            math.floor(math.log10(point.share)) for point in found if 0 < point.share < math.inf
        ]
        self.low = min([*decades, -_DECADES_BELOW])
        self.high = max([*(decade + 1 for decade in decades), 1])
        times = [point.p50_ms for point in found if point.p50_ms is not None]
        self._times = [*times, reference_ms] if reference_ms is not None else times
        self.logarithmic = max(self._times) > _FAR * max(min(self._times), _SHORTEST_MS)
        self._start = 2 * UNTIMED if any(point.p50_ms is None for point in found) else 0.0

    def y(self, share: float) -> float:
        """Where a share of the limit stands."""
        if share <= 0:
            return 0.0
        if math.isinf(share):
            return 1.0
        return (math.log10(share) - self.low) / (self.high - self.low)

    def x(self, ms: float | None) -> float:
        """Where a latency stands."""
        if ms is None:
            return UNTIMED
        first, last = self._span()
        value = math.log10(max(ms, _SHORTEST_MS)) if self.logarithmic else ms
        return self._start + (1 - self._start) * (value - first) / (last - first)

    def error_ticks(self) -> list[tuple[float, str]]:
        """Places and labels; the limit is always among them."""
        step = max(1, math.ceil((self.high - self.low) / 8))
        decades = [decade for decade in range(self.low, self.high + 1) if decade % step == 0]
        return [(self.y(10.0**decade), _decade(decade)) for decade in decades]

    def time_ticks(self) -> list[tuple[float, str]]:
        """Places and labels."""
        from matplotlib.ticker import MaxNLocator

        first, last = self._span()
        if self.logarithmic:
            steps = (1, 3) if last - first < 2.5 else (1,)
            exponents = range(math.floor(first), math.ceil(last) + 1)
            ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
            ticks = [ms for ms in ticks if first <= math.log10(ms) <= last]
        else:
            ticks = [ms for ms in MaxNLocator(5).tick_values(0, last) if self.x(ms) <= 1]
        return [(self.x(ms), f"{ms:g}") for ms in ticks]

    def _span(self) -> tuple[float, float]:
        if not self.logarithmic:
            return 0.0, (max(self._times) * 1.1 or 1.0)
        logs = [math.log10(max(ms, _SHORTEST_MS)) for ms in self._times]
        edge = 0.06 * (max(logs) - min(logs))
        return min(logs) - edge, max(logs) + edge


def _decade(decade: int) -> str:
    if not decade:
        return LIMIT
    if not _UNNAMED < decade < -_UNNAMED:
        return f"1e{decade:+d}"
    return f"{10.0 ** (decade + 2):g} %" if decade < 0 else f"{10.0**decade:g} ×"
