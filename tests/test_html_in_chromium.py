"""The HTML report as a browser has it: no error, no request, nothing too wide."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import skip_or_fail
from made_report import agreeing_report, bare_report, hostile_report, made_report, report_with
from playwright.sync_api import Page, sync_playwright

from paddleport.validate.parity.parity_report import ParityReport

PHONE, DESK, PAPER = 360, 1280, 688  # PAPER: A4 without its margins
NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Seen:
    """What a page did while it loaded."""

    errors: tuple[str, ...]
    requests: tuple[str, ...]


class Browser:
    """A page in headless Chromium."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._devtools = page.context.new_cdp_session(page)
        self._errors: list[str] = []
        self._requests: list[str] = []
        page.on("console", lambda message: self._errors.append(message.text))
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        page.on("request", lambda request: self._requests.append(request.url))

    def open(self, page: Path) -> Seen:
        """Load a page, and tell what it logged and what it asked for."""
        self._errors.clear()
        self._requests.clear()
        self._page.goto(page.as_uri())
        self.value("document.fonts.ready.then(() => 1)")
        others = (url for url in self._requests if url != page.as_uri())
        return Seen(
            tuple(self._errors), tuple(url for url in others if not url.startswith("data:"))
        )

    def value(self, expression: str) -> Any:
        """What an expression is on the page."""
        return self._page.evaluate(expression)

    def resize(self, width: int, height: int = 800) -> None:
        sizes = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._devtools.send("Emulation.setDeviceMetricsOverride", sizes)

    def dark(self, wanted: bool) -> None:
        self._page.emulate_media(color_scheme="dark" if wanted else "light")

    def printing(self, wanted: bool) -> None:
        self._page.emulate_media(media="print" if wanted else "screen")

    def press(self, key: str) -> None:
        self._page.keyboard.press(key)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        skip_or_fail("chromium", f"none of {', '.join(NAMES)} is installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield Browser(chromium.new_page())
        chromium.close()


REPORTS: dict[str, Callable[[], ParityReport]] = {
    "made": made_report,
    "agreeing": agreeing_report,
    "bare": bare_report,
    "hostile": hostile_report,
}


@pytest.fixture(params=list(REPORTS))
def report(request: pytest.FixtureRequest) -> ParityReport:
    return REPORTS[request.param]()


def saved(folder: Path, text: str) -> Path:
    path = folder / "page.html"
    path.write_text(text)
    return path


def overflows(browser: Browser, width: int = PHONE) -> bool:
    browser.resize(width)
    found = browser.value("[document.documentElement.scrollWidth, window.innerWidth]")
    browser.resize(DESK)
    return bool(found[0] > width or found[1] > width)


def ids_that_stand_twice(browser: Browser) -> list[str]:
    found: list[str] = browser.value(
        "[...document.querySelectorAll('[id]')].map(x => x.id)"
        ".filter((id, at, all) => all.indexOf(id) !== at)"
    )
    return found


def ids_that_nobody_has(browser: Browser) -> list[str]:
    found: list[str] = browser.value(
        "[...document.querySelectorAll('[aria-labelledby]')]"
        ".flatMap(x => x.getAttribute('aria-labelledby').split(' '))"
        ".filter(id => !document.getElementById(id))"
    )
    return found


def heading_levels(browser: Browser) -> list[int]:
    found: list[int] = browser.value(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(x => +x.tagName[1])"
    )
    return found


# Texts of a chart that lie on one another by more than 2 pixels, or leave the window.
COLLISIONS = """(() => {
  const found = [];
  for (const chart of document.querySelectorAll('svg')) {
    const texts = [...chart.querySelectorAll('text')]
      .map(x => [x.textContent.trim(), x.getBoundingClientRect()])
      .filter(([text, box]) => text && box.width);
    texts.forEach(([text, box], at) => {
      if (box.left < 0 || box.right > document.documentElement.clientWidth)
        found.push(text + ' is outside');
      for (const [other, its] of texts.slice(at + 1))
        if (box.left + 2 < its.right && its.left + 2 < box.right &&
            box.top + 2 < its.bottom && its.top + 2 < box.bottom)
          found.push(text + ' is on ' + other);
    });
  }
  return found;
})()"""

# The smallest contrast of any text with the page behind it, by WCAG's formula.
CONTRAST = """(() => {
  const light = text => {
    const parts = text.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  let least = 21;
  for (const element of document.body.querySelectorAll('*')) {
    const own = [...element.childNodes].some(x => x.nodeType === 3 && x.data.trim());
    if (!own || element.closest('desc, title, style')) continue;
    const style = getComputedStyle(element);
    const ink = light(element.closest('svg') ? style.fill : style.color);
    const paper = light(behind(element));
    least = Math.min(least, (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05));
  }
  return least;
})()"""


def test_it_loads_without_error_or_request(
    browser: Browser, report: ParityReport, tmp_path: Path
) -> None:
    assert browser.open(saved(tmp_path, report.to_html())) == Seen((), ())
    assert browser.value("document.querySelectorAll('table').length") >= 1
    assert browser.value("document.scripts.length") == 0


def test_charts_and_pictures_are_there(browser: Browser, tmp_path: Path) -> None:
    browser.resize(DESK)
    browser.open(saved(tmp_path, made_report().to_html()))
    # error against latency for a screen and for a phone, and one latency picture each
    assert browser.value("document.querySelectorAll('svg').length") == 2 + 7
    visible = "[...document.querySelectorAll('svg')].filter(x => x.getBoundingClientRect().width)"
    assert browser.value(f"{visible}.length") == 1 + 7
    assert browser.value("document.querySelector('.wide svg').textContent").count("onnxruntime")
    assert browser.value("[...document.images].filter(x => x.naturalWidth > 30).length") == 3
    assert browser.value("document.querySelectorAll('svg[role=img] > title').length") == 9


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
