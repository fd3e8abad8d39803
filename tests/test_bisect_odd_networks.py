"""The converter's side on what is no chain of convolutions: sequences, branches, other formats."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import planted_networks
import pytest
from onnx import TensorProto, helper, numpy_helper

from paddleport.convert import convert
from paddleport.models.artifact import onnx_artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.tensors import Array
from paddleport.validate.bisect import Divergence, locate_converter
from paddleport.validate.feeds.make_feeds import make_feeds
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.worker import Worker

pytestmark = pytest.mark.slow

PIR_V4 = Path(__file__).parent / "data/pir_v4"
Saved = Callable[[Callable[[str], None]], tuple[SourceModel, onnx.ModelProto]]


@pytest.fixture
def saved(tmp_path: Path) -> Iterator[Saved]:
    """A network saved by Paddle, and its simplified conversion."""

    def save(network: Callable[[str], None]) -> tuple[SourceModel, onnx.ModelProto]:
        with Worker(environ={"FLAGS_enable_pir_api": "1"}) as worker:
            worker.call(network, 120, str(tmp_path / "net"))
        source = resolve(tmp_path)
        assert convert(source, tmp_path / "sound.onnx").verdict == "agrees"
        return source, onnx.load(str(tmp_path / "sound.onnx"))

    yield save


def located(
    source: SourceModel, proto: onnx.ModelProto, folder: Path, feed: dict[str, Array]
) -> Divergence | None:
    onnx.save(proto, str(folder / "spoilt.onnx"))
    model = onnx_artifact(folder / "spoilt.onnx")
    named = NamedFeed(name="planted", kind="given", tensors=feed)
    return locate_converter(source.model, model, named, feed, limit=1e-4, seconds=60)


def spoil(proto: onnx.ModelProto, operator: str, position: int) -> None:
    """Change the weight that the first node of a kind reads at a position."""
    node = next(item for item in proto.graph.node if item.op_type == operator)
    stored = next(item for item in proto.graph.initializer if item.name == node.input[position])
    values = numpy_helper.to_array(stored).copy()
    values.flat[::5] += np.float32(0.5)
    stored.CopyFrom(numpy_helper.from_array(values, stored.name))


@pytest.mark.parametrize("renamed", [False, True], ids=["named", "renamed"])
def test_a_network_with_a_tensor_sequence(saved: Saved, tmp_path: Path, renamed: bool) -> None:
    """Two inputs, one of whole numbers, free lengths, LSTM and attention."""
    source, sound = saved(planted_networks.save_sequence_by_paddle)
    generator = np.random.default_rng(3)
    feed: dict[str, Array] = {
        "ids": generator.integers(0, 32, (2, 7)),
        "weight": generator.normal(size=(2, 7)).astype(np.float32),
    }
    assert located(source, sound, tmp_path, feed) is None
    faults = [
        ("Gather", 0, "pd_op.embedding.0"),
        ("LSTM", 2, "pd_op.rnn.0"),
        ("MatMul", 1, "pd_op.matmul.0"),
        ("LayerNormalization", 1, "pd_op.layer_norm.0"),
    ]
    for operator, position, name in faults:
        proto = onnx.ModelProto()
        proto.CopyFrom(sound)
        spoil(proto, operator, position)
        if renamed:
            planted_networks.rename(proto)
        found = located(source, proto, tmp_path, feed)
        assert found is not None
        assert (found.node, found.complete) == (name, True), found.sentence
    scale = next(node for node in sound.graph.node if node.op_type == "Softmax")
    scale.op_type = "HardSigmoid"
    del scale.attribute[:]
    found = located(source, sound, tmp_path, feed)
    assert found is not None
    assert found.node == "pd_op.softmax.0"


def test_a_network_with_a_branch(saved: Saved, tmp_path: Path) -> None:
    source, sound = saved(planted_networks.save_branching_by_paddle)
    choice = next(node for node in sound.graph.node if node.op_type == "If")
    for graph in (item.g for item in choice.attribute):
        inner = next(node for node in graph.node if node.op_type in ("Mul", "Tanh"))
        inner.op_type, inner.input[:] = "Neg", inner.input[:1]
    for seed in (0, 1, 2, 3):
        x = np.random.default_rng(seed).normal(size=(2, 8)).astype(np.float32)
        found = located(source, sound, tmp_path, {"x": x})
        assert found is not None
        assert (found.node, found.complete) == ("pd_op.if.0", True)


@pytest.mark.parametrize("name", ["leaky_relu", "group_norm", "pad"])
def test_a_program_of_paddle_3_3(name: str, tmp_path: Path) -> None:
    """Version 4 of the format, whatever Paddle is installed."""
    program, params = PIR_V4 / f"{name}.json", PIR_V4 / f"{name}.pdiparams"
    source = resolve(None, program=program, params=params if params.exists() else None)
    sound = convert(source, tmp_path / "sound.onnx").artifact
    feed = dict(make_feeds(source.program.inputs)[0].tensors)
    proto = onnx.load(str(sound.path))
    assert located(source, proto, tmp_path, feed) is None
    made = proto.graph.node[-1]
    (out,) = made.output
    made.output[0] = "right"
    proto.graph.node.append(helper.make_node("Tanh", ["right"], [out]))
    found = located(source, proto, tmp_path, feed)
    assert found is not None
    assert "as right, and another tensor is given out" in found.sentence


def test_weights_in_half_precision(saved: Saved, tmp_path: Path) -> None:
    """Each is the same number in float64, and the fault is not the rounding of all of them."""
    source, sound = saved(planted_networks.save_by_paddle)
    casts = []
    for item in sound.graph.initializer:
        values = numpy_helper.to_array(item)
        if values.dtype == np.float32:
            casts.append(
                helper.make_node("Cast", [f"half {item.name}"], [item.name], to=TensorProto.FLOAT)
            )
            item.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"half {item.name}"))
    nodes = list(sound.graph.node)
    del sound.graph.node[:]
    sound.graph.node.extend([*casts, *nodes])
    feed = planted_networks.paddle_feed()
    found = located(source, sound, tmp_path, feed)
    assert found is not None
    assert found.node == "pd_op.conv2d.0"  # rounded weights are other weights
    slope = next(node for node in sound.graph.node if node.op_type == "LeakyRelu")
    slope.attribute[0].f = 0.0
    onnx.save(sound, str(tmp_path / "spoilt.onnx"))
    model, named = (
        onnx_artifact(tmp_path / "spoilt.onnx"),
        NamedFeed(name="planted", kind="given", tensors=feed),
    )
    found = locate_converter(source.model, model, named, feed, limit=1e-2, seconds=60)
    assert found is not None
    assert found.node == "pd_op.leaky_relu.0"
