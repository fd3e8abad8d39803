"""The same values in other places: bytes read in another layout, pictures flipped or turned."""

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.input_diff.variants.change import Change

_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601, as OpenCV and Pillow do


def layout_changes() -> list[Change]:
    """Bytes that were read in another layout than they were written in; the shape stays."""
    return [
        Change("HWC bytes read as CHW", "transpose to CHW, do not reshape", _hwc_as_chw),
        Change("CHW bytes read as HWC", "feed CHW as it is", _chw_as_hwc),
        Change("height and width swapped", "feed the height before the width", _swap_sides),
    ]


def turn_changes() -> list[Change]:
    """Pictures that stand otherwise; quarter turns only of square ones, so the shape stays."""
    upright = "feed the picture upright, as its EXIF orientation says"
    return [
        Change("flipped left to right", "do not mirror the picture", _mirror),
        Change("flipped upside down", "feed the top row first", _flip),
        Change("turned by 180 degrees", upright, _half_turn),
        Change("turned by 90 degrees clockwise", upright, _clockwise),
        Change("turned by 90 degrees counter-clockwise", upright, _counter_clockwise),
    ]


def grey_change(order: str) -> Change:
    """All colour taken out; ``order`` of the channels is RGB unless it is BGR."""
    weights = np.array(_LUMA[::-1] if order == "BGR" else _LUMA).reshape(1, 3, 1, 1)

    def make(tensor: Array, picture: Array | None) -> Array | None:
        if tensor.shape[1] != 3 or not np.issubdtype(tensor.dtype, np.floating):
            return None
        grey = (tensor * weights).sum(axis=1, keepdims=True)
        return np.broadcast_to(grey, tensor.shape).astype(tensor.dtype)

    return Change("without colour, grey in every channel", "feed the picture in colour", make)


def _hwc_as_chw(tensor: Array, picture: Array | None) -> Array:
    return np.ascontiguousarray(tensor.transpose(0, 2, 3, 1)).reshape(tensor.shape)


def _chw_as_hwc(tensor: Array, picture: Array | None) -> Array:
    count, channels, height, width = tensor.shape
    read = tensor.reshape(count, height, width, channels)
    return np.ascontiguousarray(read.transpose(0, 3, 1, 2))


def _swap_sides(tensor: Array, picture: Array | None) -> Array:
    return np.ascontiguousarray(tensor.transpose(0, 1, 3, 2)).reshape(tensor.shape)


def _mirror(tensor: Array, picture: Array | None) -> Array:
    return np.ascontiguousarray(tensor[:, :, :, ::-1])


def _flip(tensor: Array, picture: Array | None) -> Array:
    return np.ascontiguousarray(tensor[:, :, ::-1])


def _half_turn(tensor: Array, picture: Array | None) -> Array:
    return np.ascontiguousarray(tensor[:, :, ::-1, ::-1])


def _clockwise(tensor: Array, picture: Array | None) -> Array | None:
    return _quarter_turn(tensor, -1)


def _counter_clockwise(tensor: Array, picture: Array | None) -> Array | None:
    return _quarter_turn(tensor, 1)


def _quarter_turn(tensor: Array, count: int) -> Array | None:
    if tensor.shape[2] != tensor.shape[3]:
        return None
    return np.ascontiguousarray(np.rot90(tensor, count, axes=(2, 3)))
