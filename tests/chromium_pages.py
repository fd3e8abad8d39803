"""A page as headless Chromium has it: what it logs and asks for, how wide and readable it is."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import skip_or_fail
from playwright.sync_api import Page, sync_playwright

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

    @property
    def page(self) -> Page:
        """For what is not asked of a report."""
        return self._page

    @property
    def errors(self) -> list[str]:
        """What it logged since it was loaded."""
        return self._errors

    @property
    def requests(self) -> list[str]:
        """What it asked for since it was loaded."""
        return self._requests

    def visit(self, address: str) -> None:
        """Load a page of a server."""
        self._errors.clear()
        self._requests.clear()
        self._page.goto(address)

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
