"""The tuning's chart: what the gate looks at against time per picture, and what was chosen."""

import math
from typing import TYPE_CHECKING

from paddleport.validate.accuracy_gate.gate import GateLimits
from paddleport.validate.reports import figures
from paddleport.validate.reports.svg import (
    COLOURS,
    FONT_SIZE,
    axes_within,
    draw,
    label_at_right,
    short,
    spread,
)
from paddleport.validate.tune.tuning import TunedRow, Tuning

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 640.0, 340.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 190.0, 36.0, 46.0  # pixels around the axes
_LABEL = 17.0  # pixels between two names
_MOST_NAMES = 14
_FLOOR = 1e-4  # share of pictures where none is worse
_CEILING = 1.0


def drawable(tuning: Tuning) -> bool:
    """Whether there is anything to draw."""
    return bool(_points(tuning))


def gate_measure(tuning: Tuning) -> str:
    """What the gate looked at, and the chart's upright axis shows."""
    labelled = any(row.gate is not None and row.gate.top1 is not None for row in tuning.rows)
    return "top-1 accuracy lost" if labelled else "answers that are not native Paddle's"


def error_against_time(tuning: Tuning) -> str:
    """The picture, as an SVG element."""
    found, words = _points(tuning), gate_measure(tuning)
    described = "; ".join(
        f"{row.candidate.name}: {figures.milliseconds(row.ms_per_picture)} ms, "
        f"{_worse(row):.2%}, {row.state}"
        for row in found
    )

    def paint(figure: "Figure") -> None:
        _paint(figure, found, words)

    return draw(
        "tuning",
        (_WIDTH, _HEIGHT),
        paint,
        title=f"{words[0].upper()}{words[1:]}, against milliseconds per picture",
        description=described,
    )


def _points(tuning: Tuning) -> list[TunedRow]:
    return [row for row in tuning.rows if row.ms_per_picture and row.gate is not None]


def _worse(row: TunedRow) -> float:
    """The share of pictures that the gate holds against it."""
    if row.gate is None:
        return _CEILING
    if row.gate.top1 is not None and row.gate.reference_top1 is not None:
        return max(0.0, row.gate.reference_top1 - row.gate.top1)
    return 1.0 - row.gate.agreement


def _paint(figure: "Figure", found: list[TunedRow], words: str) -> None:
    axes = axes_within(figure, (_WIDTH, _HEIGHT), (_LEFT, _RIGHT, _TOP, _BOTTOM))
    times = [row.ms_per_picture or 1.0 for row in found]
    axes.set(xscale="log", xlim=(min(times) / 1.2, max(times) * 1.2), ylim=(0, 1))
    _paint_scales(axes, min(times), max(times))
    limit = 1 - GateLimits().agreement
    axes.axhspan(_y(limit), 1, facecolor=COLOURS["over"], edgecolor="none", zorder=0)
    axes.axhline(_y(limit), color=COLOURS["bad"], linewidth=1.4, zorder=1)
    figure.text(0, 1 - 13 / _HEIGHT, words, color=COLOURS["soft"])
    _paint_points(axes, found)


def _paint_scales(axes: "Axes", low: float, high: float) -> None:
    from matplotlib.ticker import NullFormatter, NullLocator

    ticks = [step * 10.0**power for power in range(-4, 6) for step in (1, 2, 5)]
    inside = [ms for ms in ticks if low / 1.2 <= ms <= high * 1.2]
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(inside, [f"{ms:g}" for ms in inside])
    shares = {"none": 0.0, "0.1 %": 1e-3, "gate": 1 - GateLimits().agreement, "10 %": 0.1, "all": 1}
    axes.set_yticks([_y(share) for share in shares.values()], list(shares))
    axes.tick_params(colors=COLOURS["line"], labelcolor=COLOURS["soft"], length=3)
    for label in axes.get_yticklabels():
        if label.get_text() == "gate":
            label.set(color=COLOURS["bad"], fontweight="bold")
    axes.set_xlabel("milliseconds per picture", color=COLOURS["soft"], fontsize=FONT_SIZE)


def _paint_points(axes: "Axes", found: list[TunedRow]) -> None:
    """Every point; the names of the fastest, spread out at the right."""
    inside = _WIDTH - _LEFT - _RIGHT
    gap = _LABEL / (_HEIGHT - _TOP - _BOTTOM)
    low, high = axes.get_xlim()
    named = sorted(found, key=lambda row: row.ms_per_picture or math.inf)[:_MOST_NAMES]
    order = sorted(named, key=lambda row: (_y(_worse(row)), -(row.ms_per_picture or 0)))
    places = dict(zip(map(id, order), spread([_y(_worse(row)) for row in order], gap), strict=True))
    for row in found:
        share = (math.log(row.ms_per_picture or low) - math.log(low)) / (
            math.log(high) - math.log(low)
        )
        here, chosen = (share, _y(_worse(row))), row.state == "chosen"
        colour = "bad" if row.state == "failed the gate" else "good" if chosen else "accent"
        marker = "X" if colour == "bad" else "o"
        if id(row) in places:
            name = short(row.candidate.name, 30)
            label_at_right(axes, here, places[id(row)], name, inside, bold=chosen)
        axes.plot(
            [here[0]],
            [here[1]],
            marker,
            color=COLOURS[colour],
            markeredgecolor=COLOURS["paper"],
            markersize=13 if chosen else 9,
            clip_on=False,
            transform=axes.transAxes,
            zorder=4 if chosen else 3,
        )


def _y(worse: float) -> float:
    """On a logarithmic scale; the lower edge is where nothing is worse."""
    if worse <= _FLOOR:
        return 0.0
    return math.log(min(worse, _CEILING) / _FLOOR) / math.log(_CEILING / _FLOOR)
