"""The converter's side against faults planted in its files: the Paddle operator that was spoilt."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import planted_networks
import pytest
from onnx import numpy_helper

from paddleport.convert import convert
from paddleport.errors import ModelFileError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.tensors import Array
from paddleport.validate.bisect.computation import Computation, StoredValues
from paddleport.validate.bisect.converter_side import compare_computations, locate_converter
from paddleport.validate.bisect.divergence import Divergence
from paddleport.validate.bisect.float64_values import onnx_graph, save_float64_values
from paddleport.validate.bisect.paddle_values import environ, save_paddle_values
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.worker import Worker

pytestmark = [pytest.mark.slow, pytest.mark.conversion]

LIMIT = 1e-4
FEED = planted_networks.paddle_feed()
SIMPLIFIED = pytest.mark.parametrize("simplified", [True, False], ids=["simplified", "raw"])


@dataclass(frozen=True)
class Case:
    """The planted network in one format: its conversions, and Paddle's own values of it."""

    source: SourceModel
    files: dict[bool, Path]
    paddle: Computation

    def locate(
        self, proto: onnx.ModelProto, folder: Path, seconds: float = 60.0
    ) -> Divergence | None:
        """As ``locate_converter``, but Paddle's values are there already."""
        path, values = folder / "model.onnx", folder / "values"
        onnx.save(proto, str(path))
        values.mkdir()
        float64 = Computation(
            onnx_graph(proto), StoredValues(values, save_float64_values(path, FEED, values))
        )
        return compare_computations(
            self.paddle, float64, feed="planted", limit=LIMIT, seconds=seconds
        )


