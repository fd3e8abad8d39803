"""Pictures that the package draws itself: no files, no downloads, the same bits everywhere."""

import numpy as np

from paddleport.models.drawing import (
    Picture,
    Plane,
    RandomBits,
    coverage,
    fractal_noise,
    grid,
    soften,
    to_picture,
    triangle,
)
from paddleport.models.duck import draw_duck

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
        picture = _pattern(bits, picture, y, x)
    for _ in range(3 + index % 5):
        picture = _solid(bits, picture, y, x)
    grain = fractal_noise(bits, height, width)[:, :, None]
    picture = picture * (0.75 + 0.5 * grain)
    if index % 3 == 2:
        picture = soften(picture, 2 + index % 4)
    else:
        picture = picture + 0.03 * (bits.uniform(height, width, 3) - 0.5)
    contrast, brightness = bits.number(0.8, 1.4), bits.number(-0.06, 0.06)
    picture = ((picture - 0.45) * contrast + 0.45 + brightness) * _CASTS[index % len(_CASTS)]
    return to_picture(picture)


def _background(bits: RandomBits, y: Plane, x: Plane) -> Plane:
    """Two colours blended along a slope, with cloudy variation in each channel."""
    first, second = _colour(bits), _colour(bits)
    slope = np.clip(y + bits.number(-0.5, 0.5) * x, 0.0, 1.0)[:, :, None]
    clouds = [fractal_noise(bits, *y.shape) for _ in range(3)]
    common = fractal_noise(bits, *y.shape)
    variation = np.stack([0.3 * own + 0.7 * common - 0.5 for own in clouds], axis=2)
    blended: Plane = first + (second - first) * slope
    return blended + 0.6 * variation


def _colour(bits: RandomBits) -> Plane:
    """A colour whose channels go together, as they do in photos."""
    return bits.number(0.3, 1.0) + bits.number(0.1, 0.7) * (bits.uniform(3) - 0.5)


def _pattern(bits: RandomBits, picture: Plane, y: Plane, x: Plane) -> Plane:
    """Stripes or checks over one part, like a wall, a fence or a fabric."""
    along, across = bits.number(6.0, 20.0), bits.number(-8.0, 8.0)
    wave = triangle(along * x + across * y)
    if bits.number(0.0, 1.0) < 0.5:
        wave = wave * triangle(along * y - across * x)
    edge = y - bits.number(0.3, 0.7) - bits.number(-0.3, 0.3) * x
    mask = coverage(edge, y.shape[0])[:, :, None]
    colour = _colour(bits)
    return picture + mask * (0.5 * (colour - 0.5) + 0.5 * (wave[:, :, None] - 0.5))


def _solid(bits: RandomBits, picture: Plane, y: Plane, x: Plane) -> Plane:
    """A textured ball or box with light from one side and a soft shadow below."""
    centre_y, centre_x = bits.number(0.1, 0.9), bits.number(0.1, 1.2)
    radius_y, radius_x = bits.number(0.06, 0.3), bits.number(0.06, 0.3)
    turn = bits.number(-0.6, 0.6)
    length = np.sqrt(1.0 + turn * turn)
    across = ((x - centre_x) + turn * (y - centre_y)) / (length * radius_x)
    along = ((y - centre_y) - turn * (x - centre_x)) / (length * radius_y)
    if bits.number(0.0, 1.0) < 0.6:
        distance = np.sqrt(across * across + along * along)
    else:
        distance = np.maximum(np.abs(across), np.abs(along))
    light = np.clip(0.75 - 0.35 * along - 0.3 * across - 0.25 * distance * distance, 0.1, 1.2)
    texture = 0.6 + 0.8 * fractal_noise(bits, *y.shape)
    colour = _colour(bits)
    shadow_distance = across * across + (along - 0.5) * (along - 0.5)
    shadow = 1.0 - 0.5 / (1.0 + shadow_distance * shadow_distance)
    shape = coverage((1.0 - distance) * min(radius_y, radius_x), y.shape[0])[:, :, None]
    surface: Plane = (light * texture)[:, :, None] * colour
    behind: Plane = picture * shadow[:, :, None]
    return behind + shape * (surface - behind)
