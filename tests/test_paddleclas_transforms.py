"""Every preprocessing of PaddleClas's ImageNet list, bit for bit as its own operators do it."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from paddleport.errors import ImageError, ModelFileError, UsageError
from paddleport.models.paddle.transforms import UnsupportedTransform, read_eval_transforms
from paddleport.models.preprocess import INTERPOLATIONS, Preprocess
from paddleport.models.synthetic.samples import draw_picture
from paddleport.runners.picture_pipeline import PictureInput
from paddleport.runners.preprocessing.fast_decode import effect_of_fast_decoding
from paddleport.runners.preprocessing.prepare_image import (
    crop_image,
    decode_image,
    preprocess_image,
)
from paddleport.tensors import TensorSpec

Picture = NDArray[np.uint8]
Transforms = list[dict[str, Any]]

LISTS: list[Transforms] = json.loads(
    (Path(__file__).parent / "data" / "paddleclas_transforms.json").read_text()
)
"""The distinct ``eval_transforms`` and ``infer_transforms`` of the list's 250 models."""

NORMALIZE: dict[str, Any] = {"NormalizeImage": {"scale": "1.0/255.0", "order": "hwc"}}
FOUR: Transforms = [
    {"ResizeImage": {"resize_short": 33}},
    {"NormalizeImage": {"order": "", "channel_num": 4}},
]
RARE: list[Transforms] = [
    [{"ResizeImage": {"size": 224}}, NORMALIZE],
    [{"ResizeImage": {"size": [192, 256], "backend": "pil"}}, NORMALIZE],
    [{"ResizeImage": {"size": [80, 160], "interpolation": "area"}}, NORMALIZE],
    [{"ResizeImage": {"resize_short": 64, "size": 9, "interpolation": 2}}, NORMALIZE],
    [{"ResizeImage": {"resize_short": 64, "backend": "PIL", "interpolation": 2}}, NORMALIZE],
    [{"ResizeImage": {"resize_short": 64, "backend": "mxnet", "interpolation": "bicubic"}},
     {"CropImage": {"size": [60, 50]}}, NORMALIZE],
    [{"CropImage": {"size": 60}}, {"NormalizeImage": {"order": ""}}],
    FOUR,
    [{"DecodeImage": {"to_rgb": False, "channel_first": False}},
     {"ResizeImage": {"resize_short": 99, "backend": "pil"}}, {"ToCHWImage": None},
     {"NormalizeImage": {"order": "chw", "scale": 1.0, "mean": [1, 2, 3], "std": [3, 2, 1]}}],
]  # fmt: skip
for filtering in INTERPOLATIONS["pil"]:
    given_size = {"resize_short": 70, "backend": "pil", "interpolation": filtering}
    RARE.append([{"ResizeImage": given_size}, {"CropImage": {"size": 64}}, NORMALIZE])


def plain(image: Picture, transforms: Transforms) -> NDArray[np.float32]:
    """A few lines of NumPy, OpenCV and Pillow for lists of Resize, Crop and Normalize."""
    steps = {name: arguments for item in transforms for name, arguments in item.items()}
    rgb = image[:, :, ::-1]
    resize = steps["ResizeImage"]
    percent = resize["resize_short"] / min(rgb.shape[:2])
    size = round(rgb.shape[1] * percent), round(rgb.shape[0] * percent)
    if resize.get("backend") == "pil":
        filtering = Image.Resampling[resize["interpolation"].upper()]
        made = np.asarray(Image.fromarray(rgb).resize(size, filtering))
    else:
        made = np.asarray(cv2.resize(rgb, size))
    side = steps["CropImage"]["size"]
    top, left = (made.shape[0] - side) // 2, (made.shape[1] - side) // 2
    made = made[top : top + side, left : left + side]
    rules = steps["NormalizeImage"]
    scale = np.float32(1 / 255 if isinstance(rules["scale"], str) else rules["scale"])
    mean, std = (np.array(rules[name], np.float32) for name in ("mean", "std"))
    return np.ascontiguousarray(((made.astype(np.float32) * scale - mean) / std).transpose(2, 0, 1))


def noise(height: int, width: int) -> Picture:
    random = np.random.default_rng((height, width))
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8)


