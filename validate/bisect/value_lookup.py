"""Which values of one computation are in another, by name or else by value."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from paddleport.errors import ModelFileError
from paddleport.tensors import Array
from paddleport.validate.bisect.computation import Computation, StoredValues
from paddleport.validate.compare.error_scale import output_error, relative_error, rms

_ENOUGH = 16  # elements beyond the fitted numbers, before a fit means anything
_CONVERTED = "p2o."  # Paddle2ONNX: before the name of the Paddle value


class ValueMatcher:
    """Looks values up among those of another computation, by number of elements and value.

    A value is there if some tensor has the same elements in the same order, whatever its
    shape: squeezing and reshaping loses nothing. The name is only a hint of where to look first.
    """

    def __init__(self, values: StoredValues, names: Iterable[str], limit: float) -> None:
        """Look among ``names`` of ``values``; agreement is an error up to ``limit``."""
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
        """The tensor that holds ``value`` by the error of an output; empty if none does."""
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


def name_in_onnx(paddle: str) -> str:
    """How Paddle2ONNX names the tensor of a Paddle value."""
    return f"{_CONVERTED}{paddle}"


def name_in_paddle(onnx: str) -> str:
    """The Paddle value that a tensor of Paddle2ONNX is named after."""
    return onnx.removeprefix(_CONVERTED)


@dataclass(frozen=True)
class BadOutput:
    """An output that parts: its name on both sides, and by how much."""

    paddle: str
    onnx: str
    error: float


def bad_output(paddle: Computation, float64: Computation, limit: float) -> BadOutput | None:
    """The output that parts and has the fewest operators behind it; ``None`` if none does.

    Raises:
        ModelFileError: the two have another number of outputs.
    """
    ours, theirs = paddle.graph.outputs, float64.graph.outputs
    if len(ours) != len(theirs):
        raise ModelFileError(
            f"the ONNX file has {len(theirs)} outputs and the Paddle program {len(ours)}: "
            "they are not the same model"
        )
    pairs = zip(ours, ours if set(ours) == set(theirs) else theirs, strict=True)
    bad = [
        BadOutput(one, other, error)
        for one, other in pairs
        if one in paddle.values and other in float64.values
        for error in [output_error(float64.values.load(other), paddle.values.load(one))]
        if error > limit
    ]
    return min(
        bad,
        key=lambda item: len(paddle.graph.behind(item.paddle, lambda _: False)),
        default=None,
    )


@dataclass(kw_only=True)
class ValueLookup:
    """Which values of one side are on the other: the other's name and the error.

    Attributes:
        side: whose values are looked up.
        matcher: looks among the other's.
        own: what the tensor of a value is called on the other side, if names were kept.
        tick: called before each value that is looked up; it may raise BudgetSpent.
        known: what was found, by name.
        reordered: those of them that are there in another order only.
    """

    side: Computation
    matcher: ValueMatcher
    own: Callable[[str], str]
    tick: Callable[[str], None]
    known: dict[str, tuple[str, float] | None] = field(default_factory=dict)
    reordered: set[str] = field(default_factory=set)

    def find(self, name: str) -> tuple[str, float] | None:
        """Where a value is on the other side."""
        if name not in self.known:
            if name not in self.side.values:
                return None  # it could not be fetched: taken for lost, and searched behind
            self.tick(name)
            self.known[name] = self._found(name)
        return self.known[name]

    def present(self, name: str) -> bool:
        """Whether it is there."""
        return self.find(name) is not None

    def place(self, name: str) -> str:
        """The other side's name of a value that was found; empty if it was not."""
        found = self.known.get(name)
        return found[0] if found else ""

    def _found(self, name: str) -> tuple[str, float] | None:
        """As ``find``, by name and by value.

        An operator that changes next to nothing leaves its value where its input is. If the
        tensor of the value's own name holds something else, that one is believed. Two
        transpositions may have become one, so the value of a single one may be there in another
        order; not if there is a tensor of its own name.
        """
        value, own = self.side.values.load(name), self.own(name)
        is_named = own in self.matcher
        found = self.matcher.find(value, own)
        if found is not None:
            return None if is_named and found[0] != own and self._is_idle(name, found[0]) else found
        source = self._transposed(name)
        if is_named or source is None:
            return None
        found = self.matcher.find_reordered(value, source=source)
        if found is not None:
            self.reordered.add(name)
        return found

    def _transposed(self, name: str) -> Array | None:
        """What is transposed into a value; ``None`` if it is made in another way."""
        maker = self.side.graph.producer.get(name)
        if maker is None or not maker.operator.rpartition(".")[2].lower().startswith("transpose"):
            return None
        sources = [item for item in maker.inputs if item in self.side.values]
        return self.side.values.load(sources[0]) if sources else None

    def _is_idle(self, name: str, place: str) -> bool:
        """Whether the operator that makes a value reads what is at the same place."""
        maker = self.side.graph.producer.get(name)
        read = [item for item in maker.inputs if item in self.side.values] if maker else []
        return any(self.matcher.holds(place, self.side.values.load(item)) for item in read)
