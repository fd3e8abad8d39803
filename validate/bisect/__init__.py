"""Where two computations part: the first node whose value is no longer the same.

Names are imported when they are asked for, as in ``paddleport.validate``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddleport.validate.bisect.both import check_backend, locate
    from paddleport.validate.bisect.converter import locate_converter
    from paddleport.validate.bisect.located import Located, TensorRange
    from paddleport.validate.bisect.runtime import locate_runtime

__all__ = [
    "Located",
    "TensorRange",
    "check_backend",
    "locate",
    "locate_converter",
    "locate_runtime",
]
_HOMES = {
    "Located": "located",
    "TensorRange": "located",
    "check_backend": "both",
    "locate": "both",
    "locate_converter": "converter",
    "locate_runtime": "runtime",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
