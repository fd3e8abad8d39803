"""The page of ``paddleport serve`` in Chromium: a picture in, answers out, and errors in words."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium_pages import (
    CONTRAST,
    DESK,
    PHONE,
    Browser,
    browser,
    heading_levels,
    ids_that_nobody_has,
    ids_that_stand_twice,
    overflows,
)
from page_server import LABELS, PROOF, PageServer, predictions, served
from PIL import Image
from playwright.sync_api import Page, expect

from paddleport.convert import convert
from paddleport.serve.page import PAGE_HEADERS, page_files

__all__ = ["browser"]  # a fixture

TWO = [served("MobileNetV2"), served("MobileNetV2-onnxruntime", backend="onnxruntime")]


@pytest.fixture(scope="module")
def running() -> Iterator[PageServer]:
    with PageServer().running() as server:
        yield server


@pytest.fixture
def server(running: PageServer) -> PageServer:
    running.reset()
    return running


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "pond.png"
    Image.new("RGB", (320, 200), (40, 120, 180)).save(path)
    return path


def opened(browser: Browser, server: PageServer) -> Browser:
    browser.resize(DESK)
    browser.dark(False)
    browser.visit(server.address)
    browser.page.wait_for_selector(".card")
    return browser


def use_sample(browser: Browser) -> None:
    browser.page.click("#sample")
    browser.page.wait_for_selector(".answer")


@pytest.fixture(scope="module")
def real_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server that serves a converted model, on two backends, each proven."""
    pytest.importorskip("uvicorn")
    pytest.importorskip("openvino")
    path = tmp_path_factory.mktemp("page") / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        convert("MobileNetV2_x0_25", path, weights="seeded")
    command = [sys.executable, str(Path(__file__).with_name("served_models.py")), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            assert process.wait(30) == 0


@pytest.mark.slow
def test_a_real_server_s_models_answer_and_agree(browser: Browser, real_address: str) -> None:
    page = answered(browser, real_address)
    assert page.locator(".answer").count() == 2
    agreement = page.inner_text("#agreement")
    assert agreement.startswith("Both agree: ")
    cards = page.locator(".card").all_inner_texts()
    assert all("Proven" in text and "on 3 feeds in fp32" in text for text in cards)
    assert all("seeded: untrained" in text for text in cards)
    page.set_input_files("#file", files={"name": "a.png", "mimeType": "image/png", "buffer": b"x"})
    expect(page.locator(".answer .problem").first).to_contain_text("can't be read")


def test_the_sample_is_answered_with_scores_stages_and_the_proof(
    browser: Browser, server: PageServer
) -> None:
    answered(browser, server.address)


def answered(browser: Browser, address: str) -> Page:
    """The page after its sample was asked about, with all that belongs to any answer."""
    browser.visit(address)
    browser.page.wait_for_selector(".card")  # who is asked is known from then on
    use_sample(browser)
    page = browser.page
    assert page.locator(".answer").first.locator(".scores li").count() == 5
    widths = [
        row.bounding_box()["width"]  # type: ignore[index]  # it is visible
        for row in page.locator(".answer").first.locator(".fill").all()
    ]
    assert widths == sorted(widths, reverse=True) and widths[0] > 0
    assert "in the server" in page.inner_text(".answer .stages h4")
    assert page.locator(".answer").first.locator(".stage-list li").count() >= 2
    assert page.locator(".card .verdict").first.inner_text() == "Proven"
    assert page.get_attribute("#preview", "alt")
    assert browser.errors == []
    hosts = {url.split("/")[2] for url in browser.requests if url.startswith("http")}
    assert hosts == {address.split("/")[2]}
    return page


def test_what_is_written(browser: Browser, server: PageServer) -> None:
    page = opened(browser, server).page
    assert page.inner_text("#served") == "1 model served, ready"
    assert PROOF["sentence"][1:] in page.inner_text(".card")
    assert page.is_visible("#nothing-yet")
    use_sample(browser)
    first = page.locator(".scores li").first
    assert LABELS[0] in first.inner_text() and "81.5 %" in first.inner_text()
    assert "12.1 ms in the server" in page.inner_text(".stages h4")
    assert "compute 8.40 ms" in page.inner_text(".stage-list")
    assert page.inner_text("#status") == "MobileNetV2: drake, 81.5 %"
    assert server.asked == [("/v1/classify?model=MobileNetV2", b"\x89PNG\r\n\x1a\n")]
    assert not page.is_visible("#agreement") and not page.is_visible("#nothing-yet")


def test_two_models_are_asked_and_agree_or_not(browser: Browser, server: PageServer) -> None:
    server.models = TWO
    server.answers = {"MobileNetV2-onnxruntime": predictions(0, score=0.8152)}
    page = opened(browser, server).page
    use_sample(browser)
    assert page.locator(".answer").count() == 2
    assert page.inner_text("#agreement") == "Both agree: drake; the scores are 0.010 points apart."
    server.answers["MobileNetV2-onnxruntime"] = predictions(3)
    page.click("#sample")
    page.wait_for_selector("#agreement.bad")
    assert page.inner_text("#agreement") == (
        "They do not agree: MobileNetV2 says drake, MobileNetV2-onnxruntime says goose."
    )
    page.get_by_label("ask it about the picture").nth(1).uncheck()
    expect(page.locator(".answer")).to_have_count(1)
    assert not page.is_visible("#agreement")


def test_a_model_that_is_not_proven_says_why_and_is_not_asked(
    browser: Browser, server: PageServer
) -> None:
    why = "model.onnx on openvino in fp32 differs from native Paddle's answers: error 0.3"
    server.models = [TWO[0], served("broken", ready=False, reason=why, proof={})]
    page = opened(browser, server).page
    assert page.inner_text("#served") == "2 models served, 1 ready"
    broken = page.get_by_label("Model broken")
    assert broken.locator(".verdict").inner_text() == "Not ready" and why in broken.inner_text()
    use_sample(browser)
    assert [path for path, _ in server.asked] == ["/v1/classify?model=MobileNetV2"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((400, {}, "this is no picture that can be read"), "this is no picture that can be read"),
        ((503, {"Retry-After": "2"}, "full"), "The server has too much to do. Try again in 2 s."),
        ((503, {}, "MobileNetV2 is loading"), "MobileNetV2 is loading"),
        ((413, {}, "20 MB are taken"), "The picture is too large. 20 MB are taken"),
        ((500, {}, ""), "The server answered 500 and did not say why."),
    ],
)
def test_errors_are_said_in_words(
    browser: Browser, server: PageServer, answer: object, words: str
) -> None:
    server.answers = {"MobileNetV2": answer}
    page = opened(browser, server).page
    use_sample(browser)
    assert page.inner_text(".answer .problem") == words
    assert page.inner_text("#status") == "MobileNetV2: no answer"


