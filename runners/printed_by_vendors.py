"""Keeps what C libraries print out of this process's standard output, and gives it to who asks."""

import ctypes
import os
import sys
import threading
from types import TracebackType
from typing import ClassVar

_KEPT_CHARACTERS = 4000
_NAMES = {"linux": "stdout", "darwin": "__stdoutp"}  # the C library's variable


class CapturedPrints:
    """A context in which ``printf`` writes to a file of ours; Python's own output is untouched.

    MNN reports its failures by printing alone. The C library's stream is exchanged, not the
    file descriptor: other threads may write to that, and C libraries buffer what they print
    until long after it was put back. On platforms where that can't be done nothing happens.
    """

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _depth: ClassVar[int] = 0
    _pointer: ClassVar[ctypes.c_void_p | None] = None
    _before: ClassVar[int | None] = None
    _ours: ClassVar[int | None] = None
    _library: ClassVar[ctypes.CDLL | None] = None

    def __enter__(self) -> "CapturedPrints":
        kind = CapturedPrints
        with kind._lock:
            if kind._library is None:
                kind._prepare()
            if kind._depth == 0 and kind._pointer is not None:
                kind._before, kind._pointer.value = kind._pointer.value, kind._ours
            kind._depth += 1
        return self

    def __exit__(
        self,
        error_kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        kind = CapturedPrints
        with kind._lock:
            kind._depth -= 1
            if kind._depth == 0 and kind._pointer is not None:
                kind._pointer.value = kind._before

    def text(self) -> str:
        """What was printed since this was last asked, by anybody."""
        kind = CapturedPrints
        with kind._lock:
            if kind._ours is None or kind._library is None:
                return ""
            stream = ctypes.c_void_p(kind._ours)
            kind._library.fflush(stream)
            size = kind._library.ftell(stream)
            start = max(0, size - _KEPT_CHARACTERS)
            kept = os.pread(kind._library.fileno(stream), size - start, start)
            kind._library.rewind(stream)
        return kept.decode(errors="replace")

    @classmethod
    def _prepare(cls) -> None:
        """Find the C library's variable, and open the stream that takes its place."""
        if sys.platform not in _NAMES:
            return
        cls._library = library = ctypes.CDLL(None)
        if sys.platform == "linux" and not hasattr(library, "gnu_get_libc_version"):
            return  # musl's variable can't be written to
        library.tmpfile.restype, library.ftell.restype = ctypes.c_void_p, ctypes.c_long
        cls._ours = library.tmpfile()
        if cls._ours is not None:
            cls._pointer = ctypes.c_void_p.in_dll(library, _NAMES[sys.platform])
