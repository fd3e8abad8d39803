"""Sizes that a program leaves free: tried on Paddle and on the file, which declares what works."""

from collections.abc import Callable, Iterator
from pathlib import Path

import faulty_finish
import narrow_networks
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from paddleport.convert import Conversion, convert, onnx_attempt
from paddleport.convert.paddle2onnx.blamed_operator import fixing_operator, operator_behind
from paddleport.convert.paddle2onnx.declared_inputs import declare, free_inputs
from paddleport.convert.paddle2onnx.export import export_raw
from paddleport.convert.probe_difference import difference_beyond_rounding, distance
from paddleport.convert.remaking import RemadeConversion
from paddleport.convert.size_probes import size_probes
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.models.resolve import resolve
from paddleport.tensors import TensorSpec
from paddleport.validate import Plan, validate
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.worker import Worker

pytestmark = pytest.mark.conversion
TIMEOUT_S = 120
BY_NMS = "the batch is fixed at 1 by multiclass_nms3, Paddle takes any"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(preload=("paddle",)) as found:
        yield found


Converted = Callable[..., Conversion]


@pytest.fixture
def converted(worker: Worker, tmp_path: Path) -> Converted:
    """Converts a network of ``narrow_networks``."""

    def run(name: str, **options: object) -> Conversion:
        model = worker.call(narrow_networks.save, TIMEOUT_S, name, tmp_path)
        return convert(resolve(model.path), tmp_path / "done.onnx", **options)  # type: ignore[arg-type]  # as convert takes them

    return run


def declared(done: Conversion) -> dict[str, tuple[int | None, ...]]:
    return {spec.name: spec.shape for spec in onnx_tensors(done.artifact.path)[0]}


def test_a_batch_that_the_file_does_not_take_is_not_declared(
    converted: Converted, tmp_path: Path
) -> None:
    done = converted("yolo")
    assert (done.verdict, done.narrowed) == ("agrees", (BY_NMS,))
    assert declared(done) == {
        "image": (1, 3, 64, 64),
        "im_shape": (1, 2),
        "scale_factor": (1, 2),
    }
    assert done.artifact.provenance["narrowed"] == [BY_NMS]
    assert done.to_dict()["narrowed"] == [BY_NMS]
    onnx.checker.check_model(str(done.artifact.path), full_check=True)


@pytest.mark.slow
def test_a_narrowed_file_is_made_again_and_validated(converted: Converted) -> None:
    done = converted("yolo")
    with RemadeConversion(done.source, done.artifact) as conversions:
        assert [stage.step for stage in conversions.stages()] == ["Paddle2ONNX", "simplifier"]
    plan = Plan(backends=("onnxruntime",), seconds_each=0, quick=True)
    assert validate(done.source, done.artifact, plan).rows[1].verdict == "agrees"


@pytest.mark.slow
def test_a_batch_that_paddle2onnx_fixes_itself_is_told(converted: Converted) -> None:
    done = converted("head")
    assert (done.verdict, done.narrowed) == ("agrees", (BY_NMS,))
    assert declared(done) == {"x": (1, 3, 64, 64)}


