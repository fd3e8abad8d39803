"""Shares with their intervals, a line per backend, beside the values they are held against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paddleport.validate.reports.svg import COLOURS, axes_within, draw, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TOP, _BOTTOM = 34.0, 30.0  # pixels for the marks' names and the numbers of the axis
_WIDE, _NARROW = 600.0, 340.0
_NAMES, _NUMBERS = 132.0, 118.0  # beside the axes of a wide chart
_SIDE = 10.0  # of a narrow one, where they stand above each line
_CLOSE = 0.24  # of the axis: two marks' names would meet
_ROOM = 0.12  # of the range at each end


@dataclass(frozen=True, kw_only=True)
class IntervalLine:
    """One backend's value with its interval, all in percent or points.

    Attributes:
        name: the backend's.
        value: drawn as a point.
        low, high: the interval's ends.
        text: the numbers, as they stand beside it.
        colour: of ``COLOURS``.
    """

    name: str
    value: float
    low: float
    high: float
    text: str
    colour: str


@dataclass(frozen=True)
class ChartMark:
    """A value that the intervals are held against, and what it is."""

    value: float
    text: str


@dataclass(frozen=True, kw_only=True)
class IntervalChart:
    """What is drawn.

    Attributes:
        name: what ids begin with; unique on the page.
        title: what a screen reader says first.
        lines: from above.
        marks: drawn across, dashed.
        band: low and high of what is shaded behind; ``None`` for nothing.
        within: what the axis must not go beyond.
    """

    name: str
    title: str
    lines: Sequence[IntervalLine]
    marks: Sequence[ChartMark] = ()
    band: tuple[float, float] | None = None
    within: tuple[float, float] = (-100.0, 100.0)

    def svg(self, *, wide: bool) -> str:
        """The picture, for a screen or for a phone."""
        step = 26.0 if wide else 42.0
        height = _TOP + _BOTTOM + step * len(self.lines) + 6
        size = (_WIDE if wide else _NARROW, height)
        left, right = (_NAMES, _NUMBERS) if wide else (_SIDE, _SIDE)

        def paint(figure: "Figure") -> None:
            axes = axes_within(figure, size, (left, right, _TOP, _BOTTOM))
            self._paint_frame(axes, wide=wide)
            for place, line in enumerate(self.lines):
                _paint_line(axes, place, line, wide=wide)

        words = "; ".join(f"{line.name} {line.text}" for line in self.lines)
        held = "; ".join(mark.text for mark in self.marks)
        return draw(
            f"{self.name}-{'wide' if wide else 'narrow'}",
            size,
            paint,
            title=self.title,
            description=f"{words}. {held}",
        )

    def _paint_frame(self, axes: "Axes", *, wide: bool) -> None:
        from matplotlib.ticker import MaxNLocator

        low, high = self._range()
        axes.set(xlim=(low, high), ylim=(len(self.lines) - 0.45, -0.55 if wide else -0.8))
        axes.spines["left"].set_visible(False)
        axes.set_yticks([])
        axes.xaxis.set_major_locator(MaxNLocator(5 if wide else 4, steps=[1, 2, 5, 10]))
        axes.tick_params(axis="x", colors=COLOURS["line"], labelcolor=COLOURS["soft"], length=3)
        if self.band is not None:
            axes.axvspan(
                max(self.band[0], low), min(self.band[1], high), color=COLOURS["over"], zorder=0
            )
        shares = [(mark.value - low) / (high - low) for mark in self.marks]
        meet = len(shares) == 2 and abs(shares[0] - shares[1]) < (_CLOSE if wide else 2 * _CLOSE)
        for place, (mark, share) in enumerate(zip(self.marks, shares, strict=True)):
            axes.axvline(
                mark.value, color=COLOURS["soft"], linewidth=1.2, linestyle=(0, (4, 3)), zorder=1
            )
            axes.annotate(
                mark.text,
                (share, 1.0),
                xycoords="axes fraction",
                xytext=(0, 5 + 14 * (meet and place == 0)),
                textcoords="offset points",
                ha="left" if share < 0.25 else "right" if share > 0.75 else "center",
                color=COLOURS["soft"],
            )

    def _range(self) -> tuple[float, float]:
        values = [value for line in self.lines for value in (line.low, line.high)]
        values += [mark.value for mark in self.marks]
        low, high = min(values), max(values)
        room = _ROOM * (high - low) or 1.0
        # an interval that ends at 0 or 100 is to be seen whole
        edge = 0.02 * (high - low)
        return (
            max(low - room, self.within[0] - edge),
            min(high + room, self.within[1] + edge),
        )


def _paint_line(axes: "Axes", place: int, line: IntervalLine, *, wide: bool) -> None:
    colour = COLOURS[line.colour]
    axes.hlines(place, line.low, line.high, color=colour, linewidth=2.4, zorder=3)
    axes.vlines(
        [line.low, line.high], place - 0.14, place + 0.14, color=colour, linewidth=1.4, zorder=3
    )
    axes.plot(line.value, place, "o", color=colour, markersize=7, zorder=4)
    # pixels from the axes' edge, or above the line
    across, up = (12.0, 0.0) if wide else (0.0, 9.0)
    for edge, text, ink in ((0, short(line.name, 20), "ink"), (1, line.text, "soft")):
        axes.annotate(
            text,
            (edge, place),
            xycoords=("axes fraction", "data"),
            xytext=(across if edge else -across, up),
            textcoords="offset points",
            ha="left" if wide == bool(edge) else "right",
            va="center" if wide else "bottom",
            color=COLOURS[ink],
            zorder=5,
            # a mark's line does not run through the numbers
            bbox={"facecolor": COLOURS["paper"], "edgecolor": "none", "pad": 1.0},
        )
