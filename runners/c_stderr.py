"""The C library's own ``stderr``, pointed elsewhere: what vendors' libraries print with fprintf.

File descriptor 2 is left alone, so other threads and child processes of this one lose nothing
that they write. Where there is no such symbol (Windows), a line may reach the terminal.
"""

import ctypes
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

_lock = threading.RLock()


@cache
def c_stderr() -> tuple[ctypes.c_void_p | None, int | None]:
    """The C library's variable ``stderr``, and an open FILE on the null device."""
    library = _library()
    if library is None:
        return None, None
    null = library.fopen(os.devnull.encode(), b"w")
    for name in ("stderr", "__stderrp"):  # Linux, macOS
        with suppress(ValueError):
            return ctypes.c_void_p.in_dll(library, name) if null else None, null
    return None, None


@contextmanager
def caught_stderr() -> Iterator[Callable[[], list[str]]]:
    """What a C library prints meanwhile, as lines, instead of having it on the terminal."""
    stream, _ = c_stderr()
    library = _library()
    with _lock, tempfile.TemporaryDirectory(prefix="paddleport-said-") as folder:
        log = Path(folder) / "stderr"
        file = library.fopen(str(log).encode(), b"w") if library and stream is not None else None

        def said() -> list[str]:
            if not file or library is None or not log.is_file():
                return []
            library.fflush(ctypes.c_void_p(file))
            lines = log.read_text("utf-8", "replace").splitlines()
            return [line.strip() for line in lines if line.strip()]

        if not file or stream is None or library is None:
            yield said
            return
        kept, stream.value = stream.value, file
        try:
            yield said
        finally:
            stream.value = kept
            library.fclose(ctypes.c_void_p(file))


@cache
def _library() -> Any:
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.fopen.restype = ctypes.c_void_p
        return library
    return None
