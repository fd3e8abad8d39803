"""JPEGs in C++ by libjpeg alone: Python's bits, and OpenCV's codecs only where a file is odd."""

import re
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from cpp_bundles import Pipe, built_by_gcc, run, write_bundle
from PIL import Image
from test_picture_decoding import PICTURES, encoded, gradient

from paddleport.errors import ImageError
from paddleport.models.preprocess import Preprocess
from paddleport.runners.preprocessing.prepare_image import decode_image, preprocess_image

pytestmark = pytest.mark.slow

AS_IT_IS = Preprocess(resize_short=None, crop=None)
MODULE = "paddleport-codecs.so"
SAMPLINGS = (b"\x11\x11\x11", b"\x21\x11\x11", b"\x12\x11\x11", b"\x22\x11\x11", b"\x41\x11\x11")
"""Horizontally and vertically, of luma and both chromas, in OpenCV's encoder."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_by_gcc(tmp_path_factory)


@pytest.fixture
def alone(folder: Path, tmp_path: Path) -> Path:
    """The program without the module beside it: it reads only what libjpeg reads."""
    (tmp_path / "alone").mkdir()
    return Path(shutil.copy2(folder / "paddleport-classify", tmp_path / "alone"))


def noise(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Smooth and noisy parts of (height, width), so that upsampling and rounding show."""
    random = np.random.default_rng(size[0])
    small = random.integers(0, 256, (5, 7, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize(size[::-1], Image.Resampling.BICUBIC))
    rough = random.integers(-20, 20, (*size, 3))
    return Image.fromarray(np.clip(smooth + rough, 0, 255).astype(np.uint8)).convert(mode)


def by_opencv(size: tuple[int, int], *options: int) -> bytes:
    pixels = np.asarray(noise(size))
    done, data = cv2.imencode(".jpg", pixels, options)
    assert done
    return data.tobytes()


def with_segments(data: bytes, *segments: tuple[int, bytes]) -> bytes:
    """Segments right behind the start of the file, by their markers."""
    written = b"".join(
        struct.pack(">BBH", 0xFF, kind, len(body) + 2) + body for kind, body in segments
    )
    return data[:2] + written + data[2:]


def without_segments(data: bytes, *kinds: int) -> bytes:
    """The file but for some segments before its scan."""
    kept, at = data[:2], 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        kept += b"" if data[at + 1] in kinds else data[at:end]
        at = end
    return kept + data[at:]


def patched(data: bytes, marker: int, offset: int, value: bytes) -> bytes:
    """Other bytes in the first segment of a kind."""
    at = data.index(bytes([0xFF, marker])) + offset
    return data[:at] + value + data[at + len(value) :]


def exif(
    *entries: tuple[int, int, int, bytes],
    order: str = "<",
    start: int = 8,
    count: int | None = None,
    rest: bytes = b"",
) -> bytes:
    """An EXIF segment with one directory of (tag, type, count, four bytes)."""
    number = len(entries) if count is None else count
    mark = b"II" if order == "<" else b"MM"
    head = b"Exif\0\0" + mark + struct.pack(f"{order}HI", 42, start) + bytes(max(0, start - 8))
    body = b"".join(struct.pack(f"{order}HHI", *entry[:3]) + entry[3] for entry in entries)
    return head + struct.pack(f"{order}H", number) + body + bytes(4) + rest


def turn(
    value: int, order: str = "<", kind: int = 3, count: int = 1
) -> tuple[int, int, int, bytes]:
    return 0x0112, kind, count, struct.pack(f"{order}HH", value, 0)


def fraction(tag: int, at: int) -> tuple[int, int, int, bytes]:
    return tag, 5, 1, struct.pack("<I", at)


def sampled(factors: bytes) -> bytes:
    """Of as many blocks as 2x2, 1x1 and 1x1: another frame around such a scan."""
    data = encoded(noise((96, 64)), "jpeg", subsampling=2)
    for index in range(3):
        data = patched(data, 0xC0, 11 + 3 * index, factors[index : index + 1])
    return data


def plain() -> dict[str, bytes]:
    """JPEGs of every kind that libjpeg reads by itself."""
    upright = encoded(noise((45, 61)), "jpeg", quality=92)
    small = encoded(gradient().resize((9, 7)), "jpeg")
    found = {name: data for name, data in PICTURES.items() if name.endswith(".jpg")}
    for size in ((1, 1), (1, 17), (17, 1), (8, 8), (15, 33), (255, 257)):
        name = f"{size[1]}x{size[0]}"
        for subsampling in (0, 1, 2):
            data = encoded(noise(size), "jpeg", subsampling=subsampling, quality=60)
            found[f"{name}-{subsampling}.jpg"] = data
        found[f"{name}-progressive.jpg"] = encoded(noise(size), "jpeg", progressive=True)
        found[f"{name}-grey.jpg"] = encoded(noise(size, "L"), "jpeg", progressive=size[0] % 2 == 1)
        found[f"{name}-cmyk.jpg"] = encoded(noise(size, "CMYK"), "jpeg", quality=100)
    for sampling in SAMPLINGS:
        for progressive in (0, 1):
            found[f"sampled-{sampling.hex()}-{progressive}.jpg"] = by_opencv(
                (77, 101),
                *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, int.from_bytes(sampling, "big")),
                *(cv2.IMWRITE_JPEG_PROGRESSIVE, progressive),
            )
    found["sampled-141111.jpg"] = sampled(b"\x14\x11\x11")
    found["restarts.jpg"] = by_opencv((90, 77), cv2.IMWRITE_JPEG_RST_INTERVAL, 3)
    found["optimised.jpg"] = encoded(noise((40, 50)), "jpeg", optimize=True, quality=30)
    found["rgb-in-file.jpg"] = encoded(noise((40, 50)), "jpeg", keep_rgb=True)
    found["ycck.jpg"] = patched(found["257x255-cmyk.jpg"], 0xEE, 15, b"\2")
    found["adobe-rgb.jpg"] = adobe(upright, 0)
    found["adobe-ycc.jpg"] = adobe(upright, 1)
    found["no-jfif.jpg"] = without_segments(upright, 0xE0)
    found["comment.jpg"] = with_segments(upright, (0xFE, b"\xff\xd8 a comment \xff\xd9"))
    found["thumbnail-inside.jpg"] = with_segments(upright, (0xE1, exif(turn(6), rest=small)))
    found["trailing.jpg"] = upright + small
    xmp = (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>")
    found["xmp.jpg"] = with_segments(upright, xmp)
    found["exif-xmp.jpg"] = with_segments(upright, (0xE1, exif(turn(8))), xmp)
    found["xmp-exif.jpg"] = with_segments(upright, xmp, (0xE1, exif(turn(8))))
    for name, segment in {
        "other": b"something else",
        "empty": b"",
        "tiff": b"other\0" + exif(turn(6))[6:],
        "nearly-exif": b"Exif\0\1" + exif(turn(6))[6:],
    }.items():
        found[f"app1-{name}.jpg"] = with_segments(upright, (0xE1, segment))
    texts = ((0x010F, 2, 5, struct.pack("<I", 8)), (0x0110, 2, 3, b"me\0\0"))
    fractions = (fraction(0x011A, 8), fraction(0x011B, 16), fraction(0x013E, 20))
    for number, segment in enumerate(
        (
            exif(),
            exif(turn(1)),
            exif(turn(6, ">"), order=">"),
            exif(turn(3), start=20),
            exif(*texts, turn(5), *fractions, rest=bytes(60)),
            exif(*fractions, turn(7), rest=bytes(60)),  # not in the order of EXIF
            exif((0x8769, 4, 1, struct.pack("<I", 9999)), turn(4)),
        )
    ):
        found[f"exif-plain-{number}.jpg"] = with_segments(upright, (0xE1, segment))
    return found


def adobe(data: bytes, transform: int) -> bytes:
    """With Adobe's segment in place of JFIF's, which says what the colours are."""
    body = b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform)
    return with_segments(without_segments(data, 0xE0), (0xEE, body))


