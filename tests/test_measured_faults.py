"""Faults that strike while latency is measured, in processes of their own."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import planted_faults
import pytest

from paddleport.errors import WorkerCrashed
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.resolve import resolve
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Feed
from paddleport.validate import Plan, validate
from paddleport.validate.benchmark import interleaved_rounds
from paddleport.validate.benchmark.interleaved_rounds import measure
from paddleport.validate.benchmark.timed_backend import Budget, MeasuredLatencies, TimedBackend
from paddleport.validate.session import Session

MB = 1_000_000
SECONDS = Budget(main_s=0.15, grid_s=0.03)
FEEDS: dict[int, Feed] = {
    batch: {"x": np.zeros((batch, 3, 9, 9), np.float32)} for batch in (1, 4, 8)
}
MODEL = onnx_artifact(Path("never read.onnx"))
FAULTS = {
    "segfault": "SIGSEGV",
    "sleep": "no answer within",
    "eat": "out of memory: killed at",
}
if sys.platform != "linux":  # the system does not report how much a process holds
    del FAULTS["eat"]
MAIN, BATCHES, OTHER_THREADS = {(1, 2)}, {(1, 2), (4, 2), (8, 2)}, {(1, 2), (4, 2), (8, 2), (1, 1)}


@pytest.fixture(autouse=True)
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted_faults.plant(tmp_path / "planted", monkeypatch)
    monkeypatch.setattr(interleaved_rounds, "WARM_UP_S", 0.01)
    monkeypatch.setattr(interleaved_rounds, "GRID_WARM_UP_S", 0.01)


def opened(number_of_threads: int = 2, **told: Any) -> Session:
    fault, extras = told.get("fault"), {key: str(value) for key, value in told.items()}
    return Session(
        "breaks",
        MODEL,
        RunnerOptions(threads=number_of_threads, extras=extras),
        memory_limit_bytes=400 << 20 if fault == "eat" else None,
        timeout_s=1.0 if fault == "sleep" else 60,
    )


def backend(**told: Any) -> TimedBackend:
    return TimedBackend(
        session=opened(**told), feeds=FEEDS, reopen=lambda threads: opened(threads, **told)
    )


def measured(backends: dict[str, TimedBackend]) -> dict[str, MeasuredLatencies]:
    try:
        return measure(backends, SECONDS)
    finally:
        for each in backends.values():
            each.session.close()


def places(found: MeasuredLatencies) -> set[tuple[int, int]]:
    return {(item.batch, item.threads) for item in found.latencies if item.threads <= 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ({"after": 30}, set()),
        pytest.param({"batch": 8}, MAIN, marks=pytest.mark.slow),
        pytest.param({"only_with": 1}, BATCHES, marks=pytest.mark.slow),
    ],
)
def test_a_fault_is_a_row_with_its_signal_and_log_and_the_others_finish(
    where: dict[str, float], kept: set[tuple[int, int]]
) -> None:
    backends = {"first": backend()}
    backends |= {fault: backend(fault=fault, pause=0.0001, **where) for fault in FAULTS}
    backends["last"] = backend()
    found = measured(backends)
    for name in ("first", "last"):
        assert found[name].error is None
        assert places(found[name]) == OTHER_THREADS
    for fault, reason in FAULTS.items():
        error = found[fault].error
        assert isinstance(error, WorkerCrashed), fault
        assert reason in str(error)
        assert "last words" in error.log
        assert kept <= places(found[fault]) < OTHER_THREADS
        assert (8, 2) not in places(found[fault]) or "only_with" in where


def test_a_fault_on_loading_with_another_number_of_threads() -> None:
    crashing = backend(fault="segfault", only_with=1, loading=True)
    found = measured({"crashes": crashing, "honest": backend()})
    error = found["crashes"].error
    assert isinstance(error, WorkerCrashed)
    assert (error.reason, error.log) == ("SIGSEGV", "last words")
    assert places(found["crashes"]) == BATCHES
    assert places(found["honest"]) == OTHER_THREADS


def test_runs_that_take_seconds_respect_the_budget() -> None:
    slow = TimedBackend(session=opened(pause=1.0), feeds={1: FEEDS[1]}, grid=False)
    (found,) = measured({"slow": slow}).values()
    assert found.error is None
    (item,) = found.latencies
    assert (item.runs, item.settled) == (1, False)
    assert item.p50_ms >= 1000


@pytest.mark.skipif(sys.platform != "linux", reason="affinity is Linux's")
def test_pinning_is_read_back() -> None:
    available = len(os.sched_getaffinity(0))
    if available < 2:
        pytest.skip("one CPU: nowhere else to go")
    sessions = [opened(1), opened(1, unpins=True)]
    try:
        assert [session.facts.pinned for session in sessions] == [True, False]
        pids = [session.facts.pid for session in sessions]
        assert [len(os.sched_getaffinity(pid)) for pid in pids] == [1, available]
    finally:
        for session in sessions:
            session.close()


@pytest.mark.skipif(sys.platform != "linux", reason="where the peak is asked for otherwise")
def test_peak_memory_is_that_of_the_child() -> None:
    ours = np.ones(400 * MB // 8)  # this process holds more than any of them
    backends = {
        name: TimedBackend(session=opened(holds=holds), feeds={1: FEEDS[1]}, grid=False)
        for name, holds in {"small": 0, "large": 150}.items()
    }
    measured(backends)
    small, large = (each.session.peak_memory_bytes() or 0 for each in backends.values())
    assert 10 * MB < small < ours.nbytes / 2
    assert 140 * MB < large - small < 190 * MB


@pytest.mark.slow
def test_a_whole_validation_with_a_crash_while_measuring(
    small_pir: Artifact,
    small_onnx: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant_in_onnxruntime(tmp_path / "more", monkeypatch)
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    plan = Plan(
        backends=("late", "holds", "onnxruntime"),
        reference="onnxruntime",
        threads=2,
        seconds_each=0.15,
    )
    report = validate(resolve(small_pir.path.parent), small_onnx, plan)
    rows = {row.name: row for row in report.rows}
    late = rows["late"]
    assert late.verdict == "failed"
    assert "while measuring: " in late.reason
    assert "SIGSEGV" in late.reason
    assert "last words" in late.log
    wanted = {(1, 2), (4, 2), (8, 2), (1, 1)}
    for name in ("holds", "onnxruntime"):
        row = rows[name]
        assert row.verdict == "agrees"
        assert {(item.batch, item.threads) for item in row.latencies} >= wanted
        assert row.latencies[0].threads == plan.threads
        assert row.load.load_ms is not None
        assert row.load.first_ms is not None
        assert row.load.gflops_per_s is not None
    (main,) = rows["onnxruntime (reference)"].latencies
    assert (main.batch, main.threads, main.scope) == (1, 2, "inference")
    ours, theirs = (rows[name].load.peak_memory_bytes for name in ("holds", "onnxruntime"))
    if ours is not None and theirs is not None:
        assert ours - theirs > 150 * MB


PLANT_MORE = '''
import ctypes, sys
import numpy as np
from paddleport.runners.onnxruntime.ort_runner import OnnxRuntimeRunner

class Late(OnnxRuntimeRunner):
    """Falls after more runs than the comparison takes."""
    name = "late"
    runs = 0
    def infer(self, feed):
        self.runs += 1
        if self.runs > 100:
            print("last words", file=sys.stderr, flush=True)
            ctypes.string_at(0)
        return super().infer(feed)

class Holds(OnnxRuntimeRunner):
    name = "holds"
    def load(self, model):
        super().load(model)
        self.held = np.ones(200_000_000 // 8)
'''


def plant_in_onnxruntime(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = folder / "more-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "planted_more.py").write_text(PLANT_MORE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: more\nVersion: 1.0\n")
    entries = "late = planted_more:Late\nholds = planted_more:Holds\n"
    (info / "entry_points.txt").write_text(f"[paddleport.runners]\n{entries}")
    monkeypatch.syspath_prepend(str(folder))
