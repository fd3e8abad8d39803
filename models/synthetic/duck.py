"""The sample picture: a drake that paddles into the sunset."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from paddleport.models.synthetic.drawing import (
    Indices,
    Picture,
    Plane,
    RandomBits,
    between,
    colour,
    coverage,
    fractal_noise,
    grid,
    lay,
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


@dataclass(frozen=True)  # positional: the parts are rows of a table
class DuckPart:
    """An ellipse of the duck: where, how large, how turned, and its colour."""

    y: float
    x: float
    radius_y: float
    radius_x: float
    turn: float
    colour: Colour

    def reach(self, height: int) -> tuple[float, float, float, float]:
        """Top, bottom, left and right of all that it covers in a picture of this height."""
        size = 1.0 + 0.5 / (min(self.radius_y, self.radius_x) * height)
        y, x, turn = self.radius_y**2, self.radius_x**2, self.turn**2
        down = size * ((y + turn * x) / (1.0 + turn)) ** 0.5
        across = size * ((x + turn * y) / (1.0 + turn)) ** 0.5
        return self.y - down, self.y + down, self.x - across, self.x + across


DRAKE = (
    DuckPart(0.660, 0.265, 0.020, 0.075, 0.42, (0.20, 0.17, 0.16)),  # tail
    DuckPart(0.672, 0.275, 0.014, 0.085, 0.28, (0.86, 0.82, 0.76)),  # tail, its pale edge
    DuckPart(0.700, 0.430, 0.078, 0.185, 0.05, (0.66, 0.62, 0.58)),  # flank
    DuckPart(0.606, 0.606, 0.078, 0.041, 0.16, (0.07, 0.33, 0.22)),  # neck
    DuckPart(0.690, 0.555, 0.072, 0.088, -0.35, (0.45, 0.25, 0.17)),  # breast
    DuckPart(0.634, 0.596, 0.010, 0.045, 0.16, (0.93, 0.91, 0.86)),  # ring
    DuckPart(0.672, 0.395, 0.048, 0.145, 0.10, (0.48, 0.42, 0.38)),  # wing
    DuckPart(0.660, 0.360, 0.026, 0.120, 0.14, (0.38, 0.33, 0.31)),  # wing, its upper feathers
    DuckPart(0.692, 0.345, 0.015, 0.052, 0.18, (0.20, 0.32, 0.66)),  # speculum
    DuckPart(0.556, 0.705, 0.013, 0.042, 0.12, (0.90, 0.68, 0.16)),  # bill
    DuckPart(0.548, 0.694, 0.011, 0.030, 0.20, (0.97, 0.78, 0.24)),  # bill, its upper half
    DuckPart(0.540, 0.632, 0.050, 0.058, 0.05, (0.06, 0.40, 0.25)),  # head
    DuckPart(0.530, 0.650, 0.0095, 0.0095, 0.0, (0.03, 0.03, 0.03)),  # eye
    DuckPart(0.5275, 0.6525, 0.0028, 0.0028, 0.0, (1.00, 1.00, 0.95)),  # its glint
)

WAVE = 0.030
"""How far what is mirrored is moved by a ripple, from trough to crest."""

Window = tuple[slice, slice]  # rows and columns: what lies outside comes out the same


def draw_duck(height: int, width: int) -> Picture:
    """Draw the picture: (height, width, 3) uint8, BGR."""
    bits = RandomBits(7)
    y, x = grid(height, width)
    window = _drake_s_window(y, x)
    shore = between(y, HORIZON, HORIZON)
    upper = between(y, 0.0, HORIZON + 0.01 + 2.0 / height)  # as far as ripples mirror it
    lower = slice(min(shore.start, window[0].start), height)
    land = _sky(bits, y[upper], x, height)
    _hills(bits, land, y[upper], x, height)
    duck, alpha = _duck(bits, y, x, window)
    waves = np.zeros((height, width))
    waves[lower] = _waves(bits, y, x, lower)
    water = _water(land, waves[shore.start :], y[shore.start :], x, height)
    picture = np.empty((3, height, width))
    picture[:, upper] = land
    picture[:, shore.stop :] = water[:, shore.stop - shore.start :]
    shared = water[:, : shore.stop - shore.start]
    lay(picture[:, shore], shared, coverage(y[shore] - HORIZON, height))
    _mirror(picture, duck, alpha, waves, y, x, window)
    _rings(picture, waves, y, x)
    above = coverage(WATERLINE - y[window[0]] + 0.006 * waves[window], height)
    lay(picture[:, window[0], window[1]], duck, alpha * above)
    _reeds(bits, picture, y, x)
    return to_picture(picture[::-1])


def _drake_s_window(y: Plane, x: Plane) -> Window:
    """Where the drake is, with room around it."""
    edges = zip(*(part.reach(len(y)) for part in DRAKE), strict=True)
    top, bottom, left, right = (reached for reached in edges)
    room = 2.0 / len(y)
    return (
        between(y, min(top) - room, max(bottom) + room),
        between(x, min(left) - room, max(right) + room),
    )


def _sky(bits: RandomBits, y: Plane, x: Plane, height: int) -> Plane:
    shade = colour(*SKY[0][1])
    for (top, _), (bottom, below) in pairwise(SKY):
        share = smoothstep(np.clip((y - top) / (bottom - top), 0.0, 1.0))
        shade = shade + (colour(*below) - shade) * share
    sky = np.repeat(shade, x.size, axis=2)
    rows = np.clip(np.floor(y * 2.0 * height), 0, 2 * height - 1).astype(np.int64)
    columns = np.clip(np.floor(x / 3.0 * height), 0, x.size // 3).astype(np.int64)
    long = fractal_noise(bits, height * 2, x.size // 3 + 1, rows=rows[:, 0])
    cloud = smoothstep(np.clip((long - 0.52) * 3.2, 0.0, 1.0)) * np.clip(1.1 - y / HORIZON, 0, 1)
    cloud *= 0.75
    lay(sky, colour(0.98, 0.56, 0.42), cloud[:, columns[0]])
    distance = (y - SUN_Y) * (y - SUN_Y) + (x - SUN_X) * (x - SUN_X)
    glow = 1.0 / (1.0 + 22.0 * distance) * 0.55 + 1.0 / (1.0 + 260.0 * distance) * 0.45
    lay(sky, colour(1.0, 0.86, 0.52), glow)
    reach = 0.062 + 1.0 / height
    near = between(y, SUN_Y - reach, SUN_Y + reach), between(x, SUN_X - reach, SUN_X + reach)
    disc = coverage(0.062 - np.sqrt(distance[near]), height)
    lay(sky[:, near[0], near[1]], colour(1.0, 0.97, 0.82), disc)
    return sky


def _hills(bits: RandomBits, picture: Plane, y: Plane, x: Plane, height: int) -> None:
    """Two ridges, the farther one paler."""
    for rise, shade in ((0.110, (0.52, 0.30, 0.38)), (0.065, (0.24, 0.16, 0.25))):
        ridge = fractal_noise(bits, 4, x.size, rows=np.array([1]))
        top = HORIZON - rise * (0.25 + 1.0 * ridge)
        rows = between(y, float(top.min()) - 1.0 / height, 1.0)
        lay(picture[:, rows], colour(*shade), coverage(y[rows] - top, height))


def _waves(bits: RandomBits, y: Plane, x: Plane, rows: slice) -> Plane:
    """Ripples from 0 to 1 that grow and spread towards the viewer."""
    taken = np.arange(len(y))[rows]
    noise = fractal_noise(bits, len(y), x.size, finest=16, rows=taken)
    near = 1.0 / (np.maximum(y[rows] - HORIZON, 0.0) + 0.06)
    first = triangle(5.0 * near + 1.3 * noise + 0.35 * x)
    second = triangle(3.1 * near - 1.7 * noise - 0.8 * x + 0.3)
    return 0.6 * first + 0.4 * second


def _water(land: Plane, waves: Plane, y: Plane, x: Plane, height: int) -> Plane:
    depth = np.maximum(y - HORIZON, 0.0)
    swing = (waves - 0.5) * (0.01 + 0.22 * depth)
    rows = _pixels(2.0 * HORIZON - y + swing, height, slice(0, land.shape[1]))
    columns = _pixels(x + 0.3 * swing, height, slice(0, land.shape[2]))
    water = land[:, rows, columns] * colour(0.90, 0.84, 0.90)
    lay(water, colour(0.10, 0.11, 0.26), np.clip(0.12 + 0.75 * depth, 0, 1))
    beside = np.abs(x - SUN_X) / (0.055 + 0.45 * depth)
    path = 1.0 / (1.0 + beside * beside * beside * beside)
    glitter = path * smoothstep(np.clip(waves * 1.9 - 0.75, 0.0, 1.0))
    lay(water, colour(1.0, 0.84, 0.52), 0.85 * glitter)
    return water


def _duck(bits: RandomBits, y: Plane, x: Plane, window: Window) -> tuple[Plane, Plane]:
    """The drake's colours and its coverage in its window, as if there were no water."""
    height, inside = len(y), (np.arange(len(y))[window[0]], np.arange(x.size)[window[1]])
    noise = fractal_noise(bits, height, x.size, rows=inside[0], columns=inside[1])
    feathers = 0.88 + 0.24 * noise
    picture, alpha = np.zeros((3, *feathers.shape)), np.zeros(feathers.shape)
    y, x = y[window[0]], x[:, window[1]]
    for part in DRAKE:
        top, bottom, left, right = part.reach(height)
        at = rows, columns = between(y, top, bottom), between(x, left, right)
        down, aside = y[rows] - part.y, x[:, columns] - part.x
        length = float(np.sqrt(1.0 + part.turn * part.turn))
        across = (aside + part.turn * down) / (length * part.radius_x)
        along = (down - part.turn * aside) / (length * part.radius_y)
        distance = np.sqrt(across * across + along * along)
        light = np.clip(0.86 + 0.26 * across - 0.26 * along - 0.20 * distance * distance, 0.3, 1.3)
        rim = smoothstep(np.clip(2.4 * (0.8 * across - 0.6 * along) * distance - 1.3, 0.0, 1.0))
        share = coverage((1.0 - distance) * min(part.radius_y, part.radius_x), height)
        shade = (light * feathers[at]) * colour(*part.colour)
        lay(shade, colour(1.0, 0.78, 0.48), 0.45 * rim)
        lay(picture[:, rows, columns], shade, share)
        alpha[at] += share * (1.0 - alpha[at])
    # Where nothing covers the pixel its colour must not darken the edge of what is beside it.
    picture /= np.maximum(alpha, 1e-9)
    return picture, alpha


