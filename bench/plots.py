"""The bench's plots, each an SVG file of its own."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]  # name to x and y values

_COLOURS = ("#1f6f8b", "#c0562f", "#6a6a6a", "#3b8a4f")  # distinguishable in grey, in this order
_MARKS = ("-", "--", ":", "-.")


def plot(
    title: str,
    across: str,
    up: str,
    series: Series,
    *,
    levels: Mapping[str, float] | None = None,
) -> str:
    """Lines over one axis that starts at 0, and horizontal levels, each named.

    The same input gives the same bytes; no graphical state of matplotlib is touched.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    settings = {"svg.hashsalt": title, "svg.fonttype": "none", "text.parse_math": False}
    stream = io.StringIO()
    with matplotlib.style.context(["default", settings]):
        figure = Figure(figsize=(7.2, 3.2), layout="constrained")
        axes = figure.add_subplot()
        _draw(axes, series, levels or {})
        axes.set(title=title, xlabel=across, ylabel=up, ylim=(0, None))
        axes.legend(frameon=False, fontsize="small")
        figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Date", "Creator")))
    return stream.getvalue()


def _draw(axes: "Axes", series: Series, levels: Mapping[str, float]) -> None:
    for place, (name, (x, y)) in enumerate(series.items()):
        style, colour = _MARKS[place % len(_MARKS)], _COLOURS[place % len(_COLOURS)]
        axes.plot(x, y, style, color=colour, label=name, linewidth=1.2)
    for place, (name, level) in enumerate(levels.items()):
        style = _MARKS[(place + 1) % len(_MARKS)]
        axes.axhline(level, color="#999999", linestyle=style, linewidth=0.9, label=name)
