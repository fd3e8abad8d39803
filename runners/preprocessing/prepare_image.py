"""From a picture file to an input tensor, bit for bit as PaddleClas does it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from paddleport.errors import FeedError, ImageError
from paddleport.models.preprocess import Preprocess
from paddleport.runners.c_stderr import hidden_stderr
from paddleport.runners.preprocessing.crop_and_normalize import MAX_PIXELS as MAX_PIXELS
from paddleport.runners.preprocessing.crop_and_normalize import (
    normalize_into,
    reduction,
    resized_crop,
)
from paddleport.runners.preprocessing.picture_files import (
    HeaderError,
    PictureHeader,
    read_header,
    without_animation,
)
from paddleport.tensors import TensorSpec, format_shape

if TYPE_CHECKING:
    Picture = NDArray[np.uint8]
    Tensor = NDArray[np.float32]


MAX_FILE_BYTES = 256 * 1024 * 1024
"""The largest picture file that is read."""


def decode_image(
    source: Path | bytes, *, name: str | None = None, fast_for: Preprocess | None = None
) -> "Picture":
    """Decode a picture as ``cv2.imread(path)`` does.

    That is 8-bit BGR, turned by its EXIF orientation. 16-bit samples keep their high byte,
    palettes and grey become colour, CMYK is converted, alpha is dropped without blending, and
    of an animation the first frame is taken. Unlike ``cv2.imread``, a picture that is cut short
    is refused rather than filled with grey, and nothing is written to standard error. Damage
    inside the data is decoded as far as OpenCV decodes it.

    Args:
        source: a file of any name, or its bytes. Format and size are read from the content.
        name: what to call it in an error; default the path.
        fast_for: decode a JPEG at a half, a quarter or an eighth of its size, the smallest that
            these rules still resize downwards. That is faster, and **no longer bit-identical**:
            ``fast_decode.effect_of_fast_decoding`` measures by how much. Other formats and
            smaller pictures are decoded as ever.

    Returns:
        (height, width, 3) uint8, BGR.

    Raises:
        ImageError: no such file, or not a whole picture of at most ``MAX_PIXELS``.
    """
    import cv2

    if isinstance(source, bytes):
        name = name or f"the picture of {len(source)} bytes"
        data = source
    else:
        name = name or str(source)
        data = _read_file(source, name)
    try:
        header = read_header(data)
    except HeaderError as error:
        raise ImageError(f"{name} {error}") from None
    described = f"{header.format} of {header.width}x{header.height} pixels"
    if header.height * header.width > MAX_PIXELS:
        raise ImageError(f"{name} is a {described}; at most {MAX_PIXELS} are decoded")
    if header.format == "PNG":
        data = without_animation(data)
    try:
        with quiet_decoders():
            image = cv2.imdecode(np.frombuffer(data, np.uint8), _decoding_flag(header, fast_for))
    except cv2.error:
        image = None
    if image is None:
        raise ImageError(
            f"{name} is a {described}, but its data is cut short, damaged, "
            f"or of a kind that OpenCV does not read"
        )
    return np.asarray(image, np.uint8)


def preprocess_image(
    image: "Picture",
    preprocess: Preprocess,
    *,
    name: str = "the picture",
    out: "Tensor | None" = None,
) -> "Tensor":
    """Turn one decoded picture into a model's input, by PaddleClas's rules.

    Resize with OpenCV or Pillow (short side to ``resize_short``, the other to
    ``round(side * (resize_short / short))`` with Python's rounding), centre crop with its
    offsets rounded down, then ``(pixel * scale - mean) / std``, every step of it in float32.

    Args:
        image: (height, width, 3) uint8, BGR.
        preprocess: the rules.
        name: what to call the picture in an error.
        out: where to write it, such as one picture of a batch: (channel_num, height, width)
            float32, C-contiguous. Default: a new array.

    Returns:
        (channel_num, height, width) float32, C-contiguous, channels as ``preprocess.channels``
        says, a fourth of zeros; ``out`` if that was given.

    Raises:
        ImageError: not such an array, a crop that is larger than the picture, or a resized
            picture of more than ``MAX_PIXELS``.
        FeedError: ``out`` has no room for this picture.

    Source: PaddleClas ``deploy/python/preprocess.py``.
    """
    cropped = _cropped(image, preprocess, name)
    shape = (preprocess.channel_num, *cropped.shape[:2])
    if out is None:
        out = np.empty(shape, np.float32)
    elif out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        found = f"{out.dtype} [{format_shape(out.shape)}]"
        packed = "" if out.flags.c_contiguous else ", not contiguous"
        raise FeedError(
            f"{name} comes to float32 [{format_shape(shape)}] and does not fit into "
            f"{found}{packed}: use --batch-size 1"
        )
    # Every channel is resized by itself, so their order can wait until there are few pixels.
    normalize_into(out, cropped, preprocess)
    return out


def crop_image(image: "Picture", preprocess: Preprocess, *, name: str = "the picture") -> "Picture":
    """The first half of ``preprocess_image``: resized and cropped, still in 8 bits.

    Returns:
        (height, width, 3) uint8, channels as ``preprocess.channels`` says; may be a view.

    Raises:
        ImageError: as ``preprocess_image`` does.
    """
    cropped = _cropped(image, preprocess, name)
    return cropped[:, :, ::-1] if preprocess.channels == "RGB" else cropped


def opencv_version() -> str:
    """Of the OpenCV that decodes and resizes here, as ``5.0.0``."""
    import cv2

    return str(cv2.__version__)


def takes_pixels(spec: TensorSpec) -> bool:
    """Whether an input takes 8-bit pictures, [N, height, width, 3], and normalises them itself."""
    return spec.dtype == "uint8" and len(spec.shape) == 4 and spec.shape[3] == 3


def fed_picture(
    image: "Picture", preprocess: Preprocess, spec: TensorSpec, *, name: str = "the picture"
) -> "Picture | Tensor":
    """One decoded picture as the input ``spec`` takes it, without the batch dimension."""
    import cv2

    if not takes_pixels(spec):
        return preprocess_image(image, preprocess, name=name)
    cropped = _cropped(image, preprocess, name)
    if preprocess.channels == "RGB":  # five times as fast as NumPy's copy of a turned view
        return np.asarray(cv2.cvtColor(cropped, cv2.COLOR_BGR2RGB), np.uint8)
    return np.ascontiguousarray(cropped)


def stack_pictures(tensors: Sequence["Tensor"]) -> "Tensor":
    """Put pictures of one size into a batch: (pictures, 3, height, width) float32.

    One picture alone is not copied.

    Raises:
        FeedError: no pictures, or pictures of different sizes.
    """
    sizes = sorted({tensor.shape for tensor in tensors})
    if len(sizes) != 1:
        found = " and ".join(f"[{format_shape(size)}]" for size in sizes[:2]) or "nothing"
        raise FeedError(f"a batch takes pictures of one size and got {found}: use --batch-size 1")
    return tensors[0][None] if len(tensors) == 1 else np.stack(tensors)


def _cropped(image: "Picture", preprocess: Preprocess, name: str) -> "Picture":
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        found = f"{image.dtype} [{format_shape(image.shape)}]"
        raise ImageError(f"{name} is {found}, not uint8 [height, width, 3]")
    return resized_crop(image, preprocess, name)


def _decoding_flag(header: PictureHeader, fast_for: Preprocess | None) -> int:
    import cv2

    whole: int = cv2.IMREAD_COLOR
    if fast_for is None or header.format != "JPEG":
        return whole
    times = reduction(header.height, header.width, fast_for)
    return whole if times == 1 else int(getattr(cv2, f"IMREAD_REDUCED_COLOR_{times}"))


def _read_file(path: Path, name: str) -> bytes:
    try:
        if not path.exists():
            raise ImageError(f"no picture {name}")
        if not path.is_file():  # never a device or a pipe, which may have no end
            raise ImageError(f"{name} is {'a folder' if path.is_dir() else 'no file'}")
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ImageError(f"{name} cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(f"{name} is larger than the {MAX_FILE_BYTES >> 20} MB that are read")
    return data


_lock = threading.Lock()
_state: dict[str, Any] = {"inside": 0}


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Nothing that OpenCV, libjpeg or libpng says while decoding reaches the terminal.

    OpenCV's own lines go by its log level. libjpeg and libpng print through the C library's
    ``stderr`` object, which is pointed at the null device meanwhile. File descriptor 2 is left
    alone, so other threads and child processes of this one lose nothing that they write.
    Where there is no such symbol (Windows), a damaged picture may print a line.
    """
    import cv2

    with _lock:
        if _state["inside"] == 0:
            _state["level"] = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        _state["inside"] += 1
    try:
        with hidden_stderr():
            yield
    finally:
        with _lock:
            _state["inside"] -= 1
            if _state["inside"] == 0:
                cv2.utils.logging.setLogLevel(_state["level"])
