"""Latency from p50 to p99, one picture for each batch size, number of threads and scope."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from paddleport.validate.benchmark.latency import Latency
from paddleport.validate.parity.parity_report import BackendRow
from paddleport.validate.reports import figures
from paddleport.validate.reports.brought_in import BroughtInLatency
from paddleport.validate.reports.svg import COLOURS, draw, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEFT, _RIGHT = 116.0, 100.0  # pixels for names and numbers


def latency_bars(rows: Sequence[BackendRow], wanted: figures.CONFIGURATION, position: int) -> str:
    """Each backend's range from p50 to p99 in one configuration, with p90 as a notch.

    Args:
        rows: at least one of them measured in this configuration.
        wanted: the configuration.
        position: of the picture on the page, for its ids.
    """
    found = [
        (row.name, latency)
        for row in rows
        if (latency := figures.latency_of(row, wanted)) is not None
    ]
    end = _axis_end([(item.p50_ms, item.p99_ms) for _, item in found])
    width, height = 340.0, 20.0 * len(found) + 8.0

    def paint(figure: "Figure") -> None:
        axes = figure.add_axes((_LEFT / width, 0, 1 - (_LEFT + _RIGHT) / width, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, end), ylim=(len(found) - 0.3, -0.7))
        axes.axvline(0, color=COLOURS["line"], linewidth=1.2)
        for place, (name, item) in enumerate(found):
            numbers = f"{figures.milliseconds(item.p50_ms)} – {figures.milliseconds(item.p99_ms)}"
            left, right = -0.05 * end, 1.06 * end
            axes.text(left, place, short(name, 16), ha="right", va="center", color=COLOURS["ink"])
            axes.text(right, place, numbers, va="center", color=COLOURS["soft"])
        _paint_ranges(axes, [item for _, item in found], end)

    words = ", ".join(
        f"{name} {figures.milliseconds(item.p50_ms)} to {figures.milliseconds(item.p99_ms)} ms"
        for name, item in found
    )
    return draw(
        f"latency-{position}",
        (width, height),
        paint,
        title=f"Latency, p50 to p99, {figures.configuration_text(wanted)}",
        description=words,
    )


def brought_in_bars(found: Sequence[BroughtInLatency]) -> str:
    """The range from p50 to p90 of each latency of another machine; empty without any."""
    if not found:
        return ""
    times = [(item.p50_ms, item.p90_ms or item.p50_ms) for item in found]
    end = _axis_end(times)
    width, height = 340.0, 20.0 * len(found) + 8.0
    names = [f"{item.runtime} {item.precision}, {figures.threads(item.threads)}" for item in found]
    texts = [f"{figures.milliseconds(item.p50_ms)} ms" for item in found]

    def paint(figure: "Figure") -> None:
        left = 150.0  # pixels for names
        axes = figure.add_axes((left / width, 0, 1 - (left + 66.0) / width, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, end), ylim=(len(found) - 0.3, -0.7))
        axes.axvline(0, color=COLOURS["line"], linewidth=1.2)
        for place, (name, text) in enumerate(zip(names, texts, strict=True)):
            axes.text(
                -0.05 * end, place, short(name, 24), ha="right", va="center", color=COLOURS["ink"]
            )
            axes.text(1.06 * end, place, text, va="center", color=COLOURS["soft"])
        p50, p90 = np.minimum(np.array(times).T, end)
        places = np.arange(len(found))
        axes.hlines(places, 0, p50, color=COLOURS["line"], linewidth=1.2)
        axes.barh(places, p90 - p50, left=p50, height=0.5, color=COLOURS["soft"])
        axes.vlines(p50, places - 0.36, places + 0.36, color=COLOURS["ink"], linewidth=2.2)

    devices = ", ".join(dict.fromkeys(item.device for item in found))
    words = ", ".join(
        f"{item.device}: {name} {text}"
        for item, name, text in zip(found, names, texts, strict=True)
    )
    return draw(
        "brought-in",
        (width, height),
        paint,
        title=f"Latency brought in, p50 to p90, on {devices}",
        description=words,
    )


def _axis_end(times: Sequence[tuple[float, float]]) -> float:
    """The largest p99, unless one backend would squeeze the others into a corner."""
    slowest = sorted(p50 for p50, _ in times)
    middle = slowest[(len(slowest) - 1) // 2]
    near = [p99 for p50, p99 in times if p50 <= 5 * middle]
    return max(near) * 1.02 or 1.0


def _paint_ranges(axes: "Axes", found: Sequence[Latency], end: float) -> None:
    p50, p90, p99 = np.array([(item.p50_ms, item.p90_ms, item.p99_ms) for item in found]).T
    places = np.arange(len(found))
    axes.hlines(places, 0, np.minimum(p50, end), color=COLOURS["line"], linewidth=1.2)
    far = p50 > end  # an arrow says that the bar does not end here
    axes.plot(
        np.full(far.sum(), end), places[far], ">", color=COLOURS["ink"], markersize=6, clip_on=False
    )
    near = ~far
    p50, p90, p99, places = p50[near], p90[near], np.minimum(p99, end)[near], places[near]
    axes.barh(places, p99 - p50, left=p50, height=0.5, color=COLOURS["accent"])
    axes.vlines(p50, places - 0.36, places + 0.36, color=COLOURS["ink"], linewidth=2.2)
    axes.vlines(p90, places - 0.25, places + 0.25, color=COLOURS["paper"], linewidth=1.2)
