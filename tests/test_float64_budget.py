"""The price of float64: a stated time, what there is none for, and no sample too many."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from planted import plant

from paddleport.errors import FeedError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.tensors import Array, Feed
from paddleport.validate import Plan, validate
from paddleport.validate.diagnose import evidence as gathering
from paddleport.validate.diagnose.amplified_rounding import is_settled
from paddleport.validate.diagnose.difference_evidence import Evidence
from paddleport.validate.parity import float64_reference, time_budget
from paddleport.validate.parity.float64_reference import Float64Reference
from paddleport.validate.parity.parity_report import ParityReport

EACH_S = 8.0  # that a planted clock shows for every feed, however many rows it has
ROUNDOFF = 6e-8


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which every feed in float64 takes eight seconds."""
    now = 0.0

    def monotonic() -> float:
        nonlocal now
        now += EACH_S
        return now

    monkeypatch.setattr(time_budget, "time", SimpleNamespace(monotonic=monotonic))


@pytest.fixture
def source(small_pir: Artifact) -> SourceModel:
    return resolve(small_pir.path.parent)


def report_and_steps(
    source: SourceModel, onnx: Artifact, plan: Plan
) -> tuple[ParityReport, list[tuple[str, float | None]]]:
    steps: list[tuple[str, float | None]] = []
    found = validate(source, onnx, plan, progress=lambda *step: steps.append(step))
    return found, steps


@pytest.mark.slow
def test_what_there_is_no_time_for_is_left_out_and_said(
    source: SourceModel,
    small_onnx: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    slow: None,
) -> None:
    plant(tmp_path / "planted", monkeypatch, "scales", "positions")
    report, steps = report_and_steps(source, small_onnx, Plan(quick=True, seconds_each=0))
    count = len(report.feeds)
    assert report.float64_reference.startswith(
        f"the ONNX graph in float64, on 2 of {count} feeds, rounding imitated "
    )
    assert report.float64_reference.endswith("times: the 20 s for it were over")
    shown = [step for step, _ in steps if step.startswith("float64: feed ")]
    assert shown[:2] == [
        f"float64: feed 1 of {count}",
        f"float64: feed 2 of {count}, about 12 s left",
    ]
    assert any(step.startswith("rounding: sample 1 of 9") for step, _ in steps)
    shares = [share for _, share in steps if share is not None]
    assert all(0 <= share <= 1 for share in shares)
    rows = {row.name: row for row in report.rows}
    assert rows["reference"].verdict == "skipped"
    assert f"on 2 of {count} feeds" in rows["reference"].reason
    assert rows["reference"].reason.endswith("Next: -b reference computes them all")
    for name in ("onnxruntime", "openvino", "paddle", "paddle plain"):
        assert rows[name].verdict in ("agrees", "reference"), rows[name]
        assert rows[name].comparisons[0].against_float64 is not None
    causes = {name: rows[name].cause for name in ("scales", "positions")}
    assert causes == {"scales": "runtime", "positions": "batching"}
    assert "Divided by 1.001" in rows["scales"].explanation


def test_the_reference_that_is_named_answers_every_feed(
    source: SourceModel, small_onnx: Artifact, slow: None
) -> None:
    plan = Plan(backends=("reference",), quick=True, seconds_each=0)
    report, steps = report_and_steps(source, small_onnx, plan)
    assert report.float64_reference == "the ONNX graph in float64"
    assert report.rows[1].verdict == "agrees"
    count = len(report.feeds)
    assert (steps[1][0], steps[count][0]) == (
        f"float64: feed 1 of {count}",
        f"float64: feed {count} of {count}, about 24 s left",  # it is the batch, of three
    )


class FakeSession:
    """Answers with the feed's first value; every process and every answer is noted."""

    started: list[str]
    asked: list[tuple[str, float]]
    closed: list[str]

    def __init__(self, backend: str, onnx: Artifact, options: Any) -> None:
        self.name = options.extras.get("seed", "exact")
        self.started.append(self.name)

    def run_all(self, feeds: Sequence[Feed]) -> list[Mapping[str, Array]]:
        if any(feed["x"][0] < 0 for feed in feeds):
            raise FeedError("no negative numbers")
        self.asked += [(self.name, float(feed["x"][0])) for feed in feeds]
        return [{"y": feed["x"][:1]} for feed in feeds]

    def close(self) -> None:
        self.closed.append(self.name)


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> type[FakeSession]:
    FakeSession.started, FakeSession.asked, FakeSession.closed = [], [], []
    monkeypatch.setattr(float64_reference, "Session", FakeSession)
    return FakeSession


def reference_of(values: Sequence[float], seconds: float = math.inf) -> Float64Reference:
    reference = Float64Reference(onnx_artifact(Path("none")))
    reference.compute([{"x": np.array([value])} for value in values], seconds)
    return reference


def test_samples_are_made_one_by_one_and_kept(sessions: type[FakeSession]) -> None:
    reference = reference_of([1, 2, 3])
    samples = reference.rounded(ROUNDOFF, [2, 0])
    assert next(samples)[0] == 2
    assert sessions.asked[3:] == [("1", 3)]
    assert [index for index, _ in reference.rounded(ROUNDOFF, [2, 0])] == [2, 0] * 4
    assert sessions.asked[3:] == [("1", 3), ("1", 1)] * 4
    list(reference.rounded(ROUNDOFF, [0, 2]))
    assert len(sessions.asked) == 3 + 8
    assert len(list(reference.rounded(ROUNDOFF, [0]))) == 8  # four more of it
    assert len(list(reference.rounded(ROUNDOFF, [0, 1, 2]))) == 9
    assert (sessions.started, sessions.closed) == (["exact", "1"], [])
    assert reference.description == "the ONNX graph in float64"
    reference.close()
    assert sessions.closed == ["exact", "1"]


