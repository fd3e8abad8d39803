"""The JPEG that the end-to-end scope starts from."""

import io

import numpy as np

from paddleport.errors import ImageError
from paddleport.models.card import Preprocess
from paddleport.models.synthetic.samples import sample_picture
from paddleport.runners.preprocessing.prepare_image import preprocess_image
from paddleport.tensors import Array
from paddleport.validate.feeds.named_feed import SAMPLE_SIZE, NamedFeed

_QUALITY = 95


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
