"""One way in which a tensor's pixels may have been taken from a picture, and how well it fits."""

from dataclasses import dataclass

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.input_diff.geometry import Resize
from paddleport.validate.input_diff.kernels import Kernel, Size
from paddleport.validate.input_diff.matching import order_scores, unexplained, with_grey
from paddleport.validate.input_diff.naming import Normalisation

BETTER = 0.98
"""Of a misfit: one that is not below does not outweigh more differences from the model."""


@dataclass(frozen=True)
class View:
    """One way of looking at the tensor.

    Attributes:
        reading: index of its layout.
        turn: one of ``TURNS``.
        after: the tensor was turned, not the picture.
    """

    reading: int
    turn: str = ""
    after: bool = True


@dataclass(frozen=True)
class Match:
    """How well pixels explain a tensor.

    Attributes:
        order: the colour of every channel.
        reversible: the reverse order fits as well.
        error: root mean square in levels of what is left unexplained.
        spread: standard deviation in levels of the pixels.
        floor: error in levels that the tensor's own precision makes.
    """

    order: tuple[int, ...]
    reversible: bool
    error: float
    spread: float
    floor: float

    @property
    def exact(self) -> bool:
        """Whether nothing is left unexplained."""
        return self.error <= self.floor < self.spread

    @property
    def misfit(self) -> float:
        """The error as a share of the spread: a part without detail resembles everything."""
        error = max(self.error, self.floor)
        return error / self.spread if self.spread > error else 1.0

    @property
    def likeness(self) -> float:
        """The share of the variance that is explained, 0 to 1."""
        return 1 - self.misfit**2

    def is_as_good_as(self, other: "Match") -> bool:
        """Whether it fits as well, or better."""
        return self.misfit * BETTER <= other.misfit


@dataclass(frozen=True)
class Placement:
    """Where the pixels come from.

    Attributes:
        view: the tensor's layout and turn.
        resize: the size.
        kernel: the resampling.
        offset: (top, left) of the crop; for ``fit``, of the picture in the tensor.
        match: how well that fits, and in which order of the channels.
        cost: in how many of these it differs from the model's preprocessing.
        values: the normalisation that goes with it; ``None`` where the error is too large to
            tell.
    """

    view: View
    resize: Resize
    kernel: Kernel
    offset: Size
    match: Match
    cost: int
    values: Normalisation | None

    @property
    def unlikeliness(self) -> int:
        """In how many parts it differs from the model's preprocessing; odd numbers count more."""
        values = self.values
        return self.cost + (values.cost + 2 * (not values.known) if values else 0)

    def beats(self, other: "Placement") -> bool:
        """Whether it fits better, or as well and is likelier."""
        if not other.match.is_as_good_as(self.match):
            return True
        return self.match.is_as_good_as(other.match) and self.unlikeliness < other.unlikeliness


def match(theirs: Array, pixels: Array, orders: list[tuple[int, ...]], floor: float) -> Match:
    """The best order of the channels: the first of those that fit alike.

    Args:
        theirs: [..., 3], the tensor.
        pixels: [..., 3] BGR of the same places.
        orders: the colour of every channel, of each order.
        floor: error in levels that the tensor's own precision makes.
    """
    left, spreads = unexplained(theirs.reshape(-1, 3), with_grey(pixels))
    scores = order_scores(left, orders)
    alike = np.flatnonzero(scores <= max(float(scores.min()), floor) / BETTER)
    order = orders[alike[0]]
    reversible = order[::-1] in [orders[index] for index in alike]
    spread = float(np.sqrt(np.mean(spreads[list(order)] ** 2)))
    return Match(order, reversible, float(scores[alike[0]]), spread, floor)
