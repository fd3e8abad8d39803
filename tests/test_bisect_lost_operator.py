"""The search for the lost operator on values made up by hand: every rule is seen to apply."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from paddleport.errors import UsageError
from paddleport.tensors import Array
from paddleport.validate.bisect.computation import (
    Computation,
    Graph,
    GraphStep,
    StoredValues,
    ValueWriter,
)
from paddleport.validate.bisect.converter_side import compare_computations
from paddleport.validate.bisect.divergence import Divergence
from paddleport.validate.bisect.value_lookup import affine_error

LIMIT = 1e-4
Operators = list[tuple[str, str, str]]  # type, input values, output value; separated by blanks
GENERATOR = np.random.default_rng(0)
X, A, C, W = (GENERATOR.uniform(0.5, 2, (2, 3, 4, 4)) for _ in range(4))


def computation(
    folder: Path, operators: Operators, values: dict[str, Array], *outputs: str
) -> Computation:
    """By default the last operator's output is the only one."""
    folder.mkdir()
    store = ValueWriter(folder)
    for name, value in values.items():
        store.add(name, value)
    steps = tuple(
        GraphStep(
            name=f"{kind}.{place}",
            operator=kind,
            inputs=tuple(inputs.split()),
            outputs=(output,),
            position=place,
        )
        for place, (kind, inputs, output) in enumerate(operators, 1)
    )
    graph = Graph(steps, ("x",), outputs or (operators[-1][2],))
    return Computation(graph, StoredValues(folder, store.stored))


def locate(
    folder: Path,
    paddle: tuple[Operators, dict[str, Array]],
    onnx: tuple[Operators, dict[str, Array]],
) -> Divergence:
    computations = computation(folder / "paddle", *paddle), computation(folder / "onnx", *onnx)
    found = compare_computations(*computations, feed="made up", limit=LIMIT, seconds=60)
    assert found is not None
    assert found.complete
    return found


IDLE = (
    [("conv2d", "x", "a"), ("relu6", "a", "b"), ("scale", "b", "c")],
    {"x": X, "a": A, "b": A, "c": C},  # on this feed, relu6 has nothing to clip
)


def test_an_idle_operator_whose_own_tensor_is_wrong(tmp_path: Path) -> None:
    operators = [("Conv", "x", "p2o.a"), ("Clip", "p2o.a", "p2o.b"), ("Mul", "p2o.b", "y")]
    onnx = (operators, {"x": X, "p2o.a": A, "p2o.b": W, "y": W + C})
    assert locate(tmp_path, IDLE, onnx).node == "relu6.2"


@pytest.mark.parametrize(
    ("operator", "node", "told"),
    [
        ("Relu", "relu6.2", False),  # by what the ONNX node is called
        ("Clip", "scale.3", True),
        ("Scale", "scale.3", False),
    ],
)
def test_an_idle_operator_where_names_are_gone(
    tmp_path: Path, operator: str, node: str, told: bool
) -> None:
    operators = [("Conv", "x", "v1"), (operator, "v1", "v2"), ("Mul", "v2", "v3")]
    found = locate(tmp_path, IDLE, (operators, {"x": X, "v1": A, "v2": W, "v3": W + C}))
    assert found.node == node
    assert ("relu6.2 before it changes next to nothing" in found.sentence) == told


@pytest.mark.parametrize("wrong", [False, True])
def test_transpositions_that_became_one(tmp_path: Path, wrong: bool) -> None:
    """Of two transpositions in a row the value between them is lost, and nothing is wrong."""
    paddle = (
        [("conv2d", "x", "a"), ("transpose", "a", "t"), ("matmul", "t", "c"), ("exp", "c", "d")],
        {"x": X, "a": A, "t": A.transpose(0, 2, 1, 3), "c": C, "d": np.exp(C)},
    )
    turned = A.transpose(3, 2, 1, 0)
    values = {"x": X, "v1": A, "v2": turned * 1.1 if wrong else turned, "v3": W, "v4": np.exp(W)}
    onnx = (
        [
            ("Conv", "x", "v1"),
            ("Transpose", "v1", "v2"),
            ("MatMul", "v2", "v3"),
            ("Exp", "v3", "v4"),
        ],
        values,
    )
    found = locate(tmp_path, paddle, onnx)
    assert found.node == ("transpose.2" if wrong else "matmul.3")
    assert ("there in another order" in found.sentence) == (not wrong)


