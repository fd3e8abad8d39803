"""Convolutions in float64, as matrix products on blocks of unrolled windows."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from paddleport.runners.float64.blocks import ranges, share_out, threads
from paddleport.runners.float64.node import OperatorNode
from paddleport.runners.float64.windows import Slices, Windows, last, transposed_pads
from paddleport.tensors import Array

# Of windows that are unrolled at a time: they stay in the cache until they are multiplied, and
# a matrix product of fewer columns is slower.
BLOCK_BYTES = 1 << 21
_LEAST_PRODUCTS = 1 << 20  # for a convolution to be worth sharing out


def convolve(node: OperatorNode, x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Conv of any spatial rank: x [N, C, ...], weight [M, C/groups, ...], bias [M]."""
    windows = Windows(node, x.shape[2:], weight.shape[2:])
    groups = node.integer("group", 1)
    factors = weight.reshape(groups, weight.shape[0] // groups, -1)
    added = None if bias is None else bias.reshape(*factors.shape[:2], 1)
    result = np.empty((len(x), weight.shape[0], *windows.output))
    shares = threads() if weight.size * prod(windows.output) >= _LEAST_PRODUCTS else 1
    for given, sample in zip(x, result, strict=True):
        table = sample.reshape(*factors.shape[:2], -1)
        product = _Product(factors, added, table, shares)
        if windows.are_points:
            product.with_values(given.reshape(groups, factors.shape[2], -1))
        else:
            product.with_windows(windows, _padded(given, windows.pads))
    return result


@dataclass(frozen=True)
class _Product:
    """A convolution of one sample as a matrix product.

    Attributes:
        factors: [groups, M/groups, C/groups * kernel].
        added: [groups, M/groups, 1], if anything.
        table: where it is written to, [groups, M/groups, places].
        shares: the least number of blocks, where there is as much to do.
    """

    factors: Array
    added: Array | None
    table: Array
    shares: int

    def with_values(self, seen: Array) -> None:
        """Of values [groups, C/groups, places]."""
        longest = int(np.argmax(self.table.shape))

        def some(part: slice) -> None:
            place = [slice(None)] * 3
            place[longest] = part
            group, row, column = place
            self._write((group, row, column), seen[group, :, column])

        share_out(some, ranges(self.table.shape[longest], self.shares))

    def with_windows(self, windows: Windows, x: Array) -> None:
        """Of every window of x [C, ...], which has its padding."""
        groups, _, taps = self.factors.shape
        view = _windows_view(windows, x, groups)

        def some(block: tuple[slice, tuple[Any, ...], slice]) -> None:
            group, place, column = block
            seen = view[(group, *[slice(None)] * (1 + len(windows.kernel)), *place)]
            # this copies: overlapping windows are no matrix for BLAS
            unrolled = np.ascontiguousarray(seen).reshape(len(seen), taps, -1)
            self._write((group, slice(None), column), unrolled)

        share_out(some, list(_blocks(groups, 8 * taps, windows.output, self.shares)))

    def _write(self, place: tuple[slice, slice, slice], seen: Array) -> None:
        result = self.table[place]
        np.matmul(self.factors[place[:2]], seen, out=result)
        if self.added is not None:
            result += self.added[place[:2]]


def _windows_view(windows: Windows, x: Array, groups: int) -> Array:
    """Every value of every window, [groups, C/groups, kernel..., output...], without a copy."""
    channel, *steps = x.strides
    dilated = [step * by for step, by in zip(steps, windows.dilations, strict=True)]
    strided = [step * by for step, by in zip(steps, windows.strides, strict=True)]
    each = len(x) // groups
    return as_strided(
        x,
        (groups, each, *windows.kernel, *windows.output),
        (channel * each, channel, *dilated, *strided),
        writeable=False,
    )


def _blocks(
    groups: int, bytes_each: int, output: Sequence[int], shares: int
) -> Iterator[tuple[slice, tuple[Any, ...], slice]]:
    """Groups, the place in the output, and the same as a range of its flat form.

    Args:
        groups: of the convolution.
        bytes_each: of one unrolled window.
        output: number of windows along each axis.
        shares: the least number of blocks.
    """
    whole = bytes_each * prod(output)
    if groups > 1 and whole <= BLOCK_BYTES:
        everything = (slice(None),) * len(output), slice(None)
        for some in ranges(groups, max(shares, ceil(groups * whole / BLOCK_BYTES))):
            yield (some, *everything)
        return
    axis, inner = len(output) - 1, 1
    while axis and bytes_each * inner * output[axis] <= BLOCK_BYTES:
        inner *= output[axis]
        axis -= 1
    count = max(shares, ceil(bytes_each * inner * output[axis] / BLOCK_BYTES))
    for group in range(groups):
        for number, outer in enumerate(np.ndindex(*output[:axis])):
            start = number * output[axis] * inner
            for part in ranges(output[axis], count):
                flat = slice(start + part.start * inner, start + part.stop * inner)
                yield slice(group, group + 1), (*outer, part), flat


def convolve_transposed(
    node: OperatorNode, x: Array, weight: Array, bias: Array | None = None
) -> Array:
    """ConvTranspose: x [N, C, ...], weight [C, M/groups, ...], bias [M]."""
    rank, kernel = x.ndim - 2, weight.shape[2:]
    strides, dilations = node.integers("strides", rank, 1), node.integers("dilations", rank, 1)
    extra = node.integers("output_padding", rank, 0)
    full = [
        stride * (size - 1) + dilation * (taps - 1) + 1 + more
        for stride, size, dilation, taps, more in zip(
            strides, x.shape[2:], dilations, kernel, extra, strict=True
        )
    ]
    pads, full = transposed_pads(node, x.shape[2:], strides, full)
    places = [
        tuple(
            slice(at * dilation, at * dilation + stride * (size - 1) + 1, stride)
            for at, dilation, stride, size in zip(tap, dilations, strides, x.shape[2:], strict=True)
        )
        for tap in np.ndindex(*kernel)
    ]
    groups = node.integer("group", 1)
    result = np.zeros((len(x), groups, weight.shape[1], *full))
    seen = x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])
    _spread(seen, weight.reshape(*seen.shape[1:3], weight.shape[1], -1), places, result)
    kept = tuple(
        slice(before, size - after) for (before, after), size in zip(pads, full, strict=True)
    )
    result = np.asarray(result.reshape(len(x), -1, *full)[last(kept)])
    return result if bias is None else result + bias.reshape(-1, *[1] * rank)


