"""Loops and branches: ONNX's full check passes, and ONNX Runtime gives what Paddle does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import looping_networks
import numpy as np
import onnx
import onnxslim
import pytest
from exported import export_onnx
from looping_networks import NETWORKS, X
from onnx import TensorProto, helper, numpy_helper

from paddleport.convert import convert
from paddleport.convert.paddle2onnx.export import explain_crash
from paddleport.convert.paddle2onnx.fixups.control_flow import CARRIED, HANDED_ON
from paddleport.convert.paddle2onnx.fixups.declared_shapes import OTHER_SHAPE, RANKS
from paddleport.convert.paddle2onnx.fixups.declared_values import declared_values
from paddleport.convert.paddle2onnx.fixups.loop_bodies import NAMES, SHAPES, fix_bodies
from paddleport.errors import WorkerCrashed
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.graph_walk import all_nodes, defined, subgraphs
from paddleport.models.resolve import resolve
from paddleport.tensors import Array
from paddleport.worker import Worker

pytestmark = pytest.mark.conversion
TIMEOUT_S = 120
REFUSALS = (onnx.checker.ValidationError, onnx.shape_inference.InferenceError)
QUICK = ("numbers", "read inside", "until done", "swapped", "replaced inside")
"""One for each fixup; the others are left to the slow tests."""


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(preload=("paddle",)) as found:
        yield found


@pytest.fixture
def saved(worker: Worker, tmp_path: Path) -> Any:
    """Saves a network of ``looping_networks``."""

    def save(name: str) -> tuple[Artifact, list[Array]]:
        return worker.call(looping_networks.save, TIMEOUT_S, name, tmp_path)

    return save


def by_onnxruntime(file: Path) -> list[Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return list(session.run(None, {"x": X}))


def is_right(file: Path, expected: list[Array]) -> bool:
    found = by_onnxruntime(file)
    return all(
        one.shape == other.shape and np.allclose(one, other, rtol=1e-5, atol=1e-6)
        for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in NETWORKS],
)
@pytest.mark.parametrize("opset", [13, pytest.param(17, marks=pytest.mark.slow)])
def test_a_body_is_right(name: str, opset: int, saved: Any, worker: Worker, tmp_path: Path) -> None:
    model, expected = saved(name)
    file = tmp_path / "it.onnx"
    worker.call(export_onnx, TIMEOUT_S, model, file, opset=opset)
    onnx.checker.check_model(str(file), full_check=True)
    assert is_right(file, expected)
    graph = onnx.load(file).graph
    names = [value for node in all_nodes(graph) for value in node.output]
    names += [item.name for body in bodies(graph) for item in body.input]
    assert len(names) == len(set(names)), "no name stands for two values"
    declared = declared_values(json.loads(model.path.read_bytes()))
    written = {name for name in names if name.startswith("p2o.sub_block.") and name[-1].isdigit()}
    assert written & declared.keys(), "names inside bodies are known"


def bodies(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    for node in all_nodes(graph):
        yield from subgraphs(node)


@pytest.mark.parametrize(
    ("name", "without"),
    [
        pytest.param("numbers", (RANKS, OTHER_SHAPE, SHAPES), marks=pytest.mark.slow),
        ("read inside", (CARRIED,)),
        pytest.param("until done", (CARRIED, NAMES), marks=pytest.mark.slow),
        ("swapped", (HANDED_ON,)),
        pytest.param("loop in loop", (NAMES,), marks=pytest.mark.slow),
    ],
)
def test_every_fixup_is_needed(
    name: str, without: tuple[str, ...], saved: Any, tmp_path: Path
) -> None:
    model, expected = saved(name)
    file = tmp_path / "it.onnx"
    with Worker(preload=("paddle",)) as own:
        try:
            own.call(export_onnx, TIMEOUT_S, model, file, opset=17, without=without)
        except WorkerCrashed as error:
            assert "SIGSEGV" in str(explain_crash(error))
            return
    onnx.save(onnxslim.slim(onnx.load(file)), str(file))
    try:
        onnx.checker.check_model(str(file), full_check=True)
        assert not is_right(file, expected)
    except REFUSALS:
        return


@pytest.mark.slow
@pytest.mark.parametrize("name", ["decoder", "loop in loop", "branch in loop"])
def test_a_converted_file_agrees(name: str, saved: Any, tmp_path: Path) -> None:
    model, _ = saved(name)
    done = convert(resolve(model.path), tmp_path / "done.onnx")
    assert done.verdict == "agrees", done.explanation


def test_a_body_gets_names_of_its_own_and_declares_no_shape() -> None:
    value = helper.make_tensor_value_info
    one = helper.make_node("Constant", [], ["one"], value=numpy_helper.from_array(np.ones(1, "f4")))
    condition, number = value("c", TensorProto.BOOL, []), value("y", TensorProto.FLOAT, [])
    body = helper.make_graph(
        [one, helper.make_node("Add", ["x", "one"], ["y"])],  # of an axis more than it declares
        "body",
        [value("i", TensorProto.INT64, [1]), condition, value("x", TensorProto.FLOAT, [])],
        [condition, number, number],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["", "c", "x"], ["y", "z"], body=body)],
        "graph",
        [condition, value("x", TensorProto.FLOAT, [])],
        [value("y", TensorProto.FLOAT, [1])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(REFUSALS):
        onnx.checker.check_model(proto, full_check=True)
    assert fix_bodies(proto) == (NAMES, SHAPES)
    onnx.checker.check_model(proto, full_check=True)
    (fixed,) = bodies(proto.graph)
    assert not defined(fixed) & defined(proto.graph)
    given = [item.name for item in fixed.output]
    assert len(set(given)) == 3, "what is given twice is copied, and what was not computed"
    shapes = [item.type.tensor_type.HasField("shape") for item in (*fixed.input, *fixed.output)]
    assert shapes == [True, True, False, True, False, False]
    assert fix_bodies(proto) == ()