@pytest.fixture(scope="module", params=["pir", "protobuf"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp(request.param)
    with Worker(environ={"FLAGS_enable_pir_api": str(int(request.param == "pir"))}) as worker:
        worker.call(planted_networks.save_by_paddle, 120, str(folder / "net"))
    source = resolve(folder)
    assert source.model.encoding == request.param
    files = {True: folder / "simplified.onnx", False: folder / "raw.onnx"}
    for simplified, file in files.items():
        assert convert(source, file, simplify=simplified).verdict == "agrees"
    values = folder / "values"
    values.mkdir()
    with Worker(environ=environ(source.model)) as worker:
        record = worker.call(save_paddle_values, 120, source.model, FEED, values)
    return Case(source, files, Computation(record.graph, StoredValues(values, record.stored)))


def weight_of(proto: onnx.ModelProto, name: str) -> onnx.TensorProto:
    """An initializer, or the tensor of the Constant that stands for one."""
    stored = [item for item in proto.graph.initializer if item.name == name]
    stored += [node.attribute[0].t for node in proto.graph.node if name in node.output]
    found: onnx.TensorProto = stored[0]
    return found


def change(proto: onnx.ModelProto, name: str, by: Callable[[Array], Array]) -> None:
    tensor = weight_of(proto, name)
    values = numpy_helper.to_array(tensor)
    tensor.CopyFrom(numpy_helper.from_array(by(values).astype(values.dtype), tensor.name))


def nth(proto: onnx.ModelProto, operator: str, index: int = 0) -> onnx.NodeProto:
    found: onnx.NodeProto = [node for node in proto.graph.node if node.op_type == operator][index]
    return found


def larger_at(index: int) -> Callable[[Array], Array]:
    def by(values: Array) -> Array:
        changed = values.copy()
        changed.flat[index] += 0.2
        return changed

    return by


def first_weight(proto: onnx.ModelProto, case: Case) -> None:
    change(proto, nth(proto, "Conv").input[1], larger_at(30))


def second_weight(proto: onnx.ModelProto, case: Case) -> None:
    change(proto, nth(proto, "Conv", 1).input[1], larger_at(100))


def head_weight(proto: onnx.ModelProto, case: Case) -> None:
    change(proto, nth(proto, "MatMul").input[1], larger_at(3))


def epsilon(proto: onnx.ModelProto, case: Case) -> None:
    """A batch norm's epsilon of 0.05, also where the norm was folded into the Conv before it."""
    norms = [node for node in proto.graph.node if node.op_type == "BatchNormalization"]
    if norms:
        next(item for item in norms[0].attribute if item.name == "epsilon").f = 0.05
        return
    raw = onnx.load(str(case.files[False]))
    _, _, shift, _, variance = nth(raw, "BatchNormalization").input
    beta, spread = (numpy_helper.to_array(weight_of(raw, name)) for name in (shift, variance))
    scale = np.sqrt((spread + 1e-5) / (spread + 0.05))
    conv = nth(proto, "Conv")
    change(proto, conv.input[1], lambda kernel: kernel * scale[:, None, None, None])
    change(proto, conv.input[2], lambda bias: (bias - beta) * scale + beta)


def dropout_factor(proto: onnx.ModelProto, case: Case) -> None:
    change(proto, nth(proto, "Mul").input[1], np.ones_like)


def slope(proto: onnx.ModelProto, case: Case) -> None:
    nth(proto, "LeakyRelu").attribute[0].f = 0.0


def swapped_outputs(proto: onnx.ModelProto, case: Case) -> None:
    one, other = (item.name for item in proto.graph.output)
    planted_networks.rename(proto, lambda name: {one: other, other: one}.get(name, name))
    first, second = (onnx.ValueInfoProto() for _ in range(2))
    second.CopyFrom(proto.graph.output[0])
    first.CopyFrom(proto.graph.output[1])
    del proto.graph.output[:]
    proto.graph.output.extend([first, second])


def dropped_addition(proto: onnx.ModelProto, case: Case) -> None:
    (relu,) = nth(proto, "Relu").output
    addition = next(
        node for node in proto.graph.node if node.op_type == "Add" and relu in node.input
    )
    addition.op_type = "Identity"
    addition.input[:] = [relu]


# fault → the Paddle operator, as PIR and as the old format name it, with its position
Fault = Callable[[onnx.ModelProto, Case], None]
FAULTS: dict[Fault, dict[str, tuple[str, int]]] = {
    first_weight: {"pir": ("pd_op.conv2d.0", 1), "protobuf": ("conv2d.0", 1)},
    epsilon: {"pir": ("pd_op.batch_norm_.0", 5), "protobuf": ("batch_norm.0", 4)},
    slope: {"pir": ("pd_op.leaky_relu.0", 6), "protobuf": ("leaky_relu.0", 5)},
    dropout_factor: {"pir": ("pd_op.dropout.0", 8), "protobuf": ("dropout.0", 6)},
    second_weight: {"pir": ("pd_op.conv2d.1", 9), "protobuf": ("conv2d.1", 7)},
    dropped_addition: {"pir": ("pd_op.add.1", 11), "protobuf": ("elementwise_add.1", 9)},
    head_weight: {"pir": ("pd_op.matmul.0", 14), "protobuf": ("matmul_v2.0", 11)},
    swapped_outputs: {"pir": ("pd_op.add.2", 15), "protobuf": ("elementwise_add.2", 12)},
}


@pytest.mark.parametrize("renamed", [False, True], ids=["named", "renamed"])
@SIMPLIFIED
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_located(
    case: Case, fault: Fault, simplified: bool, renamed: bool, tmp_path: Path
) -> None:
    proto = onnx.load(str(case.files[simplified]))
    fault(proto, case)
    if renamed:
        planted_networks.rename(proto)
    found = case.locate(proto, tmp_path)
    assert found is not None
    assert (found.node, found.position) == FAULTS[fault][case.source.model.encoding], found.sentence
    assert (found.side, found.complete) == ("converter", True)
    assert found.nodes == len(case.paddle.graph.steps)
    assert found.operator == found.node.rpartition(".")[0]
    assert found.error_before < 1e-5 < LIMIT < found.error_after
    assert found.output in case.paddle.graph.producer


@pytest.mark.parametrize("renamed", [False, True], ids=["named", "renamed"])
@SIMPLIFIED
def test_a_right_conversion_has_no_divergence(
    case: Case, simplified: bool, renamed: bool, tmp_path: Path
) -> None:
    proto = onnx.load(str(case.files[simplified]))
    if renamed:
        planted_networks.rename(proto)
    assert case.locate(proto, tmp_path) is None


def test_the_sentence_names_nodes_and_input_ranges(case: Case, tmp_path: Path) -> None:
    proto = onnx.load(str(case.files[True]))
    slope(proto, case)
    found = case.locate(proto, tmp_path)
    assert found is not None
    assert f"leaves Paddle at {found.node}" in found.sentence
    assert "the ONNX graph parts at LeakyRelu.0" in found.sentence
    (read,) = found.inputs
    assert read.name in case.paddle.graph.producer
    assert read.shape == (2, 8, 10, 10)
    assert read.minimum < 0 < read.maximum


def test_a_folded_norm_and_a_folded_weight_are_distinguished(case: Case, tmp_path: Path) -> None:
    for fault, telling in (
        (epsilon, "is there up to a scale and shift of each channel"),
        (first_weight, "folded"),
    ):
        folder = tmp_path / fault.__name__
        folder.mkdir()
        proto = onnx.load(str(case.files[True]))
        fault(proto, case)
        found = case.locate(proto, folder)
        assert found is not None
        assert telling in found.sentence
        assert "batch_norm" in found.sentence


def test_swapped_outputs_are_called_that(case: Case, tmp_path: Path) -> None:
    proto = onnx.load(str(case.files[True]))
    swapped_outputs(proto, case)
    found = case.locate(proto, tmp_path)
    assert found is not None
    assert "outputs are swapped" in found.sentence


def test_a_spent_budget_gives_an_incomplete_answer(case: Case, tmp_path: Path) -> None:
    proto = onnx.load(str(case.files[True]))
    first_weight(proto, case)
    found = case.locate(proto, tmp_path, seconds=0)
    assert found is not None
    assert (found.complete, found.cuts) == (False, 0)
    assert "at or before" in found.sentence
    assert "--seconds" in found.sentence
    last = case.paddle.graph.producer[case.paddle.graph.outputs[0]]
    assert found.node == last.name


def test_another_number_of_outputs(case: Case, tmp_path: Path) -> None:
    proto = onnx.load(str(case.files[True]))
    proto.graph.output.pop()
    with pytest.raises(ModelFileError, match="1 outputs and the Paddle program 2"):
        case.locate(proto, tmp_path)


def test_another_shape_is_beyond_comparison(case: Case, tmp_path: Path) -> None:
    proto = onnx.load(str(case.files[True]))
    conv = nth(proto, "Conv", 1)
    pads = next(item for item in conv.attribute if item.name == "pads")
    pads.ints[:] = [0, 0, 0, 0]
    addition = next(node for node in proto.graph.node if node.op_type == "Add")
    addition.op_type = "Identity"
    addition.input.pop()
    found = case.locate(proto, tmp_path)
    assert found is not None
    assert found.operator.endswith("conv2d")
    assert math.isinf(found.error_after)
    assert "no value of its shape is left" in found.sentence


@pytest.fixture
def spoilt(case: Case, tmp_path: Path) -> Iterator[Artifact]:
    proto = onnx.load(str(case.files[True]))
    dropout_factor(proto, case)
    onnx.save(proto, str(tmp_path / "spoilt.onnx"))
    yield onnx_artifact(tmp_path / "spoilt.onnx")


def test_from_the_files(case: Case, spoilt: Artifact) -> None:
    """The whole way: both sides in processes of their own, with progress."""
    told: list[tuple[str, float | None]] = []
    found = locate_converter(
        case.source.model,
        spoilt,
        NamedFeed(name="planted", kind="given", tensors=FEED),
        FEED,
        limit=LIMIT,
        seconds=30,
        progress=lambda step, share: told.append((step, share)),
    )
    assert found is not None
    assert (found.node, found.position) == FAULTS[dropout_factor][case.source.model.encoding]
    assert found.feed == "planted"
    shares = [share for _, share in told if share is not None]
    assert len(shares) == len(told)
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] <= 1
