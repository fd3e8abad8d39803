"""Values of a YAML file that is read as it is spelt: numbers, truth values and nothing."""

import math
import re
from collections.abc import Mapping
from typing import Any

_MAX_DEPTH = 8  # of lists and mappings; PaddleClas's operators have 4


def as_texts(value: Any, depth: int = 0) -> Any:
    """Plain values with every number and truth value spelt out, as a YAML file spells them.

    Raises:
        ValueError: lists and mappings nested too deep, as in one that holds itself.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("the values are nested too deep")
    if isinstance(value, Mapping):
        return {key: as_texts(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_texts(item, depth + 1) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else value


def parse_number(text: str) -> float:
    """A number, or products and quotients of numbers, such as ``1.0/255.0``; never evaluated.

    Raises:
        ValueError: anything else, or a result that is not finite.
    """
    number = r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*"
    if len(text) > 100 or not re.fullmatch(rf"{number}(?:[*/]{number})*", text):
        raise ValueError(f"'{shown(text)}' is not a number")
    first, *rest = re.split(r"([*/])", text)
    value = float(first)
    for operator, operand in zip(rest[::2], rest[1::2], strict=True):
        if operator == "/" and float(operand) == 0:
            raise ValueError(f"'{text}' divides by zero")
        value = value * float(operand) if operator == "*" else value / float(operand)
    if not math.isfinite(value):
        raise ValueError(f"'{text}' is not a finite number")
    return value


def whole_number(value: Any, name: str) -> int:
    """Raises ValueError naming ``name`` if ``value`` is not the text of one."""
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,9}", value):
        raise ValueError(f"{name} is '{shown(value)}', not a whole number")
    return int(value)


def text(value: Any, name: str) -> str:
    """Raises ValueError naming ``name`` if ``value`` is a list or a mapping.

    Never ``str(value)``: aliases can make a small list endless to print.
    """
    if not isinstance(value, str):
        raise ValueError(f"{name} is {shown(value)}, not one value")
    return value


def is_null(value: Any) -> bool:
    """Whether YAML, or Python's ``None`` written into it, means nothing here."""
    return value is None or (isinstance(value, str) and value.lower() in ("", "~", "null", "none"))


def shown(value: Any) -> str:
    """A value as a short word for a message; never a list, which aliases can make endless."""
    if not isinstance(value, str):
        return f"a {type(value).__name__}"
    return value if len(value) <= 40 and value.isprintable() else f"{value[:40]!r}..."
