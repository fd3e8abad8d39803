"""Taking the pixels of a tensor from a picture, by a rule that may be another than the model's."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from paddleport.models.card import Preprocess
from paddleport.tensors import Array
from paddleport.validate.input_diff.geometry import Resize
from paddleport.validate.input_diff.kernels import Kernel, Size, resample
from paddleport.validate.input_diff.variants.change import Change

_MOST_PIXELS = 1 << 24  # of a resized picture: thin ones grow very long


@dataclass(frozen=True)
class Rule:
    """How the pixels of a tensor are taken from a picture.

    Attributes:
        name: what is done, as ``Change.name``.
        advice: what should be done, as ``Change.advice``.
        resize: the rule for the size, by the picture's (height, width).
        kernel: the resampling.
        crop: (top, left) by the sizes resized to and wanted.
    """

    name: str
    advice: str
    resize: Callable[[Size], Resize]
    kernel: Kernel
    crop: Callable[[Size, Size], Size]


def change_of(rule: Rule, preprocess: Preprocess) -> Change:
    """A rule as a change; a tensor that was made from no picture stays what it is."""

    def make(tensor: Array, picture: Array | None) -> Array | None:
        if picture is None:
            return tensor
        made = prepared(picture, rule, preprocess, (tensor.shape[2], tensor.shape[3]))
        if made is None or made.shape != tensor.shape[1:]:
            return None
        return np.broadcast_to(made, tensor.shape).astype(tensor.dtype)

    return Change(rule.name, rule.advice, make)


def prepared(picture: Array, rule: Rule, preprocess: Preprocess, want: Size) -> Array | None:
    """A picture as a rule has it and normalised as the model's: [3, H, W] float32.

    Args:
        picture: [H, W, 3] uint8 BGR.
        rule: the size, the interpolation and the crop.
        preprocess: the order of the channels, scale, mean and std.
        want: (height, width) of what comes out.

    Returns:
        ``None`` where the crop does not fit into the resized picture.
    """
    have: Size = (picture.shape[0], picture.shape[1])
    resize = rule.resize(have)
    if resize.size[0] * resize.size[1] > _MOST_PIXELS:
        return None
    top, left = rule.crop(resize.size, want)
    bottom, right = top + want[0], left + want[1]
    if min(top, left) < 0 or bottom > resize.size[0] or right > resize.size[1]:
        return None
    resized = resample(resize.of(picture), resize.size, rule.kernel)
    pixels = resized[top:bottom, left:right].astype(np.float32)
    ordered = pixels[:, :, ::-1] if preprocess.channels == "RGB" else pixels
    scale, mean, std = (
        np.asarray(value, np.float32)
        for value in (preprocess.scale, preprocess.mean, preprocess.std)
    )
    made: Array = ((ordered * scale - mean) / std).transpose(2, 0, 1)
    return made
