"""What a pair of ncnn files says, computed in float64 without ncnn, one example after another."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.ncnn.graph_to_onnx import as_onnx
from paddleport.tensors import Array, Feed
from paddleport.validate.diagnose.conversions import evaluate_onnx


def evaluate_ncnn(artifact: Artifact, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
    """The outputs of each feed, float64.

    Raises:
        BackendUnavailableError: a layer that is not known here.
        ModelFileError: the files are damaged.
        PortError: as the reference runner does.
    """
    found = []
    with tempfile.TemporaryDirectory(prefix="paddleport-ncnn-") as folder:
        for feed in feeds:
            examples = list(_examples(artifact, feed))
            shapes = {name: tensor.shape for name, tensor in examples[0].items()}
            file = Path(folder) / "graph.onnx"
            file.write_bytes(as_onnx(artifact, shapes).SerializeToString())
            said = evaluate_onnx(onnx_artifact(file), examples)
            found.append(
                {name: np.concatenate([item[name] for item in said]) for name in said[0]}
                if len(said) > 1
                else said[0]
            )
    return found


def _examples(artifact: Artifact, feed: Feed) -> Iterator[Feed]:
    """Feeds of one example each, where every tensor begins with a free batch."""
    specs = (*artifact.inputs, *artifact.outputs)
    if not all(spec.shape[:1] == (None,) for spec in specs):
        yield feed
        return
    for at in range(len(next(iter(feed.values())))):
        yield {name: tensor[at : at + 1] for name, tensor in feed.items()}
