"""Pictures that the package draws itself: no files, no downloads, the same bits everywhere."""

import numpy as np

from paddleport.models.synthetic.drawing import (
    Picture,
    Plane,
    RandomBits,
    between,
    coverage,
    fractal_noise,
    grid,
    lay,
    soften,
    to_picture,
    triangle,
)
from paddleport.models.synthetic.duck import draw_duck

_CASTS = (  # blue, green, red: daylight, tungsten, shade, forest, dusk, neon, haze, sepia
    (1.00, 1.00, 1.00),
    (0.72, 0.94, 1.12),
    (1.16, 1.00, 0.86),
    (0.80, 1.10, 0.88),
    (1.08, 0.84, 1.06),
    (1.15, 0.80, 1.00),
    (0.96, 0.98, 0.94),
    (0.66, 0.88, 1.05),
)


def sample_picture() -> Picture:
    """A duck that paddles into the sunset: (480, 640, 3) uint8, BGR."""
    return draw_duck(480, 640)


def sample_pictures(count: int = 8, size: tuple[int, int] = (480, 640)) -> tuple[Picture, ...]:
    """Draw pictures that resemble photos in what a network's first layers see.

    Textures whose amplitude falls as 1/frequency, shaded round things before a graded
    background, straight and curved edges, repeated patterns, casts of colour, high and low
    contrast, sharp and soft. Every picture is different; the first ones are the same whatever
    the count.

    Args:
        count: how many.
        size: (height, width) in pixels.

    Returns:
        ``count`` arrays (height, width, 3) uint8, BGR.
    """
    return tuple(draw_picture(index, size) for index in range(count))


def draw_picture(index: int, size: tuple[int, int]) -> Picture:
    """Picture number ``index`` of ``sample_pictures`` alone."""
    height, width = size
    bits = RandomBits(1_000 + index)
    y, x = grid(height, width)
    picture = _background(bits, y, x)
    if index % 4 == 1:
        _pattern(bits, picture, y, x)
    for _ in range(3 + index % 5):
        _solid(bits, picture, y, x)
    grain = fractal_noise(bits, height, width)
    grain *= 0.5
    grain += 0.75
    picture *= grain
    if index % 3 == 2:
        picture = soften(picture, 2 + index % 4)
    else:
        noise = bits.uniform(height, width, 3).transpose(2, 0, 1)
        noise -= 0.5
        noise *= 0.03
        picture += noise
    contrast, brightness = bits.number(0.8, 1.4), bits.number(-0.06, 0.06)
    picture -= 0.45
    picture *= contrast
    picture += 0.45
    picture += brightness
    picture *= np.array(_CASTS[index % len(_CASTS)])[:, None, None]
    return to_picture(picture)


def _background(bits: RandomBits, y: Plane, x: Plane) -> Plane:
    """Two colours blended along a slope, with cloudy variation in each channel."""
    height, width = len(y), x.size
    first, second = _colour(bits), _colour(bits)
    slope = np.clip(y + bits.number(-0.5, 0.5) * x, 0.0, 1.0)
    clouds = np.stack([fractal_noise(bits, height, width) for _ in range(3)])
    common = fractal_noise(bits, height, width)
    common *= 0.7
    clouds *= 0.3
    clouds += common
    clouds -= 0.5
    clouds *= 0.6
    blended: Plane = (second - first) * slope
    blended += first
    blended += clouds
    return blended


def _colour(bits: RandomBits) -> Plane:
    """A colour whose channels go together, as they do in photos: (3, 1, 1)."""
    return bits.number(0.3, 1.0) + bits.number(0.1, 0.7) * (bits.uniform(3, 1, 1) - 0.5)


def _pattern(bits: RandomBits, picture: Plane, y: Plane, x: Plane) -> None:
    """Stripes or checks over one part, like a wall, a fence or a fabric; in place."""
    along, across = bits.number(6.0, 20.0), bits.number(-8.0, 8.0)
    wave = triangle(along * x + across * y)
    if bits.number(0.0, 1.0) < 0.5:
        wave = wave * triangle(along * y - across * x)
    edge = y - bits.number(0.3, 0.7) - bits.number(-0.3, 0.3) * x
    mask = coverage(edge, len(y))
    wave -= 0.5
    wave *= 0.5
    added = 0.5 * (_colour(bits) - 0.5) + wave
    added *= mask
    picture += added


def _solid(bits: RandomBits, picture: Plane, y: Plane, x: Plane) -> None:
    """A textured ball or box with light from one side and a soft shadow below; in place."""
    centre_y, centre_x = bits.number(0.1, 0.9), bits.number(0.1, 1.2)
    radius_y, radius_x = bits.number(0.06, 0.3), bits.number(0.06, 0.3)
    turn = bits.number(-0.6, 0.6)
    length = np.sqrt(1.0 + turn * turn)
    across = ((x - centre_x) + turn * (y - centre_y)) / (length * radius_x)
    along = ((y - centre_y) - turn * (x - centre_x)) / (length * radius_y)
    round_one = bits.number(0.0, 1.0) < 0.6
    shadow = _shadow(across, along)
    smallest = min(radius_y, radius_x)
    size = (1.0 + 0.5 / (smallest * len(y))) / length  # with the pixels that it covers in part
    down = size * (radius_y + abs(turn) * radius_x)
    aside = size * (radius_x + abs(turn) * radius_y)
    rows = between(y, centre_y - down, centre_y + down)
    columns = between(x, centre_x - aside, centre_x + aside)
    across, along = across[rows, columns], along[rows, columns]
    if round_one:
        distance = np.sqrt(across * across + along * along)
    else:
        distance = np.maximum(np.abs(across), np.abs(along))
    light = np.clip(0.75 - 0.35 * along - 0.3 * across - 0.25 * distance * distance, 0.1, 1.2)
    texture = fractal_noise(
        bits,
        len(y),
        x.size,
        rows=np.arange(len(y))[rows],
        columns=np.arange(x.size)[columns],
    )
    surface = light * (0.6 + 0.8 * texture) * _colour(bits)
    picture *= shadow
    lay(picture[:, rows, columns], surface, coverage((1.0 - distance) * smallest, len(y)))


def _shadow(across: Plane, along: Plane) -> Plane:
    """What a shadow below a thing leaves of the light."""
    below = along - 0.5
    below *= below
    distance = across * across
    distance += below
    distance *= distance
    distance += 1.0
    return 1.0 - 0.5 / distance
