"""The sample picture: a drake that paddles into the sunset."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from paddleport.models.drawing import (
    Picture,
    Plane,
    RandomBits,
    coverage,
    fractal_noise,
    grid,
    smoothstep,
    to_picture,
    triangle,
)

HORIZON = 0.50
"""How far down the picture the sky meets the water; all lengths here are in picture heights."""

WATERLINE = 0.735
SUN_Y, SUN_X = 0.425, 0.98

Colour = tuple[float, float, float]  # red, green, blue

SKY: tuple[tuple[float, Colour], ...] = (  # from the top to the horizon
    (0.00, (0.16, 0.17, 0.37)),
    (0.22, (0.46, 0.28, 0.47)),
    (0.36, (0.87, 0.44, 0.36)),
    (0.46, (0.99, 0.68, 0.36)),
    (0.56, (1.00, 0.85, 0.55)),
)


@dataclass(frozen=True)
class Part:
    """An ellipse of the duck: where, how large, how turned, and its colour."""

    y: float
    x: float
    radius_y: float
    radius_x: float
    turn: float
    colour: Colour


DRAKE = (
    Part(0.660, 0.265, 0.020, 0.075, 0.42, (0.20, 0.17, 0.16)),  # tail
    Part(0.672, 0.275, 0.014, 0.085, 0.28, (0.86, 0.82, 0.76)),  # tail, its pale edge
    Part(0.700, 0.430, 0.078, 0.185, 0.05, (0.66, 0.62, 0.58)),  # flank
    Part(0.606, 0.606, 0.078, 0.041, 0.16, (0.07, 0.33, 0.22)),  # neck
    Part(0.690, 0.555, 0.072, 0.088, -0.35, (0.45, 0.25, 0.17)),  # breast
    Part(0.634, 0.596, 0.010, 0.045, 0.16, (0.93, 0.91, 0.86)),  # ring
    Part(0.672, 0.395, 0.048, 0.145, 0.10, (0.48, 0.42, 0.38)),  # wing
    Part(0.660, 0.360, 0.026, 0.120, 0.14, (0.38, 0.33, 0.31)),  # wing, its upper feathers
    Part(0.692, 0.345, 0.015, 0.052, 0.18, (0.20, 0.32, 0.66)),  # speculum
    Part(0.556, 0.705, 0.013, 0.042, 0.12, (0.90, 0.68, 0.16)),  # bill
    Part(0.548, 0.694, 0.011, 0.030, 0.20, (0.97, 0.78, 0.24)),  # bill, its upper half
    Part(0.540, 0.632, 0.050, 0.058, 0.05, (0.06, 0.40, 0.25)),  # head
    Part(0.530, 0.650, 0.0095, 0.0095, 0.0, (0.03, 0.03, 0.03)),  # eye
    Part(0.5275, 0.6525, 0.0028, 0.0028, 0.0, (1.00, 1.00, 0.95)),  # its glint
)


def draw_duck(height: int, width: int) -> Picture:
    """Draw the picture: (height, width, 3) uint8, BGR."""
    bits = RandomBits(7)
    y, x = grid(height, width)
    land = _hills(bits, _sky(bits, y, x), y, x)
    duck, alpha = _duck(bits, y, x)
    waves = _waves(bits, y, x)
    picture = _blend(land, _water(land, waves, y, x), coverage(y - HORIZON, height))
    rows = (2.0 * WATERLINE - y) + 0.030 * (waves - 0.5)
    columns = x + 0.030 * (waves - 0.5)
    below = coverage(y - WATERLINE, height)
    mirrored = _gather(duck, rows, columns) * np.array([0.62, 0.60, 0.66])
    shade = _gather(alpha[:, :, None], rows, columns)[:, :, 0]
    picture = _blend(picture, mirrored, 0.85 * shade * below)
    picture = _rings(picture, waves, y, x)
    picture = _blend(picture, duck, alpha * coverage(WATERLINE - y + 0.006 * waves, height))
    picture = _reeds(bits, picture, y, x)
    return np.ascontiguousarray(to_picture(picture)[:, :, ::-1])


def _sky(bits: RandomBits, y: Plane, x: Plane) -> Plane:
    sky = np.broadcast_to(np.array(SKY[0][1]), (*y.shape, 3))
    for (top, _), (bottom, colour) in pairwise(SKY):
        share = smoothstep(np.clip((y - top) / (bottom - top), 0.0, 1.0))
        sky = _blend(sky, np.array(colour), share)
    long = fractal_noise(bits, y.shape[0] * 2, y.shape[1] // 3 + 1)
    wisps = _gather(long[:, :, None], y * 2.0, x / 3.0)[:, :, 0]
    cloud = smoothstep(np.clip((wisps - 0.52) * 3.2, 0.0, 1.0)) * np.clip(1.1 - y / HORIZON, 0, 1)
    sky = _blend(sky, np.array((0.98, 0.56, 0.42)), 0.75 * cloud)
    distance = (y - SUN_Y) * (y - SUN_Y) + (x - SUN_X) * (x - SUN_X)
    glow = 1.0 / (1.0 + 22.0 * distance) * 0.55 + 1.0 / (1.0 + 260.0 * distance) * 0.45
    sky = _blend(sky, np.array((1.0, 0.86, 0.52)), glow)
    disc = coverage(0.062 - np.sqrt(distance), y.shape[0])
    return _blend(sky, np.array((1.0, 0.97, 0.82)), disc)


def _hills(bits: RandomBits, sky: Plane, y: Plane, x: Plane) -> Plane:
    """Two ridges, the farther one paler."""
    picture = sky
    for rise, colour in ((0.110, (0.52, 0.30, 0.38)), (0.065, (0.24, 0.16, 0.25))):
        ridge = fractal_noise(bits, 4, y.shape[1])[1:2, :]
        top = HORIZON - rise * (0.25 + 1.0 * ridge)
        picture = _blend(picture, np.array(colour), coverage(y - top, y.shape[0]))
    return picture


def _waves(bits: RandomBits, y: Plane, x: Plane) -> Plane:
    """Ripples from 0 to 1 that grow and spread towards the viewer."""
    depth = np.maximum(y - HORIZON, 0.0)
    noise = fractal_noise(bits, *y.shape, finest=16)
    near = 1.0 / (depth + 0.06)
    first = triangle(5.0 * near + 1.3 * noise + 0.35 * x)
    second = triangle(3.1 * near - 1.7 * noise - 0.8 * x + 0.3)
    return 0.6 * first + 0.4 * second


def _water(land: Plane, waves: Plane, y: Plane, x: Plane) -> Plane:
    depth = np.maximum(y - HORIZON, 0.0)
    swing = (waves - 0.5) * (0.01 + 0.22 * depth)
    mirror = _gather(land, 2.0 * HORIZON - y + swing, x + 0.3 * swing)
    deep = np.array((0.10, 0.11, 0.26))
    water = _blend(mirror * np.array((0.90, 0.84, 0.90)), deep, np.clip(0.12 + 0.75 * depth, 0, 1))
    beside = np.abs(x - SUN_X) / (0.055 + 0.45 * depth)
    path = 1.0 / (1.0 + beside * beside * beside * beside)
    glitter = path * smoothstep(np.clip(waves * 1.9 - 0.75, 0.0, 1.0))
    return _blend(water, np.array((1.0, 0.84, 0.52)), 0.85 * glitter)


def _duck(bits: RandomBits, y: Plane, x: Plane) -> tuple[Plane, Plane]:
    """The drake's colours and its coverage, as if there were no water."""
    feathers = 0.88 + 0.24 * fractal_noise(bits, *y.shape)
    picture: Plane = np.zeros((*y.shape, 3))
    alpha = np.zeros(y.shape)
    for part in DRAKE:
        length = float(np.sqrt(1.0 + part.turn * part.turn))
        across = ((x - part.x) + part.turn * (y - part.y)) / (length * part.radius_x)
        along = ((y - part.y) - part.turn * (x - part.x)) / (length * part.radius_y)
        distance = np.sqrt(across * across + along * along)
        light = np.clip(0.86 + 0.26 * across - 0.26 * along - 0.20 * distance * distance, 0.3, 1.3)
        rim = smoothstep(np.clip(2.4 * (0.8 * across - 0.6 * along) * distance - 1.3, 0.0, 1.0))
        share = coverage((1.0 - distance) * min(part.radius_y, part.radius_x), y.shape[0])
        colour = (light * feathers)[:, :, None] * np.array(part.colour)
        colour = _blend(colour, np.array((1.0, 0.78, 0.48)), 0.45 * rim)
        picture = _blend(picture, colour, share)
        alpha = alpha + share * (1.0 - alpha)
    # Where nothing covers the pixel its colour must not darken the edge of what is beside it.
    return picture / np.maximum(alpha, 1e-9)[:, :, None], alpha