def same_bits(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return one.shape == other.shape and np.array_equal(one.view(np.uint32), other.view(np.uint32))


@pytest.mark.parametrize("index", range(len(LISTS)))
def test_every_list_by_plain_lines(index: int) -> None:
    transforms = LISTS[index]
    rules = read_eval_transforms(transforms)
    for size in ((1, 1), (97, 61), (240, 321), (300, 700), (701, 300), (520, 500)):
        image = noise(*size)
        assert same_bits(preprocess_image(image, rules), plain(image, transforms)), size


@given(st.integers(1, 500), st.integers(1, 500), st.sampled_from(LISTS))
@settings(max_examples=40, deadline=None)
def test_any_size(height: int, width: int, transforms: Transforms) -> None:
    if max(height, width) > 20 * min(height, width):
        height = width
    image = noise(height, width)
    made = preprocess_image(image, read_eval_transforms(transforms))
    assert same_bits(made, plain(image, transforms))


def test_the_comparison_sees_pillow_and_opencv_mixed_up() -> None:
    transforms = next(item for item in LISTS if "pil" in json.dumps(item))
    rules = read_eval_transforms(transforms)
    image = noise(300, 400)
    for wrong in (
        replace(rules, resize_backend="cv2", interpolation="cubic"),
        replace(rules, interpolation="bilinear"),
        replace(rules, scale=0.00392157),
    ):
        assert not same_bits(preprocess_image(image, wrong), plain(image, transforms))


def test_what_goes_without_saying_may_be_left_out() -> None:
    short: Transforms = [
        {"ResizeImage": {"resize_short": 256}},
        {"CropImage": {"size": 224}},
        NORMALIZE,
    ]
    whole = [{"DecodeImage": {"to_rgb": True}}, *short, {"ToCHWImage": None}]
    assert read_eval_transforms(short) == read_eval_transforms(whole) == Preprocess(scale=1 / 255)


def test_a_fourth_channel_is_zeros() -> None:
    four = read_eval_transforms(FOUR)
    image = noise(40, 50)
    batch = np.full((2, 4, 33, 41), 7, np.float32)
    made = preprocess_image(image, four, out=batch[1])
    assert made.shape == (4, 33, 41) and not made[3].any() and (batch[0] == 7).all()
    assert same_bits(made[:3], preprocess_image(image, replace(four, channel_num=3)))
    taken = PictureInput(spec=TensorSpec("x", "float32", (None, 4, 33, 41)), preprocess=four)
    assert same_bits(taken.feed([image])["x"][0], made)


@pytest.mark.parametrize(
    ("transforms", "reason"),
    [
        ([{"RandCropImage": {"size": 224}}, NORMALIZE], "operator RandCropImage"),
        ([{"ResizeImage": {"size": 9, "interpolation": "random", "backend": "pil"}}, NORMALIZE],
         "interpolation random, which is another every time"),
        ([{"ResizeImage": {"size": 9, "interpolation": "area", "backend": "pil"}}, NORMALIZE],
         "interpolation area, which pil has not"),
        ([{"NormalizeImage": {"output_fp16": True}}], "output_fp16"),
        ([{"DecodeImage": {"backend": "pil"}}, NORMALIZE], "backend pil, not cv2"),
        ([{"CropImage": {"size": 9}}], "no NormalizeImage"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_exactly_is_named(transforms: Transforms, reason: str) -> None:
    with pytest.raises(UnsupportedTransform, match=reason):
        read_eval_transforms(transforms)


def test_nonsense_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["ResizeImage"] = endless
    nonsense: list[Any] = [[endless], [{"CropImage": 3}], [{}], [3], "CropImage", None]
    for transforms in nonsense:
        with pytest.raises(ValueError):
            read_eval_transforms(transforms)
    with pytest.raises(UsageError, match="std holds 0"):
        read_eval_transforms([{"NormalizeImage": {"std": [0, 1, 1]}}])


def test_an_unknown_backend_is_opencv_as_in_paddleclas(caplog: pytest.LogCaptureFixture) -> None:
    given = {"resize_short": 256, "backend": "mxnet", "interpolation": "bicubic"}
    rules = read_eval_transforms([{"ResizeImage": given}, {"CropImage": {"size": 224}}, NORMALIZE])
    assert rules == Preprocess(scale=1 / 255)
    assert "the backend mxnet" in caplog.text and "bilinearly" in caplog.text


EARLIER = {  # as version 0.1 wrote it into an ONNX file
    "resize_short": 256, "resize": None, "crop": [224, 224], "interpolation": "linear",
    "scale": 0.00392157, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
    "channels": "RGB",
}  # fmt: skip


def test_files_of_earlier_versions_are_read_and_written_as_they_were() -> None:
    assert Preprocess.from_dict(EARLIER) == Preprocess()
    assert json.loads(json.dumps(Preprocess().to_dict())) == EARLIER
    for missing in EARLIER:
        with pytest.raises(ModelFileError, match="must have the keys"):
            Preprocess.from_dict({key: EARLIER[key] for key in EARLIER if key != missing})


@pytest.mark.parametrize(
    "rules",
    [
        Preprocess(resize_backend="pil", interpolation="bicubic"),
        Preprocess(resize_backend="pil", interpolation="hamming", channel_num=4),
    ],
)
def test_the_new_rules_travel_through_json(rules: Preprocess) -> None:
    assert Preprocess.from_dict(json.loads(json.dumps(rules.to_dict()))) == rules


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"resize_backend": "pil"}, "Did you mean 'bilinear'"),
        ({"interpolation": "bicubic"}, "interpolation of cv2"),
        ({"resize_backend": ["pil"]}, "not 'cv2' or 'pil'"),
        ({"channel_num": 1}, "not 3 or 4"),
        ({"channel_num": True}, "not 3 or 4"),
    ],
)
def test_rules_that_cannot_be(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason):
        Preprocess.from_dict({**EARLIER, **change})


