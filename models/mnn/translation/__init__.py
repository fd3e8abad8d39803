"""MNN's operators in ONNX's terms, by family.

``elementwise`` holds what works number by number, ``contractions`` convolutions and matrix
products, ``pools``, ``norms`` and ``interpolation`` what their names say, ``movements`` what only
moves numbers, ``indexing`` what picks them, ``shape_arithmetic`` what computes with sizes.
"""

from collections.abc import Callable, Mapping

from paddleport.models.mnn.mnn_file import MnnOp
from paddleport.models.mnn.onnx_builder import OnnxBuilder
from paddleport.models.mnn.translation import (
    contractions,
    elementwise,
    indexing,
    interpolation,
    movements,
    norms,
    pools,
    shape_arithmetic,
)

Translator = Callable[[OnnxBuilder, MnnOp], list[str]]
"""Adds an operator's nodes and returns the names of its outputs."""

TRANSLATORS: Mapping[str, Translator] = {
    **contractions.TRANSLATORS,
    **elementwise.TRANSLATORS,
    **indexing.TRANSLATORS,
    **interpolation.TRANSLATORS,
    **movements.TRANSLATORS,
    **norms.TRANSLATORS,
    **pools.TRANSLATORS,
    **shape_arithmetic.TRANSLATORS,
}
