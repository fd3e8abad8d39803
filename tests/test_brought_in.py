"""Latencies of other machines: read, refused in one line, and apart from our own."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_report import brought_in, made_report
from planted_device import write_latency

from paddleport.errors import OutputError, UsageError
from paddleport.validate.report_diff import compare_reports
from paddleport.validate.reports.brought_in import read_brought_in

ONE = {"runtime": "ncnn", "version": "1", "precision": "fp32", "threads": 1}


def test_samples_and_medians_are_read(tmp_path: Path) -> None:
    first, second = read_brought_in(write_latency(tmp_path / "a.json"), "small")
    assert (first.p50_ms, first.runs) == (7.0, 3)
    assert first.p90_ms == pytest.approx(7.8)
    assert (second.p50_ms, second.p90_ms, second.runs) == (2.5, None, None)
    assert (first.device, first.measured_by, first.file) == (
        *("Snapdragon 855 board", "who has one", "a.json"),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"device": ""},
        {"measurements": []},
        {"measurements": [ONE]},
        {"measurements": [{**ONE, "samples_ms": [1.0], "median_ms": 1.0}]},
        {"measurements": [{**ONE, "median_ms": 2.0, "p90_ms": 1.0}]},
        {"measurements": [{**ONE, "median_ms": -1.0}]},
        {"measurements": [{**ONE, "median_ms": float("nan")}]},
        {"measurements": [{**ONE, "threads": 0, "median_ms": 1.0}]},
        {"measurements": [{**ONE, "precision": "half", "median_ms": 1.0}]},
        {"measurements": [{**ONE, "median_ms": 1.0, "added": 1}]},
    ],
    ids=str,
)
def test_what_is_no_such_file_is_one_line(tmp_path: Path, changes: dict[str, object]) -> None:
    path = write_latency(tmp_path / "a.json", **changes)
    with pytest.raises(OutputError) as error:
        read_brought_in(path, "small")
    assert str(error.value).startswith(f"{path} is no file of latencies: ")
    assert "\n" not in str(error.value)


def test_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the model here is other"):
        read_brought_in(write_latency(tmp_path / "a.json"), "other")
    path = write_latency(tmp_path / "b.json", model_sha256="0" * 64)
    with pytest.raises(UsageError, match="another file of small"):
        read_brought_in(path, "small", "1" * 64)
    assert read_brought_in(path, "small", "0" * 64)
    assert read_brought_in(path, "small")


def test_they_take_part_in_no_figure() -> None:
    plain = replace(made_report(), brought_in=())
    fast = replace(plain, brought_in=(replace(brought_in(), p50_ms=1e-3),))
    head, _, _ = fast.to_markdown().partition("## Brought in")
    assert head in plain.to_markdown()
    assert "Snapdragon" not in plain.to_html()
    assert "Snapdragon 855 board" in fast.to_html()


def test_compare_notes_them_and_counts_none() -> None:
    old = made_report()
    slower = replace(old, brought_in=(replace(brought_in(), p50_ms=60.0),))
    found = compare_reports(old.to_dict(), slower.to_dict())
    assert not found.changes
    assert any("p50 6.25 → 60 ms" in note for note in found.notes)
    assert any("only OLD has" in note for note in found.notes)


def test_reports_from_before_are_read() -> None:
    old = made_report().to_dict()
    del old["brought_in"]
    found = compare_reports(old, made_report().to_dict())
    assert not found.changes
    assert any("only NEW has Snapdragon 855 board" in note for note in found.notes)
