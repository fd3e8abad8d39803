"""The HTML report as a browser has it: no error, no request, nothing too wide."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import skip_or_fail
from made_report import agreeing_report, bare_report, hostile_report, made_report, report_with

from paddleport.validate.parity.report import ParityReport

PHONE, DESK, PAPER = 360, 1280, 688  # PAPER: A4 without its margins
NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
# The browser speaks on descriptors 3 and 4, whatever numbers the pipes have here.
LAUNCHER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)
TIMEOUT_S = 60


@dataclass(frozen=True)
class Seen:
    """What a page did while it loaded."""

    errors: tuple[str, ...]
    requests: tuple[str, ...]


class Browser:
    """Headless Chromium over the DevTools protocol, NUL-separated JSON on a pipe."""

    def __init__(self, path: str, profile: Path) -> None:
        ours, theirs = _pipe(), _pipe()
        self._reader, self._writer = theirs[0], ours[1]
        command = [path, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(ours[0]), str(theirs[1]), *command],
            pass_fds=(ours[0], theirs[1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._rest, self._count, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events on the way are kept."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def open(self, page: Path) -> Seen:
        """Load a page, and tell what it logged and what it asked for."""
        self.events.clear()
        self.ask("Page.navigate", url=page.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())
        self.value("document.fonts.ready.then(() => 1)")
        return Seen(tuple(self._errors()), tuple(self._requests(page.as_uri())))

    def value(self, expression: str) -> Any:
        """What an expression is on the page."""
        answer = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def resize(self, width: int, height: int = 800) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def dark(self, wanted: bool) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if wanted else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def printing(self, wanted: bool) -> None:
        self.ask("Emulation.setEmulatedMedia", media="print" if wanted else "")

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def close(self) -> None:
        self._session = ""
        self._count += 1
        message = {"id": self._count, "method": "Browser.close"}
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        os.close(self._reader)
        os.close(self._writer)

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + TIMEOUT_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._reader], [], [], max(end - time.monotonic(), 0))
            assert ready, f"no answer within {TIMEOUT_S} s"
            part = os.read(self._reader, 1 << 16)
            assert part, "the browser has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def _errors(self) -> Iterator[str]:
        for event in self.events:
            if event.get("method") == "Log.entryAdded":
                yield event["params"]["entry"]["text"]
            elif event.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
                yield json.dumps(event["params"])

    def _requests(self, page: str) -> Iterator[str]:
        for event in self.events:
            if event.get("method") == "Network.requestWillBeSent":
                url: str = event["params"]["request"]["url"]
                if url != page and not url.startswith("data:"):
                    yield url


def _pipe() -> tuple[int, int]:
    """A pipe whose descriptors are none of 3 and 4."""
    made = os.pipe()
    read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in made)
    for end in made:
        os.close(end)
    return read, write


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        skip_or_fail("chromium", f"none of {', '.join(NAMES)} is installed")
    found = Browser(path, tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


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
