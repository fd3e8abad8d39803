"""Picture files that the package draws to try a preprocessing: odd sizes, turns, every kind."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import draw_picture

_ORIENTATION = 0x0112  # Exif's tag; 1 is upright, and there are 8
_TURNS = range(2, 9)
_SMALL, _ODD = (61, 97), (233, 301)  # (height, width) in pixels
_QUICK = 4  # of the sizes, the most telling ones first

Picture = Any
"""An image of Pillow's."""


def sample_files(folder: Path, preprocess: Preprocess, *, quick: bool = False) -> list[Path]:
    """Write pictures into ``folder``, and a few that nobody can read.

    Args:
        folder: is there.
        preprocess: the rules that they are to try: some sizes fall on halves when resized.
        quick: only the most telling ones.
    """
    from PIL import Image

    files = []
    sizes = list(_sizes(preprocess))
    for index, (height, width) in enumerate(sizes[:_QUICK] if quick else sizes):
        pixels = draw_picture(index, (height, width))[..., ::-1]
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        for suffix in ("png", "jpg"):
            files.append(folder / f"{width}x{height}.{suffix}")
            picture.save(files[-1], quality=90)
    small = Image.fromarray(np.ascontiguousarray(draw_picture(1, _SMALL)[..., ::-1]))
    for turn in (6,) if quick else _TURNS:
        files.append(folder / f"exif-{turn}.jpg")
        exif = Image.Exif()
        exif[_ORIENTATION] = turn
        small.save(files[-1], exif=exif.tobytes(), quality=95)
    odd = Image.fromarray(np.ascontiguousarray(draw_picture(2, _ODD)[..., ::-1]))
    for name, save in {} if quick else _KINDS.items():
        save(odd, folder / name)
        files.append(folder / name)
    return [*files, *_unreadable(folder, files[1])]


def _sizes(preprocess: Preprocess) -> Iterator[tuple[int, int]]:
    """(height, width) in pixels: first those whose long side falls on a half, that is even below.

    With twice ``resize_short`` as the short side an odd long one ends on .5: rounded to the even
    number it is another than rounded away from zero.
    """
    short = preprocess.resize_short or 256
    for step in (1, 5):
        long = short + step // 2
        if long % 2:  # .5 above an odd number is rounded up by both
            step += 2
        yield 2 * short, 2 * short + step
        yield 2 * short + step, 2 * short
    yield from ((480, 640), _ODD, (41, 29), (700, 333), (97, 801), (short, short))


def _unreadable(folder: Path, jpeg: Path) -> list[Path]:
    whole = jpeg.read_bytes()
    contents = {"cut.jpg": whole[: len(whole) // 2], "text.png": b"no picture\n", "empty.jpg": b""}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def _half(picture: Picture) -> Picture:
    """A channel that is not opaque everywhere."""
    from PIL import Image

    alpha = Image.linear_gradient("L").resize(picture.size)
    whole = picture.copy()
    whole.putalpha(alpha)
    return whole


def _sixteen(picture: Picture) -> Picture:
    """Grey in 16 bits."""
    from PIL import Image

    grey = np.asarray(picture.convert("L"), np.uint16) * 257
    return Image.fromarray(grey)


_KINDS: dict[str, Callable[[Picture, Path], None]] = {
    "grey.jpg": lambda picture, file: picture.convert("L").save(file, quality=90),
    "grey.png": lambda picture, file: picture.convert("L").save(file),
    "grey16.png": lambda picture, file: _sixteen(picture).save(file),
    "palette.png": lambda picture, file: picture.quantize(64).save(file),
    "alpha.png": lambda picture, file: _half(picture).save(file),
    "progressive.jpg": lambda picture, file: picture.save(file, progressive=True, quality=80),
    "colours-in-full.jpg": lambda picture, file: picture.save(file, subsampling=0, quality=97),
    "cmyk.jpg": lambda picture, file: picture.convert("CMYK").save(file, quality=90),
    "plain.bmp": lambda picture, file: picture.save(file),
    "plain.ppm": lambda picture, file: picture.save(file),
    "plain.tif": lambda picture, file: picture.save(file),
}
"""Kinds of files by their names, and how each is written."""
