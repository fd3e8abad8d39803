"""Two evaluations: what is worse is seen, what chance explains is not, and kinds don't mix."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_report
import pytest
from made_evaluation import FACTS, made_evaluation, paired

from paddleport.errors import OutputError, UsageError
from paddleport.validate.evaluate.report.evaluation_report import evaluation_report
from paddleport.validate.report_diff import ReportDiff, compare_reports

Json = dict[str, Any]
SHA = "ab" * 32


def evaluated(count: int = 4000, lost: float = 0.0, gained: float = 0.0, **values: Any) -> Json:
    facts = replace(FACTS, data_sha256=SHA, **values)
    tally = paired(count, lost=lost, gained=gained)
    return evaluation_report(tally, facts).to_dict()


def listed(found: ReportDiff) -> set[tuple[str, str, str]]:
    return {(item.backend, item.what, item.kind) for item in found.changes}


def test_nothing_changed() -> None:
    report = evaluated()
    found = compare_reports(report, report)
    assert (found.changes, found.notes, found.regressed) == ((), (), False)
    made = made_evaluation().to_dict()
    assert compare_reports(made, json.loads(json.dumps(made))).changes == ()


def test_a_drop_is_a_regression_and_its_return_an_improvement() -> None:
    good, bad = evaluated(), evaluated(lost=0.05)
    worse = compare_reports(good, bad)
    assert worse.regressed
    assert ("candidate", "verdict", "regression") in listed(worse)
    assert ("candidate", "top-1", "regression") in listed(worse)
    assert ("candidate", "answers that are not Paddle's", "change") in listed(worse)
    (top1,) = (item for item in worse.changes if item.what == "top-1")
    assert top1.change.startswith("-") and " points (-" in top1.change
    better = compare_reports(bad, good)
    assert not better.regressed
    assert ("candidate", "top-1", "improvement") in listed(better)


def test_what_chance_explains_is_a_change() -> None:
    found = compare_reports(evaluated(), evaluated(lost=0.004))
    assert not found.regressed
    (top1,) = (item for item in found.changes if item.what == "top-1")
    assert top1.kind == "change" and "within chance" in top1.change


def test_other_pictures_are_not_called_worse() -> None:
    old, new = evaluated(), evaluated(lost=0.05)
    new["data"]["sha256"] = "cd" * 32
    found = compare_reports(old, new)
    assert ("candidate", "top-1", "change") in listed(found)
    assert any("other pictures" in note for note in found.notes)
    assert ("candidate", "verdict", "regression") in listed(found)


EDITS: dict[str, tuple[Callable[[Json], object], tuple[str, str, str]]] = {
    "a row is gone": (
        lambda made: made["rows"].pop(),
        ("candidate", "row", "regression"),
    ),
    "unreadable": (
        lambda made: made["data"].update(pictures=3990, unreadable=10),
        ("(model)", "unreadable pictures", "regression"),
    ),
    "not finite": (
        lambda made: made["rows"][1].update(not_finite=3),
        ("candidate", "answers that are not finite", "regression"),
    ),
    "failed": (
        lambda made: made["rows"][1].update(verdict="failed"),
        ("candidate", "verdict", "regression"),
    ),
    "loss": (
        lambda made: made["rows"][1].update(loss=9.0),
        ("candidate", "loss", "change"),
    ),
}


@pytest.mark.parametrize("name", list(EDITS))
def test_every_kind_of_change(name: str) -> None:
    edit, wanted = EDITS[name]
    new = evaluated()
    edit(new)
    assert wanted in listed(compare_reports(evaluated(), new))


def test_a_row_that_failed_is_no_less_accurate() -> None:
    new = evaluated()
    new["rows"][1].update(verdict="failed", changes=None)
    new["rows"][1]["top1"].update(right=0, count=0)
    found = listed(compare_reports(evaluated(), new))
    assert [kind for kind in found if kind[0] == "candidate"] == [
        ("candidate", "verdict", "regression")
    ]
    del (gone := evaluated())["rows"][1]
    (change,) = [item for item in compare_reports(new, gone).changes if item.what == "row"]
    assert change.old == "top-1 –"  # and no 0.00 %


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda row: row["top1"].update(right=5000), r"rows\[1\].top1: 5000 right of 4000"),
        (lambda row: row["changes"].update(other=4001), r"rows\[1\]: 4001 changed of 4000"),
    ],
)
def test_counts_that_cannot_be_are_refused(edit: Callable[[Json], object], told: str) -> None:
    new = evaluated()
    edit(new["rows"][1])
    with pytest.raises(OutputError, match=told):
        compare_reports(evaluated(), new)


def test_what_differs_between_the_runs_is_noted() -> None:
    new = evaluated(max_drop=0.02, command="paddleport evaluate x", environment={"cpu": "other"})
    new["model"]["name"] = "another"
    notes = " | ".join(compare_reports(evaluated(), new).notes)
    for text in (
        "another model: name",
        "allowed drop: 1 → 2 points",
        "another machine",
        "command: ",
    ):
        assert text in notes


def test_kinds_do_not_mix(tmp_path: Path) -> None:
    one, other = tmp_path / "evaluate.json", tmp_path / "parity.json"
    one.write_text(json.dumps(evaluated()))
    other.write_text(made_report.made_report().to_json())
    for pair in ((one, other), (other, one)):
        with pytest.raises(
            UsageError, match=r"evaluate\.json is a report of evaluate and .*parity"
        ):
            compare_reports(*pair)


def test_on_the_command_line(tmp_path: Path) -> None:
    one, other = tmp_path / "old.json", tmp_path / "new.json"
    one.write_text(json.dumps(evaluated()))
    other.write_text(json.dumps(evaluated(lost=0.05)))
    code = [sys.executable, "-m", "paddleport", "compare"]
    done = subprocess.run([*code, one, other], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "top-1" in done.stdout and "regression" in done.stdout


def test_what_is_no_evaluation() -> None:
    broken = evaluated()
    broken["rows"][0]["top1"]["right"] = "many"
    with pytest.raises(OutputError, match=r"rows\[0\].top1.right"):
        compare_reports(broken, evaluated())
    with pytest.raises(OutputError, match="schema 7"):
        compare_reports(evaluated(), {**evaluated(), "schema": 7})
