"""Operators that work number by number."""

from collections.abc import Mapping

import numpy as np

from paddleport.models.mnn.mnn_file import MnnOp
from paddleport.models.mnn.onnx_builder import OnnxBuilder
from paddleport.models.mnn.unknown_setting import refused

_UNARY = {
    "ABS": "Abs", "NEG": "Neg", "FLOOR": "Floor", "CEIL": "Ceil", "SQRT": "Sqrt", "EXP": "Exp",
    "LOG": "Log", "SIN": "Sin", "COS": "Cos", "TAN": "Tan", "ASIN": "Asin", "ACOS": "Acos",
    "ATAN": "Atan", "RECIPROCAL": "Reciprocal", "BNLL": "Softplus", "ACOSH": "Acosh",
    "SINH": "Sinh", "ASINH": "Asinh", "ATANH": "Atanh", "SIGN": "Sign",
    "COSH": "Cosh", "ERF": "Erf", "SIGMOID": "Sigmoid", "TANH": "Tanh",
    "HARDSWISH": "HardSwish", "GELU_STANDARD": "Gelu",
}  # fmt: skip
_BINARY = {
    "ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "Div", "REALDIV": "Div", "POW": "Pow",
    "MAX_TEMP": "Max", "MIN_TEMP": "Min", "MINIMUM": "Min", "MAXIMUM": "Max",
}  # fmt: skip
_COMPARISONS = {
    "GREATER": "Greater", "GREATER_EQUAL": "GreaterOrEqual", "LESS": "Less",
    "LESS_EQUAL": "LessOrEqual", "EQUAL": "Equal",
}  # fmt: skip
_LOGICAL = {"LOGICALOR": "Or", "LOGICALXOR": "Xor"}
_ELTWISE = {"PROD": "Mul", "SUM": "Add", "MAXIMUM": "Max", "SUB": "Sub"}
_NUMPY_TYPES: Mapping[str, type[np.generic]] = {
    "DT_FLOAT": np.float32, "DT_INT32": np.int32, "DT_INT64": np.int32, "DT_UINT8": np.uint8,
    "DT_INT8": np.int8, "DT_BOOL": np.bool_, "DT_DOUBLE": np.float32,
}  # fmt: skip


