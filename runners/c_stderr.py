"""The C library's own ``stderr``, pointed elsewhere: what vendors' libraries print with fprintf.

File descriptor 2 is left alone, so other threads and child processes of this one lose nothing
that they write. Where there is no such symbol (Windows), a line may reach the terminal.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

_KEPT_BYTES = 4000
_lock = threading.Lock()
_state: dict[str, Any] = {"hidden": 0, "caught": 0, "before": None}


@contextmanager
def hidden_stderr() -> Iterator[None]:
    """What C libraries print meanwhile is lost, unless somebody else catches it."""
    with _pointed("hidden"):
        yield


@contextmanager
def caught_stderr() -> Iterator[Callable[[], list[str]]]:
    """What C libraries print meanwhile, in any thread: lines to be asked for before the end."""
    library, _, _, log = _streams()
    with _pointed("caught"):
        start = library.ftell(ctypes.c_void_p(log)) if log else 0

        def said() -> list[str]:
            if not log:
                return []
            stream = ctypes.c_void_p(log)
            library.fflush(stream)
            end = library.ftell(stream)
            begin = max(start, end - _KEPT_BYTES)
            text = os.pread(library.fileno(stream), end - begin, begin).decode(errors="replace")
            return [line.strip() for line in text.splitlines() if line.strip()]

        yield said


@contextmanager
def _pointed(use: str) -> Iterator[None]:
    """Count who wants it where: several threads may, and only the last one puts it back."""
    with _lock:
        if not _state["hidden"] and not _state["caught"]:
            _state["before"] = _variable_value()
        _state[use] += 1
        _point()
    try:
        yield
    finally:
        with _lock:
            _state[use] -= 1
            _point()


def _point() -> None:
    _, variable, null, log = _streams()
    if variable is not None:
        elsewhere = log if _state["caught"] else null if _state["hidden"] else None
        variable.value = elsewhere or _state["before"]


def _variable_value() -> int | None:
    variable = _streams()[1]
    return None if variable is None else variable.value


@cache
def _streams() -> tuple[Any, ctypes.c_void_p | None, int | None, int | None]:
    """The C library, its variable, and two open FILEs: the null device and a temporary file."""
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.fopen.restype = library.tmpfile.restype = ctypes.c_void_p
        library.ftell.restype = ctypes.c_long
        null, log = library.fopen(os.devnull.encode(), b"w"), library.tmpfile()
        for name in ("stderr", "__stderrp"):  # Linux, macOS
            with suppress(ValueError):
                return library, ctypes.c_void_p.in_dll(library, name), null, log
    return None, None, None, None
