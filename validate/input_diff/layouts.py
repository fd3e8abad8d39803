"""The axes of a picture tensor: which is the height, the width, the colour."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from paddleport.errors import FeedError
from paddleport.tensors import Array, format_shape

MAX_PIXELS = 1 << 24
"""The most pixels of one picture in a tensor."""

MAX_ROWS = 1024
"""The most pictures in a batch."""


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


def layouts(tensor: Array, *, batch: bool) -> list[Layout]:
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