def test_a_server_that_is_gone_is_said(browser: Browser) -> None:
    with PageServer().running() as server:
        page = opened(browser, server).page
    page.set_input_files("#file", files={"name": "a.png", "mimeType": "image/png", "buffer": b"x"})
    page.wait_for_selector(".answer .problem")
    assert "does not answer. Is it still running?" in page.inner_text(".answer .problem")


def test_what_is_no_picture_is_not_sent(browser: Browser, server: PageServer) -> None:
    page = opened(browser, server).page
    page.set_input_files(
        "#file", files={"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"x"}
    )
    assert "a.pdf is no picture" in page.inner_text("#status")
    assert not server.asked


def test_a_token_is_asked_for_and_sent(browser: Browser, server: PageServer) -> None:
    server.token = "secret"
    browser.visit(server.address)
    page = browser.page
    page.wait_for_selector("#token-text")
    assert browser.value("document.activeElement.id") == "token-text"
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("That is not this server's token.")
    page.fill("#token-text", "secret")
    page.keyboard.press("Enter")
    page.wait_for_selector(".card")
    assert not page.is_visible("#token") and page.inner_text("#status") == ""
    use_sample(browser)
    assert page.locator(".scores li").count() == 5


def test_a_picture_is_dropped_pasted_and_chosen(
    browser: Browser, server: PageServer, picture: Path
) -> None:
    page = opened(browser, server).page
    page.set_input_files("#file", picture)
    page.wait_for_selector(".answer")
    assert page.inner_text("#named").startswith("pond.png, ")
    for event, holder in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        page.evaluate(
            """async ([event, holder]) => {
              const held = new DataTransfer();
              const blob = await (await fetch('/page/sample.png')).blob();
              held.items.add(new File([blob], event + '.png', {type: 'image/png'}));
              const type = event === 'drop' ? DragEvent : ClipboardEvent;
              document.dispatchEvent(new type(event, {[holder]: held, bubbles: true}));
            }""",
            [event, holder],
        )
        expect(page.locator("#named")).to_contain_text(f"{event}.png")
        expect(page.locator("#status")).not_to_contain_text("Asking")
    assert len(server.asked) == 3


def test_the_keyboard_reaches_everything(browser: Browser, server: PageServer) -> None:
    server.models = TWO
    page = opened(browser, server).page
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(
            browser.value(
                "(x => x.id || x.type || x.tagName.toLowerCase())(document.activeElement)"
            )
        )
    for name in ("file", "sample", "checkbox", "summary"):
        assert name in reached
    page.focus("#sample")
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer")


def test_hostile_texts_stay_texts(browser: Browser, server: PageServer) -> None:
    planted = '<img src=x onerror="window.hit=1">'
    answer = predictions(0)
    answer["predictions"][0]["label"] = planted
    server.models = [served(planted, backend=planted)]
    server.answers = {planted: answer}
    page = opened(browser, server).page
    use_sample(browser)
    assert page.locator(".scores li").first.inner_text().startswith(planted)
    assert browser.value("window.hit") is None
    assert page.locator("img").count() == 1


@pytest.mark.parametrize("dark", [False, True])
def test_readable_on_every_screen(browser: Browser, server: PageServer, dark: bool) -> None:
    server.models = [*TWO, served("a" * 60, ready=False, reason="b" * 200)]
    page = opened(browser, server).page
    browser.dark(dark)
    use_sample(browser)
    assert browser.value(CONTRAST) >= 4.5
    assert not overflows(browser, PHONE)
    assert not overflows(browser, 320)
    assert ids_that_stand_twice(browser) == [] and ids_that_nobody_has(browser) == []
    levels = heading_levels(browser)
    assert levels[0] == 1 and levels.count(1) == 1
    unnamed = (
        "[...document.querySelectorAll('button, input, a')]"
        ".filter(x => !(x.textContent.trim() || (x.labels && x.labels.length)))"
        ".map(x => x.outerHTML)"
    )
    assert browser.value(unnamed) == []
    browser.dark(False)
    assert page.locator(".answer").count() == 2


def test_no_script_or_style_but_its_own() -> None:
    """What the policy forbids is not in the files either."""
    policy = PAGE_HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    _, html = page_files()["/"]
    for forbidden in (b"<style", b"style=", b"onclick", b"http://", b"https://", b"//cdn"):
        assert forbidden not in html.replace(b'"http://HOST:PORT/', b"")
    for path, (content_type, content) in page_files().items():
        assert path.startswith("/") and content and "/" in content_type
    assert b"innerHTML" not in page_files()["/page/app.js"][1]
