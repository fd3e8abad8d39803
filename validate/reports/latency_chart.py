"""Latency from p50 to p99, a picture for each batch size, number of threads and scope."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from paddleport.validate.report import BackendRow
from paddleport.validate.reports import figures
from paddleport.validate.reports.svg import COLOURS, draw, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
    width, height = 340.0, 18.0 * len(found) + 14.0

    def paint(figure: "Figure") -> None:
        axes = figure.add_axes((108 / width, 4 / height, 122 / width, 1 - 8 / height))
        axes.set_axis_off()
        axes.set(xlim=(0, end), ylim=(len(found) - 0.5, -0.5))
        axes.axvline(0, color=COLOURS["line"], linewidth=1.2)
        for place, (name, item) in enumerate(found):
            _paint_range(axes, place, name, (item.p50_ms, item.p90_ms, item.p99_ms), end)

    told = ", ".join(f"{name} {item.p50_ms:.2f} to {item.p99_ms:.2f} ms" for name, item in found)
    return draw(
        f"latency-{position}",
        (width, height),
        paint,
        title=f"Latency, p50 to p99, {figures.configuration_text(wanted)}",
        description=told,
    )


def _axis_end(times: Sequence[tuple[float, float]]) -> float:
    """The largest p99, unless one backend would squeeze the others into a corner."""
    slowest = sorted(p50 for p50, _ in times)
    middle = slowest[(len(slowest) - 1) // 2]
    near = [p99 for p50, p99 in times if p50 <= 5 * middle]
    return max(near) * 1.02 or 1.0


def _paint_range(
    axes: "Axes", place: int, name: str, times: tuple[float, float, float], end: float
) -> None:
    p50, p90, p99 = times
    axes.text(-0.05 * end, place, short(name, 16), ha="right", color=COLOURS["ink"], va="center")
    axes.text(1.06 * end, place, f"{p50:.2f} – {p99:.2f}", color=COLOURS["soft"], va="center")
    if p50 > end:  # far off: an arrow says that the bar does not end here
        axes.plot([0, end], [place, place], color=COLOURS["line"], linewidth=1.2)
        axes.plot([end], [place], ">", color=COLOURS["ink"], markersize=6, clip_on=False)
        return
    axes.plot([0, p50], [place, place], color=COLOURS["line"], linewidth=1.2)
    axes.barh(place, min(p99, end) - p50, left=p50, height=0.5, color=COLOURS["soft"])
    axes.plot([p50, p50], [place - 0.36, place + 0.36], color=COLOURS["ink"], linewidth=2.2)
    axes.plot([p90, p90], [place - 0.25, place + 0.25], color=COLOURS["paper"], linewidth=1.2)
