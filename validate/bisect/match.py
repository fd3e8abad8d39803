"""Values of one computation found again in another, where names are of no help."""

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from paddleport.tensors import Array
from paddleport.validate.bisect.error import output_error, relative_error, rms
from paddleport.validate.bisect.values import Values

_ENOUGH = 16  # elements beyond the fitted numbers, before a fit means anything


class Matcher:
    """Looks values up among those of another computation, by number of elements and value.

    A value is there if some tensor has the same elements in the same order, whatever its
    shape: squeezing and reshaping loses nothing. The name is only a hint of where to look first.
    """

    def __init__(self, values: Values, names: Iterable[str], limit: float) -> None:
        """Search among ``names`` of ``values``; agreement is an error up to ``limit``."""
        self._values, self._limit = values, limit
        self._by_size: dict[int, list[str]] = {}
        for name in names:
            if name in values:
                self._by_size.setdefault(values.stored[name].size, []).append(name)
        self._moments: dict[str, tuple[float, float]] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def holds(self, name: str, value: Array) -> bool:
        """Whether one tensor holds ``value``."""
        same = self._values.stored[name].size == value.size
        return same and self._error(name, value) <= self._limit

    def find(self, value: Array, hint: str = "") -> tuple[str, float] | None:
        """The tensor that holds ``value``, and the error between them; ``None`` if none does."""
        names = self._by_size.get(value.size, [])
        wanted = _moments(value)
        best: tuple[str, float] | None = None
        for name in sorted(names, key=lambda item: item != hint):
            if not self._may_be(name, wanted):
                continue
            error = self._error(name, value)
            if error <= self._limit and (best is None or error < best[1]):
                best = (name, error)
                if name == hint:
                    break
        return best

    def find_reordered(self, value: Array, *, source: Array) -> tuple[str, float] | None:
        """A tensor with the same elements in another order, and not in that of ``source``."""
        wanted = _moments(value)
        ordered = np.sort(value, axis=None)
        for name in self._by_size.get(value.size, []):
            if self._may_be(name, wanted) and not self.holds(name, source):
                error = relative_error(ordered, np.sort(self._values.load(name), axis=None))
                if error <= self._limit:
                    return name, error
        return None

    def find_output(self, value: Array) -> str:
        """The tensor that holds ``value`` as an output is judged; empty if none does."""
        names = self._by_size.get(value.size, [])
        errors = [(output_error(self._values.load(name), value), name) for name in names]
        error, name = min(errors, default=(math.inf, ""))
        return name if error <= self._limit else ""

    def nearest(self, value: Array, among: Callable[[str], bool]) -> tuple[str, float] | None:
        """The tensor of the same shape with the smallest error, however large that is."""
        names = [
            name
            for name in self._by_size.get(value.size, [])
            if self._values.stored[name].shape == value.shape and among(name)
        ]
        errors = [(self._error(name, value), name) for name in names]
        if not errors:
            return None
        error, name = min(errors)
        return name, error

    def _may_be(self, name: str, wanted: tuple[float, float]) -> bool:
        """Whether mean and scale allow an agreement; cheap, and never wrongly no.

        ``|a - b| <= limit (|b| + rms(b))`` everywhere bounds both differences by
        ``2 limit rms(b)``.
        """
        if name not in self._moments:
            self._moments[name] = _moments(self._values.load(name))
        mean, scale = self._moments[name]
        allowed = 2 * self._limit * max(scale, wanted[1]) * 1.001
        return not (abs(mean - wanted[0]) > allowed or abs(scale - wanted[1]) > allowed)

    def _error(self, name: str, value: Array) -> float:
        return relative_error(value.reshape(-1), self._values.load(name).reshape(-1))


def affine_error(whole: Array, found: Array) -> float:
    """How far ``found`` is from ``scale * whole + shift`` with two numbers for each channel.

    The channel axis is 1 for pictures and the last for anything else; the numbers are fitted
    by least squares. Infinite where shapes differ, or where there are too few elements for such
    a fit to mean anything.
    """
    if whole.shape != found.shape or whole.ndim < 2 or whole.dtype.kind != "f":
        return math.inf
    axis = 1 if whole.ndim >= 3 else whole.ndim - 1
    return min(_affine_error_along(whole, found, place) for place in {axis, whole.ndim - 1})


def _affine_error_along(whole: Array, found: Array, axis: int) -> float:
    x, y = (_rows(tensor, axis) for tensor in (whole, found))
    channels, elements = x.shape
    telling = channels * (elements - 2) >= _ENOUGH
    if not (telling and np.isfinite(x).all() and np.isfinite(y).all()):
        return math.inf
    centred = x - x.mean(axis=1, keepdims=True)
    spread = np.square(centred).sum(axis=1, keepdims=True)
    product = (centred * (y - y.mean(axis=1, keepdims=True))).sum(axis=1, keepdims=True)
    scale = np.divide(product, spread, out=np.zeros_like(product), where=spread > 0)
    return relative_error(scale * centred + y.mean(axis=1, keepdims=True), y)


def _rows(tensor: Array, axis: int) -> NDArray[np.float64]:
    moved = np.moveaxis(tensor.astype(np.float64), axis, 0)
    return moved.reshape(len(moved), -1)


def _moments(tensor: Array) -> tuple[float, float]:
    exact = tensor.astype(np.float64)
    finite = exact[np.isfinite(exact)]
    return (float(finite.mean()) if finite.size else 0.0), rms(finite)
