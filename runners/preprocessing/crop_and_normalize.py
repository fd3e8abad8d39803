"""From a decoded picture to the resized crop, and from its 8-bit pixels to a normalised tensor."""

from functools import cache, lru_cache
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from paddleport.errors import ImageError
from paddleport.models.preprocess import Preprocess

if TYPE_CHECKING:
    Picture = NDArray[np.uint8]
    Tensor = NDArray[np.float32]


MAX_PIXELS = 178_956_970
"""The most pixels of a picture, stored or resized; Pillow refuses above the same number."""

Size = tuple[int, int]  # (height, width) in pixels


def resized_size(height: int, width: int, preprocess: Preprocess) -> Size:
    """What a picture of ``height`` and ``width`` pixels is resized to.

    The short side becomes ``resize_short``, the other ``round(side * (resize_short / short))``
    with Python's rounding, as PaddleClas's ``ResizeImage`` has it.
    """
    if preprocess.resize_short is not None:
        percent = float(preprocess.resize_short) / min(width, height)
        return round(height * percent), round(width * percent)
    return preprocess.resize or (height, width)


def resized_crop(image: "Picture", preprocess: Preprocess, name: str) -> "Picture":
    """Resize, then crop from the centre with the offsets rounded down.

    Returns:
        (height, width, 3) uint8, channels as they were; may be a view.

    Raises:
        ImageError: a crop that is larger than the picture, or more than ``MAX_PIXELS``.
    """
    have = image.shape[0], image.shape[1]
    full = resized_size(*have, preprocess)
    resizes = preprocess.resize_short is not None or preprocess.resize is not None
    if resizes and full[0] * full[1] > MAX_PIXELS:
        raise ImageError(
            f"{name} is {have[1]}x{have[0]} pixels and would be resized to {full[1]}x{full[0]}; "
            f"at most {MAX_PIXELS} pixels are made"
        )
    crop = preprocess.crop or full
    if full[0] < crop[0] or full[1] < crop[1]:
        raise ImageError(
            f"{name} is {full[1]}x{full[0]} pixels after resizing, and the centre crop "
            f"takes {crop[1]}x{crop[0]}"
        )
    top, left = (full[0] - crop[0]) // 2, (full[1] - crop[1]) // 2
    if not resizes:
        return image[top : top + crop[0], left : left + crop[1]]
    if preprocess.interpolation == "linear" and crop != full and partial_resize_is_exact():
        part = resized_part(image, full, (top, left), crop)
        if part is not None:
            return part
    if preprocess.resize_backend == "pil":
        whole = _resized_by_pillow(image, full, preprocess.interpolation)
    else:
        whole = _resized(image, full, preprocess.interpolation)
    return whole[top : top + crop[0], left : left + crop[1]]


def resized_part(image: "Picture", full: Size, corner: Size, crop: Size) -> "Picture | None":
    """The ``crop`` at ``corner`` of ``image`` resized to ``full``, without the rest of it.

    OpenCV takes target pixel ``i`` from ``float32((i + 0.5) * scale - 0.5)``, so a source cut
    off behind the crop and resized by the same factors gives the same bits. One cut off before
    it moves ``i``, and float32 rounds elsewhere: that is done only along a side where the scale
    is a power of two, and every such place is exact.

    Returns:
        (crop height, crop width, 3) uint8, or ``None`` where the whole must be resized: nothing
        would be saved, or a side grows.
    """
    import cv2

    have = image.shape[0], image.shape[1]
    if full[0] > have[0] or full[1] > have[1]:
        return None
    rows, first_row = _source_span(have[0], full[0], corner[0], crop[0])
    columns, first_column = _source_span(have[1], full[1], corner[1], crop[1])
    source = image[rows, columns]
    factors = full[0] / have[0], full[1] / have[1]  # as OpenCV has them of the whole picture
    made = round(source.shape[0] * factors[0]), round(source.shape[1] * factors[1])
    # OpenCV copies a picture whose size stays, although one that is larger would be resampled.
    if source.shape == image.shape or made == source.shape[:2]:
        return None
    resized: Any = cv2.resize(
        source, None, fx=factors[1], fy=factors[0], interpolation=cv2.INTER_LINEAR
    )
    part = resized[first_row : first_row + crop[0], first_column : first_column + crop[1]]
    return np.asarray(part, np.uint8) if part.shape[:2] == crop else None


