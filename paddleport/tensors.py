"""Named tensors: what a model takes, what it gives, and the check between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paddleport.errors import FeedError, UsageError

Array = NDArray[Any]
Feed = Mapping[str, Array]
GivenFeeds = Feed | Sequence[Feed]
"""What ``feed=`` takes: one mapping of input name to tensor, or a sequence of them."""


@dataclass(frozen=True)
class TensorSpec:
    """The name, numpy dtype name and shape of one input or output; ``None`` is a free dimension."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} [{format_shape(self.shape)}]"


@dataclass(frozen=True)
class ShapeRange:
    """The shapes that one input may be fed with, for runtimes that compile for them.

    Attributes:
        min, max: the smallest and the largest size of every dimension.
        opt: the shape to be fastest at.
    """

    min: tuple[int, ...]
    opt: tuple[int, ...]
    max: tuple[int, ...]

    def __post_init__(self) -> None:
        """Raises UsageError: shapes of different rank, or out of order."""
        ranks = {len(shape) for shape in (self.min, self.opt, self.max)}
        sizes = zip(self.min, self.opt, self.max, strict=False)
        if len(ranks) > 1 or not all(0 <= low <= middle <= high for low, middle, high in sizes):
            raise UsageError(f"the shapes {self} are not in the order min <= opt <= max")

    def __str__(self) -> str:
        if self.min == self.max:
            return f"[{format_shape(self.opt)}]"
        low, best, high = (f"[{format_shape(shape)}]" for shape in (self.min, self.opt, self.max))
        return f"{low} to {high}, fastest at {best}"

    @classmethod
    def only(cls, shape: tuple[int, ...]) -> "ShapeRange":
        """One shape and no other."""
        return cls(shape, shape, shape)

    @classmethod
    def covering(cls, shapes: Sequence[tuple[int, ...]]) -> "ShapeRange":
        """The range that holds every one of ``shapes``, fastest at the first."""
        columns = list(zip(*shapes, strict=True))
        return cls(tuple(map(min, columns)), shapes[0], tuple(map(max, columns)))


def format_shape(shape: Sequence[int | None]) -> str:
    """``(None, 3, 224, 224)`` as ``?, 3, 224, 224``."""
    return ", ".join("?" if size is None else str(size) for size in shape)


def listed_feeds(given: GivenFeeds | None) -> list[Feed]:
    """What ``feed=`` was given as a list of feeds; empty where nothing was.

    Raises:
        FeedError: it is neither a mapping nor a sequence of mappings.
    """
    if given is None:
        return []
    feeds = [given] if isinstance(given, Mapping) else given
    if isinstance(feeds, str | bytes | np.ndarray) or not isinstance(feeds, Sequence):
        raise FeedError(
            f"feed of type {type(given).__name__} is not possible: a mapping of input name to "
            "tensor is taken, or a list of such mappings"
        )
    for feed in feeds:
        if not isinstance(feed, Mapping):
            raise FeedError(
                f"feed holds a {type(feed).__name__}, and each item must be a mapping of input "
                "name to tensor"
            )
    return [feed for feed in feeds if feed]


def feed_signature(feed: Feed) -> object:
    """All that ``check_feed`` looks at: two feeds with equal signatures are judged alike."""
    return [
        (name, tensor.dtype, tensor.shape) if isinstance(tensor, np.ndarray) else (name, tensor)
        for name, tensor in feed.items()
    ]


def check_feed(specs: Sequence[TensorSpec], feed: Feed) -> None:
    """Hold a feed against the inputs of a model: names, rank, dimensions, then dtype.

    A free dimension may be 0, as that of a cache is before the first token, but the first may not.

    Raises:
        FeedError: the feed is not what the model takes; the message names the first difference.
    """
    expected = [spec.name for spec in specs]
    if set(feed) != set(expected):
        raise FeedError(
            f"the feed has {_listed(feed)}, the model takes {_listed(expected)}; "
            f"name each input once"
        )
    for spec in specs:
        _check_tensor(spec, feed[spec.name])


def _check_tensor(spec: TensorSpec, tensor: Array) -> None:
    if not isinstance(tensor, np.ndarray):
        raise FeedError(
            f"input {spec.name} got a {type(tensor).__name__}, the model takes {spec}: "
            "make it an array with numpy.asarray"
        )
    fits = len(tensor.shape) == len(spec.shape) and all(
        wanted is None or wanted == size
        for wanted, size in zip(spec.shape, tensor.shape, strict=True)
    )
    if not fits or tensor.shape[:1] == (0,):  # without any example nothing can be said
        raise FeedError(f"input {spec.name} got {_described(tensor)}, the model takes {spec}")
    if tensor.dtype != np.dtype(spec.dtype):
        raise FeedError(
            f"input {spec.name} got {_described(tensor)}, the model takes {spec}: "
            f"convert it with .astype('{spec.dtype}')"
        )


def _described(tensor: Array) -> str:
    return f"{tensor.dtype} [{format_shape(tensor.shape)}]"


def _listed(names: Sequence[str] | Feed) -> str:
    return ", ".join(f"'{name}'" for name in names) or "nothing"
