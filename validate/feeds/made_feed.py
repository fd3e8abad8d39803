"""A feed that is made up: noise, drawn pictures, and integers that the model has a use for."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from paddleport.models.synthetic.samples import draw_picture
from paddleport.tensors import Array, TensorSpec
from paddleport.validate.feeds.named_feed import DEFAULT_SIZE, NamedFeed
from paddleport.validate.feeds.value_ranges import IDS_BELOW, ValueRange

_NOISE_SEED = 20_240_811
_ANYTHING = ValueRange(0, IDS_BELOW - 1)


def made_feed(
    specs: Sequence[TensorSpec], index: int, ranges: Mapping[str, ValueRange] | None = None
) -> NamedFeed:
    """Feed number ``index`` of inputs whose sizes are all known: other numbers, other values.

    From number 1 on, an input that has the shape of a picture is a drawn one.

    Args:
        specs: the inputs.
        index: from 0 on.
        ranges: of inputs that hold integers, as far as they are known.
    """
    drawn = index > 0 and any(is_picture(spec) for spec in specs)
    generator = np.random.Generator(np.random.PCG64([_NOISE_SEED, index]))
    tensors = {
        spec.name: _drawn(spec, index)
        if drawn and is_picture(spec)
        else _noise(spec, specs, (ranges or {}).get(spec.name, _ANYTHING), generator)
        for spec in specs
    }
    kind: Literal["drawn", "noise"] = "drawn" if drawn else "noise"
    return NamedFeed(name=f"{kind} {index}", kind=kind, tensors=tensors)


def is_picture(spec: TensorSpec, channels: Sequence[int] = (3,)) -> bool:
    """Whether an input has the shape of pictures, [N, C, H, W], and takes floats."""
    floating = np.issubdtype(np.dtype(spec.dtype), np.floating)
    return floating and len(spec.shape) == 4 and spec.shape[1] in channels


def _sizes(spec: TensorSpec) -> tuple[int, ...]:
    return tuple(1 if size is None else size for size in spec.shape)


def _drawn(spec: TensorSpec, index: int) -> Array:
    """A drawn picture in every batch position, each channel with mean 0 and variance 1."""
    batch, _, height, width = _sizes(spec)
    picture = draw_picture(index, (height, width)).astype(np.float64)
    deviation = np.maximum(picture.std(axis=(0, 1)), 1)
    tensor = ((picture - picture.mean(axis=(0, 1))) / deviation).transpose(2, 0, 1)
    return np.stack([tensor.astype(spec.dtype)] * batch)


def _noise(
    spec: TensorSpec,
    specs: Sequence[TensorSpec],
    values: ValueRange,
    generator: np.random.Generator,
) -> Array:
    shape, dtype = _sizes(spec), np.dtype(spec.dtype)
    # PaddleDetection's side inputs: noise there would ask for boxes of a nonsensical size.
    if spec.name == "scale_factor":
        return np.ones(shape, dtype)
    if spec.name == "im_shape":
        image = next((other.shape for other in specs if len(other.shape) == 4), None)
        size = image[2:] if image else (DEFAULT_SIZE, DEFAULT_SIZE)
        return np.broadcast_to(np.array(size, dtype), shape).copy()
    if dtype == np.bool_:
        made = generator.random(shape) < 0.5
    elif np.issubdtype(dtype, np.integer) or values is not _ANYTHING:
        made = _integers(spec, specs, values, generator).astype(dtype)
    else:
        return generator.standard_normal(shape).astype(dtype)
    if values.role == "mask" and made.ndim:
        made[..., :1] = 1  # nothing at all is never left over
    return made


def _integers(
    spec: TensorSpec,
    specs: Sequence[TensorSpec],
    values: ValueRange,
    generator: np.random.Generator,
) -> Array:
    low, high = values.low, values.high
    if high is None:
        longest = _length_beside(spec, specs)
        low, high = (-(-longest // 2), longest) if longest else (1, IDS_BELOW)
    if np.issubdtype(np.dtype(spec.dtype), np.integer):
        high = min(high, np.iinfo(spec.dtype).max)
    made = generator.integers(low, high, _sizes(spec), endpoint=True)
    if values.role == "full length" and made.size:
        made.flat[0] = high
    return made


def _length_beside(spec: TensorSpec, specs: Sequence[TensorSpec]) -> int | None:
    """How long the sequences of other inputs are: [N, length], [N, length, features] or turned."""
    shapes = (_sizes(other) for other in specs if other.name != spec.name)
    lengths = (min(shape[1:]) for shape in shapes if len(shape) in (2, 3))
    return min((length for length in lengths if length > 1), default=None)
