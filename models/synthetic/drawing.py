"""Drawing with the same bits everywhere: raw PCG64 bits and correctly rounded float64.

Random bits come raw from PCG64, whose stream numpy guarantees. Everything after that is float64
arithmetic on single elements (+, -, *, /, floor, square root), which IEEE 754 rounds alike on
every machine; there are no sums over arrays, sines or exponentials, whose last bit may differ.
"""

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Plane = NDArray[np.float64]
Indices = NDArray[np.int64]

_STRIP = 32  # rows at a time: what is worked on stays in the CPU's cache


class RandomBits:
    """Random numbers that are the same in every version of numpy on every machine."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Plane:
        """Numbers from [low, high), each a multiple of 2**-53 before it is scaled."""
        size = int(np.prod(shape, dtype=np.int64))
        raw = np.asarray(self._bits.random_raw(size), np.uint64)
        raw >>= np.uint64(11)
        drawn = raw.astype(np.float64).reshape(shape)
        drawn /= 2.0**53
        if (low, high) != (0.0, 1.0):
            drawn *= high - low
            drawn += low
        return drawn

    def number(self, low: float, high: float) -> float:
        """One number from [low, high)."""
        return float(self.uniform(1, low=low, high=high)[0])


def fractal_noise(
    bits: RandomBits,
    height: int,
    width: int,
    *,
    finest: int = 1,
    rows: Indices | None = None,
    columns: Indices | None = None,
) -> Plane:
    """Clouds around 0.5 from octaves of smooth value noise.

    An octave's amplitude is the square root of its cell, which gives a power of frequency**-3
    here and, with the edges of shapes, close to the frequency**-2 of photos.

    Args:
        bits: drawn from for the whole plane, whatever is taken of it.
        height: of the plane.
        width: of the plane.
        finest: the smallest cell in pixels.
        rows: which to give, ascending; by default all.
        columns: likewise.
    """
    rows = np.arange(height) if rows is None else rows
    columns = np.arange(width) if columns is None else columns
    octaves: list[tuple[int, Plane]] = []
    cell = 1 << max(2, (max(height, width) // 2).bit_length() - 1)
    while cell >= finest:
        octaves.append((cell, bits.uniform(height // cell + 2, width // cell + 2)))
        cell //= 2
    total = np.zeros((len(rows), len(columns)))
    for start in range(0, len(rows), _STRIP):
        strip = slice(start, start + _STRIP)
        _add_octaves(total[strip], octaves, rows[strip], columns)
    return total


def _add_octaves(
    total: Plane, octaves: list[tuple[int, Plane]], rows: Indices, columns: Indices
) -> None:
    weight = 0.0
    for cell, lattice in octaves:
        amplitude = float(np.sqrt(cell))
        octave = _interpolated(lattice, cell, rows, columns)
        octave *= amplitude
        total += octave
        weight += amplitude
    total /= weight
    total -= 0.5
    total *= 2.5
    total += 0.5


def _interpolated(lattice: Plane, cell: int, rows: Indices, columns: Indices) -> Plane:
    tall, at = lattice[rows // cell], columns // cell
    if cell == 1:
        return tall.take(at, axis=1)
    down, right = (smoothstep((at % cell) / cell) for at in (rows, columns))
    tall += (lattice[rows // cell + 1] - tall) * down[:, None]
    octave = (tall[:, 1:] - tall[:, :-1]).take(at, axis=1)
    octave *= right
    octave += tall.take(at, axis=1)
    return octave


def grid(height: int, width: int) -> tuple[Plane, Plane]:
    """Pixel centres: y (height, 1) from 0 to 1 down the picture, x (1, width) in the same unit."""
    y = (np.arange(height)[:, None] + 0.5) / height
    x = (np.arange(width)[None, :] + 0.5) / height
    return y, x


def between(centres: Plane, low: float, high: float) -> slice:
    """The pixels of a row or column from one place to another, and one more on either side."""
    start, stop = np.searchsorted(centres.ravel(), (low, high))
    return slice(max(0, int(start) - 1), min(centres.size, int(stop) + 1))


def lay(picture: Plane, above: Plane, share: Plane) -> None:
    """Put ``above`` over ``picture``, both (3, height, width), where ``share`` is 1; in place."""
    difference = above - picture
    difference *= share
    picture += difference


def colour(red: float, green: float, blue: float) -> Plane:
    """A colour for every pixel: (3, 1, 1)."""
    return np.array((red, green, blue))[:, None, None]


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
    """Blur (3, height, width) by ``passes`` rounds of (1, 2, 1) / 4 down and across."""
    for _ in range(passes):
        for axis in (1, 2):
            padded = np.pad(picture, [(int(axis == side),) * 2 for side in range(3)], mode="edge")
            count = picture.shape[axis]
            first, middle, last = (
                padded[:, start : start + count]
                if axis == 1
                else padded[:, :, start : start + count]
                for start in range(3)
            )
            picture = 0.25 * first
            picture += 0.5 * middle
            picture += 0.25 * last
    return picture


def to_picture(planes: Plane) -> Picture:
    """(3, height, width) around 0 to 1 as (height, width, 3) in 8 bits; what is outside is clipped.

    ``planes`` is written to.
    """
    np.clip(planes, 0.0, 1.0, out=planes)
    planes *= 255.0
    planes += 0.5  # and cut off: rounded, since nothing is negative
    return np.ascontiguousarray(planes.astype(np.uint8).transpose(1, 2, 0))