@cache
def partial_resize_is_exact() -> bool:
    """Whether this OpenCV on this processor resizes a part as it resizes the whole, on samples.

    OpenCV 4.9, 4.12 and 5.0 do on x86; another build may take the factors in another way, and
    then whole pictures are resized.
    """
    random = Random(0)  # numpy's loads OpenSSL, 10 ms of a start
    for have, full in (((96, 96), (48, 48)), ((301, 400), (64, 85)), ((97, 61), (83, 53))):
        noise = random.randbytes(have[0] * have[1] * 3)
        image = np.frombuffer(noise, np.uint8).reshape(*have, 3)
        crop = full[0] - 9, full[1] - 13
        part = resized_part(image, full, (4, 6), crop)
        whole = _resized(image, full, "linear")[4 : 4 + crop[0], 6 : 6 + crop[1]]
        if part is None or not np.array_equal(part, whole):
            return False
    return True


def _source_span(have: int, full: int, first: int, count: int) -> tuple[slice, int]:
    """Along one side: the source that ``count`` target pixels need, and where they start in it."""
    times, rest = divmod(have, full)
    moves = rest == 0 and times & (times - 1) == 0
    start = first * times if moves else 0
    first = 0 if moves else first
    # One pixel more than needed, so that the last one is not at the edge, and its neighbour.
    return slice(start, min(have, start + ceil((first + count + 0.5) * have / full) + 2)), first


def _resized(image: "Picture", full: Size, interpolation: str) -> "Picture":
    import cv2

    flag: int = getattr(cv2, f"INTER_{interpolation.upper()}")
    resized: Any = cv2.resize(image, (full[1], full[0]), interpolation=flag)
    return np.asarray(resized, np.uint8)


def _resized_by_pillow(image: "Picture", full: Size, interpolation: str) -> "Picture":
    """As PaddleClas does, with the bits of this Pillow.

    They are the same from 10.0 to 12.3. Pillow 13 takes the columns first where a picture more
    than twice as tall as wide shrinks, and its bits are others there.
    """
    from PIL import Image

    # Every channel is resized by itself, so that BGR may pass as RGB.
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize(full[::-1], Image.Resampling[interpolation.upper()]), np.uint8)


def reduction(height: int, width: int, preprocess: Preprocess) -> int:
    """By how much a JPEG may be made smaller while it is decoded: 1, 2, 4 or 8.

    The most that leaves both sides at least as long as what they are resized to, whichever way
    the picture is turned afterwards, and that comes to the same size after resizing.

    Args:
        height: in pixels, as stored.
        width: likewise.
        preprocess: the rules that follow; without a resize nothing is reduced.
    """
    if preprocess.resize_short is None and preprocess.resize is None:
        return 1
    for times in (8, 4, 2):
        small = ceil(height / times), ceil(width / times)  # as libjpeg rounds
        if all(
            resized_size(*sides, preprocess) == target
            and sides[0] >= target[0]
            and sides[1] >= target[1]
            for sides, target in (
                (small, resized_size(height, width, preprocess)),
                (small[::-1], resized_size(width, height, preprocess)),
            )
        ):
            return times
    return 1


def normalize_into(out: "Tensor", picture: "Picture", preprocess: Preprocess) -> None:
    """Fill ``out`` with ``(pixel * scale - mean) / std`` of each channel.

    A pixel has 256 values, so each result is computed once, by the same float32 operations,
    and looked up: the bits are those of computing it.

    Args:
        out: (channel_num, height, width) float32, C-contiguous, channels as
            ``preprocess.channels`` says, and zeros in a fourth.
        picture: (height, width, 3) uint8, BGR.
        preprocess: the rules.
    """
    import cv2

    rows = normalization_table(preprocess)
    for channel in range(3):
        place = 2 - channel if preprocess.channels == "RGB" else channel
        plane = cv2.extractChannel(picture, channel)
        cv2.LUT(plane, rows[place : place + 1], dst=out[place])
    out[3:] = 0


def normalization_table(preprocess: Preprocess) -> "Tensor":
    """What each pixel value becomes: (3, 256) float32, channels as ``preprocess.channels``."""
    values = (preprocess.scale, preprocess.mean, preprocess.std)
    # Keyed by bytes: -0.0 equals 0.0, and gives other bits.
    return _table(*(np.asarray(value, np.float32).tobytes() for value in values))


@lru_cache(maxsize=16)
def _table(scale: bytes, mean: bytes, std: bytes) -> "Tensor":
    factor, shift, divisor = (np.frombuffer(value, np.float32) for value in (scale, mean, std))
    pixels = np.arange(256, dtype=np.uint8).astype(np.float32)[:, None]
    # Which values overflow is no news: a picture may hold none of them.
    with np.errstate(all="ignore"):
        made = (pixels * factor - shift) / divisor
    table = np.ascontiguousarray(made.T)
    table.flags.writeable = False
    return table
