"""What a validation measures of which model, and what it says of the rest."""

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_sessions import Call, FakeSession, TimesMs, steady

from paddleport.errors import FeedError, WorkerCrashed
from paddleport.models.artifact import onnx_artifact
from paddleport.models.onnx.cost import Cost
from paddleport.models.preprocess import Preprocess
from paddleport.runners.runner_options import RunnerOptions, available_threads
from paddleport.tensors import Array, Feed, TensorSpec
from paddleport.validate.benchmark import interleaved_rounds, machine, timed_backend, timing
from paddleport.validate.benchmark.timing import Timing
from paddleport.validate.feeds.make_feeds import batch_feeds, make_feeds
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.parity.parity_report import BackendRow
from paddleport.validate.parity.validation_plan import Plan
from paddleport.validate.session import SessionFacts

CRASH = WorkerCrashed("it ended with SIGSEGV", reason="SIGSEGV", log="last words")
PREPROCESS = Preprocess()
PICTURES = (TensorSpec("x", "float32", (None, 3, 224, 224)),)
ROWS = ("onnxruntime", "paddle", "paddle plain")


class StubLineup:
    """Open sessions, and who was asked for which number of threads."""

    speed_reference, reference, reference_backend = "paddle", "paddle plain", "paddle"

    def __init__(
        self,
        sessions: dict[str, FakeSession],
        plan: Plan,
        inputs: Sequence[TensorSpec],
        preprocess: Preprocess | None,
    ) -> None:
        self.sessions, self.plan = sessions, plan
        program = SimpleNamespace(inputs=tuple(inputs))
        self.source = SimpleNamespace(preprocess=preprocess, program=program)
        self.onnx = onnx_artifact(Path("model.onnx"))
        self.onnx_feeds = SimpleNamespace(
            of=lambda feeds: [feed.tensors for feed in feeds], pixels=None
        )
        self.extras: dict[str, str] = {}
        self.threads = 2
        self.reopened: list[tuple[str, int]] = []

    def tensors(self, name: str, feeds: Sequence[NamedFeed]) -> list[Feed]:
        return [feed.tensors for feed in feeds]

    def reads_paddle(self, name: str) -> bool:
        return name.startswith("paddle")

    def options_for(self, name: str) -> RunnerOptions:
        return RunnerOptions(threads=self.threads, extras=self.extras)

    def open(self, name: str, options: RunnerOptions) -> FakeSession:
        self.reopened.append((name, options.threads))
        session = self.sessions[name]
        return FakeSession(name, session.times_ms, session.calls, threads=options.threads)


