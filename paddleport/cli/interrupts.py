"""How a signal ends a command: as an error does, so that temporary files are removed."""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import NoReturn

_ASK_AGAIN_S, _PATIENCE_S = 0.001, 2.0
_TAKING_A_LOCK: tuple[CodeType, ...] = (
    threading.Condition.__enter__.__code__,
    threading.Condition.__exit__.__code__,
)


def end_by_signals() -> None:
    """Have SIGINT raise ``KeyboardInterrupt`` and SIGTERM ``SystemExit``, where it is safe.

    An exception that falls between a condition's lock and its ``with`` leaves the lock taken for
    good, and a pool of threads that is then shut down waits for it for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _raised_where_safe(_interrupt))
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _raised_where_safe(_terminate))


def end_without_teardown(code: int) -> NoReturn:
    """End the process once what was registered for its end is done, but not the interpreter.

    Ray's threads crash in that (a segmentation fault, after Python's own end) where they were
    interrupted while the cluster started: in half of all such times.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _interrupt() -> None:
    raise KeyboardInterrupt


def _terminate() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends it at once
    sys.exit(128 + signal.SIGTERM)


def _raised_where_safe(end: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    since: list[float] = []

    def arrived(number: int, frame: FrameType | None) -> None:
        since.append(time.monotonic())
        unsafe = frame is not None and frame.f_code in _TAKING_A_LOCK
        if unsafe and hasattr(signal, "setitimer") and since[-1] - since[0] < _PATIENCE_S:
            signal.signal(signal.SIGALRM, arrived)
            signal.setitimer(signal.ITIMER_REAL, _ASK_AGAIN_S)
            return
        since.clear()
        end()

    return arrived