def _unary(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    kind, (x,) = op.parameters["opType"], op.inputs
    if kind in _UNARY:
        return [builder.add(_UNARY[kind], [x])]
    if kind == "SQUARE":
        return [builder.add("Mul", [x, x])]
    if kind == "RSQRT":
        return [builder.add("Reciprocal", [builder.add("Sqrt", [x])])]
    if kind == "GELU":
        return [builder.add("Gelu", [x], approximate="tanh")]
    if kind == "SILU":
        return [builder.add("Mul", [x, builder.add("Sigmoid", [x])])]
    if kind == "ROUND":
        return [_rounded(builder, x)]
    one = builder.number(1)
    if kind == "LOG1P":
        return [builder.add("Log", [builder.add("Add", [x, one])])]
    if kind == "EXPM1":
        return [builder.add("Sub", [builder.add("Exp", [x]), one])]
    if kind == "ERFC":
        return [builder.add("Sub", [one, builder.add("Erf", [x])])]
    raise refused(op, kind)


def _rounded(builder: OnnxBuilder, x: str) -> str:
    """To the nearest integer, halves away from 0; ONNX's Round takes the even one."""
    size = builder.add(
        "Floor", [builder.add("Add", [builder.add("Abs", [x]), builder.number(0.5)])]
    )
    return builder.add("Mul", [builder.add("Sign", [x]), size])


def _binary(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    return [activated(builder, op, _binary_result(builder, op))]


def activated(builder: OnnxBuilder, op: MnnOp, result: str) -> str:
    """What a binary operator gives, with the activation that was fused into it."""
    activation = op.parameters.get("activationType", 0)
    if not activation:
        return result
    if activation > 2:
        raise refused(op, f"activation {activation}")
    return (relu if activation == 1 else relu6)(builder, result)


def _binary_result(builder: OnnxBuilder, op: MnnOp) -> str:
    kind, (left, right) = op.parameters["opType"], op.inputs
    integers = left in builder.integers
    if kind in _BINARY:
        return builder.add(_BINARY[kind], [left, right])
    if kind in _COMPARISONS:
        return builder.int32(builder.add(_COMPARISONS[kind], [left, right]))
    if kind == "NOTEQUAL":
        equal = builder.add("Equal", [left, right])
        return builder.int32(builder.add("Not", [equal]))
    if kind in _LOGICAL:
        truths = [builder.cast(name, np.bool_) for name in (left, right)]
        return builder.int32(builder.add(_LOGICAL[kind], truths))
    if kind == "MOD" and not integers:
        return builder.add("Mod", [left, right], fmod=1)
    if kind in ("MOD", "FLOORMOD") and integers:
        return builder.add("Mod", [left, right])
    if kind == "SquaredDifference":
        difference = builder.add("Sub", [left, right])
        return builder.add("Mul", [difference, difference])
    if kind not in ("FLOORDIV", "FLOORMOD"):
        raise refused(op, kind)
    pair = [builder.cast(name, np.float32) for name in (left, right)]
    quotient = builder.add("Floor", [builder.add("Div", pair)])
    if kind == "FLOORMOD":
        return builder.add("Sub", [left, builder.add("Mul", [quotient, right])])
    return builder.int32(quotient) if integers else quotient


def _eltwise(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    coefficients = op.parameters["coeff"]
    if coefficients is not None and not np.all(coefficients == 1):
        raise refused(op, f"coefficients {coefficients.tolist()}")
    result, *others = op.inputs
    for other in others:
        result = builder.add(_ELTWISE[op.parameters["type"]], [result, other])
    return [result]


def relu(builder: OnnxBuilder, x: str) -> str:
    """No number below 0."""
    return builder.add("Relu", [x])


def relu6(builder: OnnxBuilder, x: str) -> str:
    """No number below 0 or above 6."""
    return builder.add("Clip", [x, builder.number(0), builder.number(6)])


def _relu(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    slope = op.parameters.get("slope", 0.0)
    if slope:
        return [builder.add("LeakyRelu", op.inputs, alpha=slope)]
    return [relu(builder, op.inputs[0])]


def _clip(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    low, high = op.parameters.get("minValue", 0.0), op.parameters.get("maxValue", 6.0)
    return [builder.add("Clip", [*op.inputs, builder.number(low), builder.number(high)])]


def _prelu(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    (x,) = op.inputs
    slope = op.parameters["slope"].astype(np.float32)
    if slope.size == 1:
        return [builder.add("PRelu", [x, builder.constant(slope.reshape(()))])]
    below = relu(builder, builder.add("Neg", [x]))
    return [builder.add("Sub", [relu(builder, x), by_channel(builder, below, slope)])]


def by_channel(builder: OnnxBuilder, x: str, scale: "np.typing.NDArray[np.float32]") -> str:
    """Numbers scaled by their channel, whatever the rank is."""
    zeros, ones = np.zeros_like(scale), np.ones_like(scale)
    weights = [builder.constant(item) for item in (scale, zeros, zeros, ones)]
    return builder.add("BatchNormalization", [x, *weights], epsilon=0.0)


def _cast(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    wanted = op.parameters["dstT"]
    if wanted not in _NUMPY_TYPES:
        raise refused(op, wanted)
    if wanted == "DT_BOOL":  # truth values are int32 there
        return [builder.int32(builder.cast(op.inputs[0], np.bool_))]
    return [builder.cast(op.inputs[0], _NUMPY_TYPES[wanted])]


def _select(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    condition, chosen, otherwise = op.inputs
    integers = [name in builder.integers for name in (chosen, otherwise)]
    if any(integers) and not all(integers):
        chosen, otherwise = (builder.cast(name, np.float32) for name in (chosen, otherwise))
    result = builder.add("Where", [builder.cast(condition, np.bool_), chosen, otherwise])
    (builder.integers.add if all(integers) else builder.integers.discard)(result)
    return [result]


TRANSLATORS = {
    "BinaryOp": _binary,
    "UnaryOp": _unary,
    "Eltwise": _eltwise,
    "ReLU": _relu,
    "ReLU6": _clip,
    "PReLU": _prelu,
    "ELU": lambda builder, op: [builder.add("Elu", op.inputs, alpha=op.parameters["alpha"])],
    "Selu": lambda builder, op: [
        builder.add("Selu", op.inputs, alpha=op.parameters["alpha"], gamma=op.parameters["scale"])
    ],
    "Sigmoid": lambda builder, op: [builder.add("Sigmoid", op.inputs)],
    "TanH": lambda builder, op: [builder.add("Tanh", op.inputs)],
    "AbsVal": lambda builder, op: [builder.add("Abs", op.inputs)],
    "Softmax": lambda builder, op: [builder.add("Softmax", op.inputs, axis=op.parameters["axis"])],
    "Cast": _cast,
    "Select": _select,
    "Identity": lambda builder, op: [op.inputs[0]],
    "Dropout": lambda builder, op: [op.inputs[0]],
}