def _mirror(
    picture: Plane, duck: Plane, alpha: Plane, waves: Plane, y: Plane, x: Plane, window: Window
) -> None:
    """The drake upside down in the water; around it the window is empty, and so is its edge."""
    height, reach = len(y), 0.5 * WAVE
    top, bottom = float(y[window[0]][0, 0]), float(y[window[0]][-1, 0])
    left, right = float(x[0, window[1]][0]), float(x[0, window[1]][-1])
    rows = between(
        y, max(WATERLINE, 2.0 * WATERLINE - bottom - reach), 2.0 * WATERLINE - top + reach
    )
    columns = between(x, left - reach, right + reach)
    moved = WAVE * (waves[rows, columns] - 0.5)
    row = _pixels((2.0 * WATERLINE - y[rows]) + moved, height, window[0])
    column = _pixels(x[:, columns] + moved, height, window[1])
    share = 0.85 * alpha[row, column] * coverage(y[rows] - WATERLINE, height)
    lay(picture[:, rows, columns], duck[:, row, column] * colour(0.62, 0.60, 0.66), share)


def _rings(picture: Plane, waves: Plane, y: Plane, x: Plane) -> None:
    """Ripples that spread from the duck."""
    height, reach = len(y), 0.62
    rows = between(y, max(HORIZON, WATERLINE - reach / 4.2), WATERLINE + reach / 4.2)
    columns = between(x, 0.43 - reach, 0.43 + reach)
    y, x = y[rows], x[:, columns]
    across, along = x - 0.43, (y - WATERLINE) * 4.2
    distance = np.sqrt(across * across + along * along)
    ring = triangle(11.0 * distance - 0.4 * waves[rows, columns])
    fade = np.clip((distance - 0.17) * 8.0, 0.0, 1.0) * np.clip((0.62 - distance) * 2.2, 0.0, 1.0)
    crest = smoothstep(np.clip(ring * 2.0 - 1.0, 0.0, 1.0)) * fade * coverage(y - HORIZON, height)
    lay(picture[:, rows, columns], colour(1.0, 0.80, 0.66), 0.22 * crest)


