"""The overview's page as a browser has it, and its table in a narrow terminal."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from chromium_pages import (
    COLLISIONS,
    CONTRAST,
    DESK,
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
from made_overview import made_overview

from paddleport.cli.console import fitting_table, stdout
from paddleport.cli.several_models import print_overview
from paddleport.validate.overview import overview_table

__all__ = ["browser"]  # a fixture


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return saved(tmp_path, made_overview().to_html())


def test_it_loads_without_error_or_request(browser: Browser, page: Path) -> None:
    assert browser.open(page) == Seen((), ())
    assert browser.value("document.scripts.length") == 0
    links = "[...document.querySelectorAll('tbody th a')].map(x => x.getAttribute('href'))"
    assert browser.value(links) == ["MobileNetV2/parity.html", "MobileNetV2-2/parity.html"]
    assert browser.value("document.querySelector('tbody').rows.length") == 24
    assert browser.value("document.body.textContent").count("<script>alert('x')</script>")


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_no_label_lies_on_another(browser: Browser, page: Path, width: int) -> None:
    browser.resize(width)
    browser.open(page)
    found = browser.value(COLLISIONS)
    visible = "[...document.querySelectorAll('svg')].filter(x => x.getBoundingClientRect().width)"
    charts = browser.value(f"{visible}.length")
    browser.resize(DESK)
    assert found == []
    assert charts == 3


def test_it_fits_a_phone_and_reads_well(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert not overflows(browser)
    assert not ids_that_stand_twice(browser)
    assert not ids_that_nobody_has(browser)
    levels = heading_levels(browser)
    assert levels[0] == 1 and all(after <= before + 1 for before, after in pairwise(levels))
    for dark in (False, True):
        browser.dark(dark)
        assert browser.value(CONTRAST) >= 4.5
    browser.dark(False)


@pytest.mark.parametrize("width", [80, 120])
def test_a_narrow_terminal_has_what_is_needed_most(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paddleport.cli.console._PLAIN_WIDTH", width)
    overview = made_overview()
    timed = [row for row in overview.rows if row.name.startswith("PPLC")]
    table = overview_table.models_table(
        type(overview)(**{**vars(overview), "rows": tuple(timed), "total": len(timed)})
    )
    shown = fitting_table(table, overview_table.least_needed(overview))
    columns = [str(column.header).replace("\n", " ") for column in shown.columns]
    assert stdout().measure(shown).maximum <= width
    assert columns[:3] == ["model", "verdict", "worst error"]
    assert {"onnxruntime ×", "openvino ×"} <= set(columns)
    assert ("limit" in columns) == (width == 120)
    gone = {name for name in overview_table.least_needed(overview) if name not in columns}
    assert ("limit" in gone) == ("limit" in str(shown.caption).split("for ")[-1].split(", "))


@pytest.mark.parametrize("width", [60, 80, 100])
def test_many_backends_leave_the_names_whole(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddleport.cli.console._PLAIN_WIDTH", width)
    whole = made_overview()
    rows = [row for row in whole.rows if row.name.startswith("PPLC")]
    fastest = replace(rows[0].backends[0], name="mnn", speed_up=9.0)
    slowest = replace(fastest, name="ncnn", speed_up=0.5)
    rows = [replace(row, backends=(*row.backends, fastest, slowest)) for row in rows]
    overview = replace(whole, rows=tuple(rows), total=len(rows))
    table = overview_table.models_table(overview)
    shown = fitting_table(table, overview_table.least_needed(overview))
    headers = [str(column.header) for column in shown.columns]
    assert stdout().measure(shown).maximum <= width
    assert "mnn\n×" in headers
    assert ("ncnn\n×" in headers) == (width == 100)
    console = stdout()
    with console.capture() as captured:
        console.print(shown)
    assert rows[0].name in captured.get()


def test_the_terminal_s_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_overview(made_overview(), Path("out"))
    printed = capsys.readouterr().out
    assert "a folder with a long name <b>&</b> [red]" in " ".join(printed.split())
    assert printed.splitlines()[-1].startswith("21 agree, 1 differs, 1 is unproven, 1 failed of 24")
    assert "out/index.html" in printed
