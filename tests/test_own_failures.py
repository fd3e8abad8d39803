"""Paddle that fails on its own file: whose verdict that is."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from made_report import made_report

from paddleport.validate import BackendRow, Plan
from paddleport.validate.parity.parity_report import RowVerdict
from paddleport.validate.parity.reference_backend import without_own_failures


def verdict_of(plan: Plan, reference: str = "paddle", **verdicts: RowVerdict) -> str:
    rows = [BackendRow(name="paddle plain", verdict="reference")]
    rows += [BackendRow(name=name, verdict=verdict) for name, verdict in verdicts.items()]
    backends: Any = SimpleNamespace(plan=plan, reference_backend=reference)
    marked = tuple(without_own_failures(rows, backends))
    return replace(made_report(), rows=marked, strict=plan.strict).verdict


@pytest.mark.parametrize(
    ("plan", "verdicts", "verdict"),
    [
        (Plan(), {"paddle": "failed", "onnxruntime": "agrees"}, "agrees"),
        (Plan(), {"paddle": "failed", "onnxruntime": "differs"}, "differs"),
        (Plan(), {"paddle": "failed", "onnxruntime": "failed"}, "differs"),
        (Plan(), {"paddle": "failed", "onnxruntime": "unproven"}, "unproven"),
        (Plan(), {"paddle": "failed"}, "unproven"),
        (Plan(), {"paddle": "differs", "onnxruntime": "agrees"}, "differs"),
        (Plan(), {"paddle-tensorrt": "failed", "onnxruntime": "agrees"}, "agrees"),
        (
            Plan(backends=("paddle", "onnxruntime")),
            {"paddle": "failed", "onnxruntime": "agrees"},
            "differs",
        ),
        (Plan(strict=True), {"paddle": "failed", "onnxruntime": "agrees"}, "differs"),
    ],
)
def test_the_verdict_is_the_candidates(
    plan: Plan, verdicts: dict[str, RowVerdict], verdict: str
) -> None:
    assert verdict_of(plan, **verdicts) == verdict


def test_against_another_reference_paddle_is_a_candidate() -> None:
    verdicts: dict[str, RowVerdict] = {"paddle": "failed", "openvino": "agrees"}
    assert verdict_of(Plan(), "onnxruntime", **verdicts) == "differs"
