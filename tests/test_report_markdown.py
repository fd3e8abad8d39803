"""parity.md as a Markdown reader has it: whole tables, and no text that becomes markup."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from made_report import (
    HOSTILE,
    agreeing_report,
    bare_report,
    comparison,
    hostile_report,
    made_report,
    report_with,
)
from markdown_it import MarkdownIt
from markdown_it.token import Token

from paddleport.validate.parity.parity_report import ParityReport

REPORTS: dict[str, Callable[[], ParityReport]] = {
    "made": made_report,
    "agreeing": agreeing_report,
    "bare": bare_report,
    "hostile": hostile_report,
    "nobody": lambda: report_with([]),
    "errors": lambda: report_with([0.0, 1e9, None], p50=[0.0, 1e6, None]),
}


def tokens_of(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def tables_of(text: str) -> list[list[list[str]]]:
    """Every table as rows of the cells' texts, as a reader shows them."""
    tables: list[list[list[str]]] = []
    for token in tokens_of(text):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline" and token.level >= 4 and tables and tables[-1]:
            tables[-1][-1].append("".join(child.content for child in token.children or ()))
    return tables


@pytest.mark.parametrize("name", list(REPORTS))
def test_every_table_is_whole(name: str) -> None:
    text = REPORTS[name]().to_markdown()
    ruled = [line for line in text.splitlines() if line.startswith("| ---")]
    assert len(tables_of(text)) == len(ruled)
    in_a_row: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            in_a_row.append(line)
        elif in_a_row:
            cells = {row.replace("\\|", "").count("|") for row in in_a_row}
            assert len(cells) == 1, in_a_row[0]
            assert len(in_a_row) >= 3
            assert set(in_a_row[1]) <= set("|-: ")
            in_a_row = []
    for table in tables_of(text):
        assert len({len(row) for row in table}) == 1


@pytest.mark.parametrize("name", list(REPORTS))
def test_no_text_becomes_markup(name: str) -> None:
    ours = ("<details>", "</details>", "<pre>")
    for token in tokens_of(REPORTS[name]().to_markdown()):
        if token.type == "html_block":
            assert token.content.startswith(ours)
            assert "<script" not in token.content
        for child in token.children or ():
            assert child.type not in ("html_inline", "link_open", "image", "code_inline"), child
            assert child.type != "em_open", token.content


def test_hostile_text_is_shown_as_it_is() -> None:
    table = next(rows for rows in tables_of(bare_report().to_markdown()) if "verdict" in rows[0])
    assert table[2][0] == HOSTILE
    log = "&lt;script>alert('x')&lt;/script> &amp; $x_1$ | `tick`"
    assert f"{log}\nSegmentation fault</pre>" in made_report().to_markdown()


def test_folds_are_closed() -> None:
    for make in REPORTS.values():
        text = make().to_markdown()
        assert text.count("<details>") == text.count("</details>")
        assert "\n\n\n" not in text
        assert text.endswith("\n")


def test_the_top_answers() -> None:
    top = made_report().to_markdown().split("\n\n| ")[0]
    assert "**Not the same model everywhere** (verdict: differs)" in top
    told = "5 of 17 backends agree with paddle plain, the reference, 1 above the limit and as exact"
    assert f"{told} as Paddle; 8 differ, 2 failed" in top
    assert "- to blame: the converter: made converter" in top
    assert "Fastest: openvino fp16, 2.66 × as fast as paddle with oneDNN, 2 threads" in top
    top = agreeing_report().to_markdown()
    assert "**The same model** (verdict: agrees). All 2 backends agree" in top


def test_who_is_closer_to_float64() -> None:
    text = agreeing_report().to_markdown()
    assert (
        "- openvino is closer to float64 than paddle plain: "
        "7.2e-07 against 1.1e-06 scaled, 6.0 against 9.2 ULP." in text
    )


def test_outputs_are_named_where_there_are_several() -> None:
    report = agreeing_report()
    (row,) = report.rows[1:2]
    two = replace(row, comparisons=(comparison(1e-6), comparison(2e-6, output="boxes")))
    assert "| onnxruntime | boxes |" in replace(report, rows=(report.rows[0], two)).to_markdown()
    assert "(output" not in report.to_markdown().split("<details>")[0]
