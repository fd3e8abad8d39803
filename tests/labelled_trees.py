"""Labelled pictures as people lay them out, tiny."""

import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image


def png(value: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (2, 2), (value % 256, value // 256 % 256, 0)).save(stream, "PNG")
    return stream.getvalue()


def tree(folder: Path, paths: Iterable[str]) -> Path:
    for number, path in enumerate(paths):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(number))
    return folder
