"""The axes of a picture tensor: which is the height, the width, the colour."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from paddleport.errors import FeedError
from paddleport.tensors import Array, format_shape


@dataclass(frozen=True)
class Layout:
    """One reading of a tensor's axes.

    Attributes:
        name: ``NCHW`` and so on; without a batch axis ``CHW``.
        scrambled: the bytes were given this shape by a reshape where a transpose was due.
        pictures: [N, H, W, 3] float64.
    """

    name: str
    scrambled: bool
    pictures: Array

    @property
    def text(self) -> str:
        """In words."""
        if not self.scrambled:
            return self.name
        real = "HWC" if self.name.endswith("CHW") else "CHW"
        return f"{real} reshaped to {self.name[-3:]} without a transpose"


def check_tensor(tensor: Array) -> None:
    """Refuse what cannot be a picture.

    Raises:
        FeedError: not 3 or 4 axes with three colours among them, not numbers, or not finite.
    """
    found = f"{tensor.dtype} [{format_shape(tensor.shape)}]"
    if tensor.dtype.kind not in "fiu":
        raise FeedError(f"the tensor is {found}: it takes real numbers, as float32")
    if tensor.ndim not in (3, 4) or 3 not in tensor.shape[-3:] or not tensor.size:
        raise FeedError(
            f"the tensor is {found}: it takes [N, 3, H, W], [N, H, W, 3] or one picture of these"
        )
    if not np.isfinite(tensor).all():
        raise FeedError("the tensor holds NaN or infinity, which no preprocessing makes: mend that")


def layouts(tensor: Array) -> list[Layout]:
    """Every way of reading a tensor, the usual one first.

    Args:
        tensor: as ``check_tensor`` lets it pass.
    """
    batch = "N" if tensor.ndim == 4 else ""
    values = np.asarray(tensor, np.float64)
    values = values if batch else values[None]
    count, first, second, third = values.shape
    readings: list[tuple[str, bool, Callable[[], Array]]] = []
    if first == 3:
        readings.append(("CHW", False, lambda: values.transpose(0, 2, 3, 1)))
    if third == 3:
        readings.append(("HWC", False, lambda: values))
    if first == 3:
        readings.append(("CHW", True, lambda: values.reshape(count, second, third, 3)))
    if third == 3:
        flat = (count, 3, first, second)
        readings.append(("HWC", True, lambda: values.reshape(flat).transpose(0, 2, 3, 1)))
    if second == 3:
        readings.append(("HCW", False, lambda: values.transpose(0, 1, 3, 2)))
    return [Layout(batch + name, scrambled, make()) for name, scrambled, make in readings]
