"""Picture files: found by name, and what each says of itself before anything is decoded."""

import glob
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from paddleport.errors import UsageError

PICTURE_SUFFIXES = frozenset(
    (
        *(".avif", ".bmp", ".dib", ".gif", ".j2k", ".jp2", ".jpe", ".jpeg", ".jpg"),
        *(".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
    )
)
"""How files of every format that is read are named; find_pictures.cpp has them, too."""


@dataclass(frozen=True)
class PictureHeader:
    """A picture's format and its size in pixels, as stored (before any EXIF turn)."""

    format: str
    height: int
    width: int


class HeaderError(ValueError):
    """The file is no whole picture; the message ends the sentence 'the file ...'."""


def find_pictures(names: Iterable[str]) -> Iterator[Path]:
    """The files that ``names`` stand for: files as they are, folders and globs searched.

    A file is yielded whatever it is called, or even if it is missing: reading it will tell.

    Raises:
        UsageError: a folder without pictures, or a glob that fits nothing.
    """
    for name in names:
        path = Path(name)
        if path.is_dir():
            found = sorted(
                item for item in path.rglob("*") if item.suffix.lower() in PICTURE_SUFFIXES
            )
            if not found:
                raise UsageError(
                    f"{name} holds no pictures ({', '.join(sorted(PICTURE_SUFFIXES))})"
                )
            yield from found
        elif glob.has_magic(name) and not path.exists():
            matches = sorted(glob.glob(name, recursive=True))
            if not matches:
                raise UsageError(f"no file fits {name}")
            yield from (Path(match) for match in matches)
        else:
            yield path


def read_header(data: bytes) -> PictureHeader:
    """Recognise a picture by its first bytes, whatever its file is called.

    Raises:
        HeaderError: it is empty, text, of no known format, or cut short where that can be seen
            without decoding (JPEG, PNG, WebP).
    """
    if not data:
        raise HeaderError("is empty")
    for name, signature, size in _FORMATS:
        if signature.match(data):
            try:
                height, width = size(data)
            except (struct.error, OverflowError):  # beyond the end
                raise HeaderError(f"is a truncated {name}") from None
            if not (height > 0 and width > 0):
                raise HeaderError(f"is a {name} of {width}x{height} pixels")
            return PictureHeader(name, height, width)
    raise HeaderError(_what_else(data))


def without_animation(png: bytes) -> bytes:
    """The still picture of a PNG, as ``cv2.imread`` reads it from a file.

    From memory OpenCV 5.0 gives a later frame of an animated PNG instead.
    """
    if b"acTL" not in png:
        return png
    animation = (b"acTL", b"fcTL", b"fdAT")
    kept = [png[start:end] for kind, start, end in _png_chunks(png) if kind not in animation]
    return b"".join((png[:8], *kept))


def _what_else(data: bytes) -> str:
    head = data[:512]
    if head.lstrip()[:1] == b"<":
        return "is HTML or XML, not a picture"
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        text = head[: error.start].decode("utf-8") if error.start > len(head) - 4 else "\0"
    if all(character.isprintable() or character in "\t\r\n\f" for character in text):
        return "is text, not a picture"
    return f"is not a picture; read are {', '.join(name for name, _, _ in _FORMATS)}"


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Walk the segments to the frame header, then ask for an end marker after the first scan."""
    size = None
    position = 2
    while True:
        # libjpeg skips whatever lies between two segments
        marker = re.compile(rb"\xff[^\x00\xff]").search(data, position)
        if marker is None:
            raise HeaderError("is a truncated JPEG")
        kind, position = marker[0][1], marker.end()
        if kind == 0x01 or 0xD0 <= kind <= 0xD8:  # markers without a segment
            continue
        if kind == 0xD9:
            raise HeaderError("is a JPEG without a picture")
        (length,) = struct.unpack_from(">H", data, position)
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):  # a frame header
            size = struct.unpack_from(">HH", data, position + 3)
        position += length
        if kind == 0xDA:
            break
    # an end marker cannot occur inside coded data, where every FF is followed by 00 or RST
    if size is None or data.find(b"\xff\xd9", position) < 0:
        raise HeaderError("is a truncated JPEG")
    return size


def _png_chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """Each chunk's kind and where it starts and ends, to the one that ends the picture."""
    chunks = []
    position = 8
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        chunks.append((kind, position, end))
        position = end
        if kind == b"IEND":
            return chunks
    raise HeaderError("is a truncated PNG")


def _png_size(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", data, 16)
    _png_chunks(data)
    return height, width


def _webp_size(data: bytes) -> tuple[int, int]:
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data):
        raise HeaderError("is a truncated WebP")
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return height & 0x3FFF, width & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    return height, width


def _bmp_size(data: bytes) -> tuple[int, int]:
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)
    return abs(height), width


def _gif_size(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, 6)
    return height, width


def _tiff_size(data: bytes) -> tuple[int, int]:
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    (directory,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, directory)
    first, step = directory + (8 if big else 2), 20 if big else 12
    sides = {256: 0, 257: 0}
    for entry in range(min(count, 4096)):
        tag, kind = struct.unpack_from(order + "HH", data, first + entry * step)
        if tag in sides:
            code = {3: "H", 4: "I", 16: "Q"}.get(kind, "I")
            value_at = first + entry * step + (12 if big else 8)
            (sides[tag],) = struct.unpack_from(order + code, data, value_at)
    return sides[257], sides[256]


def _pnm_size(data: bytes) -> tuple[int, int]:
    head = re.sub(rb"#[^\n]*", b" ", data[:4096])
    match = re.match(rb"P\d\s+(\d{1,9})\s+(\d{1,9})\s", head)
    if match is None:
        raise HeaderError("is a PNM without a size")
    return int(match[2]), int(match[1])


def _jpeg2000_size(data: bytes) -> tuple[int, int]:
    start = data.find(b"\xff\x4f\xff\x51")  # the codestream, which is what is decoded
    if start < 0:
        raise HeaderError("is a truncated JPEG 2000")
    right, bottom, left, top = struct.unpack_from(">IIII", data, start + 8)
    return bottom - top, right - left


def _avif_size(data: bytes) -> tuple[int, int]:
    found = [struct.unpack_from(">II", data, m.end() + 4) for m in re.finditer(b"ispe", data)]
    if not found:
        raise HeaderError("is a truncated AVIF")
    width, height = max(found, key=lambda size: size[0] * size[1])
    return height, width


_FORMATS: tuple[tuple[str, "re.Pattern[bytes]", Callable[[bytes], tuple[int, int]]], ...] = (
    ("JPEG", re.compile(rb"\xff\xd8\xff"), _jpeg_size),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), _png_size),
    ("WebP", re.compile(rb"RIFF....WEBP", re.DOTALL), _webp_size),
    ("BMP", re.compile(rb"BM"), _bmp_size),
    ("GIF", re.compile(rb"GIF8[79]a"), _gif_size),
    ("TIFF", re.compile(rb"II[*+]\x00|MM\x00[*+]"), _tiff_size),
    ("PNM", re.compile(rb"P[1-6]\s"), _pnm_size),
    ("JPEG 2000", re.compile(rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51"), _jpeg2000_size),
    ("AVIF", re.compile(rb"....ftyp(?:avif|avis|mif1|miaf)", re.DOTALL), _avif_size),
)
