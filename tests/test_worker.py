import ctypes
import os
import sys
import time

import numpy as np
import pytest

from paddleport.errors import FeedError, WorkerCrashed
from paddleport.worker import RemoteError, Worker, run_in_worker

TIMEOUT_S = 30.0


def raise_feed_error() -> None:
    raise FeedError("no such input")


def chatter() -> None:
    print("last words")
    sys.stdout.flush()
    os.abort()


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
