"""What stands in the picture of errors against latencies: a point for each backend."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paddleport.validate.parity.parity_report import ParityReport, share_of_limit
from paddleport.validate.reports import figures

JUDGED = ("agrees", "differs", "unproven")


@dataclass(frozen=True)
class Point:
    """One backend in the picture.

    Attributes:
        name: of the row.
        verdict: one of ``JUDGED``.
        share: worst error by limit; infinite where values were incomparable.
        p50_ms: of the main configuration; ``None`` if it was not measured.
    """

    name: str
    verdict: str
    share: float
    p50_ms: float | None


def points(report: ParityReport) -> list[Point]:
    """Every backend that was judged, in the report's order."""
    return [
        Point(
            row.name,
            row.verdict,
            share_of_limit(row.worst),
            row.latency.p50_ms if row.latency else None,
        )
        for row in report.rows
        if row.verdict in JUDGED and row.worst is not None
    ]


def drawable(found: Sequence[Point]) -> bool:
    """Whether there is an error and a latency to draw."""
    return any(point.p50_ms is not None for point in found)


def notes(found: Sequence[Point]) -> list[str]:
    """What the picture cannot show at its true place."""
    groups: tuple[tuple[str, Callable[[Point], bool]], ...] = (
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


def in_words(point: Point) -> str:
    """A point for a screen reader."""
    time = "not timed" if point.p50_ms is None else f"{figures.milliseconds(point.p50_ms)} ms"
    finite = math.isfinite(point.share)
    far = f"{figures.share(point.share)} of its limit" if finite else "not comparable"
    return f"{point.name} {point.verdict}: {far}, {time}"
