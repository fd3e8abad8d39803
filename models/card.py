"""The values that describe a model: its card, its preprocessing and its files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from paddleport.tensors import TensorSpec

Interpolation = Literal["nearest", "linear", "cubic", "area", "lanczos4"]


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes an input tensor, in PaddleClas's order of steps.

    Decode, resize, centre crop, ``(pixel * scale - mean) / std`` in float32, to NCHW.
    Sizes are (height, width) in pixels. At most one of ``resize_short`` and ``resize`` is set.

    Attributes:
        resize_short: length the shorter side is resized to, keeping the aspect ratio.
        resize: exact size to resize to.
        crop: size of the centre crop; ``None`` keeps the whole picture.
        interpolation: OpenCV's name for the resampling, without its ``INTER_`` prefix.
        scale: factor applied to the 8-bit pixel before the mean is subtracted.
        mean: subtracted from each channel, in the order of ``channels``.
        std: divides each channel, in the order of ``channels``.
        channels: order in which the model takes the colour channels.
    """

    resize_short: int | None = 256
    resize: tuple[int, int] | None = None
    crop: tuple[int, int] | None = (224, 224)
    interpolation: Interpolation = "linear"
    scale: float = 0.00392157
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    channels: Literal["RGB", "BGR"] = "RGB"


@dataclass(frozen=True)
class PaddleModel:
    """A Paddle inference program and its parameters on disk.

    Attributes:
        program: the program file, under any name.
        params: the combined parameter file; ``None`` for a network without parameters.
        format: ``pir`` (JSON, Paddle 3) or ``protobuf`` (ProgramDesc, Paddle 1 and 2),
            recognised by content.
    """

    program: Path
    params: Path | None
    format: Literal["pir", "protobuf"]


@dataclass(frozen=True)
class OnnxModel:
    """An ONNX file and what it says about itself in its metadata.

    Attributes:
        path: the .onnx file.
        preprocess: how pictures are fed to it, if it says so.
        labels: class names by index, if it has them.
        provenance: how it was made (source hashes, versions, weights, opset, command).
    """

    path: Path
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelCard:
    """Everything needed to feed and judge a model of the zoo.

    Attributes:
        name: name in the zoo, as PaddleClas has it.
        scale: width multiplier of the architecture.
        input: the image input; batch, height and width may be free.
        preprocess: how PaddleClas feeds it.
        labels: class names by index.
        published: figures from the series page, not measured here.
        inference_url: archive of the official inference model.
        pretrained_url: the official training checkpoint.
        sha256: of the inference archive, where one is pinned; PaddleClas publishes none.
    """

    name: str
    scale: float
    input: TensorSpec
    preprocess: Preprocess
    labels: tuple[str, ...]
    published: Mapping[str, Any]
    inference_url: str
    pretrained_url: str
    sha256: str | None = None