def odd() -> dict[str, bytes]:
    """JPEGs that are OpenCV's to decide on; some it reads, some it does not."""
    upright = encoded(noise((45, 61)), "jpeg", quality=92)
    far = struct.pack("<I", 5000)
    segments: Mapping[str, list[tuple[int, bytes]]] = {
        "turn-0": [(0xE1, exif(turn(0)))],
        "turn-9": [(0xE1, exif(turn(9)))],
        "turn-long": [(0xE1, exif(turn(6, kind=4)))],
        "turn-two-values": [(0xE1, exif(turn(6, count=2)))],
        "turned-twice": [(0xE1, exif(turn(6), turn(3)))],
        "text-beyond": [(0xE1, exif((0x010F, 2, 50, far), turn(6)))],
        "text-beyond-later": [(0xE1, exif(turn(6), (0x8298, 2, 50, far)))],
        "fraction-beyond": [(0xE1, exif(fraction(0x011A, 5000), turn(6)))],
        "directory-beyond": [(0xE1, exif(turn(6), start=8)[:10] + far)],
        "directory-cut": [(0xE1, exif(turn(6), count=40))],
        "no-mark": [(0xE1, exif(turn(6)).replace(b"II*", b"II+"))],
        "other-order": [(0xE1, exif(turn(6)).replace(b"II*", b"IM*"))],
        "short": [(0xE1, b"Exif\0\0II")],
        "exif-exif": [(0xE1, exif(turn(6))), (0xE1, exif(turn(3)))],
    }
    found = {f"{name}.jpg": with_segments(upright, *parts) for name, parts in segments.items()}
    found["no-tables.jpg"] = without_segments(by_opencv((45, 61)), 0xC4)
    found["sampled-112211.jpg"] = sampled(b"\x11\x22\x11")  # chroma finer than luma
    middle = len(upright) * 2 // 3
    found["filled.jpg"] = upright[:middle] + upright[-2:]
    found["damaged.jpg"] = upright[:middle] + bytes(40) + upright[middle + 40 :]
    found["rubbish-between.jpg"] = upright[:2] + b"\xff\xfe\0\3xyz" + upright[2:]
    found["version.jpg"] = patched(upright, 0xE0, 9, b"\3")
    found["adobe-unknown.jpg"] = adobe(upright, 7)
    found["two-colours.jpg"] = patched(upright, 0xC0, 9, b"\2")
    found["twelve-bits.jpg"] = patched(upright, 0xC0, 4, b"\x0c")
    found["arithmetic.jpg"] = patched(upright, 0xC0, 1, b"\xc9")
    found["lossless.jpg"] = patched(upright, 0xC0, 1, b"\xc3")
    return found


