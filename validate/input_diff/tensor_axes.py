"""A tensor as a picture: its row of a batch, its layout of the axes, mirrorings and turns."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from paddleport.errors import FeedError
from paddleport.models.preprocess import Preprocess
from paddleport.progress import Progress
from paddleport.tensors import Array, format_shape
from paddleport.validate.input_diff.pixel_match import best_offset, block_means, luminance
from paddleport.validate.input_diff.resampling import Kernel, Size, resample
from paddleport.validate.input_diff.resize_and_crop import our_resize

MAX_PIXELS = 1 << 24
"""The most pixels of one picture in a tensor."""

MAX_ROWS = 1024
"""The most pictures in a batch."""

SIDES_SWAPPED = "with height and width swapped"
"""The turn that is reported as a layout."""

TURNS: dict[str, tuple[int, bool]] = {  # quarter turns counter-clockwise, after a mirroring
    "": (0, False),
    "flipped left to right": (0, True),
    "flipped upside down": (2, True),
    "turned by 180 degrees": (2, False),
    SIDES_SWAPPED: (1, True),
    "turned by 90 degrees counter-clockwise": (1, False),
    "turned by 90 degrees clockwise": (3, False),
    f"{SIDES_SWAPPED} and turned by 180 degrees": (3, True),
}

_BLOCKS = 48  # along the shorter side of what is compared to find a row
_AS_WELL = 0.98  # of the best likeness: the first such row is taken


@dataclass(frozen=True)
class Layout:
    """One reading of a tensor's axes.

    Attributes:
        name: ``NCHW`` and so on; without a batch axis ``CHW``.
        scrambled: the bytes were given this shape by a reshape where a transpose was due.
        picture: [H, W, 3] float64.
    """

    name: str
    scrambled: bool
    picture: Array


def check_tensor(tensor: Array) -> None:
    """Refuse what cannot be a picture.

    Raises:
        FeedError: not 3 or 4 axes with three colours among them, not numbers, not finite, or
            more than ``MAX_ROWS`` pictures or ``MAX_PIXELS`` in one.
    """
    found = f"the tensor is {tensor.dtype} [{format_shape(tensor.shape)}]"
    if tensor.dtype.kind not in "fiu":
        raise FeedError(f"{found}: it takes real numbers, as float32")
    if tensor.ndim not in (3, 4) or 3 not in tensor.shape[-3:] or not tensor.size:
        raise FeedError(
            f"{found}: it takes a picture of three channels, [N, 3, H, W], [N, H, W, 3] or one "
            "without N"
        )
    if tensor.ndim == 4 and len(tensor) > MAX_ROWS:
        raise FeedError(f"{found}: it takes batches of at most {MAX_ROWS}; save one: tensor[:1]")
    if np.prod(tensor.shape[-3:]) > 3 * MAX_PIXELS:
        raise FeedError(f"{found}: it takes at most {MAX_PIXELS} pixels")
    if not np.isfinite(tensor).all():
        raise FeedError(
            f"{found} and holds NaN or infinity, which no preprocessing makes: mend that first"
        )


def without_padding(tensor: Array) -> Array:
    """The three colours of a tensor whose fourth channel is zeros; any other as it is.

    Raises:
        FeedError: a fourth channel that holds something.
    """
    if tensor.ndim not in (3, 4) or 4 not in (tensor.shape[-3], tensor.shape[-1]):
        return tensor
    axis = -3 if tensor.shape[-3] == 4 else -1
    colours, padding = np.split(tensor, [3], axis=axis)
    if padding.any():
        raise FeedError(
            f"the tensor is [{format_shape(tensor.shape)}], and its fourth channel is not the "
            "zeros that this model is fed with: set it to 0"
        )
    return colours


def possible_layouts(tensor: Array, *, batch: bool) -> list[Layout]:
    """Every way of reading one picture's tensor, the usual one first.

    Args:
        tensor: three axes, as ``check_tensor`` lets it pass.
        batch: whether it was one of a batch, which its name says.
    """
    values = np.asarray(tensor, np.float64)
    first, second, third = values.shape
    readings: list[tuple[str, bool, Callable[[], Array]]] = []
    if first == 3:
        readings.append(("CHW", False, lambda: values.transpose(1, 2, 0)))
    if third == 3:
        readings.append(("HWC", False, lambda: values))
    if first == 3:
        readings.append(("CHW", True, lambda: values.reshape(second, third, 3)))
    if third == 3:
        flat = (3, first, second)
        readings.append(("HWC", True, lambda: values.reshape(flat).transpose(1, 2, 0)))
    if second == 3:
        readings.append(("HCW", False, lambda: values.transpose(0, 2, 1)))
    named = "N" if batch else ""
    return [Layout(named + name, scrambled, make()) for name, scrambled, make in readings]


def turned(picture: Array, turn: str, axes: tuple[int, int] = (0, 1)) -> Array:
    """A picture after one of ``TURNS``; ``axes`` are those of its height and width."""
    if not turn:
        return picture
    quarters, mirrored = TURNS[turn]
    made = np.rot90(np.flip(picture, axes[1]) if mirrored else picture, quarters, axes)
    return np.ascontiguousarray(made)


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


def find_row(picture: Array, batch: Array, preprocess: Preprocess, progress: Progress) -> int:
    """The first row of a batch that shows the picture as well as any does.

    Args:
        picture: [H, W, 3] uint8.
        batch: four axes, of any layout.
        preprocess: the model's; its size is where the picture is looked for.
        progress: called with what is going on and its share done.
    """
    if len(batch) == 1:
        return 0
    size = our_resize((picture.shape[0], picture.shape[1]), preprocess).size
    whole = resample(picture, size, Kernel("OpenCV", "area"))
    scores = []
    for row in range(len(batch)):
        progress("look for the picture in the batch", 0.05 * row / len(batch))
        scores.append(_likeness(whole, batch[row]))
    least = _AS_WELL * max(scores)
    return next(row for row, score in enumerate(scores) if score >= least)


def _likeness(whole: Array, tensor: Array) -> float:
    scores = [0.0]
    for layout in possible_layouts(tensor, batch=True):
        factor = max(1, min(layout.picture.shape[:2]) // _BLOCKS)
        part = block_means(luminance(layout.picture), factor)
        blocks = block_means(luminance(whole), factor)
        if all(have >= want for have, want in zip(blocks.shape, part.shape, strict=True)):
            scores.append(best_offset(blocks, part)[0])
    return max(scores)
