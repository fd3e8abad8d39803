"""The HTML report as a browser has it: no error, no request, nothing too wide."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from chromium_pages import (
    COLLISIONS,
    CONTRAST,
    DESK,
    PAPER,
    PHONE,
    Browser,
    Seen,
    browser,
    heading_levels,
    ids_that_nobody_has,
    ids_that_stand_twice,
    overflows,
    saved,
)
from made_report import agreeing_report, bare_report, hostile_report, made_report, report_with

from paddleport.validate.parity.parity_report import ParityReport

pytestmark = pytest.mark.slow

__all__ = ["browser"]  # a fixture

REPORTS: dict[str, Callable[[], ParityReport]] = {
    "made": made_report,
    "agreeing": agreeing_report,
    "bare": bare_report,
    "hostile": hostile_report,
}


@pytest.fixture(params=list(REPORTS))
def report(request: pytest.FixtureRequest) -> ParityReport:
    return REPORTS[request.param]()


def test_it_loads_without_error_or_request(
    browser: Browser, report: ParityReport, tmp_path: Path
) -> None:
    assert browser.open(saved(tmp_path, report.to_html())) == Seen((), ())
    assert browser.value("document.querySelectorAll('table').length") >= 1
    assert browser.value("document.scripts.length") == 0


def test_charts_and_pictures_are_there(browser: Browser, tmp_path: Path) -> None:
    browser.resize(DESK)
    browser.open(saved(tmp_path, made_report().to_html()))
    # error against latency for a screen and for a phone, one latency picture each, and one of
    # the latencies that were brought in
    assert browser.value("document.querySelectorAll('svg').length") == 2 + 7 + 1
    visible = "[...document.querySelectorAll('svg')].filter(x => x.getBoundingClientRect().width)"
    assert browser.value(f"{visible}.length") == 1 + 7 + 1
    assert browser.value("document.querySelector('.wide svg').textContent").count("onnxruntime")
    assert browser.value("[...document.images].filter(x => x.naturalWidth > 30).length") == 3
    assert browser.value("document.querySelectorAll('svg[role=img] > title').length") == 10


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("name", [*REPORTS, "alike"])
def test_no_label_lies_on_another(browser: Browser, name: str, width: int, tmp_path: Path) -> None:
    alike = [2e-6] * 12
    report = report_with(alike, p50=[4.0] * 12) if name == "alike" else REPORTS[name]()
    browser.resize(width)
    browser.open(saved(tmp_path, report.to_html()))
    found = browser.value(COLLISIONS)
    browser.resize(DESK)
    assert found == []


def test_nothing_is_wider_than_a_phone(
    browser: Browser, report: ParityReport, tmp_path: Path
) -> None:
    browser.open(saved(tmp_path, report.to_html()))
    assert not overflows(browser)


def test_paper_shows_all_of_it(browser: Browser, report: ParityReport, tmp_path: Path) -> None:
    browser.open(saved(tmp_path, report.to_html()))
    browser.printing(True)
    hidden = browser.value(
        "[...document.querySelectorAll('details > :not(summary)')]"
        ".filter(x => !x.checkVisibility() || !x.getBoundingClientRect().height).length"
    )
    wide = overflows(browser, PAPER)
    browser.printing(False)
    assert not hidden
    assert not wide


def test_the_first_screen_shows_verdict_table_and_picture(browser: Browser, tmp_path: Path) -> None:
    text = agreeing_report().to_html()
    bottoms = (
        "['h2', '.backends tbody tr:last-child', '.picture svg']"
        ".map(x => document.querySelector(x).getBoundingClientRect().bottom)"
    )
    browser.resize(DESK, 800)
    browser.open(saved(tmp_path, text))
    assert max(browser.value(bottoms)) <= 800
    browser.resize(390, 844)
    browser.open(saved(tmp_path, text))
    assert max(browser.value(bottoms)[:2]) <= 844
    browser.resize(DESK)


def test_the_keyboard_reaches_what_scrolls(browser: Browser, tmp_path: Path) -> None:
    browser.open(saved(tmp_path, made_report().to_html()))
    browser.press("Tab")
    assert browser.value("document.activeElement.className") == "skip"
    assert browser.value("document.activeElement.getBoundingClientRect().left") >= 0
    browser.press("Tab")
    assert browser.value("document.activeElement.getAttribute('role')") == "region"
    assert browser.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_screen_reader_finds_its_way(
    browser: Browser, report: ParityReport, tmp_path: Path
) -> None:
    browser.open(saved(tmp_path, report.to_html()))
    assert not ids_that_stand_twice(browser)
    assert not ids_that_nobody_has(browser)
    levels = heading_levels(browser)
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for landmark in ("header", "main", "footer"):
        assert browser.value(f"document.querySelectorAll('body > {landmark}').length") == 1
    tables = "[...document.querySelectorAll('table')]"
    assert browser.value(f"{tables}.every(x => x.caption && x.caption.textContent.trim())")
    assert browser.value(f"{tables}.every(x => [...x.querySelectorAll('th')].every(y => y.scope))")
    assert browser.value(
        "[...document.querySelectorAll('.scroll')].every(x => x.tabIndex === 0 "
        "&& (x.getAttribute('aria-label') || x.getAttribute('aria-labelledby')))"
    )
    assert browser.value("document.querySelector('a.skip').hash") == "#report"


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_contrast(browser: Browser, dark: bool, tmp_path: Path) -> None:
    browser.dark(dark)
    browser.open(saved(tmp_path, made_report().to_html()))
    assert browser.value(CONTRAST) >= 4.5  # WCAG 2.2, AA
    paper = browser.value("getComputedStyle(document.body).backgroundColor")
    browser.dark(False)
    assert (paper == "rgb(23, 22, 20)") == dark


def test_each_check_can_fail(browser: Browser, tmp_path: Path) -> None:
    seen = browser.open(saved(tmp_path, "<script>console.error('planted')</script>"))
    assert any("planted" in text for text in seen.errors)
    seen = browser.open(saved(tmp_path, "<script>throw Error('planted')</script>"))
    assert any("planted" in text for text in seen.errors)
    url = "http://127.0.0.1:9/planted.png"
    seen = browser.open(saved(tmp_path, f'<img src="{url}">'))
    assert seen.requests == (url,)
    meta = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    browser.open(saved(tmp_path, f'{meta}<div style="width: 361px; height: 1px"></div>'))
    assert overflows(browser)
    browser.open(saved(tmp_path, '<h1 id="a"></h1><h3 id="a" aria-labelledby="b"></h3>'))
    assert ids_that_stand_twice(browser) == ["a"]
    assert ids_that_nobody_has(browser) == ["b"]
    assert heading_levels(browser) == [1, 3]
    browser.open(saved(tmp_path, '<p>a</p><p style="color: #888">b</p>'))
    assert browser.value(CONTRAST) < 4.5
    texts = '<text x="9" y="20">one</text><text x="12" y="22">two</text><text x="-9">three</text>'
    browser.open(saved(tmp_path, f'<body style="margin: 0"><svg overflow="visible">{texts}</svg>'))
    assert browser.value(COLLISIONS) == ["one is on two", "three is outside"]


def test_a_scripts_text_stays_text(browser: Browser, tmp_path: Path) -> None:
    """The report forbids scripts by itself, and nothing of a model's text becomes an element."""
    text = made_report().to_html()
    browser.open(saved(tmp_path, text))
    assert browser.value("document.body.textContent").count("<script>alert('x')</script>")
    planted = text.replace("</body>", "<script>console.error('planted')</script></body>")
    seen = browser.open(saved(tmp_path, planted))
    assert any("Content Security Policy" in text for text in seen.errors)