def test_fast_decoding_before_pillow_is_measured(tmp_path: Path) -> None:
    picture = tmp_path / "one.jpg"
    Image.fromarray(draw_picture(1, (520, 700))).save(picture, quality=90)
    rules = Preprocess(resize_backend="pil", interpolation="bicubic")
    found = effect_of_fast_decoding([picture], rules)
    assert (found.pictures, found.reduced) == (1, 1) and 0 < found.mean_levels < 8
    small = decode_image(picture, fast_for=rules)
    assert small.shape == (260, 350, 3) and crop_image(small, rules).shape == (224, 224, 3)


def odd_pictures(folder: Path) -> list[Path]:
    """Encoded as people have them: odd sizes, grey, alpha, palette, 16 bits, turned by EXIF."""
    colour = Image.fromarray(draw_picture(4, (231, 347)))
    turned = Image.Exif()
    turned[0x0112] = 6
    deep = np.random.default_rng(1).integers(0, 65536, (90, 130), dtype=np.uint16)
    made: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "grey.png": (colour.convert("L"), {}),
        "alpha.png": (colour.convert("RGBA"), {}),
        "palette.png": (colour.convert("P"), {}),
        "deep.png": (Image.fromarray(deep), {}),
        "turned.jpg": (colour, {"exif": turned, "quality": 88}),
        "cmyk.jpg": (colour.convert("CMYK"), {}),
        "progressive.jpg": (colour, {"progressive": True, "quality": 40}),
        "one.webp": (colour, {"quality": 70}),
    }
    sizes = (1, 1), (3, 7), (150, 40), (40, 150), (256, 256), (257, 480), (640, 300), (299, 1000)
    for size in sizes:
        made[f"{size[0]}x{size[1]}.png"] = Image.fromarray(noise(*size)), {}
    for name, (image, how) in made.items():
        image.save(folder / name, **how)
    return [folder / name for name in made]


WHEEL_SHA256 = "3c12fd8994d95ed1b4fd60017cdbc12bb0e77a41a7921b022e9a6fb5d287fe8a"


def operators_of_the_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    command += [str(folder), "--disable-pip-version-check", "paddleclas==2.6.0"]
    if subprocess.run(command, capture_output=True, timeout=120).returncode:
        pytest.skip("pip cannot fetch paddleclas 2.6.0")
    (wheel,) = folder.glob("*.whl")
    content = wheel.read_bytes()
    assert hashlib.sha256(content).hexdigest() == WHEEL_SHA256
    path = folder / "preprocess.py"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        path.write_bytes(archive.read("paddleclas/deploy/python/preprocess.py"))
    return path


@pytest.mark.slow
def test_every_list_by_the_operators_of_the_wheel(tmp_path: Path) -> None:
    operators = operators_of_the_wheel(tmp_path)
    pictures = odd_pictures(tmp_path)
    lists = [*LISTS, *RARE]
    work = tmp_path / "work.json"
    work.write_text(json.dumps({"pictures": [str(p) for p in pictures], "transforms": lists}))
    script = Path(__file__).parent / "paddleclas_operators.py"
    command = [sys.executable, str(script), str(operators), str(work)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    expected = json.loads(done.stdout)
    wrong = []
    for transforms, answers in zip(lists, expected, strict=True):
        rules = read_eval_transforms(transforms)
        for picture, answer in zip(pictures, answers, strict=True):
            if digest_of(picture, rules) != answer:
                wrong.append((transforms, picture.name))
    assert not wrong
    assert 0 < sum(answers.count("refused") for answers in expected) < len(pictures)


def digest_of(picture: Path, rules: Preprocess) -> str:
    try:
        made = preprocess_image(decode_image(picture), rules)
    except ImageError:
        return "refused"
    return f"{list(made.shape)} {made.dtype} {hashlib.sha256(made.tobytes()).hexdigest()}"
