"""SIGTERM with Ray in the process: Ray has a handler of its own, and makes any exit code 1."""

import contextlib
import re
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def sigterm_kept() -> Iterator[None]:
    """Have SIGTERM handled afterwards as it was before Ray started in the block.

    Raises:
        SystemExit: it came meanwhile, with the code that a shell gives it.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        raise SystemExit(128 + signal.SIGTERM) from None
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def exit_code_kept() -> Iterator[None]:
    """Where a handler of signals exits while the block waits for Ray, its code stays.

    Raises:
        SystemExit: it did. Ray's own has the code in its words.
    """
    try:
        yield
    except SystemExit as end:
        told = re.search(r"Exit code: (\d+)", getattr(end, "ray_terminate_msg", ""))
        raise SystemExit(int(told[1]) if told else end.code) from None
