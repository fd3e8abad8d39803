"""Labelled pictures, and a network that reads them, for the pages' ``evaluate``.

python docs/digits.py FOLDER    writes FOLDER/digits/0 to 9 and FOLDER/digits.pdparams

The pictures are scikit-learn's handwritten digits. The network is MobileNetV2_x0_25 as it is
seeded, with a classifier fitted to other digits than those that it is counted on.
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits

import paddleport as pp
from paddleport.models.paddle.import_paddle import import_paddle
from paddleport.models.zoo.mobilenet_v2 import RECIPE, seeded_state
from paddleport.models.zoo.registry import lookup
from paddleport.models.zoo.seeding import SeededStream
from paddleport.tensors import Array

MODEL = "MobileNetV2_x0_25"
FITTED_ON = 1397  # of 1797
SIDE = 224
RIDGE = 30.0
SHARPNESS = 8.0  # makes scores of 0 and 1 the logits of an answer that is sure


def lay_out_digits(folder: Path) -> None:
    """Write ``digits.pdparams``, and 400 digits as ``digits/0`` to ``digits/9``."""
    paddle = import_paddle()
    found = load_digits()
    pictures, labels = [_picture(grey) for grey in found.images], found.target
    for index in range(FITTED_ON, len(pictures)):
        (folder / "digits" / str(labels[index])).mkdir(parents=True, exist_ok=True)
        file = folder / "digits" / str(labels[index]) / f"{index}.png"
        cv2.imwrite(str(file), pictures[index])
    state = _fitted(_scores(pictures[:FITTED_ON]), labels[:FITTED_ON])
    tensors = {key: paddle.to_tensor(value) for key, value in state.items()}
    paddle.save(tensors, str(folder / "digits.pdparams"))


def _picture(grey: Array) -> Array:
    """Of 8 x 8 strokes from 0 to 16 a uint8 picture BGR, as large as the network takes it."""
    large = cv2.resize(grey / 16, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return cv2.cvtColor((255 * large.clip(0, 1)).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def _scores(pictures: list[Array]) -> Array:
    """The seeded network's logits less their mean, pictures x 1000."""
    with tempfile.TemporaryDirectory() as folder:
        done = pp.convert(MODEL, Path(folder) / "seeded.onnx", weights="seeded")
        with pp.load(done.artifact, "onnxruntime") as predictor:
            rows = [
                next(iter(predictor.run(predictor.feed_of([picture])).values()))[0]
                for picture in pictures
            ]
    logs = np.log(np.stack(rows).astype(np.float64))
    return logs - logs.mean(axis=1, keepdims=True)


def _fitted(scores: Array, labels: Array) -> dict[str, Array]:
    """The seeded state with ten classes: a ridge regression on the thousand scores, folded in."""
    mean, spread = scores.mean(axis=0), scores.std(axis=0)
    known, wanted = (scores - mean) / spread, np.eye(10)[labels]
    square = known.T @ known + RIDGE * np.eye(known.shape[1])
    classifier = SHARPNESS * np.linalg.solve(square, known.T @ wanted) / spread[:, None]
    card = lookup(MODEL)
    state = seeded_state(card.arguments, card.classes, SeededStream(card.name, RECIPE))
    weight, bias = (state[key].astype(np.float64) for key in ("out.weight", "out.bias"))
    weight, bias = weight - weight.mean(axis=1, keepdims=True), bias - bias.mean()
    state["out.weight"] = (weight @ classifier).astype(np.float32)
    state["out.bias"] = ((bias - mean) @ classifier).astype(np.float32)
    return state


if __name__ == "__main__":
    lay_out_digits(Path(sys.argv[1]))
