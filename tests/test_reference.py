"""The float64 reference: against ONNX Runtime, against plain loops, and what it refuses."""

from collections import defaultdict
from importlib.metadata import PackageNotFoundError, files
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from operator_cases import Case, cases, values

from paddleport.errors import BackendUnavailableError, FeedError
from paddleport.models.artifact import onnx_artifact
from paddleport.runners import float64
from paddleport.runners.float64.convolution import convolve, convolve_transposed
from paddleport.runners.float64.node import OperatorNode
from paddleport.runners.float64.resizing import resize
from paddleport.runners.float64.windows import average_pool, max_pool
from paddleport.runners.reference import ReferenceRunner
from paddleport.tensors import Array

# Relative to the largest value: ONNX Runtime's float32 kernels, whose exp, erf and tanh are
# approximations of a few units in the last place (6e-8), over sums of at most a few hundred.
FLOAT32_ERROR = 1e-5
# float64 sums of a few hundred terms, in another order
FLOAT64_ERROR = 1e-12
# float32 through the hundred layers of a real model; the limit of this project's parity check
MODEL_ERROR = 1e-4

BY_OPERATOR: dict[str, list[Case]] = defaultdict(list)
for case in cases():
    BY_OPERATOR[case.operator].append(case)
WITH_SUBGRAPHS = {"If", "Loop"}

# Their results have more digits than a float32 holds, unless something rounded on the way.
COMPUTING = """
    AveragePool BatchNormalization Celu Conv ConvTranspose Cos Div Einsum Elu Erf Exp GRU Gelu Gemm
    GlobalAveragePool GroupNormalization HardSwish InstanceNormalization LRN LSTM LayerNormalization
    LeakyRelu Log LogSoftmax MatMul Mean Mish Mul PRelu Reciprocal ReduceL1 ReduceL2 ReduceMean
    ReduceProd ReduceSum ReduceSumSquare Selu Sigmoid Sin Softmax Softplus Softsign Sqrt Tanh
    """.split()  # noqa: SIM905  # forty lines otherwise


def test_every_operator_has_a_case() -> None:
    known = set(float64.OPERATORS) | float64.BORROWED
    assert set(BY_OPERATOR) | WITH_SUBGRAPHS == known
    assert not set(float64.OPERATORS) & float64.BORROWED


@pytest.mark.parametrize("operator", sorted(BY_OPERATOR))
def test_operator_agrees_with_onnx_runtime(operator: str, tmp_path: Path) -> None:
    for case in BY_OPERATOR[operator]:
        model = case.model()
        feed = _feed(case)
        wanted = _onnx_runtime(model, feed)
        for index, (found, expected) in enumerate(
            zip(_reference(model, feed, tmp_path), wanted, strict=True)
        ):
            what = f"{case}, output {index}"
            assert found.shape == expected.shape, what
            if expected.dtype == np.float32:
                assert found.dtype == np.float64, what
                assert _error(found, expected) <= FLOAT32_ERROR, what
            else:
                assert found.dtype == expected.dtype, what
                assert np.array_equal(found, expected), what


@pytest.mark.parametrize("operator", COMPUTING)
def test_nothing_is_rounded_to_float32(operator: str, tmp_path: Path) -> None:
    cases = [case for case in BY_OPERATOR[operator] if _computes_on_floats(case)]
    assert cases
    for case in cases:
        (found, *_) = _reference(case.model(), _feed(case), tmp_path)
        assert not np.array_equal(found, found.astype(np.float32)), case


def _computes_on_floats(case: Case) -> bool:
    x = case.inputs[0]
    gives_its_input_back = "noop_with_empty_axes" in case.attributes
    return not gives_its_input_back and x is not None and x.dtype == np.float32 and x.size >= 6


def _feed(case: Case) -> dict[str, Array]:
    return {"in0": np.asarray(case.inputs[0])} if case.inputs else {}


def _onnx_runtime(model: onnx.ModelProto, feed: dict[str, Array]) -> list[Array]:
    ort = pytest.importorskip("onnxruntime")
    plain = ort.SessionOptions()
    plain.log_severity_level = 4
    plain.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    found: list[Array] = ort.InferenceSession(model.SerializeToString(), plain).run(None, feed)
    return found


def _reference(model: onnx.ModelProto, feed: dict[str, Array], folder: Path) -> list[Array]:
    path = folder / "case.onnx"
    onnx.save(model, str(path))
    with ReferenceRunner(onnx_artifact(path)) as runner:
        return list(runner.run(feed).values())


def _error(found: Array, expected: Array) -> float:
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    return float(np.abs(found - expected).max(initial=0)) / scale


windows = st.fixed_dictionaries(
    {
        "kernel_shape": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "strides": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "dilations": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "pads": st.tuples(*[st.integers(0, 2)] * 4),
    }
)
sizes = st.tuples(st.integers(5, 8), st.integers(5, 8))
quick = settings(max_examples=40, deadline=None, derandomize=True)


