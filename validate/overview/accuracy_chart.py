"""Published accuracy against measured latency, one picture a backend: which model to choose."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paddleport.validate.overview.model_overview import ModelOverview
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEFT, _TOP, _BOTTOM = 50.0, 34.0, 44.0  # pixels around the axes
_LABEL = 17.0  # pixels between two names
_MOST_NAMES = 14
_MOST_TICKS = 6
_MARKS = {"agrees": ("o", "accent"), "unproven": ("s", "unsure")}


@dataclass(frozen=True, kw_only=True)
class ChartSize:
    """Of a picture, in pixels: all of it, what the names take on the right, and their length."""

    name: str
    width: float
    height: float
    right: float
    longest_name: int


SIZES = (
    ChartSize(name="wide", width=540, height=330, right=190, longest_name=26),
    ChartSize(name="narrow", width=340, height=330, right=142, longest_name=17),
)
"""For a screen, and for a phone."""


@dataclass(frozen=True, kw_only=True)
class BackendChart:
    """One backend's picture in each of ``SIZES``, as SVG elements by the size's name."""

    backend: str
    svgs: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ModelPoint:
    """One model on one backend.

    Attributes:
        name: of the model.
        verdict: of the backend for it.
        p50_ms: measured.
        top1: published, a share of 1.
        unbeaten: no other model is as fast and more accurate, or faster and as accurate.
    """

    name: str
    verdict: str
    p50_ms: float
    top1: float
    unbeaten: bool = False


def accuracy_charts(overview: ModelOverview, backends: Sequence[str]) -> list[BackendChart]:
    """A picture of each backend with at least two models to draw.

    All have the same axes, so that they can be held against one another.
    """
    found = {name: _points(overview, name) for name in backends}
    found = {name: points for name, points in found.items() if len(points) > 1}
    everything = [point for points in found.values() for point in points]
    return [
        BackendChart(
            backend=name,
            svgs={
                size.name: _chart(
                    f"accuracy-{position}-{size.name}", name, points, everything, size
                )
                for size in SIZES
            },
        )
        for position, (name, points) in enumerate(found.items())
    ]


def _points(overview: ModelOverview, backend: str) -> list[ModelPoint]:
    points = []
    for row in overview.rows:
        item, top1 = row.backend(backend), row.published.get("top1")
        if item is not None and item.p50_ms and top1 is not None:
            points.append(
                ModelPoint(name=row.name, verdict=item.verdict, p50_ms=item.p50_ms, top1=top1)
            )
    best, chosen = -math.inf, set()
    for point in sorted(points, key=lambda point: (point.p50_ms, -point.top1)):
        if point.top1 > best:
            best = point.top1
            chosen.add(point.name)
    return [replace(point, unbeaten=point.name in chosen) for point in points]


def _chart(
    name: str,
    backend: str,
    points: Sequence[ModelPoint],
    everything: Sequence[ModelPoint],
    size: ChartSize,
) -> str:
    described = "; ".join(
        f"{point.name}: {figures.milliseconds(point.p50_ms)} ms, {100 * point.top1:.1f} %"
        for point in sorted(points, key=lambda point: point.p50_ms)
    )

    def paint(figure: "Figure") -> None:
        axes = axes_within(figure, (size.width, size.height), (_LEFT, size.right, _TOP, _BOTTOM))
        _paint_scales(axes, everything)
        figure.text(0, 1 - 12 / size.height, "top-1, published, %", color=COLOURS["soft"])
        _paint_unbeaten(axes, points)
        _paint_points(axes, points, size)

    return draw(
        name,
        (size.width, size.height),
        paint,
        title=f"Published top-1 against median latency on {backend}",
        description=described,
    )


def _paint_scales(axes: "Axes", everything: Sequence[ModelPoint]) -> None:
    from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

    times = [point.p50_ms for point in everything]
    shares = [100 * point.top1 for point in everything]
    low, high = min(times) / 1.15, max(times) * 1.15
    margin = max(0.06 * (max(shares) - min(shares)), 0.2)
    axes.set(xscale="log", xlim=(low, high), ylim=(min(shares) - margin, max(shares) + margin))
    inside = _round_numbers(low, high)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(inside, [f"{ms:g}" for ms in inside])
    axes.yaxis.set_major_locator(MaxNLocator(_MOST_TICKS, steps=[1, 2, 2.5, 5, 10]))
    axes.tick_params(colors=COLOURS["line"], labelcolor=COLOURS["soft"], length=3)
    axes.set_xlabel("p50, milliseconds", color=COLOURS["soft"], fontsize=FONT_SIZE)


def _round_numbers(low: float, high: float) -> list[float]:
    """Places on a logarithmic scale, few enough to be read."""
    for steps in ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in range(-4, 6) for step in steps]
        inside = [ms for ms in ticks if low <= ms <= high]
        if len(inside) <= _MOST_TICKS:
            return inside
    return inside


def _paint_unbeaten(axes: "Axes", points: Sequence[ModelPoint]) -> None:
    """The line that no model is above: what is worth choosing."""
    front = sorted((point for point in points if point.unbeaten), key=lambda point: point.p50_ms)
    axes.plot(
        [point.p50_ms for point in front],
        [100 * point.top1 for point in front],
        color=COLOURS["line"],
        linewidth=1.2,
        drawstyle="steps-post",
        zorder=1,
    )


def _paint_points(axes: "Axes", points: Sequence[ModelPoint], size: ChartSize) -> None:
    """Every point; names of those that none beats, and of others while there is room."""
    inside, gap = size.width - _LEFT - size.right, _LABEL / (size.height - _TOP - _BOTTOM)
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()

    def place(point: ModelPoint) -> tuple[float, float]:
        across = math.log(point.p50_ms / low) / math.log(high / low)
        return across, (100 * point.top1 - bottom) / (top - bottom)

    worth_naming = sorted(points, key=lambda point: (not point.unbeaten, -point.top1))
    named = sorted(worth_naming[:_MOST_NAMES], key=lambda point: (place(point)[1], -point.p50_ms))
    heights = spread([place(point)[1] for point in named], gap)
    for point, height in zip(named, heights, strict=True):
        name = _shortened(point.name, size.longest_name)
        label_at_right(axes, place(point), height, name, inside, bold=point.unbeaten)
    for point in points:
        marker, colour = _MARKS.get(point.verdict, ("X", "bad"))
        across, up = place(point)
        axes.plot(
            [across],
            [up],
            marker,
            color=COLOURS[colour],
            markeredgecolor=COLOURS["paper"],
            markersize=10 if point.unbeaten else 8,
            clip_on=False,
            transform=axes.transAxes,
            zorder=3,
        )


def _shortened(name: str, longest: int) -> str:
    """A name without its middle where it is too long: models of a family differ at the end."""
    plain = short(name, 1000)
    return plain if len(plain) <= longest else f"{plain[: longest - 9]}…{plain[-8:]}"
