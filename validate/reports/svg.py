"""A matplotlib figure as an inline SVG: the page's colours and fonts, the same bytes each time."""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from paddleport.validate.reports import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Drawn with these colours, and then replaced by the page's own, which know dark mode and print.
COLOURS = {
    "ink": "#010203",
    "soft": "#010204",
    "line": "#010205",
    "good": "#010206",
    "bad": "#010207",
    "unsure": "#010208",
    "over": "#010209",
    "paper": "#01020a",
    "accent": "#01020b",
}
FONT_SIZE = 11.0
_FONT = re.compile(r"font: (?:(?P<weight>bold|[6-9]00) )?(?P<size>[\d.]+)px [^;]*")
_FAMILY = re.compile(r"font-family: [^;]*;? ?")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LINK = "{http://www.w3.org/1999/xlink}href"


def draw(
    name: str,
    size: tuple[float, float],
    paint: Callable[["Figure"], None],
    *,
    title: str,
    description: str,
) -> str:
    """Paint on a new figure, and give it as an ``<svg>`` element.

    No graphical state of matplotlib is touched, and no style of the user's is read.

    Args:
        name: what its ids begin with; unique on the page.
        size: width and height in CSS pixels.
        paint: draws on the figure, with ``COLOURS`` only.
        title: what a screen reader says first.
        description: what the picture shows, in words.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    settings = {
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": name,  # ids are the same each time
        "font.size": FONT_SIZE,
        "text.parse_math": False,  # a name may hold dollar signs
        "axes.linewidth": 0.8,
    }
    stream = io.StringIO()
    with matplotlib.style.context(["default", settings]), warnings.catch_warnings():
        # a name in another script: the reader's fonts have it, matplotlib's may not
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure = Figure(figsize=(size[0] / 72, size[1] / 72), dpi=72, facecolor="none")
        paint(figure)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(stream, format="svg", metadata=nothing, transparent=True)
    return _inline(stream.getvalue(), name, size, title, description)


def short(text: str, longest: int = 18) -> str:
    """``text`` as a label: one line, cut where it would not fit."""
    plain = figures.one_line(figures.printable(text))
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


def axes_within(
    figure: "Figure", size: tuple[float, float], margins: tuple[float, float, float, float]
) -> "Axes":
    """Axes without frame at the top and the right.

    Args:
        figure: where they are added.
        size: of the figure in pixels, width and height.
        margins: pixels left, right, above and below.
    """
    (width, height), (left, right, above, below) = size, margins
    box = (left / width, below / height, 1 - (left + right) / width, 1 - (above + below) / height)
    axes = figure.add_axes(box, facecolor="none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(COLOURS["line"])
    return axes


def label_at_right(
    axes: "Axes",
    point: tuple[float, float],
    height: float,
    text: str,
    width: float,
    *,
    bold: bool = False,
) -> None:
    """A name beside the axes, with a line to its point.

    Args:
        axes: where the point is.
        point: as shares of the axes' width and height.
        height: of the name, likewise.
        text: the name.
        width: of the axes in pixels.
        bold: for what is to stand out.
    """
    axes.plot(
        [point[0], 1 + 4 / width, 1 + 14 / width],
        [point[1], height, height],
        color=COLOURS["line"],
        linewidth=0.8,
        clip_on=False,
        transform=axes.transAxes,
        zorder=2,
    )
    axes.text(
        1 + 18 / width,
        height,
        text,
        color=COLOURS["ink"],
        fontweight="bold" if bold else "normal",
        va="center",
        transform=axes.transAxes,
    )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Ascending places at least ``gap`` apart, within 0 and 1 where they fit, near ``heights``."""
    places: list[float] = []
    for height in heights:
        places.append(max(height, places[-1] + gap) if places else height)
    highest = 1.0
    for index in reversed(range(len(places))):
        places[index] = min(places[index], highest)
        highest = places[index] - gap
    return places


def _inline(text: str, name: str, size: tuple[float, float], title: str, description: str) -> str:
    root = ElementTree.fromstring(text)  # matplotlib's own output, no foreign file
    for parent in list(root.iter()):
        for child in list(parent):
            # its style would reach the whole page
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    used = set(_REFERENCE.findall(text)) | set(re.findall(r'href="#([^"]+)"', text))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = dict(_attributes(element, name, used))
    root.attrib = {
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-description",
        "viewBox": f"0 0 {size[0]:g} {size[1]:g}",
        "width": f"{size[0]:g}",
        "height": f"{size[1]:g}",
    }
    for position, (tag, words) in enumerate((("title", title), ("desc", description))):
        label = ElementTree.Element(tag, {"id": f"{name}-{('title', 'description')[position]}"})
        label.text = words
        root.insert(position, label)
    return ElementTree.tostring(root, encoding="unicode")


def _attributes(element: ElementTree.Element, name: str, used: set[str]) -> list[tuple[str, str]]:
    kept = []
    for key, value in element.attrib.items():
        if key == "id":
            if value in used:
                kept.append((key, f"{name}-{value}"))
        elif key == _LINK:
            kept.append(("href", f"#{name}-{value.removeprefix('#')}"))
        else:
            kept.append((key.rpartition("}")[2], _themed(value, name)))
    return kept


def _themed(value: str, name: str) -> str:
    value = _REFERENCE.sub(rf"url(#{name}-\1)", value)
    value = _FAMILY.sub("", _FONT.sub(_font, value))  # as one property, or as several
    for variable, colour in COLOURS.items():
        value = value.replace(colour, f"var(--{variable})")
    return value


def _font(found: re.Match[str]) -> str:
    weight = f"font-weight: {found['weight']}; " if found["weight"] else ""
    return f"{weight}font-size: {found['size']}px"
