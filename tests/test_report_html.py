"""The HTML report as text: whole, self-contained, and safe with whatever a model is called."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest
from made_report import (
    HOSTILE,
    agreeing_report,
    bare_report,
    hostile_report,
    made_report,
    report_with,
)

from paddleport.validate.parity.parity_report import ParityReport

REPORTS: dict[str, Callable[[], ParityReport]] = {
    "made": made_report,
    "agreeing": agreeing_report,
    "bare": bare_report,
    "hostile": hostile_report,
    "nobody": lambda: report_with([]),
    "one": lambda: report_with([2e-6]),
    "errors": lambda: report_with([0.0, 1e9, None], p50=[0.0, 1e6, None]),
    "untimed": lambda: report_with([1e-6, 1e-3], p50=[None, None]),
}
_VOID = {"meta", "link", "img", "br"}
_DRAWN = {"svg", "g", "path", "defs", "use", "text", "title", "desc", "rect", "clippath"}
_TAGS = {
    *("html", "head", "meta", "title", "link", "style", "body", "header", "main", "footer"),
    *("section", "article", "div", "span", "a", "p", "h1", "h2", "h3", "time", "strong", "br"),
    *("dl", "dt", "dd", "ul", "ol", "li", "figure", "figcaption", "img", "pre"),
    *("details", "summary", "table", "caption", "thead", "tbody", "tr", "th", "td"),
}


class Page(HTMLParser):
    """Every element with its attributes, and the text; unclosed elements are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += data


@cache
def html(name: str) -> str:
    return REPORTS[name]().to_html()


@pytest.fixture(params=list(REPORTS))
def text(request: pytest.FixtureRequest) -> str:
    return html(request.param)


def test_it_is_whole_and_holds_only_our_elements(text: str) -> None:
    page = Page(text)
    tags = Counter(tag for tag, _ in page.elements)
    assert set(tags) <= _TAGS | _DRAWN
    assert tags["h1"] == tags["main"] == 1
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]


def test_nothing_comes_from_elsewhere(text: str) -> None:
    for tag, attributes in Page(text).elements:
        for name in ("src", "href", "action", "srcset", "poster"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:")), (tag, value)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert set(re.findall(r"url\(([^)]*)", text)) <= set(re.findall(r"url\((#[\w-]+)", text))


def test_every_label_has_its_element(text: str) -> None:
    elements = Page(text).elements
    ids = Counter(attributes["id"] for _, attributes in elements if "id" in attributes)
    assert set(ids.values()) <= {1}
    for _, attributes in elements:
        for name in (attributes.get("aria-labelledby") or "").split():
            assert name in ids
        link = attributes.get("href") or attributes.get("xlink:href") or ""
        assert not link.startswith("#") or link[1:] in ids


def test_the_same_report_gives_the_same_bytes() -> None:
    assert made_report().to_html() == html("made")


def test_hostile_text_stays_text() -> None:
    page = Page(html("hostile"))
    assert page.text.count(HOSTILE) > 100
    assert "<script" not in html("hostile")
    for sign in "\x00\x1b\x7f\ufffe":
        assert sign not in page.text
    page.text.encode()


def test_a_picture_is_a_picture_or_nothing() -> None:
    report = replace(agreeing_report(), published={})
    for thumbnail in ("http://example.org/a.png", 'data:image/png;base64,A" onerror="x', "data:,"):
        feeds = tuple(replace(feed, thumbnail=thumbnail) for feed in report.feeds)
        page = Page(replace(report, feeds=feeds).to_html())
        assert not [tag for tag, _ in page.elements if tag == "img"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("agreeing", ("The same model", "All 2 backends agree with paddle plain")),
        (
            "made",
            (
                "Not the same model everywhere",
                "5 of 17 backends agree with paddle plain, the reference, 1 above the limit and as",
                "the converter: made converter",
                "An explanation of converter.",
                "An explanation of ill-conditioned.",
            ),
        ),
        ("bare", ("Nothing is proven", "No backend was judged; 1 skipped.")),
        ("untimed", ("Not the same model", "1 of 2 backends agree", "1 differs")),
    ],
)
def test_the_first_screen_answers(name: str, wanted: tuple[str, ...]) -> None:
    told = " ".join(Page(html(name)).text.split())
    first = told[: told.index("Latency")]
    for words in wanted:
        assert words in first


def test_everything_asked_for_is_there() -> None:
    told = " ".join(Page(html("made")).text.split())
    for words in (
        "They part at node 37 of 152",
        "V100, TensorRT fp32",
        "paddleport validate MobileNetV2 --locate",
        "0f" * 32,
        "Made-up CPU",
        "openvino is closer to float64 than paddle plain",
        "15 of 16 comparisons were shown able to fail",
        "fp16 1.0e-02 (about 20 u, u = 2^-11)",
    ):
        assert words in told
