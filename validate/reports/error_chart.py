"""How wrong against how slow: one picture with the limit drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paddleport.validate.report import ParityReport
from paddleport.validate.reports import figures
from paddleport.validate.reports.svg import COLOURS, FONT_SIZE, draw, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = {  # verdict: marker, colour
    "agrees": ("o", "good"),
    "differs": ("X", "bad"),
    "unproven": ("s", "unsure"),
}
_DECADES_BELOW = 3  # at least so many below the limit
_LABEL_PIXELS = 15.0  # between two labels
_TOP, _BOTTOM = 34.0, 46.0  # pixels around the axes
_UNTIMED = 0.04  # where what was not timed stands, as a share of the width
_FAR = 20.0  # times the fastest: the axis becomes logarithmic
_LONGEST_NAME = 20


@dataclass(frozen=True)
class Point:
    """One backend in the picture.

    Attributes:
        name: of the row.
        verdict: ``agrees``, ``differs`` or ``unproven``.
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
            figures.share_of_limit(row.worst),
            row.latency.p50_ms if row.latency else None,
        )
        for row in report.rows
        if row.verdict in MARKS and row.worst is not None
    ]


def drawable(found: Sequence[Point]) -> bool:
    """Whether there is an error and a latency to draw."""
    return any(point.p50_ms is not None for point in found)


def point_notes(found: Sequence[Point]) -> list[str]:
    """What the picture cannot show at its true place."""
    groups = (
        ("No error at all, drawn at the lower edge: ", lambda point: point.share == 0),
        (
            "Not comparable or unequal, drawn at the upper edge: ",
            lambda point: math.isinf(point.share),
        ),
        ("Not timed, drawn at the left: ", lambda point: point.p50_ms is None),
    )
    notes = []
    for start, belongs in groups:
        names = [point.name for point in found if belongs(point)]
        if names:
            notes.append(f"{start}{', '.join(names)}.")
    return notes


def error_against_latency(report: ParityReport, *, wide: bool) -> str:
    """The picture of what matters: how wrong, how slow, and where the limit is.

    Args:
        report: with at least one point that is ``drawable``.
        wide: for a screen, else for a phone.
    """
    found = points(report)
    reference = next((row for row in report.rows if row.verdict == "reference"), None)
    marks = [row.latency.p50_ms for row in (reference,) if row and row.latency]
    width = 760.0 if wide else 340.0
    height = max(380.0, len(found) * _LABEL_PIXELS + _TOP + _BOTTOM + 20)
    picture = _ErrorPicture(
        found, marks[0] if marks else None, reference.name if reference else "", width, height
    )
    told = ". ".join(_in_words(point) for point in found)
    return draw(
        f"error-{'wide' if wide else 'narrow'}",
        (width, height),
        picture.paint,
        title="Worst error as a share of its limit, against median latency",
        description=f"{told}. {' '.join(point_notes(found))}".strip(),
    )


def _in_words(point: Point) -> str:
    time = "not timed" if point.p50_ms is None else f"{point.p50_ms:.2f} ms"
    far = "not comparable" if math.isinf(point.share) else f"{point.share:.2g} of its limit"
    return f"{point.name} {point.verdict}: {far}, {time}"


