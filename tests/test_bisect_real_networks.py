"""The converter's side on real networks: the Conv whose weight was changed is the one named."""

import random
import re
from pathlib import Path

import numpy as np
import onnx
import planted_networks
import pytest
from onnx import numpy_helper
from test_real_models import ocr
from vision_models import save_vision_model

from paddleport.convert import convert
from paddleport.models.resolve import SourceModel, resolve
from paddleport.tensors import Feed
from paddleport.validate.bisect.computation import Computation, Graph, StoredValues
from paddleport.validate.bisect.converter_side import compare_computations
from paddleport.validate.bisect.divergence import Divergence
from paddleport.validate.bisect.float64_values import onnx_graph, save_float64_values
from paddleport.validate.bisect.paddle_values import environ, save_paddle_values
from paddleport.validate.feeds.make_feeds import make_feeds
from paddleport.worker import Worker

pytestmark = pytest.mark.slow

FAULTS = 3  # Convs that are spoilt one by one


class Real:
    """A model, its conversions, and Paddle's own values of one feed."""

    def __init__(
        self, source: SourceModel, folder: Path, shapes: dict[str, tuple[int, ...]] | None = None
    ) -> None:
        self.folder = folder
        self.feed: Feed = make_feeds(
            source.program.inputs, preprocess=source.preprocess, samples=1, shapes=shapes
        )[0].tensors
        self.files = [folder / "simplified.onnx", folder / "raw.onnx"]
        for file in self.files:
            done = convert(source, file, simplify="raw" not in file.name, shapes=shapes)
            assert done.verdict == "agrees"
        values = folder / "values"
        values.mkdir()
        with Worker(environ=environ(source.model)) as worker:
            record = worker.call(save_paddle_values, 120, source.model, dict(self.feed), values)
        self.paddle = Computation(record.graph, StoredValues(values, record.stored))

    def locate(self, proto: onnx.ModelProto, name: str) -> Divergence | None:
        values = self.folder / name
        values.mkdir()
        onnx.save(proto, str(values / "model.onnx"))
        stored = save_float64_values(values / "model.onnx", self.feed, values)
        float64 = Computation(onnx_graph(proto), StoredValues(values, stored))
        return compare_computations(self.paddle, float64, feed="first", limit=1e-4, seconds=60)


def operator_of(graph: Graph, weight: str) -> str:
    """The Paddle operator that a Conv's weight belongs to, by the names that conversion left."""
    for step in graph.steps:
        if weight in step.inputs:
            return step.name
    match = re.fullmatch(r"p2o\.pd_op\.batch_norm_\.(\d+)\.0_weight", weight)
    assert match, weight
    norms = [step for step in graph.steps if step.operator.rpartition(".")[2].startswith("batch")]
    step = norms[int(match[1])]
    while "conv2d" not in step.operator:
        step = graph.producer[graph.varying_inputs(step)[0]]
    return step.name


def spoil(proto: onnx.ModelProto, draw: random.Random) -> str:
    """Change one element of a Conv's weight by three times their scale; its name."""
    stored = {item.name: item for item in proto.graph.initializer}
    stored |= {
        node.output[0]: node.attribute[0].t
        for node in proto.graph.node
        if node.op_type == "Constant"
    }
    convs = [node for node in proto.graph.node if node.op_type == "Conv"]
    weight = draw.choice(convs).input[1]
    values = numpy_helper.to_array(stored[weight]).copy()
    place = draw.randrange(values.size)
    values.flat[place] += 3 * np.sqrt(np.mean(np.square(values)))
    stored[weight].CopyFrom(numpy_helper.from_array(values, stored[weight].name))
    return str(weight)


def check(real: Real, seed: str) -> None:
    """Every spoilt Conv that shows at the output is named, whether names are left or not."""
    seen = 0
    for file in real.files:
        for number in range(FAULTS):
            draw = random.Random(f"{seed} {file.name} {number}")
            proto = onnx.load(str(file))
            expected = operator_of(real.paddle.graph, spoil(proto, draw))
            if number == 0:
                planted_networks.rename(proto)
            found = real.locate(proto, f"{file.stem} {number}")
            if found is not None:  # a channel that nothing reads hides its fault
                seen += 1
                assert found.node == expected, found.sentence
                assert found.complete
    assert seen >= FAULTS


def test_networks_without_a_fault_have_no_divergence(tmp_path: Path) -> None:
    source, _, shapes = ocr("cls")
    real = Real(source, tmp_path, shapes)
    for file in real.files:
        assert real.locate(onnx.load(str(file)), file.stem) is None


def test_the_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    check(Real(resolve("MobileNetV2", weights="seeded"), tmp_path), "MobileNetV2")


@pytest.mark.parametrize("name", ["cls", "rec"])
def test_pp_ocr(name: str, tmp_path: Path) -> None:
    source, _, shapes = ocr(name)
    check(Real(source, tmp_path, shapes), name)


@pytest.mark.parametrize(
    ("name", "pir"),
    [
        ("resnet18", "1"),
        ("mobilenet_v3_small", "0"),
        ("shufflenet_v2_x0_25", "0"),
        ("squeezenet1_1", "1"),
        ("densenet121", "1"),
    ],
)
def test_other_architectures(name: str, pir: str, tmp_path: Path) -> None:
    with Worker(environ={"FLAGS_enable_pir_api": pir}) as worker:
        worker.call(save_vision_model, 120, name, str(tmp_path / name))
    check(Real(resolve(tmp_path), tmp_path), name)
