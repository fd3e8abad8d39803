"""What is measured of a backend: its session, feeds and JPEG, and the latencies it gave."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from paddleport.errors import ImageError, PortError
from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import sample_picture
from paddleport.runners.preprocessing.prepare_image import preprocess_image
from paddleport.tensors import Array, Feed
from paddleport.validate.benchmark.latency import Latency
from paddleport.validate.feeds.named_feed import SAMPLE_SIZE, NamedFeed
from paddleport.validate.session import Session

_QUALITY = 95  # of a JPEG


@dataclass(frozen=True)
class Budget:
    """Most counted seconds; settling and warming up come on top.

    Attributes:
        main_s: of each backend's main configuration.
        grid_s: of every other configuration.
    """

    main_s: float = 3.0
    grid_s: float = 0.4


@dataclass(frozen=True)
class JpegInput:
    """Where the end-to-end scope starts.

    Attributes:
        jpeg: a JPEG file's bytes.
        preprocess: how the picture becomes a tensor.
    """

    jpeg: bytes
    preprocess: Preprocess


@dataclass(frozen=True, kw_only=True)
class TimedBackend:
    """One row to be measured.

    Attributes:
        session: open, with the main number of threads; it stays the caller's to close.
        feeds: batch size to feed; the smallest is the main configuration's.
        jpeg_input: what to start the end-to-end scope from; ``None`` leaves it out.
        reopen: opens the same backend with another number of threads; ``measure`` closes what
            it opens. ``None`` measures no other number of threads.
        grid: whether anything but the main configuration is measured.
    """

    session: Session
    feeds: Mapping[int, Feed]
    jpeg_input: JpegInput | None = None
    reopen: Callable[[int], Session] | None = None
    grid: bool = True


@dataclass(frozen=True)
class MeasuredLatencies:
    """What was measured of one backend.

    Attributes:
        latencies: the main configuration first, then the others; empty if the first round failed.
        error: what ended it (a crash, or the main configuration failing); the latencies that
            were complete or under way before it are kept.
        notes: configurations that were not measured though the process lived, with the reason.
    """

    latencies: tuple[Latency, ...]
    error: PortError | None = None
    notes: tuple[str, ...] = ()


def jpeg_of(feed: NamedFeed, preprocess: Preprocess) -> bytes:
    """A JPEG file's bytes of the picture that a feed was made from.

    The samples that the package draws are small, as there are many of them; one of a camera's
    proportions takes their place where the model's input stays the same.

    Raises:
        ImageError: there is no encoder, or the picture does not fit into a JPEG.
    """
    picture = feed.picture
    if picture is None:
        raise ImageError(f"{feed.name} was not made from a picture")
    if feed.name.startswith("sample ") and picture.shape[:2] == SAMPLE_SIZE:
        larger = sample_picture()
        (tensor,) = feed.tensors.values()
        if preprocess_image(larger, preprocess).shape == tensor.shape[1:]:
            picture = larger
    try:
        return _jpeg(picture)
    except (ImportError, OSError) as error:
        raise ImageError(f"{feed.name} could not be written as a JPEG: {error}") from None


def _jpeg(picture: Array) -> bytes:
    """A picture, [H, W, 3] uint8 BGR."""
    from PIL import Image

    stream = io.BytesIO()
    rgb = np.ascontiguousarray(picture[:, :, ::-1])
    Image.fromarray(rgb).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()