def _rings(picture: Plane, waves: Plane, y: Plane, x: Plane) -> Plane:
    """Ripples that spread from the duck."""
    across, along = x - 0.43, (y - WATERLINE) * 4.2
    distance = np.sqrt(across * across + along * along)
    ring = triangle(11.0 * distance - 0.4 * waves)
    fade = np.clip((distance - 0.17) * 8.0, 0.0, 1.0) * np.clip((0.62 - distance) * 2.2, 0.0, 1.0)
    crest = (
        smoothstep(np.clip(ring * 2.0 - 1.0, 0.0, 1.0)) * fade * coverage(y - HORIZON, y.shape[0])
    )
    return _blend(picture, np.array((1.0, 0.80, 0.66)), 0.22 * crest)


def _reeds(bits: RandomBits, picture: Plane, y: Plane, x: Plane) -> Plane:
    """Dark blades and two cattails in the near corners."""
    dark = np.array((0.07, 0.06, 0.10))
    up = 1.0 - y
    for blade in range(22):
        side = bits.number(0.0, 0.20) if blade % 3 else bits.number(1.22, 1.333)
        tall, lean = bits.number(0.16, 0.52), bits.number(-0.10, 0.16)
        along = np.clip(up / tall, 0.0, 1.0)
        centre = side + lean * along * along
        half = 0.0062 * (1.0 - along * along) - 0.0001
        share = coverage(half - np.abs(x - centre), y.shape[0]) * coverage(tall - up, y.shape[0])
        picture = _blend(picture, dark, share)
    for foot, top in ((0.115, 0.40), (0.055, 0.52)):
        stem = np.minimum(0.0022 - np.abs(x - foot), (y - top))
        picture = _blend(picture, dark, coverage(stem, y.shape[0]))
        across, along = (x - foot) / 0.011, (y - top - 0.05) / 0.045
        head = (1.0 - np.sqrt(across * across + along * along)) * 0.011
        picture = _blend(picture, np.array((0.17, 0.09, 0.07)), coverage(head, y.shape[0]))
    return picture


def _gather(planes: Plane, y: Plane, x: Plane) -> Plane:
    """The pixels of ``planes`` at positions in picture heights; the edge goes on outside."""
    rows = np.clip(np.floor(y * y.shape[0]), 0, planes.shape[0] - 1).astype(np.int64)
    columns = np.clip(np.floor(x * y.shape[0]), 0, planes.shape[1] - 1).astype(np.int64)
    picked: Plane = planes[rows, columns]
    return picked


def _blend(below: Plane, above: Plane, share: Plane) -> Plane:
    """``above`` over ``below`` where ``share`` (height, width) is 1."""
    blended: Plane = below + (above - below) * share[:, :, None]
    return blended
