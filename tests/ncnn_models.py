"""Small ONNX graphs, what ncnn's target makes of them, and what they give in float64."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from paddleport.convert.targets import MadeFile, TargetOptions
from paddleport.convert.targets.ncnn_model import NcnnTarget
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.runners.ncnn import NcnnRunner
from paddleport.runners.reference import ReferenceRunner
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed

Sizes = Mapping[str, Sequence[Any]]

node = helper.make_node


def write_graph(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sizes,
    outputs: Sizes,
    weights: Mapping[str, Array] | None = None,
    *,
    types: Mapping[str, int] | None = None,
    opset: int = 17,
) -> Artifact:
    """A graph of float32, but for the tensors of ``types``."""

    def declared(sizes: Sizes) -> list[onnx.ValueInfoProto]:
        kinds = types or {}
        return [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), list(shape))
            for name, shape in sizes.items()
        ]

    stored = [numpy_helper.from_array(item, name) for name, item in (weights or {}).items()]
    graph = helper.make_graph(list(nodes), "small", declared(inputs), declared(outputs), stored)
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return onnx_artifact(path)


def made_by_pnnx(model: Artifact, **options: Any) -> tuple[Artifact, MadeFile]:
    """What the target writes beside an ONNX file, in this process."""
    target = NcnnTarget()
    settled = target.check(model, TargetOptions(**options))
    path = model.path.with_suffix(".ncnn.param")
    made = target.make(model, path, settled, ())
    return artifact_of(made), made


def artifact_of(made: MadeFile) -> Artifact:
    return Artifact(
        format="ncnn",
        files=made.files,
        inputs=made.inputs,
        outputs=made.outputs,
        provenance={"steps": [{"step": "ncnn", "options": dict(made.settings)}]},
    )


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def outputs_of(file: Artifact, feed: Feed, **options: Any) -> dict[str, Array]:
    with NcnnRunner(file, RunnerOptions(**options)) as runner:
        return runner.run(feed)


def assert_same_as_onnx(file: Artifact, model: Artifact, feed: Feed) -> None:
    """To rounding of fp32, all outputs in the model's order."""
    found = outputs_of(file, feed)
    with ReferenceRunner(model) as reference:
        wanted = reference.run(feed)
    assert list(found) == list(wanted)
    for name, right in wanted.items():
        assert found[name].shape == right.shape
        np.testing.assert_allclose(found[name], right, rtol=1e-4, atol=1e-5)
