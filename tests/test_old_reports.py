"""Reports of earlier schemas: ``compare`` still reads them."""

from typing import Any

import pytest
from made_report import made_report

from paddleport.validate.report_diff import compare_reports


def schema_2() -> dict[str, Any]:
    """The report as it was written when the float64 reference was still called the arbiter."""
    report = made_report().to_dict()
    arbiter = report.pop("float64_reference")
    return {**report, "schema": 2, "arbiter": arbiter}


def test_a_report_of_schema_2_says_the_same() -> None:
    new = made_report().to_dict()
    assert new["schema"] == 3
    found, same = compare_reports(schema_2(), new), compare_reports(new, new)
    assert (found.changes, found.notes) == (same.changes, same.notes)


@pytest.mark.parametrize("old_first", [True, False])
def test_the_float64_reference_of_schema_2_is_compared(old_first: bool) -> None:
    old = {**schema_2(), "arbiter": "none: no evaluator"}
    pair = (old, made_report().to_dict()) if old_first else (made_report().to_dict(), old)
    notes = compare_reports(*pair).notes
    assert [note for note in notes if "no evaluator" in note and "the ONNX graph" in note]
