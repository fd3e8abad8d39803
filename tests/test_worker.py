import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from paddleport.errors import FeedError, WorkerCrashed
from paddleport.worker import LOG_TAIL_CHARACTERS, RemoteError, Worker, run_in_worker

TIMEOUT_S = 30.0


def raise_feed_error() -> None:
    raise FeedError("no such input")


def chatter() -> None:
    print("last words")
    sys.stdout.flush()
    os.abort()


def eat(megabytes: int) -> None:
    """Take memory bit by bit, up to a bound."""
    kept = []
    for _ in range(megabytes // 32):
        kept.append(np.ones(1 << 22))
        time.sleep(0.02)


def run_out_of_memory() -> None:
    raise MemoryError("no more")


def die_and_leave_a_child() -> None:
    """The child has the pipe's end, and lives longer."""
    subprocess.Popen(["sleep", "60"], close_fds=False)
    os.abort()


def start_a_child() -> int:
    return subprocess.Popen(["sleep", "60"]).pid


def is_imported(module: str) -> bool:
    return module in sys.modules


def make_list() -> list[int]:
    return [1, 2]


def total(numbers: list[int]) -> int:
    return sum(numbers)


def test_result_comes_back() -> None:
    array = np.arange(5.0)
    assert np.array_equal(run_in_worker(np.square, TIMEOUT_S, array), array**2)


def test_our_errors_keep_their_type() -> None:
    with pytest.raises(FeedError, match="no such input"):
        run_in_worker(raise_feed_error, TIMEOUT_S)


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(RemoteError, match="ZeroDivisionError"):
        run_in_worker(divmod, TIMEOUT_S, 1, 0)


def test_segfault_is_named() -> None:
    with pytest.raises(WorkerCrashed, match="SIGSEGV") as caught:
        run_in_worker(ctypes.string_at, TIMEOUT_S, 0)
    assert caught.value.reason == "SIGSEGV"


def test_abort_brings_the_log_along() -> None:
    with pytest.raises(WorkerCrashed, match=r"SIGABRT: last words") as caught:
        run_in_worker(chatter, TIMEOUT_S)
    assert "last words" in caught.value.log


def test_exit_is_a_crash() -> None:
    with pytest.raises(WorkerCrashed, match="exit 3"):
        run_in_worker(os._exit, TIMEOUT_S, 3)


def test_hang_is_ended() -> None:
    started = time.monotonic()
    with pytest.raises(WorkerCrashed, match="no answer within 1 s"):
        run_in_worker(time.sleep, 1.0, 60)
    assert time.monotonic() - started < 10


def test_objects_can_stay_in_the_worker() -> None:
    with Worker() as worker:
        handle = worker.hold(make_list, TIMEOUT_S)
        assert worker.call(total, TIMEOUT_S, handle) == 3


def test_output_of_the_child_stays_out_of_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with Worker() as worker:
        worker.call(os.system, TIMEOUT_S, "echo noise; echo noise >&2")
        assert "noise" in worker.log()
    assert capfd.readouterr() == ("", "")


def test_child_dies_with_its_parent() -> None:
    worker = Worker()
    pid = worker.call(os.getpid, TIMEOUT_S)
    worker.close()
    worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def ended(pid: int) -> bool:
    """Within a while; a zombie that nobody has waited for counts as ended."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(
    sys.platform != "linux", reason="the system does not report how much a process holds"
)
def test_a_child_that_holds_too_much_is_killed_and_named() -> None:
    with Worker(memory_limit_bytes=400 << 20) as worker:
        assert worker.call(sum, TIMEOUT_S, [1, 2]) == 3
        with pytest.raises(WorkerCrashed, match="out of memory: killed at 0") as caught:
            worker.call(eat, TIMEOUT_S, 3000)
        assert caught.value.reason.startswith("out of memory")
        with pytest.raises(WorkerCrashed):  # it is closed
            worker.call(sum, TIMEOUT_S, [1, 2])


def test_a_child_within_its_limit_lives() -> None:
    with Worker(memory_limit_bytes=1 << 30) as worker:
        worker.call(eat, TIMEOUT_S, 64)
        assert worker.call(sum, TIMEOUT_S, [1, 2]) == 3


def test_a_memory_error_is_out_of_memory_and_the_child_lives() -> None:
    with Worker() as worker:
        with pytest.raises(WorkerCrashed, match="out of memory: MemoryError: no more") as caught:
            worker.call(run_out_of_memory, TIMEOUT_S)
        assert caught.value.reason == "out of memory"
        assert "run_out_of_memory" in caught.value.log
        assert worker.call(sum, TIMEOUT_S, [1, 2]) == 3


def test_a_child_that_the_system_has_killed() -> None:
    with Worker() as worker:
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerCrashed, match="likely out of memory"):
            worker.call(time.sleep, TIMEOUT_S, 60)


def test_a_crash_is_told_though_what_the_child_has_started_lives_on() -> None:
    started = time.monotonic()
    with pytest.raises(WorkerCrashed, match="SIGABRT"):
        run_in_worker(die_and_leave_a_child, TIMEOUT_S)
    assert time.monotonic() - started < TIMEOUT_S


def test_what_the_child_has_started_ends_with_it() -> None:
    with Worker() as worker:
        pid = worker.call(start_a_child, TIMEOUT_S)
    assert ended(pid)


def test_a_hang_keeps_the_end_of_its_log() -> None:
    with Worker() as worker:
        worker.call(os.system, TIMEOUT_S, "seq 100000; echo last words")
        with pytest.raises(WorkerCrashed, match=r"no answer within 0\.5 s: last words") as caught:
            worker.call(time.sleep, 0.5, 60)
    assert caught.value.log.endswith("last words")
    assert len(caught.value.log) <= LOG_TAIL_CHARACTERS
    assert worker.log().strip().endswith("last words")


def test_closing_from_another_thread_ends_a_call() -> None:
    with Worker() as worker:
        timer = threading.Timer(0.2, worker.close)
        timer.start()
        with pytest.raises(WorkerCrashed):
            worker.call(time.sleep, TIMEOUT_S, 60)
        timer.join()


def test_closing_at_any_moment_is_the_same_error() -> None:
    """The log was read while another thread closed it, about once in fifteen times."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(40):
            with Worker() as worker:
                worker.call(abs, TIMEOUT_S, 1)
                timer = threading.Timer(0.001, worker.close)
                timer.start()
                with pytest.raises(WorkerCrashed):
                    worker.call(time.sleep, TIMEOUT_S, 60)
                timer.join()
    finally:
        sys.setswitchinterval(interval)


def test_modules_are_imported_ahead_and_a_missing_one_is_no_error() -> None:
    with Worker(preload=("no_such_module", "colorsys")) as worker:
        assert worker.call(is_imported, TIMEOUT_S, "colorsys")


def test_variables_reach_the_child() -> None:
    with Worker(environ={"SOME_VARIABLE": "some value"}) as worker:
        assert worker.call(os.getenv, TIMEOUT_S, "SOME_VARIABLE") == "some value"


def test_nothing_is_imported_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "paddleport.py").write_text("raise ImportError('a file of the user')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    with Worker() as worker:
        assert worker.call(is_imported, TIMEOUT_S, "paddleport")
