"""The error chart: worst error against median latency, with the limit drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paddleport.validate.parity.parity_report import ParityReport
from paddleport.validate.reports.error_coordinates import (
    LIMIT,
    ErrorPoint,
    ErrorScales,
    in_words,
    notes,
    points,
)
from paddleport.validate.reports.svg import (
    COLOURS,
    FONT_SIZE,
    axes_within,
    draw,
    label_at_right,
    short,
    spread,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKS = {"agrees": ("o", "good"), "differs": ("X", "bad"), "unproven": ("s", "unsure")}
_LABEL = 17.0  # pixels between two labels
_LEFT, _TOP, _BOTTOM = 56.0, 40.0, 44.0  # pixels around the axes


@dataclass(frozen=True, kw_only=True)
class _Size:
    """Of the picture, in pixels: all of it, what the names take on the right, and their length."""

    width: float
    height: float
    right: float
    longest_name: int


_WIDE = _Size(width=600, height=300, right=136, longest_name=18)
_NARROW = _Size(width=340, height=320, right=104, longest_name=14)


def error_against_latency(report: ParityReport, *, wide: bool) -> str:
    """The error chart as an SVG element.

    Args:
        report: with points that are ``drawable``.
        wide: for a screen, else for a phone.
    """
    found = points(report)
    reference = next((row for row in report.rows if row.verdict == "reference"), None)
    timed = reference.latency if reference else None
    size = _WIDE if wide else _NARROW
    height = max(size.height, len(found) * _LABEL + _TOP + _BOTTOM + 20)
    picture = _Picture(
        found,
        ErrorScales(found, timed.p50_ms if timed else None),
        (reference.name, timed.p50_ms) if reference and timed else None,
        replace(size, height=height),
    )
    words = ". ".join(in_words(point) for point in found)
    return draw(
        f"error-{'wide' if wide else 'narrow'}",
        (size.width, height),
        picture.paint,
        title="Worst error as a share of its limit, against median latency",
        description=f"{words}. {' '.join(notes(found))}".strip(),
    )


class _Picture:
    """Places are shares of the axes, so that 0 and infinity have one too."""

    def __init__(
        self,
        found: Sequence[ErrorPoint],
        scales: ErrorScales,
        reference: tuple[str, float] | None,
        size: _Size,
    ) -> None:
        self._found, self._scales, self._reference, self._size = found, scales, reference, size

    def paint(self, figure: "Figure") -> None:
        width, height = self._size.width, self._size.height
        margins = (_LEFT, self._size.right, _TOP, _BOTTOM)
        axes = axes_within(figure, (width, height), margins)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        self._paint_scales(axes)
        self._paint_limit(axes)
        self._paint_reference(axes)
        self._paint_points(axes)
        words = "worst error, as a share of its limit"
        figure.text(0, 1 - 13 / height, words, color=COLOURS["soft"])

    def _paint_scales(self, axes: "Axes") -> None:
        (errors, error_texts), (times, time_texts) = (
            zip(*ticks, strict=True)
            for ticks in (self._scales.error_ticks(), self._scales.time_ticks())
        )
        axes.set_yticks(errors, error_texts)
        axes.set_xticks(times, time_texts)
        axes.tick_params(colors=COLOURS["line"], labelcolor=COLOURS["soft"], length=3)
        for label in axes.get_yticklabels():
            if label.get_text() == LIMIT:
                label.set(color=COLOURS["bad"], fontweight="bold")
        axes.set_xlabel("p50, milliseconds", color=COLOURS["soft"], fontsize=FONT_SIZE)

    def _paint_limit(self, axes: "Axes") -> None:
        limit = self._scales.y(1.0)
        axes.axhspan(limit, 1, facecolor=COLOURS["over"], edgecolor="none", zorder=0)
        axes.axhline(limit, color=COLOURS["bad"], linewidth=1.4, zorder=1)

    def _paint_reference(self, axes: "Axes") -> None:
        if self._reference is None:
            return
        name, p50_ms = self._reference
        place = self._scales.x(p50_ms)
        axes.axvline(place, color=COLOURS["soft"], linewidth=1, linestyle=(0, (2, 3)), zorder=1)
        axes.text(
            place,
            1.015,
            short(name),
            color=COLOURS["soft"],
            ha="right" if place > 0.6 else "center" if place > 0.2 else "left",
            va="bottom",
        )

    def _paint_points(self, axes: "Axes") -> None:
        inside = self._size.width - _LEFT - self._size.right
        gap = _LABEL / (self._size.height - _TOP - _BOTTOM)
        x, y = self._scales.x, self._scales.y
        order = sorted(self._found, key=lambda point: (y(point.share), -x(point.p50_ms)))
        heights = spread([y(point.share) for point in order], gap)
        for point, height in zip(order, heights, strict=True):
            here = x(point.p50_ms), y(point.share)
            marker, colour = _MARKS[point.verdict]
            axes.plot(
                *([place] for place in here),
                marker,
                color=COLOURS[colour],
                markeredgecolor=COLOURS["paper"],
                markersize=10,
                clip_on=False,
                zorder=3,
            )
            label_at_right(axes, here, height, short(point.name, self._size.longest_name), inside)
