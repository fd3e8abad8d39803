"""Every operator of the float64 reference with the settings that image models use."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from paddleport.tensors import Array

DEFAULT_OPSET = 17


@dataclass(frozen=True)
class Case:
    """One node: the inputs after the first are constants in the file, as in real models."""

    operator: str
    inputs: Sequence[Array | np.generic | None]
    opset: int = DEFAULT_OPSET
    outputs: int = 1
    attributes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        settings = ",".join(f"{key}={_short(value)}" for key, value in self.attributes.items())
        shapes = "-".join(
            "" if item is None else "x".join(map(str, item.shape)) for item in self.inputs
        )
        return f"{self.operator}-{self.opset}({settings}){shapes}".replace(" ", "")

    def model(self) -> onnx.ModelProto:
        """A file of this one node."""
        names = ["" if item is None else f"in{index}" for index, item in enumerate(self.inputs)]
        outputs = [f"out{index}" for index in range(self.outputs)]
        node = helper.make_node(self.operator, names, outputs, **self.attributes)
        values = []
        constants = []
        for index, (name, item) in enumerate(zip(names, self.inputs, strict=True)):
            if item is None:
                continue
            if index:
                constants.append(numpy_helper.from_array(np.asarray(item), name))
            else:
                kind = helper.np_dtype_to_tensor_dtype(item.dtype)
                values.append(helper.make_tensor_value_info(name, kind, item.shape))
        graph = helper.make_graph(
            [node], "case", values, [onnx.ValueInfoProto(name=name) for name in outputs], constants
        )
        opset = helper.make_opsetid("", self.opset)
        return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def _short(value: Any) -> str:
    return type(value).__name__ if hasattr(value, "DESCRIPTOR") else str(value)


def values(*shape: int, seed: int = 0, low: float = -3.0, high: float = 3.0) -> Array:
    """Uniform float32."""
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def integers(*items: Any) -> Array:
    """A vector of int64."""
    return np.array(items, np.int64)


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _unary()
    yield from _binary()
    yield from _reductions()
    yield from _movements()
    yield from _windows()
    yield from _normalisations()
    yield from _resizes()
    yield from _grids()
    yield from _recurrences()


def _unary() -> Iterator[Case]:
    x = values(2, 3, 5, 7)
    for name in [
        "Abs",
        "Ceil",
        "Cos",
        "Erf",
        "Exp",
        "Floor",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "IsNaN",
        "LeakyRelu",
        "Neg",
        "Relu",
        "Round",
        "Sigmoid",
        "Sign",
        "Sin",
        "Softplus",
        "Softsign",
        "Tanh",
        "Elu",
        "Celu",
        "Selu",
        "ThresholdedRelu",
        "Softmax",
        "LogSoftmax",
    ]:
        yield Case(name, [x])
    for name in ("Asinh", "Atan", "Cosh", "Sinh", "Tan"):
        yield Case(name, [values(2, 3, low=-1.4, high=1.4)])
    for name in ("Acos", "Asin", "Atanh"):
        yield Case(name, [values(2, 3, low=-0.9, high=0.9)])
    yield Case("Acosh", [values(2, 3, low=1.1)])
    yield Case("IsInf", [np.array([1, np.inf, -np.inf, np.nan], np.float32)])
    for name in ("Log", "Sqrt", "Reciprocal"):
        yield Case(name, [values(2, 3, low=0.1)])
    yield Case("Sigmoid", [np.array([-200, -90, 0, 90, 200], np.float32)])
    yield Case("Softplus", [np.array([-200, -90, 0, 90, 200], np.float32)])
    yield Case("Round", [np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32)])
    yield Case("Mish", [x], 18)
    yield Case("Gelu", [x], 20)
    yield Case("Gelu", [x], 20, attributes={"approximate": "tanh"})
    yield Case("HardSigmoid", [x], attributes={"alpha": 1 / 6, "beta": 0.5})
    yield Case("LeakyRelu", [x], attributes={"alpha": 0.3})
    yield Case("Elu", [x], attributes={"alpha": 0.5})
    yield Case("Celu", [x], attributes={"alpha": 0.5})
    yield Case("ThresholdedRelu", [x], attributes={"alpha": 0.5})
    yield Case("Not", [x > 0])
    for opset in (7, 12, 13, 17):
        yield Case("Softmax", [x], opset)
        yield Case("LogSoftmax", [x], opset)
        for axis in (0, 1, 2, -1):
            yield Case("Softmax", [x], opset, attributes={"axis": axis})
            yield Case("LogSoftmax", [x], opset, attributes={"axis": axis})
    yield Case("Clip", [x], 7, attributes={"min": 0.0, "max": 2.5})
    yield Case("Clip", [x], 10, attributes={"min": -1.0})
    yield Case("Clip", [x], 11, attributes={})
    yield Case("Clip", [x, np.float32(0), np.float32(2)], 13)
    yield Case("Clip", [x, None, np.float32(2)], 13)
    yield Case("Clip", [x, np.float32(-0.5)], 13)
    yield Case("Clip", [x, np.float32(2), np.float32(1)], 13)
    yield Case("Clip", [integers(-3, 1, 9), np.int64(0), np.int64(5)], 13)
    for opset in (7, 13, 19):
        for to in (TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL):
            yield Case("Cast", [x], opset, attributes={"to": to})
    yield Case("Cast", [integers(1, -2, 3)], attributes={"to": TensorProto.FLOAT})
    yield Case("Cast", [x > 0], attributes={"to": TensorProto.FLOAT})
    yield Case("CastLike", [integers(1, 2), values(1)], 19)
    yield Case("Dropout", [x], 7)
    yield Case("Dropout", [x], 13)
    yield Case("CumSum", [x, np.int64(2)])
    yield Case("CumSum", [x, np.int64(1)], attributes={"exclusive": 1, "reverse": 1})


def _binary() -> Iterator[Case]:
    x, y = values(2, 3, 5), values(3, 1, seed=1)
    for name in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Mean", "Sum"):
        yield Case(name, [x, y])
    for name in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual"):
        yield Case(name, [x, y])
    for name in ("And", "Or", "Xor"):
        yield Case(name, [x > 0, y > 0])
    yield Case("Equal", [integers(1, 2, 3), integers(1, 5, 3)])
    yield Case("Equal", [x, x.copy()])
    yield Case("Max", [integers(1, 7), integers(3, 2)])
    yield Case("Sum", [x, y, x])
    for name in ("Div", "Mul", "Sub", "Add", "Mod"):
        yield Case(name, [integers(7, -7, 7, -7), integers(2, 2, -2, -2)])
    yield Case("Mod", [x, y], attributes={"fmod": 1})
    yield Case("Pow", [values(2, 3, low=0.1), np.float32(2.5)])
    yield Case("Pow", [x, np.float32(2)])
    yield Case("Pow", [integers(2, 3, -4), integers(2, 3, 3)])
    yield Case("Pow", [integers(2, 3, 4), np.array([0.5, 2, 1], np.float32)])
    yield Case("PRelu", [values(2, 3, 4, 4), values(3, 1, 1)])
    yield Case("PRelu", [values(2, 3, 4, 4), values(1)])
    yield Case("MatMul", [values(2, 3, 4), values(4, 5)])
    yield Case("MatMul", [values(2, 3, 4), values(4)])
    yield Case("MatMul", [values(2, 1, 3, 4), values(3, 4, 2)])
    yield Case("Gemm", [values(3, 4), values(4, 5), values(5)])
    flags = {"alpha": 0.5, "beta": 2.0, "transA": 1, "transB": 1}
    yield Case("Gemm", [values(4, 3), values(5, 4), values(3, 5)], 13, attributes=flags)
    yield Case("Gemm", [values(3, 4), values(4, 5)], 13)
    yield Case("Gemm", [values(3, 4), values(4, 5), values(3, 1)], 7)
    yield Case(
        "Einsum", [values(2, 3, 4), values(2, 4, 5)], attributes={"equation": "bij,bjk->bik"}
    )
    yield Case("Where", [values(2, 3) > 0, values(2, 3), values(3)])


def _reductions() -> Iterator[Case]:
    x = values(2, 3, 4, 5, low=0.2)
    names = ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare"]
    for name in names:
        for opset in (11, 13, 18):
            as_input = opset >= 18 or (name == "Sum" and opset >= 13)
            for axes in ([2, 3], [-1], [1]):
                for keepdims in (0, 1):
                    attributes: dict[str, Any] = {"keepdims": keepdims}
                    if not as_input:
                        attributes["axes"] = axes
                    inputs = [x, integers(*axes)] if as_input else [x]
                    yield Case(f"Reduce{name}", inputs, opset, attributes=attributes)
            yield Case(f"Reduce{name}", [x], opset)
    noop = {"noop_with_empty_axes": 1}
    yield Case("ReduceSum", [x, np.zeros(0, np.int64)], 13, attributes=noop)
    for name in ("ArgMax", "ArgMin"):
        yield Case(name, [x], attributes={"axis": 1, "keepdims": 0})
        yield Case(name, [x], 11, attributes={"axis": -1})
        yield Case(name, [np.zeros((2, 3), np.float32)])
    yield Case("TopK", [x, integers(2)], outputs=2)
    yield Case("TopK", [x, integers(3)], 11, 2, {"axis": 1, "largest": 0})
    yield Case("TopK", [x], 7, 2, {"k": 2})


def _movements() -> Iterator[Case]:
    x = values(2, 3, 4, 6)
    yield Case("Concat", [x, values(2, 5, 4, 6)], attributes={"axis": 1})
    yield Case("Concat", [x, x.copy()], 7, attributes={"axis": -1})
    yield Case("Constant", [], attributes={"value": numpy_helper.from_array(x)})
    yield Case("Constant", [], attributes={"value_float": 0.3})
    yield Case("Constant", [], attributes={"value_floats": [0.3, 0.1]})
    yield Case("Constant", [], attributes={"value_ints": [3, 1]})
    fill = numpy_helper.from_array(np.array([0.3], np.float32))
    yield Case("ConstantOfShape", [integers(2, 3)], attributes={"value": fill})
    yield Case("ConstantOfShape", [integers(2, 3)])
    for mode in ("DCR", "CRD"):
        yield Case("DepthToSpace", [values(2, 8, 3, 5)], attributes={"blocksize": 2, "mode": mode})
    yield Case("SpaceToDepth", [x], attributes={"blocksize": 2})
    yield Case("Expand", [values(3, 1), integers(2, 1, 6)])
    yield Case("Flatten", [x])
    yield Case("Flatten", [x], attributes={"axis": 2})
    yield Case("Flatten", [x], attributes={"axis": -1})
    yield Case("Gather", [x, integers(0, -1)], attributes={"axis": 1})
    yield Case("Gather", [x, np.int64(1)])
    yield Case("GatherElements", [values(2, 3), np.array([[0, -1, 1]])], attributes={"axis": 0})
    yield Case("GatherND", [values(2, 3, 4), np.array([[0, 1], [1, 2]])])
    yield Case("GatherND", [values(2, 3, 4), np.array([[1], [2]])], attributes={"batch_dims": 1})
    yield Case("NonZero", [np.array([[1, 0], [2, 3]], np.float32)])
    pair = np.array([0.5, 2.0], np.float32)
    yield Case("OneHot", [integers(0, 2, -1), np.int64(4), pair])
    yield Case("OneHot", [integers(0, 2), np.int64(4), pair], attributes={"axis": 0})
    yield Case("Range", [np.float32(1), np.float32(4), np.float32(0.5)])
    yield Case("Range", [np.int64(5), np.int64(0), np.int64(-2)])
    for target in ([2, -1], [0, 0, -1], [0, 3, 24]):
        yield Case("Reshape", [x, integers(*target)])
    yield Case("ScatterElements", [values(2, 3), np.array([[1, 0, 1]]), values(1, 3, seed=2)])
    yield Case("ScatterND", [values(4, 3), np.array([[1], [3]]), values(2, 3, seed=2)])
    add = {"reduction": "add"}
    yield Case("ScatterND", [values(4), np.array([[1], [1]]), values(2, seed=2)], 16, 1, add)
    yield Case("Shape", [x])
    yield Case("Shape", [x], 15, attributes={"start": 1, "end": -1})
    yield Case("Size", [x])
    yield Case("Slice", [x], 7, attributes={"starts": [1, -3], "ends": [3, 100], "axes": [1, 3]})
    yield Case("Slice", [x, integers(1, -3), integers(3, 100), integers(1, -1)])
    yield Case("Slice", [x, integers(-1), integers(-100), integers(3), integers(-2)])
    yield Case("Slice", [x, integers(0, 1), integers(2, 2)])
    yield Case("Split", [x], 7, 2, {"axis": 3, "split": [2, 4]})
    yield Case("Split", [x], 11, 3, {"axis": 1})
    yield Case("Split", [x, integers(1, 5)], 13, 2, {"axis": -1})
    yield Case("Split", [x], 18, 2, {"axis": 2, "num_outputs": 2})
    one = values(1, 3, 1, 5)
    yield Case("Squeeze", [one], 7)
    yield Case("Squeeze", [one], 11, attributes={"axes": [0, 2]})
    yield Case("Squeeze", [one, integers(-2)], 13)
    yield Case("Unsqueeze", [values(2, 3)], 7, attributes={"axes": [0, 3]})
    yield Case("Unsqueeze", [values(2, 3), integers(-1, 0)], 13)
    yield Case("Tile", [values(2, 3), integers(2, 3)])
    yield Case("Transpose", [x], attributes={"perm": [0, 2, 3, 1]})
    yield Case("Transpose", [x])
    yield Case("Trilu", [values(2, 4, 4)], attributes={"upper": 0})
    yield Case("Trilu", [values(2, 4, 4), np.int64(1)])
    yield from _pads(x)


def _pads(x: Array) -> Iterator[Case]:
    amounts = [0, 0, 1, 2, 0, 0, 3, 1]
    for mode in ("constant", "reflect", "edge"):
        yield Case("Pad", [x], 7, attributes={"mode": mode, "pads": amounts})
        yield Case("Pad", [x, integers(*amounts)], 11, attributes={"mode": mode})
    yield Case("Pad", [x], 9, attributes={"pads": amounts, "value": 0.3})
    yield Case("Pad", [x, integers(*amounts), np.float32(0.3)], 13)
    yield Case("Pad", [x, integers(0, 0, -1, 2, 0, 0, 1, -2), np.float32(0.3)], 13)
    yield Case("Pad", [x, integers(1, 2), np.float32(0.3), integers(-1)], 18)
    wrap = {"mode": "wrap"}
    yield Case("Pad", [x, integers(0, 0, 1, 2, 0, 0, 3, 1)], 19, attributes=wrap)


def _windows() -> Iterator[Case]:
    x = values(2, 4, 9, 10)
    for settings in (
        {},
        {"strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"strides": [2, 1], "pads": [0, 1, 2, 1], "dilations": [2, 2]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        {"auto_pad": "VALID", "strides": [3, 2]},
    ):
        yield Case("Conv", [x, values(6, 4, 3, 3), values(6)], attributes=settings)
        grouped = {**settings, "group": 2}
        yield Case("Conv", [x, values(6, 2, 3, 3)], attributes=grouped)
        yield Case("Conv", [x, values(8, 1, 3, 2)], attributes={**settings, "group": 4})
    yield Case("Conv", [values(2, 4, 9), values(3, 4, 5)], attributes={"pads": [2, 2]})
    yield Case("Conv", [values(1, 2, 5, 6, 7), values(3, 2, 3, 3, 3)])
    for settings in (
        {},
        {"strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"strides": [2, 3], "output_padding": [1, 2], "dilations": [2, 1]},
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"strides": [2, 2], "output_shape": [20, 20]},
    ):
        yield Case("ConvTranspose", [x, values(4, 3, 3, 3), values(3)], attributes=settings)
        grouped = {**settings, "group": 2}
        yield Case("ConvTranspose", [x, values(4, 3, 3, 3)], attributes=grouped)
    yield from _pools(x)
    yield Case("GlobalAveragePool", [x])
    yield Case("GlobalMaxPool", [x])


def _pools(x: Array) -> Iterator[Case]:
    for settings in (
        {"kernel_shape": [2, 2]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [3, 3], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1},
        {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 1, 1, 0], "ceil_mode": 1},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "VALID"},
    ):
        yield Case("MaxPool", [x], attributes=settings)
        for include in (0, 1):
            counted = {**settings, "count_include_pad": include}
            yield Case("AveragePool", [x], 19 if "ceil_mode" in settings else 17, 1, counted)
    padded = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    yield Case("AveragePool", [x], attributes=padded)
    ties = np.round(values(1, 2, 6, 6, low=-1, high=1))
    yield Case("MaxPool", [ties], outputs=2, attributes=padded)
    yield Case("MaxPool", [x], outputs=2, attributes={"kernel_shape": [3, 2], "strides": [2, 1]})
    ordered = {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1], "storage_order": 1}
    yield Case("MaxPool", [x], outputs=2, attributes=ordered)
    yield Case("MaxPool", [x], attributes={"kernel_shape": [2, 2], "dilations": [2, 3]})
    yield Case("MaxPool", [values(2, 3, 11)], attributes={"kernel_shape": [4], "strides": [2]})
    dilated = {"kernel_shape": [2, 2], "dilations": [2, 3]}
    yield Case("AveragePool", [x], 19, attributes=dilated)


def _normalisations() -> Iterator[Case]:
    x = values(2, 4, 5, 6)
    vector = [values(4, seed=seed, low=0.1) for seed in range(4)]
    for opset in (7, 9, 14, 15):
        yield Case("BatchNormalization", [x, *vector], opset)
        yield Case("BatchNormalization", [x, *vector], opset, attributes={"epsilon": 0.1})
    yield Case("InstanceNormalization", [x, *vector[:2]])
    yield Case("InstanceNormalization", [x, *vector[:2]], attributes={"epsilon": 0.1})
    yield Case("LayerNormalization", [x, values(6), values(6)])
    yield Case("LayerNormalization", [x, values(6)], attributes={"epsilon": 0.1})
    yield Case("LayerNormalization", [x, values(5, 6), values(5, 6)], attributes={"axis": 2})
    per_group = [values(2), values(2, seed=1)]
    yield Case("GroupNormalization", [x, *per_group], 18, 1, {"num_groups": 2})
    yield Case("GroupNormalization", [x, *vector[:2]], 21, 1, {"num_groups": 2, "epsilon": 0.1})
    yield Case("LRN", [x], attributes={"size": 3})
    yield Case("LRN", [x], 17, 1, {"size": 5, "alpha": 0.1, "beta": 0.5, "bias": 2.0})


def _resizes() -> Iterator[Case]:
    x = values(1, 2, 5, 7)
    up, down = np.array([1, 1, 2, 3], np.float32), np.array([1, 1, 0.6, 0.5], np.float32)
    sizes = [integers(1, 2, 10, 14), integers(1, 2, 8, 3), integers(1, 2, 1, 1)]
    rules = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
    for rule in rules:
        for mode in ("linear", "cubic", "nearest"):
            settings = {"mode": mode, "coordinate_transformation_mode": rule}
            for scales in (up, down):
                yield Case("Resize", [x, None, scales], 13, attributes=settings)
            for size in sizes:
                yield Case("Resize", [x, None, None, size], 13, attributes=settings)
    for rounding in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"):
        settings = {
            "mode": "nearest",
            "nearest_mode": rounding,
            "coordinate_transformation_mode": "asymmetric",
        }
        for scales in (up, down):
            yield Case("Resize", [x, None, scales], 13, attributes=settings)
    yield Case("Resize", [x, up], 10, attributes={"mode": "nearest"})
    yield Case("Resize", [x, up], 10, attributes={"mode": "linear"})
    roi = np.zeros(0, np.float32)
    yield Case("Resize", [x, roi, up], 11, attributes={"mode": "linear"})
    cubic = {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1}
    yield Case("Resize", [x, None, down], 13, attributes=cubic)
    yield Case("Resize", [x, None, up[2:]], 18, attributes={"axes": [2, 3], "mode": "linear"})
    yield Case("Resize", [x, down], 10, attributes={"mode": "nearest"})
    for mode in ("nearest", "linear"):
        yield Case("Upsample", [x], 7, attributes={"mode": mode, "scales": up.tolist()})
        yield Case("Upsample", [x, up], 9, attributes={"mode": mode})


def _grids() -> Iterator[Case]:
    x, grid = values(2, 3, 5, 6), values(2, 4, 3, 2, low=-1.3, high=1.3)
    for opset, modes in ((16, ("bilinear", "nearest")), (20, ("linear", "nearest"))):
        for mode in modes:
            for padding in ("zeros", "border"):
                for corners in (0, 1):
                    settings = {"mode": mode, "padding_mode": padding, "align_corners": corners}
                    yield Case("GridSample", [x, grid], opset, attributes=settings)


def _recurrences() -> Iterator[Case]:
    x, size = values(5, 2, 3), 4
    for name, gates, states in (("LSTM", 4, 2), ("GRU", 3, 1)):
        for direction, count in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
            settings = {"hidden_size": size, "direction": direction}
            weight = values(count, gates * size, 3, seed=1, low=-1, high=1)
            recurrent = values(count, gates * size, size, seed=2, low=-1, high=1)
            bias = values(count, 2 * gates * size, seed=3, low=-1, high=1)
            start = [values(count, 2, size, seed=4 + index) for index in range(states)]
            yield Case(name, [x, weight, recurrent], 14, 1 + states, settings)
            full = [x, weight, recurrent, bias, None, *start]
            yield Case(name, full, 14, 1 + states, settings)
            if name == "GRU":
                late = {**settings, "linear_before_reset": 1}
                yield Case(name, full, 14, 1 + states, late)
