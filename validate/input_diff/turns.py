"""Mirrorings and quarter turns of a picture, and where a window lies after one."""

import numpy as np

from paddleport.tensors import Array

Size = tuple[int, int]

SWAPPED = "with height and width swapped"
"""The turn that is told as a layout."""

TURNS: dict[str, tuple[int, bool]] = {  # quarter turns counter-clockwise, after a mirroring
    "": (0, False),
    "flipped left to right": (0, True),
    "flipped upside down": (2, True),
    "turned by 180 degrees": (2, False),
    SWAPPED: (1, True),
    "turned by 90 degrees counter-clockwise": (1, False),
    "turned by 90 degrees clockwise": (3, False),
    f"{SWAPPED} and turned by 180 degrees": (3, True),
}


def turned(picture: Array, turn: str) -> Array:
    """A picture [H, W, C] after one of ``TURNS``."""
    quarters, mirrored = TURNS[turn]
    made = np.rot90(picture[:, ::-1] if mirrored else picture, quarters)
    return np.ascontiguousarray(made) if turn else picture


def unturned(picture: Array, turn: str) -> Array:
    """The picture [H, W, C] that ``turned`` made this of."""
    quarters, mirrored = TURNS[turn]
    made = np.rot90(picture, -quarters)
    return made[:, ::-1] if mirrored else made


def is_sideways(turn: str) -> bool:
    """Whether a turn swaps height and width."""
    return TURNS[turn][0] % 2 == 1


def turned_offset(offset: Size, size: Size, whole: Size, turn: str) -> Size:
    """Where a window of ``size`` at (top, left) of a ``whole`` lies after the whole was turned."""
    quarters, mirrored = TURNS[turn]
    (top, left), (height, width), (rows, columns) = offset, size, whole
    if mirrored:
        left = columns - left - width
    for _ in range(quarters):
        top, left = columns - left - width, top
        height, width, rows, columns = width, height, columns, rows
    return top, left