def _reeds(bits: RandomBits, picture: Plane, y: Plane, x: Plane) -> None:
    """Dark blades and two cattails in the near corners."""
    height, dark = len(y), colour(0.07, 0.06, 0.10)
    pixel = 1.0 / height
    for blade in range(22):
        side = bits.number(0.0, 0.20) if blade % 3 else bits.number(1.22, 1.333)
        tall, lean = bits.number(0.16, 0.52), bits.number(-0.10, 0.16)
        rows = between(y, 1.0 - tall - pixel, 1.0)
        columns = between(x, side + min(lean, 0.0) - 0.01, side + max(lean, 0.0) + 0.01)
        up = 1.0 - y[rows]
        along = np.clip(up / tall, 0.0, 1.0)
        centre = side + lean * along * along
        half = 0.0062 * (1.0 - along * along) - 0.0001
        edge = coverage(half - np.abs(x[:, columns] - centre), height)
        lay(picture[:, rows, columns], dark, edge * coverage(tall - up, height))
    for foot, top in ((0.115, 0.40), (0.055, 0.52)):
        size = 1.0 + 0.5 / (0.011 * height)  # of the head, with the pixels that it covers in part
        columns = between(x, foot - 0.011 * size, foot + 0.011 * size)
        aside = x[:, columns] - foot
        rows = between(y, top - pixel, 1.0)
        stem = np.minimum(0.0022 - np.abs(aside), (y[rows] - top))
        lay(picture[:, rows, columns], dark, coverage(stem, height))
        rows = between(y, top + 0.05 - 0.045 * size, top + 0.05 + 0.045 * size)
        across, along = aside / 0.011, (y[rows] - top - 0.05) / 0.045
        head = (1.0 - np.sqrt(across * across + along * along)) * 0.011
        lay(picture[:, rows, columns], colour(0.17, 0.09, 0.07), coverage(head, height))


def _pixels(places: Plane, height: int, among: slice) -> Indices:
    """Which pixels some places in picture heights are, counted from the first of ``among``.

    Its edges go on outside.
    """
    found = np.clip(np.floor(places * height), among.start, among.stop - 1).astype(np.int64)
    found -= among.start
    return found
