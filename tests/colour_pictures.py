"""A classifier that needs no training: a picture is of its strongest colour; and such pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import read_onnx_model, write_metadata
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array

SIDE = 8
CLASSES = 3
PREPROCESS = Preprocess(
    resize_short=None,
    resize=(SIDE, SIDE),
    crop=None,
    scale=1 / 255,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
)
SHARPNESS = 4.0


def save_classifier(
    path: Path,
    *,
    batch: int | None = None,
    pixels: bool = False,
    classes: int = CLASSES,
    described: bool = False,
) -> Artifact:
    """The mean of each channel, times ``SHARPNESS``, and their softmax; [N, 3, 8, 8] to [N, 3].

    Args:
        path: where it goes.
        batch: a batch that it is fixed to.
        pixels: whether it takes [N, 8, 8, 3] uint8 and divides by 255 itself.
        classes: how many scores it gives; all but the first three are those of no colour.
        described: whether its metadata says how pictures are fed.
    """
    size = batch or "N"
    nodes = [
        helper.make_node(
            "ReduceMean", ["mean_of"], ["m"], axes=[1, 2] if pixels else [2, 3], keepdims=0
        ),
        helper.make_node("Gemm", ["m", "w"], ["g"]),
        helper.make_node("Softmax", ["g"], ["y"], axis=1),
    ]
    scale = SHARPNESS / 255 if pixels else SHARPNESS
    weight = np.zeros((3, classes), np.float32)
    weight[:, :3] = np.eye(3) * scale
    head = helper.make_node("Cast", ["x"], ["mean_of"], to=TensorProto.FLOAT)
    shape = [size, SIDE, SIDE, 3] if pixels else [size, 3, SIDE, SIDE]
    kind = TensorProto.UINT8 if pixels else TensorProto.FLOAT
    graph = helper.make_graph(
        [head, *nodes],
        "colours",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [size, classes])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if described:
        write_metadata(model, preprocess=PREPROCESS, labels=None, provenance={"source": {}})
    onnx.save(model, str(path))
    return read_onnx_model(path)


def draw_colours(folder: Path, count: int, *, seed: int = 0, wrong: float = 0.2) -> Path:
    """``count`` pictures in the folders 0, 1, 2 of their strongest colour, some in a wrong one."""
    random = np.random.default_rng(seed)
    for index in range(count):
        picture = random.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
        label = int(picture.mean(axis=(0, 1)).argmax())
        if random.random() < wrong:
            label = (label + 1 + int(random.integers(2))) % CLASSES
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / str(label) / f"{index:06}.png")
    return folder


def counted(folder: Path, names: Sequence[str] | None = None) -> tuple[Array, Array]:
    """Labels and scores [n, 3] by an independent few lines, of the files in their order."""
    files = [folder / name for name in names] if names else sorted(folder.rglob("*.png"))
    labels = np.array([int(file.parent.name) for file in files])
    pictures = np.stack([np.asarray(Image.open(file)) for file in files]) / 255
    logits = SHARPNESS * pictures.mean(axis=(1, 2))
    powers = np.exp(logits)
    return labels, powers / powers.sum(axis=1, keepdims=True)