class _ErrorPicture:
    """Places are worked out here in shares of the axes, so that 0 and infinity have one too."""

    def __init__(
        self,
        found: Sequence[Point],
        reference_ms: float | None,
        reference: str,
        width: float,
        height: float,
    ) -> None:
        self.found, self.reference_ms, self.reference = found, reference_ms, reference
        self.width, self.height = width, height
        shares = [point.share for point in found if 0 < point.share < math.inf]
        self.low = min([math.floor(math.log10(share)) for share in shares] + [-_DECADES_BELOW])
        self.high = max([math.floor(math.log10(share)) + 1 for share in shares] + [1])
        times = [point.p50_ms for point in found if point.p50_ms is not None]
        self.times = [*times, reference_ms] if reference_ms is not None else times
        self.logarithmic = max(self.times) > _FAR * max(min(self.times), 1e-6)
        self.start = 2 * _UNTIMED if any(point.p50_ms is None for point in found) else 0.0

    def paint(self, figure: "Figure") -> None:
        left, right = 66.0, 150.0 if self.width > 500 else 104.0
        box = (
            left / self.width,
            _BOTTOM / self.height,
            1 - (left + right) / self.width,
            1 - (_TOP + _BOTTOM) / self.height,
        )
        axes = figure.add_axes(box, facecolor="none")
        axes.set(xlim=(0, 1), ylim=(0, 1))
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(COLOURS["line"])
        self._paint_scales(axes)
        self._paint_limit(axes)
        self._paint_reference(axes)
        self._paint_points(axes, right)
        words = (
            "worst error, by its limit"
            if self.width < 500
            else ("worst error, as a share of the backend's own limit")
        )
        figure.text(8 / self.width, 1 - 15 / self.height, words, color=COLOURS["soft"])

    def y(self, share: float) -> float:
        """Where an error stands; 0 on the lower edge and infinity on the upper."""
        if share <= 0:
            return 0.0
        if math.isinf(share):
            return 1.0
        return (math.log10(share) - self.low) / (self.high - self.low)

    def x(self, ms: float | None) -> float:
        """Where a latency stands."""
        if ms is None:
            return _UNTIMED
        first, last = self._span()
        value = math.log10(max(ms, 1e-6)) if self.logarithmic else ms
        return self.start + (1 - self.start) * (value - first) / (last - first)

    def _span(self) -> tuple[float, float]:
        if not self.logarithmic:
            return 0.0, (max(self.times) * 1.1 or 1.0)
        logs = [math.log10(max(ms, 1e-6)) for ms in self.times]
        edge = 0.06 * (max(logs) - min(logs))
        return min(logs) - edge, max(logs) + edge

    def _paint_scales(self, axes: "Axes") -> None:
        step = max(1, math.ceil((self.high - self.low) / 8))
        decades = [decade for decade in range(self.low, self.high + 1) if decade % step == 0]
        axes.set_yticks(
            [self.y(10.0**decade) for decade in decades],
            ["limit" if not decade else f"{10.0**decade:g}" for decade in decades],
        )
        ticks = self._time_ticks()
        axes.set_xticks([self.x(ms) for ms in ticks], [f"{ms:g}" for ms in ticks])
        axes.tick_params(colors=COLOURS["line"], labelcolor=COLOURS["soft"], length=3)
        axes.set_xlabel("p50 in milliseconds", color=COLOURS["soft"], fontsize=FONT_SIZE)

    def _time_ticks(self) -> list[float]:
        from matplotlib.ticker import MaxNLocator

        if not self.logarithmic:
            return [ms for ms in MaxNLocator(5).tick_values(0, self._span()[1]) if self.x(ms) <= 1]
        first, last = self._span()
        steps = (1, 3) if last - first < 2.5 else (1,)
        exponents = range(math.floor(first), math.ceil(last) + 1)
        ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
        return [ms for ms in ticks if first <= math.log10(ms) <= last]

    def _paint_limit(self, axes: "Axes") -> None:
        limit = self.y(1.0)
        axes.axhspan(limit, 1, facecolor=COLOURS["over"], edgecolor="none", zorder=0)
        axes.axhline(limit, color=COLOURS["bad"], linewidth=1.2, zorder=1)

    def _paint_reference(self, axes: "Axes") -> None:
        if self.reference_ms is None:
            return
        place = self.x(self.reference_ms)
        axes.axvline(place, color=COLOURS["soft"], linewidth=1, linestyle=(0, (2, 3)), zorder=1)
        axes.text(
            place,
            1.015,
            short(f"{self.reference}"),
            color=COLOURS["soft"],
            ha="right" if place > 0.6 else "center" if place > 0.2 else "left",
            va="bottom",
        )

    def _paint_points(self, axes: "Axes", right: float) -> None:
        inside = self.width - 66.0 - right
        gap = _LABEL_PIXELS / (self.height - _TOP - _BOTTOM)
        order = sorted(self.found, key=lambda point: (self.y(point.share), -self.x(point.p50_ms)))
        heights = _spread([self.y(point.share) for point in order], gap)
        for point, height in zip(order, heights, strict=True):
            x, y = self.x(point.p50_ms), self.y(point.share)
            marker, colour = MARKS[point.verdict]
            axes.plot(
                [x, 1 + 4 / inside, 1 + 14 / inside],
                [y, height, height],
                color=COLOURS["line"],
                linewidth=0.8,
                clip_on=False,
                zorder=2,
            )
            axes.plot(
                [x],
                [y],
                marker,
                color=COLOURS[colour],
                markeredgecolor=COLOURS["paper"],
                markersize=9,
                clip_on=False,
                zorder=3,
            )
            axes.text(
                1 + 18 / inside,
                height,
                short(point.name, _LONGEST_NAME if self.width > 500 else 14),
                color=COLOURS["ink"],
                va="center",
            )


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """Ascending places at least ``gap`` apart, within 0 and 1 where they fit, near ``heights``."""
    places: list[float] = []
    for height in heights:
        places.append(max(height, places[-1] + gap) if places else height)
    highest = 1.0
    for index in reversed(range(len(places))):
        places[index] = min(places[index], highest)
        highest = places[index] - gap
    return places
