"""How pictures are fed to a model: one value, in PaddleClas's order of steps."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from paddleport.errors import ModelFileError, UsageError, unknown_name

OpenCVInterpolation = Literal["nearest", "linear", "cubic", "area", "lanczos4"]
PillowInterpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
Interpolation = OpenCVInterpolation | PillowInterpolation
ResizeBackend = Literal["cv2", "pil"]
ChannelOrder = Literal["RGB", "BGR"]

INTERPOLATIONS: Mapping[str, tuple[str, ...]] = {
    "cv2": get_args(OpenCVInterpolation),
    "pil": get_args(PillowInterpolation),
}
"""What each ``resize_backend`` can do, by its own names."""

MAX_SIDE = 1 << 15
"""The largest side in pixels that preprocessing may ask for."""


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How a picture becomes an input tensor, in PaddleClas's order of steps.

    Decode, resize, centre crop, ``(pixel * scale - mean) / std`` in float32, to NCHW.
    Sizes are (height, width) in pixels. At most one of ``resize_short`` and ``resize`` is set.

    Attributes:
        resize_short: length the shorter side is resized to, keeping the aspect ratio.
        resize: exact size to resize to.
        crop: size of the centre crop; ``None`` keeps the whole picture.
        resize_backend: what resizes: ``cv2``, or ``pil`` for Pillow, which averages over all the
            pixels that a smaller one stands for, and so gives other pixels by the same name.
        interpolation: the name that ``resize_backend`` has for the resampling: OpenCV's without
            its ``INTER_`` prefix, or Pillow's in lower case.
        scale: factor applied to the 8-bit pixel before the mean is subtracted.
        mean: subtracted from each channel, in the order of ``channels``.
        std: divides each channel, in the order of ``channels``.
        channels: order in which the model takes the colour channels.
        channel_num: channels of the tensor: 3, or 4 where one of zeros follows the colours.
    """

    resize_short: int | None = 256
    resize: tuple[int, int] | None = None
    crop: tuple[int, int] | None = (224, 224)
    interpolation: Interpolation = "linear"
    scale: float = 0.00392157
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    channels: ChannelOrder = "RGB"
    resize_backend: ResizeBackend = "cv2"
    channel_num: Literal[3, 4] = 3

    def __post_init__(self) -> None:
        """Raises UsageError: a value that no picture can be prepared with."""
        if self.resize_short is not None and self.resize is not None:
            raise UsageError("preprocessing takes resize_short or resize, not both")
        if self.resize_short is not None and not _is_side(self.resize_short):
            raise UsageError(f"resize_short is {self.resize_short!r}, not a number of pixels")
        for name, size in (("resize", self.resize), ("crop", self.crop)):
            if size is not None and not (_is_tuple(size, 2) and all(map(_is_side, size))):
                raise UsageError(f"{name} is {size!r}, not (height, width) in pixels")
        if self.resize_backend not in tuple(INTERPOLATIONS):
            raise UsageError(f"resize_backend is {self.resize_backend!r}, not 'cv2' or 'pil'")
        known = INTERPOLATIONS[self.resize_backend]
        if self.interpolation not in known:
            what = f"interpolation of {self.resize_backend}"
            raise UsageError(unknown_name(what, str(self.interpolation), known))
        if self.channels not in get_args(ChannelOrder):
            raise UsageError(f"channels is {self.channels!r}, not 'RGB' or 'BGR'")
        if type(self.channel_num) is not int or self.channel_num not in (3, 4):
            raise UsageError(f"channel_num is {self.channel_num!r}, not 3 or 4")
        if not _is_finite(self.scale):
            raise UsageError(f"scale is {self.scale!r}, not a number")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if not (_is_tuple(values, 3) and all(map(_is_finite, values))):
                raise UsageError(f"{name} is {values!r}, not three numbers")
        if 0 in self.std:
            raise UsageError("std holds 0, and pixels are divided by it")

    @property
    def size(self) -> tuple[int, int] | None:
        """What every picture comes to; ``None`` where that depends on the picture."""
        return self.crop or self.resize

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; ``from_dict`` reads them back to an equal value.

        What came later is left out where it says nothing new, so that files stay as they were.
        """
        values = asdict(self)
        return {k: v for k, v in values.items() if k not in _LATER or v != _LATER[k]}

    @classmethod
    def from_dict(cls, values: Any) -> "Preprocess":
        """Read what ``to_dict`` gave, through JSON or not; of earlier versions as well.

        Missing keys are not filled in, but for those that came later.

        Raises:
            ModelFileError: unknown or missing keys, or values that cannot be.
        """
        expected = {item.name for item in fields(cls)}
        if not isinstance(values, Mapping) or {*values, *_LATER} != expected:
            raise ModelFileError(f"preprocessing must have the keys {', '.join(sorted(expected))}")
        try:
            return cls(**{key: _tupled(value) for key, value in values.items()})
        except UsageError as error:
            raise ModelFileError(f"preprocessing that cannot be: {error}") from None


_LATER: Mapping[str, object] = {"resize_backend": "cv2", "channel_num": 3}
"""Keys that files of earlier versions have not, and what those mean without them."""


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _is_tuple(value: Any, length: int) -> bool:
    return isinstance(value, tuple) and len(value) == length


def _is_side(value: Any) -> bool:
    return type(value) is int and 0 < value <= MAX_SIDE


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
