"""Sizes that a layer of ncnn computes from its blobs' shapes, such as ``*(0h,2),1c``.

Source of the language: ncnn's "expression".
"""

import re
from collections.abc import Callable, Sequence
from math import ceil, floor, trunc

from paddleport.errors import BackendUnavailableError
from paddleport.models.ncnn.onnx_writer import Blob

_TWO: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: trunc(a / b) if isinstance(a, int) and isinstance(b, int) else floor(a / b),
    "max": max,
    "min": min,
}
_ONE: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "ceil": ceil,
    "floor": floor,
    "neg": lambda a: -a,
    "round": lambda a: floor(abs(a) + 0.5) * (1 if a >= 0 else -1),
    "trunc": trunc,
}
_SIZE = re.compile(r"(\d)([whdcn])")


def evaluated(text: str, blobs: Sequence[Blob]) -> list[int]:
    """The sizes, innermost first.

    Raises:
        BackendUnavailableError: it has a function that is not known here.
    """
    stack: list[float] = []
    for token in reversed([item for item in re.split(r"[(),]", text) if item]):
        found = _SIZE.fullmatch(token)
        try:
            if found is not None:
                stack.append(_size(blobs[int(found[1])], found[2]))
            elif token in _TWO:
                stack.append(_TWO[token](stack.pop(), stack.pop()))
            elif token in _ONE:
                stack.append(_ONE[token](stack.pop()))
            else:
                stack.append(float(token) if "." in token else int(token))
        except (ValueError, IndexError, ZeroDivisionError):
            raise BackendUnavailableError(
                f"ncnn's expression {text!r} is not known here: {token}"
            ) from None
    return [trunc(item) for item in reversed(stack)]


def _size(blob: Blob, letter: str) -> int:
    if letter == "n":
        return blob.samples
    names = {1: "w", 2: "hw", 3: "chw", 4: "cdhw"}[len(blob.shape)]
    return blob.shape[names.index(letter)] if letter in names else 1
