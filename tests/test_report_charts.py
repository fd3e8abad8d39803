"""The charts: text stays text, the limit is drawn, and labels keep their distance."""

import re
from itertools import pairwise
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from made_report import made_report, report_with

from paddleport.validate.parity.parity_report import ParityReport
from paddleport.validate.reports import figures
from paddleport.validate.reports.error_chart import error_against_latency
from paddleport.validate.reports.error_coordinates import (
    ErrorPoint,
    ErrorScales,
    in_words,
    notes,
    points,
)
from paddleport.validate.reports.latency_chart import latency_bars
from paddleport.validate.reports.svg import COLOURS, short, spread

TWELVE = report_with([10.0**power for power in range(-8, 4)])
ALIKE = report_with([2e-6] * 12, p50=[4.0] * 12)
ODD = report_with([0.0, None, 1e300, 1e-300], p50=[0.0, 1e-9, 1e9, None])
REPORTS = {
    "made": made_report(),
    "one": report_with([2e-6]),
    "twelve": TWELVE,
    "alike": ALIKE,
    "odd": ODD,
}


class Label(NamedTuple):
    text: str
    x: float
    y: float
    anchor: str


def labels(svg: str) -> list[Label]:
    found = []
    for item in ElementTree.fromstring(svg).iter("text"):
        at = re.search(r"translate\(([\d.-]+) ([\d.-]+)\)", item.attrib.get("transform", ""))
        x, y = at.groups() if at else (item.attrib["x"], item.attrib["y"])
        anchor = re.search(r"text-anchor: (\w+)", item.attrib["style"])
        text = "".join(item.itertext()).strip()
        found.append(Label(text, float(x), float(y), anchor[1] if anchor else "start"))
    return found


def size(svg: str) -> tuple[float, float]:
    _, _, width, height = ElementTree.fromstring(svg).attrib["viewBox"].split()
    return float(width), float(height)


@pytest.fixture(params=list(REPORTS), scope="module")
def report(request: pytest.FixtureRequest) -> ParityReport:
    return REPORTS[request.param]


@pytest.mark.parametrize("wide", [True, False])
def test_errors_against_latencies(report: ParityReport, wide: bool) -> None:
    svg = error_against_latency(report, wide=wide)
    width, height = size(svg)
    found = labels(svg)
    texts = [label.text for label in found]
    for point in points(report):
        assert short(point.name, 18 if wide else 14) in texts
    assert "limit" in texts
    assert "p50, milliseconds" in texts
    assert svg.count("var(--over)") >= 1  # the field above the limit
    assert re.search(r"stroke: var\(--bad\); stroke-width: 1.4", svg)  # the limit itself
    assert all(0 <= label.x <= width and 0 <= label.y <= height for label in found)
    names = sorted(label.y for label in found if label.x > width - 140 and label.anchor == "start")
    assert names
    assert all(below - above >= 13 for above, below in pairwise(names))
    for point in points(report):
        assert in_words(point) in "".join(ElementTree.fromstring(svg).itertext())


def test_latencies(report: ParityReport) -> None:
    for position, wanted in enumerate(figures.configurations(report.rows)):
        svg = latency_bars(report.rows, wanted, position)
        width, height = size(svg)
        found = labels(svg)
        timed = [row for row in report.rows if figures.latency_of(row, wanted)]
        assert [label.text for label in found][::2] == [short(row.name, 16) for row in timed]
        assert all(0 < label.x < width and 0 < label.y < height for label in found)
        heights = [label.y for label in found][::2]
        assert all(below - above >= 15 for above, below in pairwise(heights))


@pytest.mark.parametrize("wide", [True, False])
def test_names_fit_beside_the_picture(wide: bool) -> None:
    """At some 7 pixels a character, which is a wide font's."""
    svg = error_against_latency(made_report(), wide=wide)
    width, _ = size(svg)
    right = [item for item in labels(svg) if item.anchor == "start" and item.x > width / 2]
    assert right
    for label in right:
        assert label.x + 7 * len(label.text) <= width + 16  # what the page leaves free
    for wanted in figures.configurations(made_report().rows):
        svg = latency_bars(made_report().rows, wanted, 0)
        left = [label for label in labels(svg) if label.anchor == "end"]
        assert left
        assert all(label.x >= 6.8 * len(label.text) for label in left)


def test_text_stays_text_and_colours_are_the_pages() -> None:
    for svg in (
        error_against_latency(made_report(), wide=True),
        latency_bars(made_report().rows, (1, 2, "inference"), 0),
    ):
        assert "onnxruntime" in [label.text for label in labels(svg)]
        assert not [colour for colour in COLOURS.values() if colour in svg]
        drawn = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", svg))
        assert drawn
        assert all(value.startswith("var(--") or value == "none" for value in drawn)
        assert "font-family" not in svg
        assert "http" not in svg


def test_the_same_picture_is_the_same_bytes() -> None:
    once, again = (error_against_latency(made_report(), wide=True) for _ in range(2))
    assert once == again


def test_a_dollar_sign_is_no_formula() -> None:
    report = report_with([1e-6])
    svg = error_against_latency(report, wide=True)
    assert "backend 0" in svg
    assert short("$x_1$ and more than would fit here", 8) == "$x_1$ a…"


def test_0_and_infinity_have_a_place() -> None:
    scales = ErrorScales(points(ODD), 5.0)
    assert scales.y(0.0) == 0.0
    assert scales.y(float("inf")) == 1.0
    assert 0 < scales.y(1.0) < 1
    for point in points(ODD):
        assert 0 <= scales.x(point.p50_ms) <= 1
        assert 0 <= scales.y(point.share) <= 1
    assert len(scales.error_ticks()) <= 10
    assert any(text == "limit" for _, text in scales.error_ticks())
    assert notes(points(ODD)) == [
        "No error at all, drawn at the lower edge: backend 0.",
        "Not comparable or unequal, drawn at the upper edge: backend 1.",
        "Not timed, drawn at the left: backend 3.",
    ]


def test_a_latency_axis_holds_what_is_far_apart() -> None:
    near = ErrorScales(
        [
            ErrorPoint(name="a", verdict="agrees", share=0.1, p50_ms=2.0),
            ErrorPoint(name="b", verdict="agrees", share=0.1, p50_ms=4.0),
        ],
        None,
    )
    far = ErrorScales(
        [
            ErrorPoint(name="a", verdict="agrees", share=0.1, p50_ms=2.0),
            ErrorPoint(name="b", verdict="agrees", share=0.1, p50_ms=4000.0),
        ],
        None,
    )
    assert (near.logarithmic, far.logarithmic) == (False, True)
    assert [text for _, text in near.error_ticks()] == ["1 %", "10 %", "limit", "10 ×"]
    assert "10" in [text for _, text in far.time_ticks()]


@pytest.mark.parametrize(
    ("heights", "gap"),
    [([0.5] * 5, 0.1), ([0.0, 0.01, 0.99, 1.0], 0.05), ([1.0] * 30, 0.1), ([], 1)],
)
def test_labels_are_spread(heights: list[float], gap: float) -> None:
    places = spread(heights, gap)
    assert len(places) == len(heights)
    assert all(after - before >= gap - 1e-9 for before, after in pairwise(places))
    assert not places or max(places) <= 1.0
