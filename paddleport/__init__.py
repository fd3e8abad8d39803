"""Carries a Paddle inference model to any runtime, and proves that it is still the same model."""

from typing import TYPE_CHECKING

from paddleport.lazy_names import lazy_names

if TYPE_CHECKING:
    from paddleport.api import backends, evaluate, load, models, validate, validate_all
    from paddleport.convert.pipeline import convert

__version__ = "0.1.0"
__all__ = ["backends", "convert", "evaluate", "load", "models", "validate", "validate_all"]
# ``convert``, ``models`` and ``validate`` are rooms as well, which can be called.
__getattr__ = lazy_names(
    __name__,
    {
        "backends": "api",
        "convert": "convert.pipeline",
        "evaluate": "api",
        "load": "api",
        "models": "api",
        "validate": "api",
        "validate_all": "api",
    },
)
