"""The runtime's side against planted faults: the node that was spoilt is the one named."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import planted_networks
import pytest
from planted_runners import plant_runners

from paddleport.errors import BackendUnavailableError, PortError
from paddleport.models.artifact import onnx_artifact
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array
from paddleport.validate.bisect.backend_process import BackendProcess
from paddleport.validate.bisect.computation import StoredValues
from paddleport.validate.bisect.divergence import Divergence, describe_edge
from paddleport.validate.bisect.edge_search import EdgeSearch, NodeAlone
from paddleport.validate.bisect.float64_values import save_float64_values
from paddleport.validate.bisect.graph_cuts import GraphCutter
from paddleport.validate.bisect.runtime_side import locate_runtime
from paddleport.validate.compare.error_scale import output_error, relative_error
from paddleport.validate.feeds.named_feed import NamedFeed

pytestmark = pytest.mark.slow

LIMIT = 1e-4
_BOTH_BRANCHES = (0, 3)  # seeds of feeds that take either
Save = Callable[[Path], Path]


@pytest.fixture
def find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Divergence | None]:
    """Locate a fault that the backend plants at a tensor."""
    plant_runners(tmp_path / "planted", monkeypatch)

    def locate(
        path: Path,
        tensors: dict[str, Array],
        at: str,
        *,
        backend: str = "spoils",
        seconds: float = 60.0,
        limit: float = LIMIT,
        **extras: str,
    ) -> Divergence | None:
        options = RunnerOptions(threads=1, extras={"at": at, **extras} if at else {})
        feed = NamedFeed(name="planted", kind="given", tensors=tensors)
        return locate_runtime(
            onnx_artifact(path), backend, options, feed, limit=limit, seconds=seconds
        )

    return locate


Find = Callable[..., Divergence | None]


@pytest.mark.parametrize("at", [1, 77, 100])
def test_a_node_deep_in_a_chain(find: Find, tmp_path: Path, at: int) -> None:
    path = planted_networks.save_chain(tmp_path / "chain.onnx")
    found = find(path, planted_networks.feed("x"), f"t{at}")
    assert found is not None
    assert (found.side, found.node, found.output) == ("runtime", f"n{at}", f"t{at}")
    assert found.operator == ("MatMul" if at % 2 else "LeakyRelu")
    assert (found.position, found.nodes, found.complete) == (at, 100, True)
    assert found.error_before < 1e-5
    assert found.error_after == pytest.approx(0.01, rel=0.6)
    assert found.cuts <= 12  # log2(100) and the inputs
    assert "wrong on the very values" in found.sentence
    (given,) = found.inputs
    assert given.name == (f"t{at - 1}" if at > 1 else "x")
    assert given.shape == (4, 16)
    assert given.minimum < 0 < given.maximum


@pytest.mark.parametrize("at", ["h3", "m7", "s12", "s1"])
def test_one_branch_of_a_residual_network(find: Find, tmp_path: Path, at: str) -> None:
    path = planted_networks.save_residual(tmp_path / "residual.onnx")
    found = find(path, planted_networks.feed("x"), at)
    assert found is not None
    assert (found.node, found.output, found.complete) == (at, at, True)  # nodes have no names
    assert {item.name for item in found.inputs} == {
        "h3": {"m3"},
        "m7": {"s6"},
        "s12": {"s11", "h12"},
        "s1": {"x", "h1"},
    }[at]


@pytest.mark.parametrize(
    ("at", "node"), [("a", "first"), ("u", "third"), ("c", "fourth"), ("d", "meet")]
)
def test_several_inputs_and_outputs(find: Find, tmp_path: Path, at: str, node: str) -> None:
    path = planted_networks.save_two_in_two_out(tmp_path / "two.onnx")
    found = find(path, planted_networks.feed("x", "y", rows=2), at)
    assert found is not None
    assert (found.node, found.complete) == (node, True)


@pytest.mark.parametrize(
    ("at", "node", "after"),
    [("best", "argmax", math.inf), ("positive", "greater", math.inf), ("mixed", "where", 0.01)],
)
def test_whole_numbers_and_truth_values(
    find: Find, tmp_path: Path, at: str, node: str, after: float
) -> None:
    path = planted_networks.save_whole_numbers(tmp_path / "whole.onnx")
    found = find(path, planted_networks.feed("x"), at)
    assert found is not None
    assert (found.node, found.complete) == (node, True)
    assert found.error_after == pytest.approx(after, rel=0.6)


@pytest.mark.parametrize(("at", "node"), [("a", "product"), ("b", "choice"), ("y", "sigmoid")])
def test_a_node_with_subgraphs(find: Find, tmp_path: Path, at: str, node: str) -> None:
    path = planted_networks.save_branching(tmp_path / "if.onnx")
    for seed in _BOTH_BRANCHES:
        found = find(path, planted_networks.feed("x", rows=2, seed=seed), at)
        assert found is not None
        assert (found.node, found.complete) == (node, True)


def test_names_that_others_trip_over(find: Find, tmp_path: Path) -> None:
    path = planted_networks.save_chain(tmp_path / "chain.onnx", nodes=20)
    proto = onnx.load(str(path))
    planted_networks.rename(proto)
    onnx.save(proto, str(path))
    name = proto.graph.node[12].output[0]
    assert not name.isprintable()
    found = find(path, planted_networks.feed("x"), name)
    assert found is not None
    assert (found.node, found.position, found.complete) == (name, 13, True)


def test_a_small_fault_that_is_amplified_later(find: Find, tmp_path: Path) -> None:
    path = planted_networks.save_amplifying(tmp_path / "amplifying.onnx")
    found = find(path, planted_networks.feed("x"), "t12", by="5e-5")
    assert found is not None
    assert found.node == "nt12"  # below the limit there, and 100 times above it in the end
    assert found.error_after < LIMIT
    assert "wrong on the very values" in found.sentence


def test_a_fault_that_is_hidden_on_one_way_and_seen_on_another(find: Find, tmp_path: Path) -> None:
    value = planted_networks.floats
    helper = onnx.helper
    nodes = [
        helper.make_node("Tanh", ["x"], ["a"], name="tanh"),
        helper.make_node("Abs", ["a"], ["b"], name="abs"),
        helper.make_node("Neg", ["b"], ["c"], name="neg"),  # spoilt
        helper.make_node("Relu", ["c"], ["hidden"], name="relu"),
        helper.make_node("Exp", ["c"], ["seen"], name="exp"),
        helper.make_node("Add", ["hidden", "a"], ["d"], name="add"),
        helper.make_node("Add", ["d", "seen"], ["y"], name="join"),
    ]
    graph = helper.make_graph(nodes, "hides", [value("x", 4, 16)], [value("y", 4, 16)])
    opset = helper.make_opsetid("", 13)
    path = tmp_path / "hides.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
    found = find(path, planted_networks.feed("x"), "c")
    assert found is not None
    assert (found.node, found.complete) == ("neg", True)


def test_an_ill_conditioned_node_is_not_called_wrong(find: Find, tmp_path: Path) -> None:
    path = planted_networks.save_cancelling(tmp_path / "cancelling.onnx")
    found = find(path, planted_networks.feed("x"), "", backend="onnxruntime")
    assert found is not None
    assert found.node == "cancel"
    assert "the node itself is right" in found.sentence
    assert "magnifies the rounding" in found.sentence


def test_low_precision_is_no_nodes_fault(find: Find, tmp_path: Path) -> None:
    """With a limit that bf16 cannot keep, every node rounds; one that is wrong stands out."""
    path = planted_networks.save_chain(tmp_path / "chain.onnx", nodes=20)
    tensors = planted_networks.feed("x")
    found = find(path, tensors, "", backend="narrow", limit=1e-3)
    assert found is not None
    assert "no single node makes it" in found.sentence
    found = find(path, tensors, "t13", backend="narrow", by="0.5", limit=5e-2)
    assert found is not None
    assert found.node == "n13"
    assert "the node is wrong on the very values" in found.sentence


def test_a_jump_that_rounding_explains_is_not_named(tmp_path: Path) -> None:
    path = planted_networks.save_chain(tmp_path / "chain.onnx", nodes=9)
    errors = {f"t{place}": 0.04 if place > 4 else 0.001 for place in range(1, 10)}
    alone = NodeAlone(0.04, right=False, rounds=True)
    search = EdgeSearch(GraphCutter(path).graph, errors.get, lambda edge: alone)
    search.errors["t9"] = errors["t9"]
    edge = search.first_jump("t9", 0.01, 0.004)
    assert (edge.step.name, edge.alone) == ("n5", alone)
    told = describe_edge(
        "narrow", edge, limit=0.01, floor=0.004, failure=None, only_whole=False, untested=()
    )
    assert told.startswith("no single node makes it")


@pytest.mark.parametrize("backend", ["crashes", "refuses"])
def test_a_backend_that_fails_is_followed_to_the_node(
    find: Find, tmp_path: Path, backend: str
) -> None:
    path = planted_networks.save_chain(tmp_path / "chain.onnx", nodes=20)
    found = find(path, planted_networks.feed("x"), "t13", backend=backend)
    assert found is not None
    assert (found.node, found.complete) == ("n13", True)
    assert math.isinf(found.error_after)
    told = {"crashes": "SIGSEGV", "refuses": "does not take t13"}[backend]
    assert told in found.sentence


def test_a_cut_that_crashes_alone_is_told_and_decides_nothing(find: Find, tmp_path: Path) -> None:
    path = planted_networks.save_chain(tmp_path / "chain.onnx", nodes=12)
    found = find(path, planted_networks.feed("x"), "t7", backend="half")
    assert found is not None
    assert found.node == "n7"
    assert "input t6 could not be tested by itself (SIGSEGV)" in found.sentence


def test_a_fault_of_the_whole_graph_alone_is_told_as_that(find: Find, tmp_path: Path) -> None:
    path = planted_networks.save_two_in_two_out(tmp_path / "two.onnx")
    found = find(path, planted_networks.feed("x", "y", rows=2), "v", backend="onlywhole")
    assert found is not None
    assert not found.complete
    assert "only in the whole graph" in found.sentence


def test_a_budget_of_nothing_names_the_output(find: Find, tmp_path: Path) -> None:
    path = planted_networks.save_chain(tmp_path / "chain.onnx")
    found = find(path, planted_networks.feed("x"), "t50", seconds=0)
    assert found is not None
    assert (found.node, found.complete, found.cuts) == ("n100", False, 0)
    assert "give it more --seconds" in found.sentence


def test_a_budget_cut_short_gives_the_narrowest_bracket(find: Find, tmp_path: Path) -> None:
    path = planted_networks.save_chain(tmp_path / "chain.onnx")
    found = find(
        path, planted_networks.feed("x"), "t5", backend="dawdles", seconds=1.5, pause="0.35"
    )
    assert found is not None
    assert not found.complete
    assert 0 < found.cuts < 7
    assert 5 <= found.position < 100  # at or before it, as promised, and better than the output


@pytest.mark.parametrize(
    ("backend", "save", "names", "rows"),
    [
        ("onnxruntime", planted_networks.save_chain, "x", 4),
        ("openvino", planted_networks.save_residual, "x", 4),
        ("spoils", planted_networks.save_two_in_two_out, "xy", 2),
        ("reference", planted_networks.save_whole_numbers, "x", 4),
        ("onnxruntime", planted_networks.save_branching, "x", 2),
    ],
)
def test_nothing_planted_nothing_located(
    find: Find, tmp_path: Path, backend: str, save: Save, names: str, rows: int
) -> None:
    path = save(tmp_path / "sound.onnx")
    assert find(path, planted_networks.feed(*names, rows=rows), "", backend=backend) is None


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("save", "rows"),
    [(planted_networks.save_whole_numbers, 4), (planted_networks.save_branching, 2)],
)
def test_every_cut_of_a_graph_runs_and_is_exact(
    tmp_path: Path, backend: str, save: Save, rows: int
) -> None:
    """The harness itself: no cut of a sound graph differs, on two runtimes."""
    path = save(tmp_path / "sound.onnx")
    tensors = planted_networks.feed("x", rows=rows)
    cutter = GraphCutter(path)
    (tmp_path / "values").mkdir()
    exact = StoredValues(
        tmp_path / "values", save_float64_values(path, tensors, tmp_path / "values")
    )
    cut = tmp_path / "cut.onnx"
    with BackendProcess(backend, RunnerOptions(threads=1)) as probe:
        assert cutter.graph.varying
        for tensor in sorted(cutter.graph.varying):
            cutter.write(tensor, exact.stored, cut)
            onnx.checker.check_model(onnx.load(str(cut)), full_check=True)
            ((found,),) = probe.run(onnx_artifact(cut), [tensors]).outputs
            assert relative_error(found, exact.load(tensor)) < 1e-5, tensor


def test_a_backend_that_is_not_there_is_no_answer(find: Find, tmp_path: Path) -> None:
    path = planted_networks.save_chain(tmp_path / "chain.onnx", nodes=4)
    feed = NamedFeed(name="planted", kind="given", tensors=planted_networks.feed("x"))
    options = RunnerOptions(device="cuda")
    with pytest.raises(BackendUnavailableError):
        locate_runtime(onnx_artifact(path), "onnxruntime", options, feed, limit=LIMIT, seconds=9)


def test_an_operator_without_float64_is_no_answer(tmp_path: Path) -> None:
    path = planted_networks.save_chain(tmp_path / "chain.onnx", nodes=2)
    proto = onnx.load(str(path))
    proto.graph.node[1].op_type = "Shrink"
    onnx.save(proto, str(path))
    with pytest.raises(BackendUnavailableError, match="does not compute Shrink"):
        save_float64_values(path, planted_networks.feed("x"), tmp_path)


def test_exact_values_are_those_of_the_reference(tmp_path: Path) -> None:
    path = planted_networks.save_residual(tmp_path / "residual.onnx")
    tensors = planted_networks.feed("x")
    folder = tmp_path / "values"
    folder.mkdir()
    values = StoredValues(folder, save_float64_values(path, tensors, folder))
    weights = {
        item.name: onnx.numpy_helper.to_array(item).astype(np.float64)
        for item in onnx.load(str(path)).graph.initializer
    }
    expected = tensors["x"].astype(np.float64)
    for index in range(1, 13):
        expected = expected + np.tanh(expected @ weights[f"w{index}"])
        np.testing.assert_allclose(values.load(f"s{index}"), expected, rtol=1e-12)
    assert values.stored["s12"].dtype == "float64"


def test_a_feed_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    path = planted_networks.save_chain(tmp_path / "chain.onnx", nodes=2)
    with pytest.raises(PortError, match="reference can't compute"):
        save_float64_values(path, {"x": np.zeros((4, 3), np.float32)}, tmp_path)


def test_the_error_of_two_tensors() -> None:
    one = np.array([3.0, 4.0, 0.0])
    scale = math.sqrt(25 / 3)
    assert relative_error(one + np.array([0.0, 0.0, 0.1]), one) == pytest.approx(0.1 / scale)
    assert relative_error(one + np.array([0.1, 0.0, 0.0]), one) == pytest.approx(0.1 / (3 + scale))
    assert relative_error(one, one) == 0
    assert math.isinf(relative_error(one[:2], one))
    assert math.isinf(relative_error(one * np.nan, one))
    assert relative_error(one * np.nan, one * np.nan) == 0
    assert math.isinf(relative_error(one + 1, one * 0))
    assert relative_error(np.array([np.inf, 1]), np.array([1e300, 1])) == 0
    assert math.isinf(relative_error(np.array([-np.inf, 1]), np.array([1e300, 1])))
    assert relative_error(np.array([1, 2]), np.array([1, 2])) == 0
    assert math.isinf(relative_error(np.array([1, 2]), np.array([1, 3])))
    assert math.isinf(relative_error(np.array([True]), np.array([False])))
    empty = np.zeros((0, 3), np.float32)
    assert relative_error(empty, empty) == 0


def test_small_classes_of_a_softmax_count() -> None:
    logits = np.array([[10.0, 0.0, -5.0]])
    moved = logits + np.array([[0.0, 0.0, 0.5]])
    one, other = (np.exp(item) / np.exp(item).sum() for item in (logits, moved))
    assert relative_error(other, one) < LIMIT
    assert output_error(other, one) > 0.01
