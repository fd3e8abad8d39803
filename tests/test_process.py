"""What the system says of processes, and what is said where it says nothing."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from paddleport import process
from paddleport.worker import Worker

TIMEOUT_S = 60.0
MB = 1_000_000
linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc and affinity are Linux's")


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker() as made:
        yield made


def take(megabytes: int) -> None:
    """Hold so much memory for a moment."""
    np.ones(megabytes * MB // 8)


def compute(seconds: float) -> None:
    """Take so much CPU time, however long that takes."""
    while sum(os.times()[:2]) < seconds:
        pass


def start_thread_on(cpus: set[int]) -> None:
    """A thread that stays, and goes where it likes."""
    started = threading.Event()

    def stay() -> None:
        os.sched_setaffinity(0, cpus)
        started.set()
        threading.Event().wait()

    threading.Thread(target=stay, daemon=True).start()
    started.wait()


@linux
def test_peak_memory_is_what_was_held_once_and_is_no_more(worker: Worker) -> None:
    before = worker.call(process.peak_resident_bytes, TIMEOUT_S)
    worker.call(take, TIMEOUT_S, 200)
    after = worker.call(process.peak_resident_bytes, TIMEOUT_S)
    now = process.resident_bytes(worker.pid)
    assert before is not None
    assert after is not None
    assert now is not None
    assert 190 * MB < after - before < 260 * MB
    assert now < after - 100 * MB


@linux
def test_peak_memory_is_the_childs_and_not_its_parents() -> None:
    ours = np.ones(400 * MB // 8)
    with Worker() as worker:
        theirs = worker.call(process.peak_resident_bytes, TIMEOUT_S)
    assert theirs is not None
    assert theirs < ours.nbytes < (process.peak_resident_bytes() or 0)


@linux
def test_cpu_seconds_are_those_of_the_process(worker: Worker) -> None:
    worker.call(compute, TIMEOUT_S, 0.3)
    found = process.cpu_seconds(worker.pid)
    assert found is not None
    assert found >= 0.25  # in ticks of 10 ms
    time.sleep(0.2)
    later = process.cpu_seconds(worker.pid)
    assert later is not None
    assert later - found <= 0.05  # it does nothing now


@linux
def test_cpu_seconds_of_a_process_with_an_odd_name(tmp_path: Path) -> None:
    script = tmp_path / "a) R 7 (b"
    script.write_text("#!/bin/sh\nread line\n")
    script.chmod(0o755)
    with subprocess.Popen([str(script)], stdin=subprocess.PIPE) as running:
        found = process.cpu_seconds(running.pid)
        assert found is not None
        assert 0 <= found < 5


def test_a_process_that_is_gone_says_nothing() -> None:
    with Worker() as worker:
        pid = worker.pid
    assert process.cpu_seconds(pid) is None
    assert process.resident_bytes(pid) is None


@linux
def test_pinning_holds_for_threads_that_were_there_before(worker: Worker) -> None:
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        pytest.skip("one CPU: nowhere else to go")
    worker.call(start_thread_on, TIMEOUT_S, {available[1]})
    assert not worker.call(process.is_pinned, TIMEOUT_S, available[:1])
    assert worker.call(process.pin, TIMEOUT_S, available[:1])
    assert worker.call(process.is_pinned, TIMEOUT_S, available[:1])
    assert worker.call(os.sched_getaffinity, TIMEOUT_S, 0) == set(available[:1])


@linux
def test_one_thread_that_goes_elsewhere_is_seen(worker: Worker) -> None:
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        pytest.skip("one CPU: nowhere else to go")
    assert worker.call(process.pin, TIMEOUT_S, available[:1])
    worker.call(start_thread_on, TIMEOUT_S, {available[1]})
    assert not worker.call(process.is_pinned, TIMEOUT_S, available[:1])


@linux
def test_cpus_that_are_not_there_pin_nothing(worker: Worker) -> None:
    assert not worker.call(process.pin, TIMEOUT_S, [4000])
    assert not worker.call(process.is_pinned, TIMEOUT_S, [])


@pytest.fixture
def four_cpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CPUs 0 to 3, of which 0 and 1 are one core, 2 and 3 the other."""
    for cpu in range(4):
        folder = tmp_path / f"cpu{cpu}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu // 2 * 2}-{cpu // 2 * 2 + 1}\n")
    monkeypatch.setattr(process, "_CPUS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 2, 1, 0}, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, (0,)), (2, (0, 2)), (3, (0, 1, 2)), (4, (0, 1, 2, 3)), (9, (0, 1, 2, 3))],
)
@pytest.mark.usefixtures("four_cpus")
def test_one_cpu_of_every_core_comes_first(count: int, expected: tuple[int, ...]) -> None:
    assert process.first_cpus(count) == expected


def test_cpus_of_unknown_cores_are_taken_for_cores(four_cpus: Path) -> None:
    (four_cpus / "cpu1/topology/thread_siblings_list").unlink()
    assert process.first_cpus(2) == (0, 1)


def test_without_affinity_nothing_is_pinned_and_nothing_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert process.first_cpus(2) == ()
    assert not process.pin([0])
    assert not process.is_pinned([0])


@pytest.fixture
def no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS and Windows: there is no /proc."""

    def missing(*args: object, **kwargs: object) -> NoReturn:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    monkeypatch.setattr(os, "listdir", missing)


@pytest.mark.usefixtures("no_proc")
def test_without_proc_nothing_is_known_and_nothing_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert process.resident_bytes(os.getpid()) is None
    assert process.cpu_seconds(os.getpid()) is None
    assert process.available_bytes() is None
    monkeypatch.setattr(sys, "platform", "win32")
    assert process.peak_resident_bytes() is None


@pytest.mark.usefixtures("no_proc")
def test_without_proc_the_peak_is_asked_for_in_each_systems_unit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    in_bytes = process.peak_resident_bytes()
    monkeypatch.setattr(sys, "platform", "freebsd")
    in_kilobytes = process.peak_resident_bytes()
    assert in_bytes is not None
    assert in_kilobytes == 1024 * in_bytes


@linux
def test_what_is_available_is_less_than_what_a_cgroup_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_CGROUP", tmp_path)
    free = process.available_bytes()
    assert free is not None
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert process.available_bytes() != 0
    (tmp_path / "memory.max").write_text("1000\n")
    assert process.available_bytes() == 600
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.limit_in_bytes").write_text("500\n")
    (tmp_path / "memory/memory.usage_in_bytes").write_text("700\n")
    assert process.available_bytes() == 0  # never less
