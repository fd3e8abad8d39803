"""Simplifying inside a conversion: a large model is not held twice, and a failure costs nothing."""

import gc
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxslim
import pytest
from onnx import TensorProto, helper, numpy_helper

from paddleport.convert.paddle2onnx import finish as check
from paddleport.errors import ConversionError


def network(output: str = "y", weights: int = 4, operator: str = "Add") -> onnx.ModelProto:
    value = numpy_helper.from_array(np.ones(weights, np.float32), "w")
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["i"]), helper.make_node(operator, ["i", "w"], ["y"])],
        "g",
        [info("x", TensorProto.FLOAT, [weights])],
        [info(output, TensorProto.FLOAT, [weights])],
        [value],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def finish(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """``check.finish`` on ``network``, without a conversion before it."""
    monkeypatch.setattr(check, "onnx_provenance", lambda *_, **__: {})

    def run(**options: Any) -> tuple[check.FinishedFile, onnx.ModelProto]:
        monkeypatch.setattr(check, "fixed_graph", lambda raw: (network(**options), ()))
        raw, source = (
            SimpleNamespace(opset=17, offloaded=()),
            SimpleNamespace(preprocess=None, labels=None),
        )
        done = check.finish(raw, tmp_path / "it.onnx", simplify=True, source=source)  # type: ignore[arg-type]  # as much of them as is used
        check.check_file(tmp_path / "it.onnx")
        return done, onnx.load(str(tmp_path / "it.onnx"))

    return run


def test_what_cannot_be_simplified_is_written_as_it_was(
    finish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(proto: onnx.ModelProto) -> None:
        del proto.graph.node[:]
        raise KeyError("a pass of its own")

    monkeypatch.setattr(onnxslim, "slim", spoil)
    done, written = finish()
    assert done.not_simplified == "onnxslim failed: 'a pass of its own'"
    assert [node.op_type for node in written.graph.node] == ["Identity", "Add"]
    assert (done.nodes_before, done.nodes, done.opset) == (2, 2, 17)
    assert gc.isenabled()


def test_a_simplified_model_with_other_outputs_is_not_taken(
    finish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxslim, "slim", lambda proto: network(output="i"))
    done, written = finish()
    assert done.not_simplified == "onnxslim changed the model's inputs or outputs"
    assert written.graph.output[0].name == "y"


def test_a_simplified_model_is_taken(finish: Any) -> None:
    done, written = finish()
    assert done.not_simplified == ""
    assert [node.op_type for node in written.graph.node] == ["Add"]


def test_what_the_checker_refuses_is_an_error(finish: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxslim, "slim", lambda proto: proto)
    with pytest.raises(ConversionError, match="ONNX's checker refuses"):
        finish(operator="NoSuchOperator")


@pytest.mark.parametrize(("weights", "disabled"), [(4, True), (check._LARGE // 4, False)])
def test_garbage_is_looked_for_where_it_is_large(
    finish: Any, monkeypatch: pytest.MonkeyPatch, weights: int, disabled: bool
) -> None:
    seen, garbage = [], []

    class Cycle:
        def __init__(self) -> None:
            self.itself = self

    def slim(proto: onnx.ModelProto) -> onnx.ModelProto:
        seen.append(not gc.isenabled())
        garbage.append(weakref.ref(Cycle()))
        return proto

    monkeypatch.setattr(onnxslim, "slim", slim)
    finish(weights=weights)
    assert seen == [disabled]
    if not disabled:
        assert garbage[0]() is None
