"""A plug-in's target: the graph and its weights as arrays of an .npz file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from paddleport.convert.targets import MadeFile, Target, TargetOptions
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.runners import open_runner
from paddleport.tensors import Array, Feed


class NpzTarget(Target):
    """Weights by name, and the graph without them as bytes; faulty if the environment says so."""

    name: ClassVar[str] = "npz"
    format: ClassVar[str] = "npz"
    suffix: ClassVar[str] = ".npz"

    def make(
        self, onnx: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        import onnx as onnx_library

        if os.environ.get("NPZ_FAULT") == "refusal":
            raise RuntimeError("no npz holds it")
        proto = onnx_library.load(str(onnx.path))
        weights: dict[str, Any] = {
            tensor.name: onnx_library.numpy_helper.to_array(tensor)
            for tensor in proto.graph.initializer
        }
        if os.environ.get("NPZ_FAULT") == "conversion":
            largest = max(weights, key=lambda name: weights[name].size)
            weights[largest] = weights[largest] * np.float32(1.05)
        del proto.graph.initializer[:]
        graph = np.frombuffer(proto.SerializeToString(), np.uint8)
        arrays = {f"w:{name}": item for name, item in weights.items()}
        with path.open("wb") as stream:
            np.savez(stream, allow_pickle=False, graph=graph, **arrays)
        return MadeFile(files=(path,), tools={"numpy": np.__version__})

    def evaluate(self, artifact: Artifact, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
        path = artifact.path.with_suffix(".again.onnx")
        path.write_bytes(onnx_of(artifact.path))
        try:
            with open_runner("reference", onnx_artifact(path)) as runner:
                return [runner.run(feed) for feed in feeds]
        finally:
            path.unlink()


def onnx_of(path: Path) -> bytes:
    """The graph with its weights put back."""
    import onnx

    with np.load(path) as stored:
        proto = onnx.load_model_from_string(stored["graph"].tobytes())
        for name in stored.files:
            if name.startswith("w:"):
                tensor = onnx.numpy_helper.from_array(stored[name], name.removeprefix("w:"))
                proto.graph.initializer.append(tensor)
    content: bytes = proto.SerializeToString()
    return content
