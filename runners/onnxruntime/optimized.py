"""ONNX Runtime's optimised graph, kept for the next start."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from paddleport.models.onnx.onnx_file import external_files
from paddleport.runners.compiled_cache import Entry, entry_for, identity

MOST_BYTES = 1 << 30
"""The largest file whose graph is kept: protobuf, which ONNX Runtime writes, ends at twice that."""


def start_cached(
    ort: Any, model: Path, settings: Any, start: Callable[[Path], Any]
) -> tuple[Any, bool]:
    """A session with the graph that was optimised before; else one that keeps it for the next.

    Kept as ONNX, which is read faster than ONNX Runtime's own format, and by its path, since of
    bytes the session makes two copies. Not of a model with weights in other files: the optimised
    one would look for them beside itself.

    Args:
        ort: the module.
        model: the file.
        settings: of the session, changed on the way.
        start: makes a session of a file with these settings.

    Returns:
        The session, and whether it is from the cache.
    """
    if external_files(model) or model.stat().st_size > MOST_BYTES:
        return start(model), False
    level = settings.graph_optimization_level
    version = f"{ort.__version__} {ort.get_build_info()}"
    entry = entry_for("onnxruntime", version, model, {"optimization": level})
    found = entry.intact()
    if found is not None:
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        with suppress(Exception):  # of a build that calls itself by another's name
            session = start(entry.path)
            if identity(entry.path) == found:
                return session, True
        settings.graph_optimization_level = level
    return _start_and_keep(model, settings, start, entry), False


def _start_and_keep(model: Path, settings: Any, start: Callable[[Path], Any], entry: Entry) -> Any:
    file = entry.path.with_name(f".{entry.path.name}.{os.urandom(4).hex()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        settings.optimized_model_filepath = str(file)
        session = start(model)
        with file.open("ab") as stream:
            stream.write(_unknown_field(entry.tail_bytes))
        entry.keep(file)
    except Exception:  # the cache can't be written, or the model is at fault, which it tells again
        settings.optimized_model_filepath = ""
        session = start(model)
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)
    return session


def _unknown_field(size: int) -> bytes:
    """What makes the next ``size`` bytes (128 to 16383) a field that protobuf passes over: 1023."""
    return b"\xfa\x3f" + bytes([size & 0x7F | 0x80, size >> 7])
