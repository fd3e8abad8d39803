"""A picture file made small enough to stand in a page."""

import base64
import io
import warnings
from pathlib import Path

SIDE = 112  # pixels
_QUALITY = 80


def picture_thumbnail(source: Path | bytes, *, side: int = SIDE) -> bytes | None:
    """A JPEG of at most ``side`` pixels each way, upright as its EXIF says.

    Returns:
        ``None`` for what Pillow can't read; a page does without.
    """
    from PIL import Image, ImageOps

    try:
        with (
            warnings.catch_warnings(),
            Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened,
        ):
            warnings.simplefilter("ignore")  # of broken metadata, which nobody needs here
            opened.draft("RGB", (2 * side, 2 * side))
            picture = ImageOps.exif_transpose(opened).convert("RGB")
            picture.thumbnail((side, side))
            stream = io.BytesIO()
            picture.save(stream, format="JPEG", quality=_QUALITY, optimize=True)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return stream.getvalue()


def data_uri(jpeg: bytes) -> str:
    """A JPEG as the address of itself."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