def test_a_small_fault_that_grows(tmp_path: Path) -> None:
    """The first value above the limit is not the cause, if the error was born before it."""
    bent = 1 + 5e-5 * np.sign(GENERATOR.normal(size=X.shape))
    paddle = (
        [("conv2d", "x", "a"), ("tanh", "a", "b"), ("log", "b", "c"), ("abs", "c", "d")],
        {"x": X, "a": A, "b": C, "c": W, "d": X + 1},
    )
    onnx = (
        [("Conv", "x", "v1"), ("Tanh", "v1", "v2"), ("Log", "v2", "v3"), ("Abs", "v3", "v4")],
        {"x": X, "v1": A, "v2": C * bent, "v3": W * bent**9, "v4": (X + 1) * bent**99},
    )
    found = locate(tmp_path, paddle, onnx)
    assert found.node == "tanh.2"
    assert found.error_after < LIMIT


def test_an_error_that_grows_all_the_way_is_nobodys(tmp_path: Path) -> None:
    steps = range(1, 9)
    bends = [1 + 2e-6 * 2**step * GENERATOR.uniform(-1, 1, X.shape) for step in steps]
    wholes = [GENERATOR.uniform(0.5, 2, X.shape) for _ in steps]
    names = ["x", *(f"a{step}" for step in steps)]
    paddle = [("tanh", one, other) for one, other in itertools.pairwise(names)]
    onnx = [("Tanh", one, other) for one, other in itertools.pairwise(names)]
    values = {"x": X, **dict(zip(names[1:], wholes, strict=True))}
    bent = {
        "x": X,
        **{name: whole * bend for name, whole, bend in zip(names[1:], wholes, bends, strict=True)},
    }
    found = locate(tmp_path, (paddle, values), (onnx, bent))
    assert "no single operator makes it" in found.sentence


def test_a_value_that_could_not_be_fetched_is_searched_behind(tmp_path: Path) -> None:
    paddle = (
        [("conv2d", "x", "a"), ("relu_", "a", "b"), ("exp", "b", "c")],
        {"x": X, "a": A, "c": C},
    )
    onnx = (
        [("Conv", "x", "v1"), ("Relu", "v1", "v2"), ("Exp", "v2", "v3")],
        {"x": X, "v1": A, "v2": W, "v3": W + C},
    )
    found = locate(tmp_path, paddle, onnx)
    assert found.node == "relu_.2"
    assert "Paddle does not give its value" in found.sentence


def test_one_output_is_followed_where_the_other_is_good(tmp_path: Path) -> None:
    operators = [("conv2d", "x", "a"), ("exp", "a", "b"), ("abs", "a", "c")]
    paddle = computation(tmp_path / "paddle", operators, {"x": X, "a": A, "b": C, "c": A}, "b", "c")
    operators = [("Conv", "x", "v1"), ("Exp", "v1", "v2"), ("Abs", "v1", "v3")]
    float64 = computation(
        tmp_path / "onnx", operators, {"x": X, "v1": A, "v2": W, "v3": A}, "v2", "v3"
    )
    found = compare_computations(paddle, float64, feed="", limit=LIMIT, seconds=60)
    assert found is not None
    assert found.node == "exp.2"


def test_an_output_that_is_an_input(tmp_path: Path) -> None:
    paddle = computation(tmp_path / "paddle", [("exp", "x", "a")], {"x": X, "a": A}, "x")
    float64 = computation(tmp_path / "onnx", [("Exp", "x", "v1")], {"x": X, "v1": A}, "v1")
    with pytest.raises(UsageError, match="output x is an input"):
        compare_computations(paddle, float64, feed="", limit=LIMIT, seconds=60)


def test_a_fit_of_scale_and_shift() -> None:
    scale, shift = GENERATOR.normal(size=(2, 1, 3, 1, 1))
    assert affine_error(A, A * scale + shift) < 1e-12
    assert affine_error(A, A * scale + shift + 1e-3 * W) > 1e-4
    rows, columns = GENERATOR.normal(size=(2, 8, 5))
    assert affine_error(rows, rows * np.arange(5) + 1) < 1e-12
    assert affine_error(rows, columns) > 0.1
    assert np.isinf(affine_error(rows[:2], rows[:2]))  # anything fits two points
    assert np.isinf(affine_error(rows, rows.T))
