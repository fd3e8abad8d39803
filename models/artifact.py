"""A model on disk in any format, and what is known of it: the one value that rooms hand on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from paddleport.models.preprocess import Preprocess
from paddleport.tensors import TensorSpec

SEEDED_WARNING = "seeded weights: the network is untrained, so its labels mean nothing"

Encoding = Literal["", "pir", "protobuf"]


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A model on disk.

    Attributes:
        format: ``paddle``, ``onnx``, ``openvino``, ``tensorrt``, ``tensorrt-rtx``, ``ncnn``,
            ``mnn``, ``paddle-lite``, ``cpp``, or what a plug-in's target makes.
        files: the main file, then what belongs to it: a Paddle program and its parameters, an
            IR's .xml and .bin, ncnn's .param and .bin, a C++ bundle's bundle.json and its model.
        encoding: of a Paddle program, ``pir`` (JSON, Paddle 3) or ``protobuf`` (ProgramDesc,
            Paddle 1 and 2), recognised by content; empty for other formats.
        inputs, outputs: what it takes and gives; empty where that was not read.
        preprocess: how pictures are fed to it, if it says so.
        labels: class names by index, if it has them.
        provenance: how it was made: its source, and each step with tools and options.
        input_format: what its input takes, in words, where that is no normalised picture.
    """

    format: str
    files: tuple[Path, ...]
    encoding: Encoding = ""
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = field(default=None, repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)
    input_format: str = ""

    @property
    def path(self) -> Path:
        """The main file."""
        return self.files[0]

    @property
    def weights_file(self) -> Path | None:
        """The second file: the weights, where they are not in the main one."""
        return self.files[1] if len(self.files) > 1 else None


def paddle_artifact(program: Path, params: Path | None, encoding: Encoding) -> Artifact:
    """A Paddle program under any name, and its combined parameters if it has some."""
    files = (program,) if params is None else (program, params)
    return Artifact(format="paddle", files=files, encoding=encoding)


def onnx_artifact(path: Path) -> Artifact:
    """An ONNX file of which nothing was read yet; ``read_onnx_model`` reads it."""
    return Artifact(format="onnx", files=(path,))


def title_of_weights(kind: str) -> str:
    """The kind of weights in a few words, with what a reader must not miss."""
    return f"{kind} (untrained: labels mean nothing)" if kind == "seeded" else kind
