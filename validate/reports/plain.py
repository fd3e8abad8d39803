"""Values as JSON can hold them: no NaN, no infinity, no tuple, no broken character."""

import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """``value`` with lists for tuples and ``None`` for numbers that are not finite.

    A file name that is no UTF-8 reaches Python as lone surrogates, which no file takes: they are
    written as escapes.
    """
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