@pytest.mark.slow
def test_what_paddle_itself_does_not_take_is_not_the_converters(converted: Converted) -> None:
    done = converted("one row")
    note = "native Paddle itself takes only batch 1 on these feeds"
    assert done.verdict == "agrees"
    assert (done.narrowed, done.to_dict()["notes"]) == ((), [note])
    assert declared(done) == {"x": (None, 8)}, "as Paddle declares it"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "narrowed", "shape"),
    [
        (None, "", (None, 3, None, None)),
        (faulty_finish.one_size, "the size is fixed at 224x224", (None, 3, 224, 224)),
        (faulty_finish.first_row, "the batch is fixed at 1", (1, 3, None, None)),
        (faulty_finish.closed, "", (None, 3, None, None)),
    ],
)
def test_the_file_declares_what_works(
    fault: object,
    narrowed: str,
    shape: tuple[int | None, ...],
    converted: Converted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if fault is not None:
        monkeypatch.setattr(onnx_attempt, "finish", fault)
    done = converted("plain")
    assert done.verdict == "agrees"
    assert " ".join(done.narrowed).startswith(narrowed)
    assert bool(done.narrowed) == bool(narrowed)
    assert declared(done) == {"x": shape}


def test_an_operator_is_found_behind_an_error(worker: Worker, tmp_path: Path) -> None:
    model: Artifact = worker.call(narrow_networks.save, TIMEOUT_S, "yolo", tmp_path)
    raw = worker.call(export_raw, TIMEOUT_S, model, tmp_path, opset=17)
    graph = onnx.load(raw.path).graph
    names = {node.op_type: node.name for node in graph.node if node.name}
    told = {
        f"while running Conv node. Name:'{names['Conv']}' Status": "conv2d",
        f"(op_type:Loop, node name: no.such) (op_type:Conv, node name: {names['Conv']})": "conv2d",
        f"Node ({names['NonMaxSuppression']}) Op (NonMaxSuppression) [...]": "multiclass_nms3",
        "(op_type:NonMaxSuppression, node name: ): a name that onnxslim took": "multiclass_nms3",
        "node: name: Nowhere.0 OpType: Nothing": "",
        "nothing is named": "",
    }
    assert {text: operator_behind(raw, text) for text in told} == told
    shapes = {"image": (None, 3, 64, 64), "im_shape": (None, 2), "scale_factor": (None, 2)}
    assert fixing_operator(raw, shapes) == "multiclass_nms3"


def feed(name: str, **shapes: tuple[int, ...]) -> NamedFeed:
    seed = len(name)
    tensors = {
        key: np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
        for key, shape in shapes.items()
    }
    return NamedFeed(name=name, kind="given" if name == "given" else "noise", tensors=tensors)


def test_probes_change_what_is_free_and_nothing_else() -> None:
    picture = TensorSpec("x", "float32", (None, 3, None, None))
    ids = TensorSpec("ids", "float32", (None, None))
    fixed = TensorSpec("w", "float32", (4,))
    first = feed("a", x=(1, 3, 224, 64), ids=(1, 16), w=(4,))
    second = feed("bb", x=(1, 3, 224, 64), ids=(1, 16), w=(4,))
    probes = size_probes([picture, ids, fixed], [first, second])
    assert [probe.changes for probe in probes] == [("batch", "size"), ("batch",), ("size",)]
    shapes = [{name: item.shape for name, item in probe.tensors.items()} for probe in probes]
    assert shapes == [
        {"x": (2, 3, 192, 96), "ids": (2, 24), "w": (4,)},
        {"x": (2, 3, 224, 64), "ids": (2, 16), "w": (4,)},
        {"x": (1, 3, 192, 96), "ids": (1, 24), "w": (4,)},
    ]
    rows = probes[1].tensors["x"]
    assert not np.array_equal(rows[0], rows[1]), "rows that are all alike hide a fault"
    given = size_probes([picture], [feed("given", x=(1, 3, 64, 64))])
    assert [probe.changes for probe in given] == [("batch",)], "given sizes may need each other"
    assert size_probes([fixed], [feed("a", w=(4,))]) == []


def test_a_difference_is_told_from_rounding() -> None:
    x = np.random.default_rng(1).standard_normal((4, 5)).astype(np.float32)
    near, far = {"y": x * np.float32(1.0001)}, {"y": x + 1}
    assert 0 < distance({"y": x}, near) < 1e-3
    assert difference_beyond_rounding({"y": x}, near, 0.05) == ""
    assert "other numbers" in difference_beyond_rounding({"y": x}, far, 0.05)
    assert "is [2, 5]" in difference_beyond_rounding({"y": x}, {"y": x[:2]}, 0.05)
    assert "is [4, 4]" in difference_beyond_rounding({"y": x}, {"y": x[:, :4]}, 0.05)
    assert "outputs instead of" in difference_beyond_rounding({"y": x}, {}, 0.05)
    boxes, one_less = np.ones((50, 6)), np.ones((49, 6))
    assert difference_beyond_rounding({"y": boxes}, {"y": one_less}, 0.05) == ""
    none, number = np.zeros((0, 6)), np.array(3.0)
    assert difference_beyond_rounding({"y": none}, {"y": none}, 0.05) == ""
    assert difference_beyond_rounding({"y": number}, {"y": number}, 0.05) == ""
    unknown = np.where(x > 0, np.nan, x)
    assert difference_beyond_rounding({"y": unknown}, {"y": unknown}, 0.05) == ""


def test_declared_inputs_are_followed_by_the_outputs(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "graph",
        [value("x", TensorProto.FLOAT, ["N", 3, "H"])],
        [value("y", TensorProto.FLOAT, ["N", 3, "H"])],
    )
    opset = helper.make_opsetid("", 17)
    proto = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    declare(proto, {"x": (1, 3, None)})
    for item in (*proto.graph.input, *proto.graph.output):
        sizes = item.type.tensor_type.shape.dim
        assert [size.dim_value for size in sizes] == [1, 3, 0]
        assert sizes[2].dim_param
    assert proto.graph.input[0].type.tensor_type.shape.dim[2].dim_param == "H"
    onnx.save(proto, str(tmp_path / "it.onnx"))
    free_inputs(tmp_path / "it.onnx", tmp_path / "free.onnx", {"x": (None, 3, None)})
    assert onnx_tensors(tmp_path / "free.onnx")[0][0].shape == (None, 3, None)
