"""Keeps OpenCV and the picture libraries inside it from writing to standard error."""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

_lock = threading.Lock()
_state: dict[str, Any] = {"inside": 0}


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Nothing that OpenCV, libjpeg or libpng says while decoding reaches the terminal.

    OpenCV's own lines go by its log level. libjpeg and libpng print through the C library's
    ``stderr`` object, which is pointed at the null device meanwhile. File descriptor 2 is left
    alone, so other threads and child processes of this one lose nothing that they write.
    Where there is no such symbol (Windows), a damaged picture may print a line.
    """
    import cv2

    with _lock:
        if _state["inside"] == 0:
            _state["level"] = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
            stream, null = _c_streams()
            if stream is not None:
                _state["stream"], stream.value = stream.value, null
        _state["inside"] += 1
    try:
        yield
    finally:
        with _lock:
            _state["inside"] -= 1
            if _state["inside"] == 0:
                cv2.utils.logging.setLogLevel(_state["level"])
                stream, _ = _c_streams()
                if stream is not None:
                    stream.value = _state["stream"]


@cache
def _c_streams() -> tuple[ctypes.c_void_p | None, int | None]:
    """The C library's variable ``stderr``, and an open FILE on the null device."""
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.fopen.restype = ctypes.c_void_p
        null = library.fopen(os.devnull.encode(), b"w")
        for name in ("stderr", "__stderrp"):  # Linux, macOS
            with suppress(ValueError):
                return ctypes.c_void_p.in_dll(library, name) if null else None, null
    return None, None
