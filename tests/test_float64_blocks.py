"""The float64 reference's blocks, threads and error function: the same numbers in less memory."""

import itertools
import math
import weakref
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from operator_cases import Case, cases

from paddleport.runners import float64
from paddleport.runners.float64 import arithmetic, blocks, convolution, rounding
from paddleport.runners.float64.error_function import erf
from paddleport.runners.float64.evaluation import evaluate
from paddleport.runners.reference import ReferenceRunner
from paddleport.tensors import Array
from paddleport.validate.session import Session

SAME = 1e-13  # relative to the largest value: float64 sums in another order
SHAPE = np.array([-1, 8, 4])
SHARED = {
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Mul", "Sub", "Div", "Relu", "Clip"),
    *("Sigmoid", "Erf", "Gelu", "PRelu", "HardSwish", "LeakyRelu", "Tanh"),
}


def cut_up(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Small blocks on three threads; the list holds how many parts were shared out each time."""
    shared: list[int] = []
    original = blocks.share_out

    def counted(work: Any, parts: Any) -> None:
        shared.append(len(parts))
        original(work, parts)

    for module in (arithmetic, blocks, convolution):
        monkeypatch.setattr(module, "threads", lambda: 3)
        monkeypatch.setattr(module, "share_out", counted)
    monkeypatch.setattr(blocks, "VALUES", 4)
    monkeypatch.setattr(arithmetic, "_LEAST", 1)
    monkeypatch.setattr(convolution, "BLOCK_BYTES", 256)
    monkeypatch.setattr(convolution, "_LEAST_PRODUCTS", 1)
    return shared


def computed(case: Case) -> list[Array]:
    proto = case.model()
    float64.to_double(proto)
    feed = {} if not case.inputs else {"in0": np.asarray(case.inputs[0])}
    exact = {
        name: item.astype(np.float64) if item.dtype.kind == "f" else item
        for name, item in feed.items()
    }
    return evaluate(float64.evaluator(proto), proto, exact)


@pytest.mark.parametrize("operator", sorted(float64.OPERATORS))
def test_blocks_give_what_the_whole_gives(operator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [case for case in cases() if case.operator == operator]
    whole = [computed(case) for case in chosen]
    shared = cut_up(monkeypatch)
    for case, results in zip(chosen, whole, strict=True):
        for found, expected in zip(computed(case), results, strict=True):
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype), case
            scale = max(1.0, float(np.abs(np.nan_to_num(expected)).max(initial=0)))
            assert np.allclose(found, expected, rtol=0, atol=SAME * scale, equal_nan=True), case
    if operator in SHARED:
        assert max(shared, default=0) > 1


def test_an_error_in_a_block_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = cut_up(monkeypatch)

    def fail(part: Array) -> Array:
        raise NotImplementedError(f"{len(part)} values")

    with pytest.raises(NotImplementedError, match="4 values"):
        blocks.elementwise(fail, np.zeros(100))
    assert shared == [25]


def test_a_long_line_is_cut_along_itself() -> None:
    """Sound as a picture of height 1: one block of all its windows would take gigabytes."""
    sizes = [
        (place, column) for _, place, column in convolution._blocks(1, 8 * 6400, (1, 160_000), 1)
    ]
    assert len(sizes) > 1000
    assert all(8 * 6400 * (column.stop - column.start) < 1 << 22 for _, column in sizes)
    assert sum(column.stop - column.start for _, column in sizes) == 160_000


def test_the_error_function_is_the_c_librarys() -> None:
    places = np.concatenate(
        [
            np.linspace(-7, 7, 100_001),
            np.logspace(-320, 1, 2000),
            [0.0, 0.84375, 1.25, 1 / 0.35, 6, np.inf, -np.inf],
        ]
    )
    expected = np.array([math.erf(item) for item in places.tolist()])
    assert np.abs(erf(places) - expected).max() <= 3e-16
    near = np.abs(places) < 1e-3
    assert np.abs(erf(places)[near] - expected[near]).max() <= 3e-19  # relative, near 0 too
    assert np.isnan(erf(np.array([np.nan]))).all()


def test_a_value_is_let_go_after_its_last_reader() -> None:
    names = [f"v{index}" for index in range(21)]
    nodes = [helper.make_node("Sin", [a], [b]) for a, b in itertools.pairwise(names)]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("v0", TensorProto.DOUBLE, [8])],
        [helper.make_tensor_value_info("v20", TensorProto.DOUBLE, [8])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    alive: list[weakref.ref[Any]] = []
    most = 0

    def found(name: str, value: Any) -> None:
        nonlocal most
        alive.append(weakref.ref(value))
        most = max(most, sum(item() is not None for item in alive))

    (result,) = evaluate(float64.evaluator(proto), proto, {"v0": np.full(8, -1.0)}, found)
    assert result.shape == (8,)
    assert len(alive) == 20
    assert most <= 2


def test_noise_is_uniform_and_independent_between_tensors() -> None:
    noise = rounding.Noise(1.0, seed=1)
    ones = np.ones((64, 4608))
    first, second = noise(ones) - 1, noise(ones) - 1
    assert np.abs(first).max() <= 1
    for drawn in (first, second):
        assert abs(drawn.mean()) < 0.01
        assert abs(drawn.var() - 1 / 3) < 0.01
        sums = drawn.sum(axis=1) / math.sqrt(4608 / 3)  # as those of a matrix product: normal
        assert 0.7 < sums.std() < 1.3
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.01


def test_noise_depends_on_the_feed_and_on_how_often_it_was_fed() -> None:
    feed, other = {"x": np.zeros(3)}, {"x": np.ones(3)}
    ones = np.ones(100)

    def drawn(seed: int, *feeds: dict[str, Array]) -> list[bytes]:
        noise, found = rounding.Noise(1.0, seed), list[bytes]()
        for item in feeds:
            noise.restart(item)
            found.append(noise(ones).tobytes())
        return found

    first, second = drawn(1, feed, feed)
    assert first != second
    assert drawn(1, other, feed, other, feed) == [
        *drawn(1, other),
        first,
        *drawn(1, other, other)[1:],
        second,
    ]
    assert drawn(2, feed) != [first]


def test_its_process_gets_one_blas_thread(small_onnx: Any) -> None:
    from paddleport.runners.runner_options import RunnerOptions

    session = Session("reference", small_onnx, RunnerOptions())
    try:
        environ = session._call(_environ, 30.0)
    finally:
        session.close()
    assert ReferenceRunner.environ.items() <= environ.items()
    assert environ["OPENBLAS_NUM_THREADS"] == "1"


def _environ() -> dict[str, str]:
    import os

    return dict(os.environ)


def test_large_weights_are_held_once_and_small_ones_stay_in_the_file() -> None:
    matrix = np.random.default_rng(0).standard_normal((64, 32)).astype(np.float16)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "matrix"], ["product"]),
            helper.make_node("Reshape", ["product", "shape"], ["y"]),
        ],
        "weights",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["n", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, None)],
        [numpy_helper.from_array(matrix, "matrix"), numpy_helper.from_array(SHAPE, "shape")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    slim, weights = float64.detach_weights(proto)
    assert [item.name for item in slim.graph.initializer] == ["shape"]
    assert slim.ByteSize() < matrix.nbytes
    inferred = onnx.shape_inference.infer_shapes(slim, strict_mode=True)
    (output,) = inferred.graph.output
    assert [size.dim_value for size in output.type.tensor_type.shape.dim] == [0, 8, 4]
    float64.to_double(inferred)
    x = np.ones((2, 64))
    (found,) = evaluate(float64.evaluator(inferred, weights), inferred, {"x": x})
    expected = (x @ matrix.astype(np.float64)).reshape(-1, 8, 4)
    assert np.abs(found - expected).max() <= SAME * 64