@quick
@given(windows, sizes, st.sampled_from([(1, 3, 2), (2, 4, 6), (4, 4, 4), (4, 4, 8)]))
def test_convolution_is_its_definition(
    window: dict[str, Any], size: tuple[int, int], groups: tuple[int, int, int]
) -> None:
    group, channels, filters = groups
    random = np.random.default_rng(1)
    x = random.normal(size=(2, channels, *size))
    weight = random.normal(size=(filters, channels // group, *window["kernel_shape"]))
    bias = random.normal(size=filters)
    found = convolve(
        OperatorNode(operator="Conv", opset=17, outputs=1, attributes={**window, "group": group}),
        x,
        weight,
        bias,
    )
    expected = np.empty(found.shape)
    for place in np.ndindex(found.shape):
        sample, channel, *at = place
        first = channel // (filters // group) * (channels // group)
        total = bias[channel]
        for tap in np.ndindex(weight.shape[1:]):
            y, x_ = _source(window, at, tap[1:])
            if 0 <= y < size[0] and 0 <= x_ < size[1]:
                total += weight[(channel, *tap)] * x[sample, first + tap[0], y, x_]
        expected[place] = total
    assert found.shape[2:] == _lengths(window, size, up=False)
    assert _error(found, expected) <= FLOAT64_ERROR


@quick
@given(windows, sizes, st.booleans(), st.booleans())
def test_pools_are_their_definitions(
    window: dict[str, Any], size: tuple[int, int], up: bool, include: bool
) -> None:
    spans = [
        (taps - 1) * step + 1
        for taps, step in zip(window["kernel_shape"], window["dilations"], strict=True)
    ]
    # as Paddle and PyTorch demand: padding less than the window, so that none lies in it alone
    pads = [min(item, spans[index % 2] // 2) for index, item in enumerate(window["pads"])]
    stated = {**window, "pads": pads, "ceil_mode": int(up), "count_include_pad": int(include)}
    x = np.random.default_rng(1).normal(size=(1, 2, *size))
    highest = max_pool(OperatorNode(operator="MaxPool", opset=19, outputs=1, attributes=stated), x)[
        0
    ]
    mean = average_pool(
        OperatorNode(operator="AveragePool", opset=19, outputs=1, attributes=stated), x
    )
    assert highest.shape[2:] == mean.shape[2:] == _lengths(stated, size, up=up)
    for place in np.ndindex(mean.shape):
        seen, count = [], 0
        for tap in np.ndindex(*window["kernel_shape"]):
            y, x_ = _source(stated, place[2:], tap)
            inside = 0 <= y < size[0] and 0 <= x_ < size[1]
            seen += [x[(*place[:2], y, x_)]] if inside else []
            padded = -pads[0] <= y < size[0] + pads[2] and -pads[1] <= x_ < size[1] + pads[3]
            count += padded if include else inside
        if seen:
            assert highest[place] == max(seen)
            assert abs(mean[place] - sum(seen) / count) <= FLOAT64_ERROR


def test_max_pool_keeps_what_is_not_a_number() -> None:
    x = np.array([[[1.0, np.nan, 2.0, 3.0]]])
    (found,) = max_pool(
        OperatorNode(operator="MaxPool", opset=17, outputs=1, attributes={"kernel_shape": [2]}), x
    )
    assert np.array_equal(found, [[[np.nan, np.nan, 3.0]]], equal_nan=True)


def _source(window: dict[str, Any], at: Any, tap: Any) -> list[int]:
    parts = zip(at, window["strides"], tap, window["dilations"], window["pads"][:2], strict=True)
    return [place * stride + step * dilation - pad for place, stride, step, dilation, pad in parts]


def _lengths(window: dict[str, Any], size: tuple[int, int], *, up: bool) -> tuple[int, ...]:
    found = []
    for axis in range(2):
        before, after = window["pads"][axis], window["pads"][axis + 2]
        span = (window["kernel_shape"][axis] - 1) * window["dilations"][axis] + 1
        stride = window["strides"][axis]
        steps = (size[axis] + before + after - span) / stride
        count = (ceil(steps) if up else floor(steps)) + 1
        if up and (count - 1) * stride >= size[axis] + before:
            count -= 1
        found.append(count)
    return tuple(found)


@quick
@given(windows, sizes, st.sampled_from([1, 2]))
def test_transposed_convolution_is_the_adjoint(
    window: dict[str, Any], size: tuple[int, int], group: int
) -> None:
    """<conv(a), b> = <a, transposed(b)>, which has one solution only."""
    stated = {**window, "group": group}
    random = np.random.default_rng(1)
    weight = random.normal(size=(4, 4 // group, *window["kernel_shape"]))
    b = random.normal(size=(1, 4, *size))
    found = convolve_transposed(
        OperatorNode(operator="ConvTranspose", opset=17, outputs=1, attributes=stated), b, weight
    )
    if 0 in found.shape:
        return
    a = random.normal(size=found.shape)
    forward = convolve(
        OperatorNode(operator="Conv", opset=17, outputs=1, attributes=stated), a, weight
    )
    assert forward.shape == b.shape
    left, right = float((forward * b).sum()), float((a * found).sum())
    scale = float(np.abs(forward).sum() * np.abs(b).max())
    assert abs(left - right) <= FLOAT64_ERROR * scale


@quick
@given(st.integers(1, 9), st.integers(1, 20), st.booleans())
def test_linear_resize_is_its_definition(length: int, count: int, corners: bool) -> None:
    rule = "align_corners" if corners else "half_pixel"
    node = OperatorNode(
        operator="Resize",
        opset=13,
        outputs=1,
        attributes={"mode": "linear", "coordinate_transformation_mode": rule},
    )
    x = np.random.default_rng(1).normal(size=(1, length))
    found = resize(node, x, None, None, np.array([1, count]))
    for at in range(count):
        place = (at + 0.5) * length / count - 0.5
        if corners:
            place = at * (length - 1) / (count - 1) if count > 1 else 0.0
        place = min(max(place, 0), length - 1)
        low = min(int(place), length - 1)
        high = min(low + 1, length - 1)
        expected = x[0, low] * (low + 1 - place) + x[0, high] * (place - low)
        assert abs(found[0, at] - expected) <= FLOAT64_ERROR


def test_operators_inside_subgraphs_are_float64_too(tmp_path: Path) -> None:
    x = values(1, 4)
    constant = helper.make_node("Constant", [], ["c"], value_float=0.1)
    then = helper.make_graph(
        [constant, helper.make_node("Mul", ["x", "c"], ["t"])],
        "t",
        [],
        [onnx.ValueInfoProto(name="t")],
    )
    other = helper.make_graph(
        [helper.make_node("Softmax", ["x"], ["e"])], "e", [], [onnx.ValueInfoProto(name="e")]
    )
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["still"]),
            helper.make_node("Sigmoid", ["carried"], ["next"]),
        ],
        "b",
        [
            helper.make_tensor_value_info("count", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    for yes in (True, False):
        graph = helper.make_graph(
            [
                helper.make_node("If", ["yes"], ["a"], then_branch=then, else_branch=other),
                helper.make_node("Loop", ["three", "on", "a"], ["out"], body=body),
            ],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 4])],
            [
                numpy_helper.from_array(np.array(yes), "yes"),
                numpy_helper.from_array(np.array(True), "on"),
                numpy_helper.from_array(np.array(3), "three"),
            ],
        )
        opset = helper.make_opsetid("", 17)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        (found,) = _reference(model, {"x": x}, tmp_path)
        exact = x.astype(np.float64)
        step = np.exp(exact) / np.exp(exact).sum()
        expected = exact * np.float64(np.float32(0.1)) if yes else step
        for _ in range(3):
            expected = 1 / (1 + np.exp(-expected))
        assert found.dtype == np.float64
        assert _error(found, expected) <= FLOAT64_ERROR
        (runtime,) = _onnx_runtime(model, {"x": x})
        assert _error(found, runtime) <= FLOAT32_ERROR


def test_an_operator_it_does_not_compute_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match="does not compute Hardmax"):
        _reference(Case("Hardmax", [values(2, 3)]).model(), {}, tmp_path)
    smooth = {"antialias": 1, "mode": "linear"}
    case = Case("Resize", [values(1, 1, 4, 4), None, np.ones(4, np.float32)], 18, 1, smooth)
    with pytest.raises(BackendUnavailableError, match="Resize with antialias"):
        _reference(case.model(), _feed(case), tmp_path)


def test_a_feed_that_the_graph_cannot_take_is_a_feed_error(tmp_path: Path) -> None:
    case = Case("MatMul", [values(2, 3), values(3, 4)])
    model = case.model()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "free"
    with pytest.raises(FeedError, match="reference can't compute this feed"):
        _reference(model, {"in0": values(2, 5)}, tmp_path)


def _rapidocr_models() -> list[Path]:
    try:
        listed = files("rapidocr-onnxruntime") or []
    except PackageNotFoundError:
        return []
    return sorted(Path(str(item.locate())) for item in listed if item.suffix == ".onnx")


REAL_INPUTS = {"cls": (2, 3, 48, 192), "rec": (1, 3, 48, 160), "det": (1, 3, 64, 96)}


@pytest.mark.parametrize("kind", REAL_INPUTS)
def test_real_models_agree_with_onnx_runtime(kind: str) -> None:
    found = [path for path in _rapidocr_models() if f"_{kind}_" in path.name]
    if not found:
        pytest.skip("rapidocr-onnxruntime is not installed")
    with ReferenceRunner(onnx_artifact(found[0])) as runner:
        x = values(*REAL_INPUTS[kind], low=-1, high=1)
        (result,) = runner.run({runner.inputs[0].name: x}).values()
        (expected,) = _onnx_runtime(onnx.load(str(found[0])), {runner.inputs[0].name: x})
    assert result.shape == expected.shape
    assert _error(result, expected) <= MODEL_ERROR
