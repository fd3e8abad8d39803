"""Drawing with the same bits everywhere: raw PCG64 bits and correctly rounded float64.

Random bits come raw from PCG64, whose stream numpy guarantees. Everything after that is float64
arithmetic on single elements (+, -, *, /, floor, square root), which IEEE 754 rounds alike on
every machine; there are no sums over arrays, sines or exponentials, whose last bit may differ.
"""

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Plane = NDArray[np.float64]


class RandomBits:
    """Random numbers that are the same in every version of numpy on every machine."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Plane:
        """Numbers from [low, high), each a multiple of 2**-53 before it is scaled."""
        size = int(np.prod(shape, dtype=np.int64))
        raw = np.asarray(self._bits.random_raw(size), np.uint64)
        unit = (raw >> np.uint64(11)).astype(np.float64) / 2.0**53
        scaled: Plane = low + (high - low) * unit.reshape(shape)
        return scaled

    def number(self, low: float, high: float) -> float:
        """One number from [low, high)."""
        return float(self.uniform(1, low=low, high=high)[0])


def fractal_noise(bits: RandomBits, height: int, width: int, *, finest: int = 1) -> Plane:
    """Clouds around 0.5 from octaves of smooth value noise.

    An octave's amplitude is the square root of its cell, which gives a power of frequency**-3
    here and, with the edges of shapes, close to the frequency**-2 of photos. ``finest`` is the
    smallest cell in pixels.
    """
    total = np.zeros((height, width))
    weight = 0.0
    cell = 1 << max(2, (max(height, width) // 2).bit_length() - 1)
    while cell >= finest:
        lattice = bits.uniform(height // cell + 2, width // cell + 2)
        amplitude = float(np.sqrt(cell))
        total = total + amplitude * _interpolated(lattice, cell, height, width)
        weight += amplitude
        cell //= 2
    return (total / weight - 0.5) * 2.5 + 0.5


def _interpolated(lattice: Plane, cell: int, height: int, width: int) -> Plane:
    rows, columns = np.arange(height), np.arange(width)
    down, right = (smoothstep((at % cell) / cell) for at in (rows, columns))
    upper = lattice[rows // cell]
    tall = upper + (lattice[rows // cell + 1] - upper) * down[:, None]
    left = tall[:, columns // cell]
    result: Plane = left + (tall[:, columns // cell + 1] - left) * right
    return result


def grid(height: int, width: int) -> tuple[Plane, Plane]:
    """Pixel centres; y goes from 0 to 1 down the picture, x has the same unit."""
    y = (np.arange(height)[:, None] + 0.5) / height
    x = (np.arange(width)[None, :] + 0.5) / height
    return np.broadcast_to(y, (height, width)), np.broadcast_to(x, (height, width))


def coverage(inside: Plane, height: int) -> Plane:
    """Share of a pixel inside an edge, from the distance to it in picture heights."""
    return np.clip(inside * height + 0.5, 0.0, 1.0)


def smoothstep(t: Plane) -> Plane:
    """From 0 to 1 without a corner, for ``t`` from 0 to 1."""
    return t * t * (3.0 - 2.0 * t)


def triangle(t: Plane) -> Plane:
    """A wave from 0 to 1 and back with period 1 and rounded turns."""
    return smoothstep(np.abs(2.0 * (t - np.floor(t)) - 1.0))


def soften(picture: Plane, passes: int) -> Plane:
    """Blur by ``passes`` rounds of (1, 2, 1) / 4 down and across."""
    for _ in range(passes):
        for axis in (0, 1):
            padded = np.pad(picture, [(int(axis == side),) * 2 for side in range(3)], mode="edge")
            first, middle, last = (
                padded[start : start + picture.shape[0]]
                if axis == 0
                else padded[:, start : start + picture.shape[1]]
                for start in range(3)
            )
            picture = 0.25 * first + 0.5 * middle + 0.25 * last
    return picture


def to_picture(planes: Plane) -> Picture:
    """Values around 0 to 1 as 8-bit pixels; whatever lies outside is clipped."""
    return np.floor(np.clip(planes, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
