"""Paddle to ONNX, and to a file you can trust: ``to_onnx`` and ``cached_onnx``.

Names are imported when they are asked for: a worker that unpickles one function of this room
must not pay for all of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddleport.convert.cached import cached_onnx
    from paddleport.convert.pipeline import Conversion, to_onnx

__all__ = ["Conversion", "cached_onnx", "to_onnx"]
_HOMES = {"Conversion": "pipeline", "cached_onnx": "cached", "to_onnx": "pipeline"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
