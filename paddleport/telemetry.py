"""Keeps the vendors' libraries from reporting to their makers, and from writing files for it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

NO_ONNXRUNTIME_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1"}
"""Variables without which importing ONNX Runtime writes a session file."""

_OPENVINO_TELEMETRY = "openvino_telemetry"


@contextmanager
def openvino_telemetry_hidden() -> Iterator[None]:
    """Intel's libraries, imported inside, find no telemetry package and take a stub instead.

    The bare import reports to Intel and leaves files in the home directory.
    """
    if _OPENVINO_TELEMETRY in sys.modules:
        yield
        return
    sys.modules[_OPENVINO_TELEMETRY] = None  # type: ignore[assignment]  # how an import is refused
    try:
        yield
    finally:
        del sys.modules[_OPENVINO_TELEMETRY]
