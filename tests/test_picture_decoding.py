"""Picture files of every kind are decoded as ``cv2.imread`` does it, or refused in one line."""

import ctypes
import io
import re
import struct
import threading
import zlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from paddleport.errors import ImageError
from paddleport.models.preprocess import Preprocess
from paddleport.runners.preprocessing import prepare_image as preprocessing
from paddleport.runners.preprocessing.picture_files import PICTURE_SUFFIXES, find_pictures
from paddleport.runners.preprocessing.prepare_image import (
    MAX_PIXELS,
    decode_image,
    preprocess_image,
)

HEIGHT, WIDTH = 60, 90


def gradient(mode: str = "RGB") -> Image.Image:
    """A smooth picture with four different corners: red, green, blue and white."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    down, right = y / (HEIGHT - 1), x / (WIDTH - 1)
    corners = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]])
    top = corners[0, 0] + (corners[0, 1] - corners[0, 0]) * right[..., None]
    bottom = corners[1, 0] + (corners[1, 1] - corners[1, 0]) * right[..., None]
    mixed = top + (bottom - top) * down[..., None]
    return Image.fromarray(mixed.astype(np.uint8)).convert(mode)


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(gradient(), "jpeg", quality=95, subsampling=0, exif=exif)


def with_alpha(kind: str = "RGBA") -> Image.Image:
    picture = gradient("RGBA")
    alpha = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    picture.putalpha(Image.fromarray(alpha))
    return picture.convert(kind)


def sixteen_bits() -> Image.Image:
    values = np.linspace(0, 65535, HEIGHT * WIDTH).astype(np.uint16)
    return Image.fromarray(values.reshape(HEIGHT, WIDTH))


def interlaced_png() -> bytes:
    """Pillow writes no interlaced PNG: the passes of Adam7, by the PNG specification."""
    pixels = np.asarray(gradient())
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
              (1, 0, 2, 1))  # fmt: skip
    rows = b"".join(
        b"\0" + row.tobytes() for y, x, dy, dx in passes for row in pixels[y::dy, x::dx]
    )
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 1)
    return png(header, zlib.compress(rows))


def png(header: bytes, data: bytes) -> bytes:
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def animated_png(*, default_image: bool) -> bytes:
    """A PNG of three frames; the first may be one that only still viewers show."""
    frames = [gradient().rotate(180), gradient().rotate(90)]
    return encoded(
        gradient(), "png", save_all=True, append_images=frames, default_image=default_image
    )


PICTURES: dict[str, bytes] = {
    "rgb.jpg": encoded(gradient(), "jpeg"),
    "grey.jpg": encoded(gradient("L"), "jpeg"),
    "cmyk.jpg": encoded(gradient("CMYK"), "jpeg"),
    "progressive.jpg": encoded(gradient(), "jpeg", progressive=True),
    "thumbnail.jpg": encoded(gradient(), "jpeg", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\xff\xd9\xff"),
    **{f"exif{orientation}.jpg": turned(orientation) for orientation in range(1, 9)},
    "rgb.png": encoded(gradient(), "png"),
    "palette.png": encoded(gradient("P"), "png"),
    "palette_transparent.png": encoded(gradient("P"), "png", transparency=3),
    "grey.png": encoded(gradient("L"), "png"),
    "bits.png": encoded(gradient("1"), "png"),
    "grey16.png": encoded(sixteen_bits(), "png"),
    "alpha.png": encoded(with_alpha(), "png"),
    "grey_alpha.png": encoded(with_alpha("LA"), "png"),
    "interlaced.png": interlaced_png(),
    "animated.png": animated_png(default_image=False),
    "animated_still.png": animated_png(default_image=True),
    "lossy.webp": encoded(gradient(), "webp"),
    "lossless.webp": encoded(gradient(), "webp", lossless=True),
    "alpha.webp": encoded(with_alpha(), "webp", lossless=True),
    "rgb.bmp": encoded(gradient(), "bmp"),
    "palette.bmp": encoded(gradient("P"), "bmp"),
    "grey.bmp": encoded(gradient("L"), "bmp"),
    "palette.gif": encoded(gradient("P"), "gif"),
    "rgb.tif": encoded(gradient(), "tiff"),
    "lzw.tif": encoded(gradient(), "tiff", compression="tiff_lzw"),
    "rgb.ppm": encoded(gradient(), "ppm"),
}

LOSSLESS = {
    "rgb.png": gradient(),
    "palette.png": gradient("P").convert("RGB"),
    "grey.png": gradient("L").convert("RGB"),
    "bits.png": gradient("1").convert("RGB"),
    "alpha.png": with_alpha().convert("RGB"),
    "interlaced.png": gradient(),
    "animated.png": gradient(),
    "animated_still.png": gradient(),
    "lossless.webp": gradient(),
    "rgb.bmp": gradient(),
    "rgb.tif": gradient(),
    "lzw.tif": gradient(),
    "rgb.ppm": gradient(),
}


@pytest.mark.parametrize("name", PICTURES)
def test_every_kind_is_what_cv2_imread_gives(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(PICTURES[name])
    expected = cv2.imread(str(path))
    assert expected is not None
    for image in (decode_image(path), decode_image(PICTURES[name])):
        assert image.dtype == np.uint8
        assert np.array_equal(image, expected)


def test_every_format_that_is_read_is_found_in_a_folder(tmp_path: Path) -> None:
    others = ("a.jp2", "a.j2k", "a.avif", "a.pbm", "a.pgm", "a.pnm", "a.JPEG", "a.dib", "a.tiff")
    for name in (*PICTURES, *others, "notes.txt"):
        (tmp_path / name).touch()
    found = {path.name for path in find_pictures([str(tmp_path)])}
    assert found == {*PICTURES, *others}
    source = files("paddleport.convert.cpp") / "sources/src/program/find_pictures.cpp"
    assert set(re.findall(r'"(\.\w+)"', source.read_text())) == PICTURE_SUFFIXES


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_kinds_are_the_picture_that_was_written(name: str) -> None:
    expected = np.asarray(LOSSLESS[name])[:, :, ::-1]
    assert np.array_equal(decode_image(PICTURES[name]), expected)


def test_sixteen_bits_keep_their_high_byte() -> None:
    high = (np.asarray(sixteen_bits()) >> 8).astype(np.uint8)
    image = decode_image(PICTURES["grey16.png"])
    assert all(np.array_equal(image[:, :, channel], high) for channel in range(3))


def test_cmyk_is_the_colour_it_was() -> None:
    # Pillow's CMYK is the plain inversion; JPEG and chroma subsampling cost a few levels
    expected = np.asarray(gradient("CMYK").convert("RGB")).astype(int)[:, :, ::-1]
    difference = np.abs(decode_image(PICTURES["cmyk.jpg"]).astype(int) - expected)
    assert np.median(difference) <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    from PIL import ImageOps

    picture = Image.open(io.BytesIO(PICTURES[f"exif{orientation}.jpg"]))
    upright = ImageOps.exif_transpose(picture)
    assert upright is not None
    expected = np.asarray(upright).astype(int)[:, :, ::-1]
    image = decode_image(PICTURES[f"exif{orientation}.jpg"]).astype(int)
    assert (
        image.shape == expected.shape == ((HEIGHT, WIDTH, 3), (WIDTH, HEIGHT, 3))[orientation >= 5]
    )
    assert np.abs(image - expected).max() <= 16  # two JPEG decoders, smooth picture


def test_the_name_of_a_file_means_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ünïcode 写真.txt"
    path.write_bytes(PICTURES["rgb.png"])
    assert np.array_equal(decode_image(path), decode_image(PICTURES["rgb.png"]))


def test_an_error_names_the_picture_by_its_turned_size(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(PICTURES["exif6.jpg"])
    with pytest.raises(ImageError, match=r"a\.jpg is 60x90 pixels"):
        preprocess_image(decode_image(path), Preprocess(resize_short=None), name=str(path))


@pytest.mark.parametrize("name", [name for name in PICTURES if "exif" not in name])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_truncated_picture_is_refused(name: str, share: float) -> None:
    data = PICTURES[name]
    with pytest.raises(ImageError) as caught:
        decode_image(data[: int(len(data) * share)], name="cut.jpg")
    assert_one_line(caught.value, "cut.jpg")


@pytest.mark.parametrize("name", ["rgb.jpg", "progressive.jpg", "rgb.png", "lossy.webp"])
def test_a_picture_without_its_last_bytes_is_called_truncated(name: str) -> None:
    kind = {"jpg": "JPEG", "png": "PNG", "webp": "WebP"}[name.split(".")[1]]
    with pytest.raises(ImageError, match=f"is a truncated {kind}"):
        decode_image(PICTURES[name][:-2])


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"hello, this is no picture\n", "is text"),
        ("日本語のテキスト".encode() * 100, "is text"),
        (b"<!DOCTYPE html><html></html>", "is HTML"),
        (bytes(range(256)) * 4, "is not a picture; read are JPEG, PNG"),
        (b"\xff\xd8\xff", "is a truncated JPEG"),
        (b"\x89PNG\r\n\x1a\n", "is a truncated PNG"),
        (b"BM", "is a truncated BMP"),
        (b"II*\0\xff\xff\xff\xff", "is a truncated TIFF"),
        (b"II+\0" + b"\xff" * 60, "is a truncated TIFF"),
        (b"GIF89a\0\0\0\0\0\0\0", "is a GIF of 0x0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_files_that_are_no_picture_are_named(content: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "cat.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=what) as caught:
        decode_image(path)
    assert_one_line(caught.value, "cat.jpg")


def test_no_file_a_folder_and_a_device(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no picture"):
        decode_image(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        decode_image(tmp_path)
    with pytest.raises(ImageError, match="is no file"):
        decode_image(Path("/dev/zero"))


def bombs() -> dict[str, bytes]:
    """A few bytes that claim 60000 x 60000 pixels."""
    side = 60_000
    jpeg = bytearray(PICTURES["rgb.jpg"])
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    gif, bmp, tiff = (bytearray(PICTURES[n]) for n in ("palette.gif", "rgb.bmp", "rgb.tif"))
    gif[6:10] = struct.pack("<HH", side, side)
    bmp[18:26] = struct.pack("<ii", side, -side)
    for tag in (256, 257):
        entry = tiff.index(struct.pack("<HH", tag, 4))
        tiff[entry + 8 : entry + 12] = struct.pack("<I", side)
    webp = b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\xff\x00" * 2
    zeros = zlib.compress(b"\0" * 1_000_000, 9)
    return {
        "png": png(struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), zeros),
        "jpeg": bytes(jpeg),
        "gif": bytes(gif),
        "bmp": bytes(bmp),
        "tiff": bytes(tiff),
        "webp": webp,
        "pnm": b"P6 # a comment\n60000 60000\n255\n" + b"\0" * 100,
        "jpeg2000": b"\xff\x4f\xff\x51\0\x2f\0\0" + struct.pack(">IIII", side, side, 0, 0),
        "avif": b"\0\0\0\x20ftypavif\0\0\0\0ispe\0\0\0\0" + struct.pack(">II", side, side),
    }


@pytest.mark.parametrize("kind", bombs())
def test_a_bomb_is_refused_by_its_header(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(cv2, "imdecode", never)
    with pytest.raises(ImageError, match=rf"pixels; at most {MAX_PIXELS} are decoded"):
        decode_image(bombs()[kind])


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preprocessing, "MAX_FILE_BYTES", 1 << 20)
    path = tmp_path / "large.png"
    path.write_bytes(PICTURES["rgb.png"].ljust((1 << 20) + 1, b"\0"))
    with pytest.raises(ImageError, match="larger than the 1 MB"):
        decode_image(path)


NOISY = {
    # libjpeg: "Corrupt JPEG data: 5 extraneous bytes before marker"
    "junk.jpg": PICTURES["rgb.jpg"][:20] + b"junk!" + PICTURES["rgb.jpg"][20:],
    # libpng: "libpng warning: ..."
    "crc.png": encoded(gradient(), "png", icc_profile=b"no profile"),
}


@pytest.mark.parametrize("name", NOISY)
def test_nothing_is_written_to_standard_error(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    cv2.imdecode(np.frombuffer(NOISY[name], np.uint8), cv2.IMREAD_COLOR)
    assert capfd.readouterr().err, "the picture makes OpenCV say something, or this shows nothing"
    decode_image(NOISY[name])
    assert capfd.readouterr() == ("", "")


def test_opencv_s_own_lines_are_quiet_too(capfd: pytest.CaptureFixture[str]) -> None:
    """Damage inside the data is decoded as far as OpenCV does it, as ``cv2.imread`` has it."""
    damaged = PICTURES["lzw.tif"][:1000] + bytes(1000) + PICTURES["lzw.tif"][2000:]
    expected = cv2.imdecode(np.frombuffer(damaged, np.uint8), cv2.IMREAD_COLOR)
    assert capfd.readouterr().err
    assert np.array_equal(decode_image(damaged), np.asarray(expected))
    assert capfd.readouterr() == ("", "")


def test_threads_decode_side_by_side_and_leave_standard_error_as_it_was(
    capfd: pytest.CaptureFixture[str],
) -> None:
    level = cv2.utils.logging.getLogLevel()
    results: list[NDArray[np.uint8]] = []

    def work() -> None:
        results.extend(decode_image(NOISY["junk.jpg"]) for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 200 and all(np.array_equal(image, results[0]) for image in results)
    assert cv2.utils.logging.getLogLevel() == level
    assert capfd.readouterr() == ("", "")
    library = ctypes.CDLL(None)
    library.perror(b"still here")
    assert "still here" in capfd.readouterr().err


def test_damaged_bytes_never_crash() -> None:
    random = np.random.default_rng(3)
    read = 0
    for data in PICTURES.values():
        for _ in range(12):
            damaged = bytearray(data)
            for position in random.integers(0, min(len(data), 200), 3):
                damaged[position] = random.integers(256)
            try:
                image = decode_image(bytes(damaged))
            except ImageError as error:
                assert_one_line(error)
            else:
                assert image.ndim == 3 and image.shape[0] * image.shape[1] <= MAX_PIXELS
                read += 1
    assert 0 < read < 12 * len(PICTURES)


def assert_one_line(error: Exception, *words: str) -> None:
    assert "\n" not in str(error)
    assert all(word in str(error) for word in words)