def python_s(path: Path) -> bytes | str:
    """The tensor's bytes, or the error."""
    try:
        return preprocess_image(decode_image(path), AS_IT_IS, name=str(path)).tobytes()
    except ImageError as error:
        return str(error)


def program_s(program: Path, bundle: Path, paths: list[Path]) -> dict[str, bytes | str]:
    found: dict[str, bytes | str] = {}
    with Pipe(program, bundle) as pipe:
        for path in paths:
            told, arrays = pipe.ask("prepare", picture=str(path))
            found[path.name] = arrays[0].tobytes() if arrays else told["error"]
    return found


def written(folder: Path, pictures: Mapping[str, bytes]) -> list[Path]:
    folder.mkdir()
    for name, data in pictures.items():
        (folder / name).write_bytes(data)
    return sorted(folder.iterdir())


def test_every_plain_jpeg_needs_no_codecs(alone: Path, tmp_path: Path) -> None:
    """In Python's bits, by a program that has nothing but libjpeg."""
    write_bundle(tmp_path / "bundle", AS_IT_IS)
    files = written(tmp_path / "plain", plain())
    found = program_s(alone, tmp_path / "bundle", files)
    assert len(files) > 80
    assert not [file.name for file in files if found[file.name] != python_s(file)]


def test_every_odd_jpeg_is_opencv_s_to_decide(folder: Path, alone: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", AS_IT_IS)
    files = written(tmp_path / "odd", odd())
    found = program_s(folder / "paddleport-classify", tmp_path / "bundle", files)
    wanted = {file.name: python_s(file) for file in files}
    assert not [name for name, item in wanted.items() if found[name] != item]
    assert {type(item) for item in wanted.values()} == {bytes, str}
    for name, item in program_s(alone, tmp_path / "bundle", files).items():
        assert isinstance(item, str) and MODULE in item, name


def test_what_libjpeg_reads_of_damaged_files_is_python_s(alone: Path, tmp_path: Path) -> None:
    """Bytes that are changed anywhere, EXIF's among them: the same bits, or handed over."""
    write_bundle(tmp_path / "bundle", AS_IT_IS)
    random = np.random.default_rng(5)
    pictures = {}
    for name, data in {**plain(), **odd()}.items():
        for number in range(6):
            damaged = bytearray(data)
            end = len(data) if number % 2 else min(len(data), 120)
            for position in random.integers(3, end, 1 + number // 2):
                damaged[position] = int(random.integers(256))
            pictures[f"{number}-{name}"] = bytes(damaged)
    files = written(tmp_path / "damaged", pictures)
    found = program_s(alone, tmp_path / "bundle", files)
    own = [file for file in files if MODULE not in str(found[file.name])]
    assert len(files) // 4 < len(own) < len(files)
    assert not [file.name for file in own if found[file.name] != python_s(file)]


def test_no_codecs_are_loaded_for_a_jpeg(folder: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", AS_IT_IS)
    for name in ("rgb.jpg", "rgb.png"):
        (tmp_path / name).write_bytes(PICTURES[name])
    with Pipe(folder / "paddleport-classify", tmp_path / "bundle") as pipe:
        assert pipe.ask("prepare", picture=str(tmp_path / "rgb.jpg"))[1]
        assert "opencv_core" in pipe.maps() and "imgcodecs" not in pipe.maps()
        assert pipe.ask("prepare", picture=str(tmp_path / "rgb.png"))[1]
        assert "imgcodecs" in pipe.maps() and str(folder.resolve() / MODULE) in pipe.maps()


def test_codecs_that_are_missing_or_others_are_one_line(alone: Path, tmp_path: Path) -> None:
    """Nor are they looked for in the current folder; the JPEG beside is read."""
    write_bundle(tmp_path / "bundle")
    for name in ("rgb.jpg", "rgb.png", MODULE):
        (tmp_path / name).write_bytes(PICTURES.get(name, b"no library"))
    words = ("--bundle", tmp_path / "bundle", "rgb.png", "rgb.jpg")
    done = run("env", "-C", tmp_path, alone, *words)
    assert (done.code, done.out.count("rgb.jpg")) == (1, 1)
    said = f"error: rgb.png cannot be decoded, as it is no plain JPEG: {MODULE} is not beside "
    assert done.err.startswith(said)
    shutil.copy2(tmp_path / MODULE, alone.parent)
    done = run("env", "-C", tmp_path, alone, *words)
    assert (done.code, done.out.count("rgb.jpg")) == (1, 1)
    assert done.err.startswith("error: rgb.png cannot be decoded, as it is no plain JPEG: ")
    assert len([line for line in done.err.splitlines() if line.startswith("error: ")]) == 1


def test_installed_it_finds_its_codecs(folder: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    (tmp_path / "rgb.png").write_bytes(PICTURES["rgb.png"])
    done = run("cmake", "--install", folder, "--prefix", tmp_path / "installed")
    assert done.code == 0, done.err
    program = tmp_path / "installed" / "bin" / "paddleport-classify"
    done = run(program, "--bundle", tmp_path / "bundle", tmp_path / "rgb.png")
    assert done.code == 0, done.err
    for file in (program, folder / "paddleport-classify"):  # an empty entry is the current folder
        paths = re.findall(r"(?:RUNPATH|RPATH).*\[(.*)\]", run("readelf", "-d", file).out)
        assert paths and all(part.startswith(("$ORIGIN", "/")) for part in paths[0].split(":"))
