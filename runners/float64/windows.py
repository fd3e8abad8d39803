"""Where the windows of convolutions and pools lie, and pools in float64."""

import itertools
from collections.abc import Iterator, Sequence
from math import ceil, prod
from typing import Any, Literal

import numpy as np

from paddleport.runners.float64.node import OperatorNode
from paddleport.tensors import Array

Slices = tuple[slice, ...]


def max_pool(node: OperatorNode, x: Array) -> tuple[Array, ...]:
    """MaxPool: x [N, C, ...]; the flat place of each maximum as well, where it is asked for."""
    windows = Windows(node, x.shape[2:], node.integers("kernel_shape"))
    around = [(0, 0), (0, 0), *windows.pads]
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    padded = np.pad(x, around, constant_values=lowest)
    best = np.full((*x.shape[:2], *windows.output), lowest, x.dtype)
    if node.outputs < 2:
        for _, place in windows.taps():
            np.maximum(best, padded[last(place)], out=best)
        return (best,)
    order: Literal["C", "F"] = "F" if node.integer("storage_order", 0) else "C"
    places = np.arange(prod(x.shape[2:])).reshape(x.shape[2:], order=order)
    planes = np.arange(prod(x.shape[:2])).reshape(x.shape[:2]) * places.size
    places = np.pad(planes.reshape(*x.shape[:2], *[1] * places.ndim) + places, around)
    found = np.zeros(best.shape, np.int64)
    for _, place in windows.taps():
        seen = padded[last(place)]
        better = (seen > best) | np.isnan(seen)
        best = np.where(better, seen, best)
        found = np.where(better, places[last(place)], found)
    return best, found


def average_pool(node: OperatorNode, x: Array) -> Array:
    """AveragePool: x [N, C, ...]; what ceil_mode adds beyond the padding is never counted."""
    windows = Windows(node, x.shape[2:], node.integers("kernel_shape"))
    padded = np.pad(x, [(0, 0), (0, 0), *windows.pads])
    counted = np.zeros(
        [size + sum(pads) for size, pads in zip(x.shape[2:], windows.pads, strict=True)]
    )
    inside = windows.asked_pads if node.integer("count_include_pad", 0) else [(0, 0)] * counted.ndim
    counted[
        tuple(
            slice(before - more, before + size + after)
            for (before, _), (more, after), size in zip(
                windows.pads, inside, x.shape[2:], strict=True
            )
        )
    ] = 1
    total = np.zeros((*x.shape[:2], *windows.output))
    count = np.zeros(windows.output)
    for _, place in windows.taps():
        total += padded[last(place)]
        count += counted[place]
    return total / count


class Windows:
    """Those of one convolution or pool.

    Attributes:
        output: number of windows along each axis.
        asked_pads: (before, after) of each axis, as the node asks for them.
        pads: the same, with what the last window of ceil_mode needs on top.
        kernel, strides, dilations: along each axis.
    """

    def __init__(self, node: OperatorNode, sizes: Sequence[int], kernel: Sequence[int]) -> None:
        rank = len(sizes)
        self.strides = node.integers("strides", rank, 1)
        self.dilations = node.integers("dilations", rank, 1)
        self.kernel = tuple(kernel)
        spans = [d * (k - 1) + 1 for d, k in zip(self.dilations, kernel, strict=True)]
        self.asked_pads = _pads(node, sizes, self.strides, spans)
        self.output = tuple(
            _count(size, before, after, span, stride, bool(node.integer("ceil_mode", 0)))
            for size, (before, after), span, stride in zip(
                sizes, self.asked_pads, spans, self.strides, strict=True
            )
        )
        reach = [
            (count - 1) * stride + span
            for count, stride, span in zip(self.output, self.strides, spans, strict=True)
        ]
        self.pads = [
            (before, max(after, end - size - before))
            for size, (before, after), end in zip(sizes, self.asked_pads, reach, strict=True)
        ]

    @property
    def are_points(self) -> bool:
        """Whether each window is one place of the input, in its order."""
        return not any(map(any, self.pads)) and {*self.kernel, *self.strides} == {1}

    def taps(self) -> Iterator[tuple[tuple[int, ...], Slices]]:
        """Each kernel position with the part of the padded input that it sees."""
        for tap in itertools.product(*map(range, self.kernel)):
            yield (
                tap,
                tuple(
                    slice(at * dilation, at * dilation + (count - 1) * stride + 1, stride)
                    for at, dilation, count, stride in zip(
                        tap, self.dilations, self.output, self.strides, strict=True
                    )
                ),
            )


def _count(size: int, before: int, after: int, span: int, stride: int, up: bool) -> int:
    free = (size + before + after - span) / stride
    if not up:
        return int(free // 1) + 1
    count = ceil(free) + 1
    # a window that would start beyond the input and its padding before is left out
    return count - 1 if (count - 1) * stride >= size + before else count


def _pads(
    node: OperatorNode, sizes: Sequence[int], strides: Sequence[int], spans: Sequence[int]
) -> list[tuple[int, int]]:
    rule = node.text("auto_pad", "NOTSET")
    if rule == "VALID":
        return [(0, 0)] * len(sizes)
    if rule == "NOTSET":
        pads = node.integers("pads", 2 * len(sizes), 0)
        return list(zip(pads[: len(sizes)], pads[len(sizes) :], strict=True))
    missing = [
        max(0, (-(-size // stride) - 1) * stride + span - size)
        for size, stride, span in zip(sizes, strides, spans, strict=True)
    ]
    return [_split(total, rule == "SAME_LOWER") for total in missing]


def transposed_pads(
    node: OperatorNode, sizes: Sequence[int], strides: Sequence[int], full: Sequence[int]
) -> tuple[list[tuple[int, int]], list[int]]:
    """What is cut off the full result, and its size, grown where more is asked for."""
    rule = node.text("auto_pad", "NOTSET")
    wanted: Any = node.get("output_shape")
    if wanted is None and rule in ("NOTSET", "VALID"):
        return _pads(node, sizes, strides, full), list(full)
    if wanted is None:
        wanted = [size * stride for size, stride in zip(sizes, strides, strict=True)]
    missing = [max(0, has - want) for has, want in zip(full, wanted, strict=True)]
    pads = [_split(total, rule != "SAME_UPPER") for total in missing]
    return pads, [max(has, want) for has, want in zip(full, wanted, strict=True)]


def last(place: Slices) -> Any:
    """Index of the last axes; batch and channels are kept whole."""
    return (..., *place)


def _split(total: int, more_before: bool) -> tuple[int, int]:
    half = total // 2
    return (total - half, half) if more_before else (half, total - half)
