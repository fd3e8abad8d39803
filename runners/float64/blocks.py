"""Array work in blocks that stay in a core's cache, on every core that there is."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from math import prod
from typing import Any, TypeVar

import numpy as np

from paddleport.runners.runner_options import available_threads
from paddleport.tensors import Array

T = TypeVar("T")

VALUES = 1 << 16  # of an elementwise block: 512 KiB, so that temporaries fit the cache
_LEAST = 2  # such blocks, for cutting up to be worth it
_MOST_THREADS = 16


@cache
def threads() -> int:
    """How many blocks are worked on at a time."""
    return min(available_threads(), _MOST_THREADS)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads(), thread_name_prefix="float64")


def share_out(work: Callable[[T], object], parts: Sequence[T]) -> None:
    """``work`` on every part, several at a time; numpy lets go of Python's lock meanwhile.

    A part must write nowhere else than another does, and must not share out itself.
    """
    count = min(threads(), len(parts))

    def every(first: int, step: int) -> None:
        for part in parts[first::step]:
            work(part)

    if count < 2:
        every(0, 1)
    else:
        list(_pool().map(every, range(count), [count] * count))


def elementwise(function: Callable[..., Any], *inputs: Array) -> Array:
    """What ``function`` gives for ``inputs``, each value of which depends on its own place only.

    Args:
        function: of arrays that are broadcast against each other; float64 to float64.
        inputs: of any type, where they are too small to be cut up or not float64.
    """
    shape = np.broadcast_shapes(*(item.shape for item in inputs))
    if prod(shape) < _LEAST * VALUES or any(item.dtype != np.float64 for item in inputs):
        return np.asarray(function(*inputs))
    result = np.empty(shape)

    def work(place: tuple[Any, ...]) -> None:
        parts = [_part(item, place, len(shape)) for item in inputs]
        if isinstance(function, np.ufunc):
            function(*parts, out=result[place])
        else:
            result[place] = function(*parts)

    share_out(work, list(_places(shape)))
    return result


def ranges(length: int, count: int, least: int = 1) -> list[slice]:
    """``length`` cut into at most ``count`` even ranges, each of at least ``least``."""
    count = max(1, min(count, length // max(1, least)))
    edges = [length * index // count for index in range(count + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]


def _places(shape: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """Indices of the blocks of an array, whose inner axes are whole."""
    axis, inner = len(shape) - 1, 1
    while axis > 0 and inner * shape[axis] <= VALUES:
        inner *= shape[axis]
        axis -= 1
    step = max(1, VALUES // inner)
    for outer in np.ndindex(*shape[:axis]):
        for start in range(0, shape[axis], step):
            yield (*outer, slice(start, start + step))


def _part(item: Array, place: tuple[Any, ...], rank: int) -> Array:
    """What of an input is broadcast to a block of the result."""
    missing = rank - item.ndim
    index = tuple(
        at if item.shape[axis - missing] > 1 else slice(None) if isinstance(at, slice) else 0
        for axis, at in enumerate(place)
        if axis >= missing
    )
    return item[index]