def test_a_feed_that_was_left_out_is_computed_when_asked_for(
    sessions: type[FakeSession], slow: None
) -> None:
    reference = reference_of([1, 2, 3, 4, 5], seconds=20.0)
    assert reference.computed is not None
    assert (list(reference.computed), reference.is_complete) == ([0, 1], False)
    assert reference.description == (
        "the ONNX graph in float64, on 2 of 5 feeds: the 20 s for it were over"
    )
    assert reference.outputs is not None
    assert [float(item["y"][0]) for item in reference.outputs[2:4]] == [3, 4]
    assert reference.outputs[-1]["y"] == 5
    assert len(sessions.asked) == 5
    assert list(reference.computed) == [0, 1]  # what all are compared on


def test_there_is_a_time_for_what_is_asked_for_later(
    sessions: type[FakeSession], slow: None
) -> None:
    reference = reference_of([1, 2, 3, 4, 5, 6], seconds=20.0)
    assert reference.affordable([5, 4, 3, 2, 0]) == [5, 4, 0]
    assert reference.affordable([3, 2], at_least=1) == [3]
    samples = [index for index, _ in reference.rounded(ROUNDOFF, [5, 4, 3])]
    assert samples == [5]  # there is no time, but nothing is said without one
    assert reference.description == (
        "the ONNX graph in float64, on 2 of 6 feeds, rounding imitated 1 of 9 times: "
        "the 20 s for it were over"
    )


def test_a_feed_that_fails_later_is_no_exact_answer(
    sessions: type[FakeSession], slow: None
) -> None:
    reference = reference_of([1, 2, -3], seconds=16.0)
    assert reference.affordable([2, 1], at_least=2) == [1]


def test_a_feed_that_fails_at_first_makes_it_unavailable(sessions: type[FakeSession]) -> None:
    reference = reference_of([1, -2])
    assert reference.unavailable == "no negative numbers"
    assert reference.description == "none: no negative numbers"
    assert (reference.outputs, reference.computed) == (None, None)
    assert sessions.closed == ["exact"]


@pytest.mark.parametrize(
    ("rounding", "error", "settled"),
    [
        (1e-3, 3e-3, True),
        (1e-3, 5e-3, False),  # another sample may explain it
        (0.05, 0.1, False),  # another sample may make another answer
        (0.5, 1.0, True),
    ],
)
def test_another_sample_is_made_only_where_it_can_tell(
    rounding: float, error: float, settled: bool
) -> None:
    assert is_settled(rounding, error) is settled


@pytest.mark.parametrize(("rounding", "searched"), [(5e-4, True), (5e-3, False), (None, True)])
def test_no_other_input_is_searched_where_rounding_hides_it(
    monkeypatch: pytest.MonkeyPatch, rounding: float | None, searched: bool
) -> None:
    found = ("channels swapped", "Swap them.")
    monkeypatch.setattr(gathering, "find_imitated_input", lambda *_: found)
    output: Any = SimpleNamespace(limit=1e-4)
    nothing: Any = None  # no reference is looked at
    evidence = Evidence(
        backend="openvino",
        format="onnx",
        computes_in="fp32",
        limit=output.limit,
        error=0.1,
        rounding=rounding,
    )
    made = gathering._with_imitated_input(evidence, nothing, output)
    assert (made.imitates == "channels swapped") is searched


def test_nothing_is_left_out_where_nothing_may_be_missing() -> None:
    assert Plan(quick=True).float64_seconds == 20
    assert Plan().float64_seconds == 60
    assert Plan(strict=True).float64_seconds == math.inf
    assert Plan(backends=("onnxruntime", "reference")).float64_seconds == math.inf


@pytest.mark.parametrize("tosses", [1, 6])
def test_what_rounding_does_by_the_toss_of_a_coin_is_seen(
    sessions: type[FakeSession], monkeypatch: pytest.MonkeyPatch, tosses: int
) -> None:
    """One feed on which rounding makes another answer sometimes, such as by a TopK."""

    def run_all(session: FakeSession, feeds: Sequence[Feed]) -> list[Mapping[str, Array]]:
        session.asked += [(session.name, float(feed["x"][0])) for feed in feeds]
        jumps = session.name != "exact" and len(session.asked) > tosses
        return [{"y": feed["x"] + jumps} for feed in feeds]

    monkeypatch.setattr(sessions, "run_all", run_all)
    float64 = reference_of([1])
    reference: Any = SimpleNamespace(float64=float64, name_in_float64=lambda name: name)
    tensors = {"exact": np.array([1.0]), "native": np.array([1.0]), "other": np.array([2.0])}

    def error(one: Array, other: Array) -> float:
        return float(np.abs(one - other).max())

    output: Any = SimpleNamespace(
        name="y",
        float64=[tensors["exact"]],
        reference=[tensors["native"]],
        candidate=[tensors["other"]],
        failing=[0],
        scale=SimpleNamespace(error=error, error_below_floor=error),
        worst=lambda one, other: error(one[0], other[0]),
    )
    assert gathering._rounding(reference, output, "fp32") == 1.0
    assert len(sessions.asked) == 1 + tosses  # and no sample more than it takes
