"""evaluate.html and evaluate.md: whole, self-contained, and nothing foreign becomes markup."""

from collections.abc import Callable
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
from made_evaluation import (
    FACTS,
    agreeing_evaluation,
    bare_evaluation,
    hostile_evaluation,
    made_evaluation,
    paired,
)
from made_report import HOSTILE
from test_report_markdown import tables_of, tokens_of

from paddleport.validate.evaluate.counts.picture_thumbnail import picture_thumbnail
from paddleport.validate.evaluate.report.evaluation_report import (
    EvaluationReport,
    evaluation_report,
)
from paddleport.validate.evaluate.report.interval_chart import (
    ChartMark,
    IntervalChart,
    IntervalLine,
)

__all__ = ["browser"]  # the fixture

REPORTS: dict[str, Callable[[], EvaluationReport]] = {
    "made": made_evaluation,
    "agreeing": agreeing_evaluation,
    "bare": bare_evaluation,
    "hostile": hostile_evaluation,
}


@pytest.fixture(params=list(REPORTS))
def report(request: pytest.FixtureRequest) -> EvaluationReport:
    return REPORTS[request.param]()


def test_the_page_in_a_browser(browser: Browser, report: EvaluationReport, tmp_path: Path) -> None:
    assert browser.open(saved(tmp_path, report.to_html())) == Seen((), ())
    assert browser.value("document.scripts.length") == 0
    assert not overflows(browser)
    assert not ids_that_stand_twice(browser)
    assert not ids_that_nobody_has(browser)
    levels = heading_levels(browser)
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for dark in (False, True):
        browser.dark(dark)
        assert browser.value(CONTRAST) >= 4.5
    browser.dark(False)


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_no_label_lies_on_another(
    browser: Browser, report: EvaluationReport, width: int, tmp_path: Path
) -> None:
    browser.resize(width)
    browser.open(saved(tmp_path, report.to_html()))
    found = browser.value(COLLISIONS)
    browser.resize(DESK)
    assert found == []


@pytest.mark.parametrize("at", [0.0, 0.05, 0.3, 0.5, 0.72, 0.95, 1.0, 9.0])
def test_marks_that_are_near_do_not_lie_on_one_another(
    browser: Browser, at: float, tmp_path: Path
) -> None:
    lines = [IntervalLine(name="a", value=0, low=-2, high=2, text="0.00 (-2 to 2)", colour="good")]
    chart = IntervalChart(
        name="near",
        title="near",
        lines=lines,
        marks=[ChartMark(0.0, "as Paddle"), ChartMark(at, f"{at:g} allowed")],
    )
    for wide in (True, False):
        browser.resize(DESK if wide else PHONE)
        browser.open(saved(tmp_path, f'<body style="margin:0">{chart.svg(wide=wide)}'))
        assert browser.value(COLLISIONS) == []
    browser.resize(DESK)


def test_what_the_page_shows(browser: Browser, tmp_path: Path) -> None:
    browser.open(saved(tmp_path, made_evaluation().to_html()))
    texts = browser.value("document.body.textContent")
    for text in ("published 72.15", "openvino int8", "Right on Paddle, wrong here", "allowed"):
        assert text in texts
    loaded = "[...document.images].filter(x => x.naturalWidth > 30).length"
    made = [item for row in made_evaluation().rows for item in row.changed_pictures]
    assert browser.value(loaded) == sum(bool(item.thumbnail) for item in made) > 10
    assert len(made) <= 24 * len(made_evaluation().rows)
    assert browser.value("[...document.querySelectorAll('.blank')].length") == sum(
        not item.thumbnail for item in made
    )


def test_hostile_texts_stay_texts(browser: Browser, tmp_path: Path) -> None:
    browser.open(saved(tmp_path, hostile_evaluation().to_html()))
    assert HOSTILE.split(" ")[0] in browser.value("document.body.textContent")
    kinds = {token.type for token in tokens_of(hostile_evaluation().to_markdown())}
    assert not kinds & {"code_block", "fence", "blockquote_open"}
    inline = [
        child.type
        for token in tokens_of(hostile_evaluation().to_markdown())
        for child in token.children or ()
    ]
    assert set(inline) <= {"text", "strong_open", "strong_close", "softbreak", "text_special"}


@pytest.mark.parametrize("name", list(REPORTS))
def test_every_table_of_the_markdown_is_whole(name: str) -> None:
    text = REPORTS[name]().to_markdown()
    ruled = [line for line in text.splitlines() if line.startswith("| ---")]
    tables = tables_of(text)
    assert len(tables) == len(ruled) >= 1
    assert all(len({len(line) for line in table}) == 1 for table in tables)


def test_the_markdown_has_what_a_reviewer_asks_for() -> None:
    report = made_evaluation()
    text = report.to_markdown()
    assert text == str(report) == report._repr_markdown_()
    assert text.startswith("# MobileNetV2 x1.0 · pretrained weights: accuracy")
    assert "(verdict: lower)" in text
    assert "- published: top-1 72.15 %, top-5 90.65 % (PaddleClas)" in text
    (first, *_) = tables_of(text)
    assert [line[0] for line in first[1:]] == [row.name for row in report.rows]


def test_it_is_written(tmp_path: Path) -> None:
    files = agreeing_evaluation().write(tmp_path / "new")
    assert [file.name for file in files] == ["evaluate.html", "evaluate.md", "evaluate.json"]
    assert all(file.stat().st_size > 1000 for file in files)


def test_the_table_of_a_terminal() -> None:
    table = made_evaluation().table()
    assert table.columns[:4] == ("backend", "computes in", "verdict", "top-1 %")
    assert all(len(line) == len(table.columns) for line in table.lines)
    quiet = bare_evaluation().table()
    assert "changed" not in quiet.columns and "pictures/s" not in quiet.columns


def test_thumbnails(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "a.png"
    Image.new("RGBA", (400, 200), (255, 0, 0, 255)).save(path)
    for source in (path, path.read_bytes()):
        made = picture_thumbnail(source)
        assert made is not None and made[:2] == b"\xff\xd8" and len(made) < 4000
    turned = tmp_path / "b.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGB", (400, 200)).save(turned, exif=exif)
    made = picture_thumbnail(turned)
    (tmp_path / "c.jpg").write_bytes(made or b"")
    with Image.open(tmp_path / "c.jpg") as upright:
        assert upright.size == (56, 112)
    assert picture_thumbnail(b"no picture") is None
    assert picture_thumbnail(tmp_path / "none.jpg") is None


def test_a_report_on_few_pictures_says_what_would_do() -> None:
    text = evaluation_report(paired(100, lost=0.0, gained=0.0), FACTS).to_markdown()
    assert "would do" in text
    assert "no figure for this model with these weights" in text
