"""The figures that a card's source publishes, in one unit."""

import sys
from collections.abc import Mapping
from typing import Any

MULTIPLY_ADDS = "multiply-adds"
OPERATIONS = "operations, two for a multiply-add"
GFLOP_COUNTS = (MULTIPLY_ADDS, OPERATIONS)
"""What ``methodology.gflops`` may say that the published ``gflops`` count."""


def published_gflop(published: Mapping[str, Any]) -> Any:
    """Operations of one picture, 10^9, two for each multiply-add; ``None`` where unpublished.

    PaddleClas's ImageNet list counts multiply-adds as one, its MobileNetV2 page and paddleport's
    own counts as two. Doubling is exact in floating point.

    Args:
        published: a card's figures, as published.
    """
    figure, methodology = published.get("gflops"), published.get("methodology")
    counts = methodology.get("gflops") if isinstance(methodology, Mapping) else None
    if counts == MULTIPLY_ADDS and isinstance(figure, int | float):
        return 2 * figure
    return figure


def is_figure(value: Any) -> bool:
    """Whether a value is a finite number or ``None``."""
    return value is None or (type(value) in (int, float) and abs(value) <= sys.float_info.max)
