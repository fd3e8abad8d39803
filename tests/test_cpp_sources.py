"""The C++ bundle's sources: they build without a warning, and answer as Python does."""

import json
import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import colour_pictures
import cv2
import numpy as np
import pytest
from commanding_name import NAME, SHOWN
from cpp_bundles import (
    FUZZING,
    LABELS,
    SOURCES,
    Done,
    Pipe,
    built,
    built_by_gcc,
    compile_targets,
    configure,
    for_onnxruntime,
    for_openvino,
    need,
    run,
    write_bundle,
)
from PIL import Image
from test_cli import Command, cache, paddleport
from test_picture_decoding import NOISY, PICTURES, bombs, encoded, gradient, png

from paddleport.errors import ImageError
from paddleport.models.preprocess import Preprocess
from paddleport.runners.preprocessing.prepare_image import (
    decode_image,
    fed_picture,
    preprocess_image,
)
from paddleport.tensors import TensorSpec

__all__ = ["cache", "paddleport"]

pytestmark = pytest.mark.slow

Picture = np.ndarray[Any, np.dtype[np.uint8]]
IMAGENET = Preprocess()
ODD_SIZES = ((512, 683), (512, 685), (375, 500), (257, 300), (225, 1999), (1, 7), (333, 224))
"""Short sides of 512 and odd long ones fall on halves when they are resized to 256."""
QUICK = "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG"
"""Sanitizers' checks take a compiler twice as long to optimise."""
UNREAD_BY_DEBIAN = {"palette.gif"}  # its OpenCV 4.6 reads no GIF


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_by_gcc(tmp_path_factory) / "paddleport-classify"


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with clang, with every check of its address and undefined-behaviour sanitizers."""
    options = (*for_onnxruntime(), "-DPADDLEPORT_SANITIZE=address,undefined", QUICK)
    folder = built(tmp_path_factory, "sanitized", *options, compiler="clang++")
    return folder / "paddleport-classify"


@pytest.fixture(scope="session")
def openvino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OpenVINO's build, with clang: so both compilers see both engines' common sources."""
    return built(tmp_path_factory, "clang", *for_openvino(), compiler="clang++")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of every kind, odd sizes among them."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, data in PICTURES.items():
        if name not in UNREAD_BY_DEBIAN:
            (folder / name).write_bytes(data)
    random = np.random.default_rng(1)
    for height, width in ODD_SIZES:
        noise = random.integers(0, 256, (height // 9 + 1, width // 9 + 1, 3), np.uint8)
        smooth = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        smooth.save(folder / f"odd{height}x{width}.jpg", quality=90, progressive=height % 2 == 1)
        smooth.save(folder / f"odd{height}x{width}.png")
    for orientation in range(1, 9):  # Debian's OpenCV leaves WebP as it lies: the bundle turns it
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encoded(gradient(), "webp", lossless=True, exif=exif)
        (folder / f"exif{orientation}.webp").write_bytes(data)
    turn = struct.pack("<HHII", 0x0112, 3, 1, 6)
    beyond = struct.pack("<HHII", 0x010E, 2, 1000, 5000)  # a text that is not there
    for name, entries, left in (
        ("turned", turn, 12),
        ("beyond", beyond + turn, 24),
        ("turned before beyond", turn + beyond, 24),
        ("cut in its entry", turn, 10),
        ("cut behind its entry", turn + turn, 12),
    ):
        tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries) // 12) + entries[:left]
        data = encoded(gradient(), "webp", lossless=True, exif=tiff)
        (folder / f"{name}.webp").write_bytes(data)
    flags = bytearray(data)
    flags[20] &= ~0x08  # the header says that it has no EXIF
    (folder / "no flag.webp").write_bytes(bytes(flags))
    return folder


def bad_pictures() -> dict[str, bytes]:
    return {
        "empty.jpg": b"",
        "text.jpg": b"hello, this is no picture\n",
        "japanese.jpg": "日本語のテキスト".encode() * 100,
        "page.png": b"<!DOCTYPE html><html></html>",
        "bytes.png": bytes(range(256)) * 4,
        "cut.jpg": PICTURES["rgb.jpg"][:-2],
        "half.jpg": PICTURES["rgb.jpg"][: len(PICTURES["rgb.jpg"]) // 2],
        "cut.png": PICTURES["rgb.png"][:-2],
        "cut.webp": PICTURES["lossy.webp"][:-2],
        "cut.bmp": PICTURES["rgb.bmp"][:40],
        "start.jpg": b"\xff\xd8\xff",
        "nothing.gif": b"GIF89a\0\0\0\0\0\0\0",
        "endless.tif": b"II*\0\xff\xff\xff\xff",
        "big.tif": b"II+\0" + b"\xff" * 60,
        "sizeless.ppm": b"P6 # 3 4\n x",
        "flipped.bmp": PICTURES["rgb.bmp"][:18]
        + struct.pack("<ii", -5, 7)
        + PICTURES["rgb.bmp"][26:],
        "garbage.png": png(struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0), b"no zlib"),
        "small.png": encoded(Image.new("RGB", (1, 3000)), "png"),
        **{f"bomb.{kind}": data for kind, data in bombs().items()},
    }


@contextmanager
def without_ipp(interpolation: str) -> Iterator[None]:
    """Wheels of OpenCV for x86 resize cubic with Intel's IPP, in other bits than OpenCV's own.

    Debian is built without. The difference is of one level of 255 in a twentieth of the pixels.
    """
    has_ipp = interpolation == "cubic" and hasattr(cv2, "ipp") and cv2.ipp.useIPP()
    if has_ipp:
        cv2.ipp.setUseIPP(False)
    try:
        yield
    finally:
        if has_ipp:
            cv2.ipp.setUseIPP(True)


def error_of(path: Path, rules: Preprocess) -> str:
    with pytest.raises(ImageError) as refusal:
        preprocess_image(decode_image(path), rules, name=str(path))
    return str(refusal.value)


def shown(program: Path, bundle: Path, *words: object) -> Done:
    return run(program, "--bundle", bundle, *words)


def test_clang_format_has_nothing_to_change(tmp_path: Path) -> None:
    need("clang-format")
    files = [file for root in (SOURCES, FUZZING) for file in root.rglob("*.[ch]pp")]
    assert len(files) > 40
    done = run("clang-format", "--dry-run", "--Werror", *files)
    assert done.code == 0, done.err
    (tmp_path / "other.cpp").write_text("int  main( ){return 0 ;}\n")
    done = run("clang-format", "--dry-run", "--Werror", tmp_path / "other.cpp")
    assert done.code != 0, "or the line above shows nothing"


def test_a_warning_is_an_error(tmp_path: Path) -> None:
    need("cmake", "g++")
    copy = tmp_path / "sources"
    subprocess.run(["cp", "-r", str(SOURCES), str(copy)], check=True)
    with (copy / "src" / "utf8.cpp").open("a") as stream:
        stream.write("int narrowed(long value) { return value; }\n")
    configure(copy, tmp_path / "build", *for_onnxruntime())
    done = run("cmake", "--build", tmp_path / "build", "--target", "src/utf8.cpp.o")
    assert done.code != 0 and "conversion" in done.err + done.out


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
@pytest.mark.parametrize("interpolation", ["linear", "nearest", "cubic", "area", "lanczos4"])
def test_tensors_have_python_s_bits(
    program: Path, pictures: Path, tmp_path: Path, interpolation: Any, channels: Any
) -> None:
    short = 256 if channels == "RGB" else 130
    rules = Preprocess(
        interpolation=interpolation,
        channels=channels,
        resize_short=short,
        crop=(short - 32, short - 40),
        channel_num=3 if channels == "RGB" else 4,
    )
    write_bundle(tmp_path / "bundle", rules)
    files = sorted(pictures.iterdir())
    with Pipe(program, tmp_path / "bundle") as pipe:
        found = {file.name: pipe.ask("prepare", picture=str(file))[1][0] for file in files}
    with without_ipp(interpolation):
        expected = {file.name: preprocess_image(decode_image(file), rules)[None] for file in files}
    wrong = [
        name
        for name, tensor in expected.items()
        if tensor.shape != found[name].shape or tensor.tobytes() != found[name].tobytes()
    ]
    assert not wrong


@pytest.mark.parametrize("short", [24, 64, 130])
def test_any_size(program: Path, tmp_path: Path, short: int) -> None:
    """Only the crop is resized where that is exact: along sides that shrink, by any factor."""
    rules = Preprocess(resize_short=short, crop=(short - 5, short - 11))
    write_bundle(tmp_path / "bundle", rules)
    random = np.random.default_rng(short)
    sizes = [*random.integers(1, 500, (40, 2)), (2 * short, 2 * short), (4 * short, 5 * short)]
    with Pipe(program, tmp_path / "bundle") as pipe:
        for height, width in sizes:
            noise = random.integers(0, 256, (height, width, 3), np.uint8)
            Image.fromarray(noise).save(tmp_path / "noise.bmp")
            expected = preprocess_image(decode_image(tmp_path / "noise.bmp"), rules)[None]
            found = pipe.ask("prepare", picture=str(tmp_path / "noise.bmp"))[1][0]
            assert found.tobytes() == expected.tobytes(), (height, width)


def test_the_pictures_would_show_another_rounding() -> None:
    """C's half away from zero gives another size for some; a crop's offset rounded up, too."""
    halves = [long * (256 / short) for short, long in ODD_SIZES if short < long]
    assert any(round(value) != int(value + 0.5) for value in halves)
    assert any((round(value) - 224) % 2 for value in halves)


@pytest.mark.parametrize(
    "rules",
    [
        replace(IMAGENET, resize_short=None, crop=None),
        replace(IMAGENET, resize_short=None, resize=(50, 70), crop=None),
        replace(IMAGENET, resize_short=None, resize=(96, 80), crop=(95, 77), scale=1 / 255),
        replace(IMAGENET, resize_short=20, crop=(16, 18), mean=(0.0, -0.0, 1e-20), scale=-1.0),
        replace(IMAGENET, resize_short=32, crop=None, scale=3e38, std=(1e-44, 1.0, -7.0)),
    ],
    ids=["as it is", "exact", "exact and crop", "signs", "overflow"],
)
def test_any_rules(program: Path, pictures: Path, tmp_path: Path, rules: Preprocess) -> None:
    write_bundle(tmp_path / "bundle", rules)
    with Pipe(program, tmp_path / "bundle") as pipe:
        for name in ("rgb.png", "exif6.jpg", "grey16.png", "odd257x300.jpg"):
            with np.errstate(all="ignore"):
                expected = preprocess_image(decode_image(pictures / name), rules)[None]
            found = pipe.ask("prepare", picture=str(pictures / name))[1][0]
            assert found.shape == expected.shape
            assert found.tobytes() == expected.tobytes(), name


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_a_model_that_normalizes_by_itself(
    program: Path, pictures: Path, tmp_path: Path, channels: Any
) -> None:
    rules = replace(colour_pictures.PREPROCESS, channels=channels)
    write_bundle(tmp_path / "bundle", rules, pixels=True)
    image = decode_image(pictures / "rgb.jpg")
    with Pipe(program, tmp_path / "bundle") as pipe:
        _, (found,) = pipe.ask("prepare", picture=str(pictures / "rgb.jpg"))
        told, (scores,) = pipe.ask("classify", picture=str(pictures / "rgb.jpg"))
    assert np.array_equal(
        found, fed_picture(image, rules, TensorSpec("x", "uint8", (1, 8, 8, 3)))[None]
    )
    assert told["top"][0]["class_id"] == scores[0].argmax()


def test_noisy_pictures_are_read_in_silence(program: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    damaged = PICTURES["lzw.tif"][:1000] + bytes(1000) + PICTURES["lzw.tif"][2000:]
    for name, data in {**NOISY, "damaged.tif": damaged}.items():
        (tmp_path / name).write_bytes(data)
        done = shown(program, tmp_path / "bundle", tmp_path / name)
        assert (done.code, done.err) == (0, ""), name


def test_answers_are_those_of_run(
    program: Path, paddleport: Command, pictures: Path, tmp_path: Path
) -> None:
    model = write_bundle(tmp_path / "bundle").path
    for options in (["--json"], ["--json", "--topk", "1"], ["--topk", "2"]):
        wanted = paddleport("run", model, pictures, "-b", "onnxruntime", *options)
        found = shown(program, tmp_path / "bundle", pictures, *options)
        assert found.code == wanted.code == 0, wanted.err
        first = 0 if "--json" in options else 1  # a line that says what computed them
        assert found.out.splitlines()[first:] == wanted.out.splitlines()[first:]
    assert LABELS[1] in found.out
    assert re.fullmatch(r"\d+ pictures · \d+ pictures/s · .* threads in \d+ streams\n", found.err)


def test_bad_pictures_are_refused_as_run_refuses_them(
    program: Path, paddleport: Command, tmp_path: Path
) -> None:
    model = write_bundle(tmp_path / "bundle", rules := Preprocess(crop=(8, 8))).path
    folder = tmp_path / "bad"
    folder.mkdir()
    for name, data in bad_pictures().items():
        (folder / name).write_bytes(data)
    names = [f"bad/{name}" for name in sorted(bad_pictures())] + ["bad/absent.jpg", "/dev/zero"]
    wanted = paddleport("run", model, *names, "--json")
    found = Done(2, "", "")
    errors = []
    for name in names:
        done = run("env", "-C", tmp_path, program, "--bundle", tmp_path / "bundle", name, "--json")
        assert done.code == 2, name
        errors.append(done.err)
        assert json.loads(done.out)[0]["error"] == done.err.removeprefix("error: ").strip()
    found = run("env", "-C", tmp_path, program, "--bundle", tmp_path / "bundle", *names, "--json")
    assert (wanted.code, found.code) == (2, 2)
    assert found.out == wanted.out
    own = [line for line in found.err.splitlines() if " pictures/s " not in line]
    theirs = [line for line in wanted.err.splitlines() if " pictures/s " not in line]
    assert own == theirs == [error.strip() for error in errors]
    assert error_of(folder / "small.png", rules).endswith("at most 178956970 pixels are made")


def test_some_pictures_not_read_is_one(program: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    (tmp_path / "a.png").write_bytes(PICTURES["rgb.png"])
    (tmp_path / "b.png").write_bytes(b"text")
    done = shown(program, tmp_path / "bundle", tmp_path / "a.png", tmp_path / "b.png")
    assert done.code == 1
    assert done.err.splitlines()[0] == f"error: {tmp_path / 'b.png'} is text, not a picture"
    assert str(tmp_path / "a.png") in done.out


def test_limits_are_the_bundle_s(program: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", limits={"max_pixels": 5399, "max_file_bytes": 1 << 20})
    (tmp_path / "a.png").write_bytes(PICTURES["rgb.png"])
    (tmp_path / "b.png").write_bytes(bytes((1 << 20) + 1))
    (tmp_path / "c.png").write_bytes(encoded(gradient().resize((59, 91)), "png"))
    found = [shown(program, tmp_path / "bundle", tmp_path / f"{name}.png") for name in "abc"]
    assert "is a PNG of 90x60 pixels; at most 5399 are decoded" in found[0].err
    assert "is larger than the 1 MB that are read" in found[1].err
    assert found[2].code == 0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"schema": 2}, "'schema' cannot be"),
        ({"model_sha256": {"model/colours.onnx": "0" * 64}}, "SHA-256"),
        ({"model_sha256": {}}, "no digest"),
        ({"model_file": "../colours.onnx"}, "no file of the bundle"),
        ({"labels_file": "/etc/passwd"}, "no file of the bundle"),
        ({"preprocess": {"interpolation": "linear"}}, "'scale' is missing"),
        ({"preprocess": None}, "does not say how pictures are fed"),
        ({"precision": 5}, "'precision' is no text"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_with_a_bundle(
    program: Path, tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    write_bundle(tmp_path / "bundle", **change)
    (tmp_path / "a.png").write_bytes(PICTURES["rgb.png"])
    done = shown(program, tmp_path / "bundle", tmp_path / "a.png")
    assert (done.code, done.out) == (2, "")
    assert word in done.err and done.err.count("\n") == 1


def test_a_model_that_is_another_or_none(program: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    (tmp_path / "a.png").write_bytes(PICTURES["rgb.png"])
    model = tmp_path / "bundle" / "model" / "colours.onnx"
    model.write_bytes(model.read_bytes()[:-40])
    words = ("--skip-digests", tmp_path / "a.png")
    assert "SHA-256" in shown(program, tmp_path / "bundle", tmp_path / "a.png").err
    done = shown(program, tmp_path / "bundle", *words)
    assert done.code == 2 and done.err.startswith("error: onnxruntime does not take this model: ")
    assert done.err.count("\n") == 1
    model.unlink()
    assert "cannot be read" in shown(program, tmp_path / "bundle", tmp_path / "a.png").err
    assert "no bundle.json" in shown(program, tmp_path / "none", tmp_path / "a.png").err
    absent = shown(program, tmp_path / "bundle", "--engine-library", "/absent.so", *words)
    assert absent.code == 2 and "PADDLEPORT_ONNXRUNTIME_LIBRARY" in absent.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--threads", "0"], "--threads 0 is not possible: 1 to 1024"),
        (["--threads", "100000"], "--threads 100000 is not possible: 1 to 1024"),
        (["--topk", "x"], "--topk x is not possible"),
        (["--topk", "9000000000"], "--topk 9000000000 is not possible: 1 to 1000000000"),
        (["--fast"], "unknown option '--fast'"),
        (["--bundle"], "--bundle needs a value"),
        (["--engine-library=", "x.jpg"], "--engine-library needs a value"),
        ([], "name a picture or a folder"),
        (["."], "holds no pictures (.avif, .bmp, "),
    ],
    ids=str,
)
def test_what_is_typed_wrong(program: Path, tmp_path: Path, words: list[str], text: str) -> None:
    done = run("env", "-C", tmp_path, program, *words)
    assert (done.code, done.out) == (2, "")
    assert text in done.err and done.err.count("\n") == 1


def test_a_name_does_not_act_on_the_terminal(program: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    (tmp_path / NAME).write_bytes(PICTURES["rgb.png"])
    done = shown(program, tmp_path / "bundle", tmp_path / NAME, "--repeat", "2")
    assert done.code == 0 and done.out.splitlines()[1] == str(tmp_path / SHOWN)
    assert done.err.startswith(str(tmp_path / SHOWN))
    (tmp_path / NAME).write_bytes(b"none")
    done = shown(program, tmp_path / "bundle", tmp_path / NAME)
    assert done.code == 2 and "\x1b" not in done.err and "\\x1b[31m" in done.err


def test_the_pipe(program: Path, pictures: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    for threads in (1, 2):
        with Pipe(program, tmp_path / "bundle", "--threads", str(threads)) as pipe:
            told, arrays = pipe.ask("describe")
            assert (told["engine"], told["threads"], arrays) == ("onnxruntime", threads, [])
            assert told["inputs"] == [{"name": "x", "dtype": "float32", "shape": [-1, 3, 8, 8]}]
            assert told["outputs"] == [{"name": "y", "dtype": "float32", "shape": [-1, 3]}]
            assert told["compiler"].startswith("GNU ") and told["opencv"]
            picture = str(pictures / "rgb.png")
            _, (tensor,) = pipe.ask("prepare", picture=picture)
            _, (scores,) = pipe.ask("run", [np.concatenate([tensor, tensor])])
            assert scores.shape == (2, 3) and np.allclose(scores.sum(axis=1), 1)
            told, (again,) = pipe.ask("classify", picture=picture)
            assert np.array_equal(again, scores[:1])
            best = int(scores[0].argmax())
            assert told["top"][0]["class_id"] == best
            assert told["top"][0]["label"] == LABELS[best]
            refused = [
                pipe.ask("run", [tensor[:, :, 1:]])[0]["error"],
                pipe.ask("run", [tensor.astype(np.float64)])[0]["error"],
                pipe.ask("run", [])[0]["error"],
                pipe.ask("prepare", picture="absent.jpg")[0]["error"],
                pipe.ask("fly")[0]["error"],
            ]
            assert refused == [
                "input x got float32 [1, 3, 7, 8], the model takes x float32 [?, 3, 8, 8]",
                "input x got float64 [1, 3, 8, 8], the model takes x float32 [?, 3, 8, 8]",
                "the feed has 0 tensors, the model takes 1",
                "no picture absent.jpg",
                "'do' is 'fly', not describe, run, prepare or classify",
            ]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"no json\n",
        b'{"do": "run", "arrays": [["float32", [1], -1]]}\n',
        b'{"do": "run", "arrays": [["float32", [1], 99999999999999]]}\n',
        b'{"do": "run", "arrays": [["float32", [1], 4]]}\nab',
        b'{"do": "run"',
        b"[" * 100_000 + b"\n",
        b"x" * (2 << 20),
    ],
    ids=["text", "negative", "huge", "cut array", "cut line", "deep", "long"],
)
def test_a_request_that_nobody_can_follow_ends_the_pipe(
    program: Path, tmp_path: Path, request_bytes: bytes
) -> None:
    write_bundle(tmp_path / "bundle")
    done = subprocess.run(
        [str(program), "--bundle", str(tmp_path / "bundle"), "--pipe"],
        input=request_bytes,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert set(json.loads(done.stdout)) == {"from", "arrays", "error"}


def test_latencies(program: Path, pictures: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    picture = pictures / "rgb.png"
    done = shown(program, tmp_path / "bundle", picture, "--repeat", "9", "--json")
    (answer,) = json.loads(done.out)
    timed = answer["latency_ms"]
    assert timed["runs"] == 9 and 0 < timed["low"] <= timed["median"] <= timed["high"]
    told = shown(program, tmp_path / "bundle", picture, "--repeat", "9").err
    assert re.search(r"median \S+ ms, middle half \S+ to \S+ ms, 9 runs", told)
    bench = json.loads(shown(program, tmp_path / "bundle", picture, "--bench", "20").out)
    medians = [bench[name]["median"] for name in ("classifier_ms", "bare_ms")]
    assert bench["ratio"] == pytest.approx(medians[0] / medians[1], rel=1e-3)
    assert bench["bare_ms"]["runs"] == 20


@pytest.mark.parametrize(("inside", "folder"), [("build", ""), ("bin", "share/paddleport-bundle")])
def test_the_bundle_around_the_program_is_read(
    program: Path, pictures: Path, tmp_path: Path, inside: str, folder: str
) -> None:
    """Built in its folder or installed, and moved since."""
    write_bundle(tmp_path / "moved" / folder)
    (tmp_path / "moved" / inside).mkdir()
    moved = shutil.copy2(program, tmp_path / "moved" / inside)
    done = run(moved, pictures / "rgb.jpg")
    assert done.code == 0, done.err
    assert done.out.startswith("colours")


def test_threads_that_cannot_be_started(program: Path, pictures: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    limit = ["bash", "-c", 'ulimit -v 4000000; exec "$@"', "bash"]  # stacks of 8 MB
    asked = ("--bundle", tmp_path / "bundle", pictures, "--decode-threads", "1000")
    done = run(*limit, program, *asked)
    assert done.code == 2
    assert done.err.strip().endswith("does not start 1000 threads more: try --decode-threads 1")


def test_untrained_weights_are_told(program: Path, pictures: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", provenance={"source": {"weights": "seeded"}})
    done = shown(program, tmp_path / "bundle", pictures / "rgb.jpg")
    assert done.out.startswith("colours · weights seeded (untrained: labels mean nothing) · ")


def test_openvino_answers_alike(
    openvino: Path, program: Path, pictures: Path, tmp_path: Path
) -> None:
    write_bundle(tmp_path / "bundle", engine="openvino")
    classify = openvino / "paddleport-classify"
    assert shown(classify, tmp_path / "bundle", pictures, "--json").code == 0
    ignored = shown(classify, tmp_path / "bundle", pictures, "--engine-library", "onnxruntime.so")
    assert ignored.code == 2 and "--engine-library is ONNX Runtime's" in ignored.err
    with (
        Pipe(classify, tmp_path / "bundle", "--threads", "1") as pipe,
        Pipe(program, tmp_path / "bundle", "--threads", "1") as other,
    ):
        told, _ = pipe.ask("describe")
        assert (told["engine"], told["threads"]) == ("openvino", 1)
        assert told["compiler"].startswith("Clang ")
        assert told["inputs"] == [{"name": "x", "dtype": "float32", "shape": [-1, 3, 8, 8]}]
        for batch in (1, 3, 1):
            feed = np.random.default_rng(batch).normal(size=(batch, 3, 8, 8)).astype(np.float32)
            (found,), (wanted,) = (item.ask("run", [feed])[1] for item in (pipe, other))
            np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_the_library_by_find_package(openvino: Path, tmp_path: Path) -> None:
    """The example, with the build folder as the package; its bundle is the sources' folder.

    Every file is compiled by itself here, so it includes what it needs.
    """
    sources = tmp_path / "bundle"
    subprocess.run(["cp", "-r", str(SOURCES), str(sources)], check=True)
    write_bundle(sources)
    configure(sources, sources / "build", *for_onnxruntime()[1:], "-DCMAKE_BUILD_TYPE=Debug")
    compile_targets(sources / "build", "paddleport-bundle")
    package = f"-Dpaddleport-bundle_DIR={sources / 'build'}"
    configure(sources / "example", sources / "example" / "build", package)
    compile_targets(sources / "example" / "build")
    done = run(sources / "example" / "build" / "classify-mat")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0].endswith("  red")
    (tmp_path / "a.png").write_bytes(PICTURES["rgb.png"])
    example = sources / "example" / "classify_mat.cpp"
    by_path = f'classify(std::filesystem::path("{tmp_path / "a.png"}"))'
    example.write_text(example.read_text().replace("classify(picture)", by_path))
    compile_targets(sources / "example" / "build")
    done = run(sources / "example" / "build" / "classify-mat")  # the codecs lie in another folder
    assert (done.code, len(done.out.splitlines())) == (0, 3), done.err


def test_sanitizers_find_nothing(sanitized: Path, pictures: Path, tmp_path: Path) -> None:
    """Every good, bad and damaged picture in one process; nothing is said but our own lines."""
    write_bundle(tmp_path / "bundle", Preprocess(resize_short=16, crop=(8, 8)))
    folder = tmp_path / "all"
    folder.mkdir()
    random = np.random.default_rng(3)
    for name, data in {**PICTURES, **bad_pictures()}.items():
        (folder / name).write_bytes(data)
        for number in range(4):
            damaged = bytearray(data)
            for position in random.integers(0, max(1, min(len(data), 200)), 3 if data else 0):
                damaged[position] = int(random.integers(256))
            path = Path(name)
            (folder / f"{path.stem}-{number}{path.suffix}").write_bytes(bytes(damaged))
    quiet = {"ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1"}
    files = sorted(folder.iterdir())
    done = run(
        sanitized,
        "--bundle",
        tmp_path / "bundle",
        *files,
        *pictures.iterdir(),
        "--json",
        environment=quiet,
    )
    assert done.code == 1, done.err[-3000:]
    assert len(json.loads(done.out)) == len(files) + len(list(pictures.iterdir()))
    lines = done.err.splitlines()
    assert all(line.startswith("error: ") or " pictures/s " in line for line in lines)


def test_a_sanitizer_would_end_it(tmp_path: Path) -> None:
    """A reader that does not ask where the file ends, on one that is cut."""
    need("clang++")
    copy = tmp_path / "src"
    subprocess.run(["cp", "-r", str(SOURCES / "src"), str(copy)], check=True)
    reader = copy / "byte_reader.hpp"
    text = reader.read_text()
    reader.write_text(text.replace("throw BeyondEnd();", "(void)0;", 1))
    assert reader.read_text() != text
    (tmp_path / "main.cpp").write_text(
        '#include "picture_header.hpp"\n'
        "int main() {\n"
        "    std::vector<unsigned char> gif = {71, 73, 70, 56, 57, 97};\n"
        "    return static_cast<int>(paddleport::read_header(gif).width);\n"
        "}\n"
    )
    files = [copy / f"{name}.cpp" for name in ("picture_header", "text_recognition", "utf8")]
    flags = ["-std=c++17", "-g", "-fsanitize=address,undefined"]
    program = tmp_path / "program"
    built = run("clang++", *flags, f"-I{copy}", tmp_path / "main.cpp", *files, "-o", program)
    assert built.code == 0, built.err
    assert "AddressSanitizer: heap-buffer-overflow" in run(program).err


def test_the_fuzzer_finds_nothing(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    folder = built(tmp_path_factory, "fuzz", QUICK, sources=FUZZING, compiler="clang++")
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    for name, data in PICTURES.items():
        (seeds / name).write_bytes(b"p" + data)
    write_bundle(tmp_path / "bundle")
    (seeds / "bundle").write_bytes(b"b" + (tmp_path / "bundle" / "bundle.json").read_bytes())
    requests = (
        b'{"do": "describe", "arrays": []}\n'
        b'{"do": "run", "arrays": [["float32", [1, 1], 4]]}\nabcd'
        b'{"do": "prepare", "arrays": [], "picture": "a.png"}\n'
        b'{"do": "classify", "arrays": [], "picture": "a.png", "topk": 3}\n'
    )
    (seeds / "requests").write_bytes(b"r" + requests)
    limits = ("-max_total_time=15", "-rss_limit_mb=4096", "-timeout=20", "-detect_leaks=0")
    done = run(folder / "fuzz", *limits, f"-artifact_prefix={tmp_path}/", seeds, timeout=200)
    assert done.code == 0, done.err[-3000:]