class Stand:
    """A ``Timing`` with everything around it planted."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        inputs: Sequence[TensorSpec] = PICTURES,
        feeds: Sequence[NamedFeed] | None = None,
        *,
        preprocess: Preprocess | None = PREPROCESS,
        times: Mapping[str, TimesMs] | None = None,
        plan: Plan | None = None,
    ) -> None:
        monkeypatch.setattr(interleaved_rounds, "settle", lambda pids: None)
        monkeypatch.setattr(interleaved_rounds, "available_threads", lambda: 2)
        monkeypatch.setattr(timing, "available_threads", lambda: 2)
        monkeypatch.setattr(timing, "peak_gflops", lambda threads: 50.0 * threads)
        monkeypatch.setattr(timing, "cost", lambda path, shapes: Cost(1000, 10**8, ()))
        self.calls: list[Call] = []
        monkeypatch.setattr(
            timed_backend, "sample_picture", lambda: np.zeros((480, 640, 3), np.uint8)
        )
        given = {name: steady(5.0) for name in ROWS} | dict(times or {})
        self.sessions = {name: FakeSession(name, item, self.calls) for name, item in given.items()}
        plan = plan or Plan(seconds_each=1.0, threads=2)
        self.lineup = StubLineup(self.sessions, plan, inputs, preprocess)
        lineup: Any = self.lineup
        self.timing = Timing(lineup, feeds or picture_feeds())

    def rows(self, *rows: BackendRow) -> dict[str, BackendRow]:
        given = rows or tuple(BackendRow(name=name, verdict="agrees") for name in ROWS)
        return {row.name: row for row in self.timing.measured(given, lambda share: None)}


@cache
def picture_feeds() -> list[NamedFeed]:
    """A drawn picture, noise, and a batch of them."""
    singles = make_feeds(PICTURES, preprocess=PREPROCESS, samples=1)
    return [*singles, *batch_feeds(singles, PICTURES, (3,))]


def configurations(row: BackendRow) -> set[tuple[int, int, str]]:
    return {(item.batch, item.threads, item.scope) for item in row.latencies}


ONE_BATCH = {(1, 2, "inference"), (1, 1, "inference")}
BATCHES = ONE_BATCH | {(4, 2, "inference"), (8, 2, "inference")}
EVERYTHING = BATCHES | {(1, 2, "end to end")}


def test_the_grid_and_the_plain_reference_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch)
    rows = stand.rows()
    assert configurations(rows["onnxruntime"]) == configurations(rows["paddle"]) == EVERYTHING
    assert configurations(rows["paddle plain"]) == {(1, 2, "inference")}
    assert sorted(stand.lineup.reopened) == [("onnxruntime", 1), ("paddle", 1)]
    assert all(row.verdict == "agrees" for row in rows.values())


def test_a_quick_validation_measures_one_configuration_of_the_backends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand = Stand(monkeypatch, plan=Plan(seconds_each=0.5, threads=2, quick=True))
    rows = stand.rows()
    assert configurations(rows["onnxruntime"]) == {(1, 2, "inference")}
    assert rows["paddle plain"].latencies == ()


def test_no_seconds_measure_nothing_and_count_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, plan=Plan(seconds_each=0))
    assert stand.rows()["paddle"].latencies == ()
    assert stand.timing.model_figures == {"parameters": 1000, "flops": 10**8}
    assert (stand.calls, stand.timing.peak_gflops) == ([], {})


def test_throughput_and_share_of_the_peak_of_as_many_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand = Stand(monkeypatch, times={"onnxruntime": steady(2.5)})
    rows = stand.rows()
    assert stand.timing.peak_gflops == {"1": 50.0, "2": 100.0}
    load = rows["paddle"].load
    assert load.gflops_per_s == pytest.approx(20.0)  # 0.1 GFLOP in 5 ms
    assert load.share_of_peak == pytest.approx(0.2)
    assert load.peak_memory_bytes == 100_000_000
    assert rows["onnxruntime"].speed_up == pytest.approx(2.0)
    assert rows["paddle"].speed_up == 1.0


def test_a_model_that_cannot_be_counted_is_measured_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand = Stand(monkeypatch)

    def cost(path: Path, shapes: Mapping[str, Sequence[int]]) -> Cost:
        raise ValueError("shape inference gave up\nfor reasons of its own")

    monkeypatch.setattr(timing, "cost", cost)
    row = stand.rows()["onnxruntime"]
    assert configurations(row) == EVERYTHING
    assert (row.load.gflops_per_s, row.load.share_of_peak) == (None, None)
    figures = stand.timing.model_figures
    assert (figures["parameters"], figures["flops"]) == (None, None)
    told = "anything: shape inference gave up for reasons of its own"
    assert figures["not counted in flops"] == told


def test_operations_that_are_not_known_give_no_throughput(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch)
    unknown = Cost(15, None, ("MatMul of unknown shape",))
    monkeypatch.setattr(timing, "cost", lambda path, shapes: unknown)
    assert stand.rows()["paddle"].load.gflops_per_s is None
    assert stand.timing.model_figures["not counted in flops"] == "MatMul of unknown shape"


def test_a_peak_that_cannot_be_measured_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch)

    def peak_gflops(threads: int) -> float:
        raise CRASH

    monkeypatch.setattr(timing, "peak_gflops", peak_gflops)
    load = stand.rows()["paddle"].load
    assert load.gflops_per_s == pytest.approx(20.0)
    assert load.share_of_peak is None


def fed(inputs: Sequence[TensorSpec], *, batches: bool = True) -> list[NamedFeed]:
    singles = make_feeds(inputs)
    return [*singles, *(batch_feeds(singles, inputs, (3,)) if batches else [])]


def test_several_inputs_and_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = (
        TensorSpec("ids", "int64", (None, 16)),
        TensorSpec("mask", "bool", (None, 16)),
        TensorSpec("image", "float32", (None, 3, 32, 32)),
    )
    stand = Stand(monkeypatch, inputs, fed(inputs), preprocess=None)
    assert configurations(stand.rows()["onnxruntime"]) == BATCHES


@pytest.mark.parametrize(
    ("inputs", "batch"),
    [
        ((TensorSpec("x", "float32", (2, 3, 32, 32)),), 2),  # fixed, more than one
        ((TensorSpec("x", "float32", (1, 3, 32, 32)),), 1),
        ((TensorSpec("x", "float32", (None, 3, 32, 32)), TensorSpec("s", "float32", (1, 2))), 1),
        ((TensorSpec("x", "float32", ()),), 1),  # no dimension at all
    ],
)
def test_a_batch_that_is_not_free_is_measured_alone(
    inputs: Sequence[TensorSpec], batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(monkeypatch, inputs, fed(inputs), preprocess=None)
    found = configurations(stand.rows()["onnxruntime"])
    assert found == {(batch, 2, "inference"), (batch, 1, "inference")}


def test_a_program_with_a_free_batch_whose_onnx_file_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand = Stand(monkeypatch, PICTURES, fed(PICTURES, batches=False), preprocess=None)
    assert configurations(stand.rows()["onnxruntime"]) == ONE_BATCH


def test_tensors_that_were_given_are_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    given: Array = np.zeros((5, 3, 224, 224), np.float32)
    feeds = make_feeds(PICTURES, given={"x": given})
    found = configurations(Stand(monkeypatch, PICTURES, feeds).rows()["paddle"])
    assert found == {(5, 2, "inference"), (5, 1, "inference")}


def failing_where(error: Exception, stand_calls: list[Call], batch: int) -> TimesMs:
    def times_ms(at_most_s: float) -> list[float]:
        if stand_calls[-1][1] == batch:
            raise error
        return steady(5.0)(at_most_s)

    return times_ms


def test_a_batch_that_is_refused_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch)
    session = stand.sessions["onnxruntime"]
    session.times_ms = failing_where(FeedError("no memory for 8"), stand.calls, 8)
    rows = stand.rows()
    assert configurations(rows["onnxruntime"]) == EVERYTHING - {(8, 2, "inference")}
    assert rows["onnxruntime"].verdict == "agrees"
    assert rows["onnxruntime"].notes == (
        "inference at batch 8, 2 threads was not measured: no memory for 8",
    )


def test_a_crash_while_measuring_fails_the_row_and_keeps_what_it_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand = Stand(monkeypatch)
    stand.sessions["onnxruntime"].times_ms = failing_where(CRASH, stand.calls, 8)
    rows = stand.rows()
    row = rows["onnxruntime"]
    assert (row.verdict, row.log) == ("failed", "last words")
    assert row.reason == "while measuring: it ended with SIGSEGV"
    assert row.latency is not None
    assert row.latency.settled
    assert row.load.share_of_peak is not None
    assert configurations(rows["paddle"]) == EVERYTHING


def test_a_crash_while_measuring_does_not_hide_that_the_numbers_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand = Stand(monkeypatch)
    stand.sessions["onnxruntime"].times_ms = failing_where(CRASH, stand.calls, 8)
    differing = BackendRow(
        name="onnxruntime", verdict="differs", cause="converter", explanation="The head."
    )
    row = stand.rows(differing)["onnxruntime"]
    assert (row.verdict, row.cause, row.explanation) == ("differs", "converter", "The head.")
    assert "while measuring: it ended with SIGSEGV" in row.notes
    assert row.log == "last words"


def test_the_speed_reference_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(at_most_s: float) -> list[float]:
        raise CRASH

    stand = Stand(monkeypatch, times={"paddle": crash, "paddle plain": steady(15.0)})
    rows = stand.rows()
    assert stand.timing.speed_reference.startswith("paddle plain with oneDNN, 2 threads, since ")
    assert stand.timing.speed_reference.endswith("since paddle failed")
    speed_ups = {name: row.speed_up for name, row in rows.items()}
    assert speed_ups == {"paddle": None, "paddle plain": 1.0, "onnxruntime": pytest.approx(3.0)}


def test_another_reference_is_no_paddle_to_measure_against(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(at_most_s: float) -> list[float]:
        raise CRASH

    stand = Stand(monkeypatch, times={"paddle": crash})
    stand.lineup.reference_backend = "onnxruntime"
    rows = stand.rows()
    assert stand.timing.speed_reference.startswith("nothing: paddle failed: while measuring: ")
    assert {row.speed_up for row in rows.values()} == {None}


def test_a_speed_reference_without_the_precision_did_not_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand = Stand(monkeypatch, times={"paddle plain": steady(15.0)})
    del stand.sessions["paddle"]
    reason = "paddle does not compute in bf16, only fp32"
    skipped = BackendRow(name="paddle", verdict="skipped", reason=reason)
    others = [BackendRow(name=name, verdict="agrees") for name in ("onnxruntime", "paddle plain")]
    stand.rows(skipped, *others)
    assert stand.timing.speed_reference.endswith(f", since {reason}")


@pytest.mark.parametrize("quick", [True, False])
def test_a_speed_reference_that_never_answered(
    monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    plan = Plan(seconds_each=0.5, threads=2, quick=quick)
    stand = Stand(monkeypatch, times={"paddle plain": steady(15.0)}, plan=plan)
    del stand.sessions["paddle"]
    crashed = BackendRow(name="paddle", verdict="failed", reason="SIGSEGV")
    others = [BackendRow(name=name, verdict="agrees") for name in ("onnxruntime", "paddle plain")]
    rows = stand.rows(crashed, *others)
    assert stand.timing.speed_reference.endswith("since paddle failed")
    assert rows["onnxruntime"].speed_up == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("extras", "threads", "told"),
    [
        ({}, 2, "paddle with oneDNN, 2 threads"),
        ({"onednn": "false"}, 2, "paddle without oneDNN, 2 threads"),
        ({"ir_optim": "0"}, 1, "paddle with oneDNN and graph optimisation off, 1 threads"),
        ({}, 8, "paddle with oneDNN, 8 threads on 2 CPUs"),
    ],
)
def test_the_speed_reference_is_called_what_it_is(
    extras: dict[str, str], threads: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(monkeypatch)
    stand.lineup.extras, stand.lineup.threads = extras, threads
    stand.rows()
    assert stand.timing.speed_reference == told


def test_threads_that_are_not_pinned_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch)
    session = stand.sessions["paddle"]
    session.facts = SessionFacts(
        computes_in="fp32",
        load_ms=1.0,
        notes=(),
        device="cpu",
        keeps_on_device=False,
        pinned=False,
        pid=session.facts.pid,
    )
    rows = stand.rows()
    assert rows["paddle"].notes == ("its threads were not pinned to CPUs",)
    assert rows["onnxruntime"].notes == ()


def test_without_an_encoder_there_is_no_end_to_end_and_a_word_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand = Stand(monkeypatch)
    monkeypatch.setitem(sys.modules, "PIL", None)
    rows = stand.rows()
    assert configurations(rows["onnxruntime"]) == BATCHES
    assert rows["onnxruntime"].notes[0].startswith("end to end was not measured: sample 0 ")
    assert rows["paddle plain"].notes == ()


def test_the_peak_is_that_of_a_matrix_product_in_a_process_of_its_own() -> None:
    small = machine._best_gflops(64, 0.01)
    assert 0.001 < small < 100_000
    assert 0.1 < machine.peak_gflops(min(2, available_threads())) < 100_000