def _spread(seen: Array, factors: Array, places: Sequence[Slices], result: Array) -> None:
    """Add what every input value contributes to every output place.

    Args:
        seen: [N, groups, C/groups, ...].
        factors: [groups, C/groups, M/groups, kernel].
        places: by kernel position, where the inputs come to lie.
        result: [N, groups, M/groups, ...].
    """
    sizes = seen.shape[3:]

    def spread(block: tuple[int, int, slice]) -> None:
        sample, group, some = block
        factor = factors[group, :, some]
        table = seen[sample, group].reshape(len(factor), -1)
        made = (factor.reshape(len(factor), -1).T @ table).reshape(-1, len(places), *sizes)
        own = result[sample, group, some]
        for tap, place in enumerate(places):
            own[last(place)] += made[:, tap]

    samples, groups, channels = result.shape[:3]
    shares = threads() if samples * groups == 1 else 1
    count = max(shares, ceil(8 * channels * len(places) * prod(sizes) / BLOCK_BYTES))
    parts = ranges(channels, count)
    share_out(spread, list(itertools.product(range(samples), range(groups), parts)))


def _padded(x: Array, pads: Sequence[tuple[int, int]]) -> Array:
    """X [C, ...] with zeros around it."""
    if not any(map(any, pads)):
        return x
    sizes = zip(x.shape[1:], pads, strict=True)
    result = np.zeros((len(x), *(before + size + after for size, (before, after) in sizes)))
    inside = zip(x.shape[1:], pads, strict=True)
    result[last(tuple(slice(before, before + size) for size, (before, _) in inside))] = x
    return result
