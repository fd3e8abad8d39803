"""From a Paddle model to a file you can trust, in any format that a target makes.

Names are imported when they are asked for: a worker that unpickles one function of this room
must not pay for all of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddleport.convert.artifact_cache import cached_onnx
    from paddleport.convert.conversion import Conversion
    from paddleport.convert.pipeline import convert
    from paddleport.convert.precision.pictures import GateOptions

__all__ = ["Conversion", "GateOptions", "cached_onnx", "convert"]
_HOMES = {
    "Conversion": "conversion",
    "GateOptions": "precision.pictures",
    "cached_onnx": "artifact_cache",
    "convert": "pipeline",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
