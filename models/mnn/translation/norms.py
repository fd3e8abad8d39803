"""Normalisation and scaling by channel."""

import numpy as np

from paddleport.models.mnn.mnn_file import MnnOp
from paddleport.models.mnn.onnx_builder import OnnxBuilder
from paddleport.models.mnn.unknown_setting import refused


def _scale(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    scale, bias = op.parameters["scaleData"], op.parameters["biasData"]
    bias = np.zeros_like(scale) if bias is None or not bias.size else bias
    zeros, ones = np.zeros_like(scale), np.ones_like(scale)
    weights = [builder.constant(item) for item in (scale, bias, zeros, ones)]
    return [builder.add("BatchNormalization", [*op.inputs, *weights], epsilon=0.0)]


def _batch_norm(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    fields = ("slopeData", "biasData", "meanData", "varData")
    weights = [builder.constant(op.parameters[field]) for field in fields]
    epsilon = op.parameters["epsilon"]
    return [builder.add("BatchNormalization", [*op.inputs, *weights], epsilon=epsilon)]


def _layer_norm(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    norm = op.parameters
    axes, gamma, beta = norm["axis"], norm["gamma"], norm["beta"]
    if norm["group"] > 1 or axes is None:
        raise refused(op, f"{norm['group']} groups")
    (x,) = op.inputs
    positions = builder.sizes(axes.tolist())
    if not norm["useRMSNorm"]:
        x = builder.add("Sub", [x, builder.add("ReduceMean", [x, positions], keepdims=1)])
    square = builder.add("Mul", [x, x])
    variance = builder.add("ReduceMean", [square, positions], keepdims=1)
    epsilon = builder.number(norm["epsilon"])
    deviation = builder.add("Sqrt", [builder.add("Add", [variance, epsilon])])
    result = builder.add("Div", [x, deviation])
    return [_affine(builder, op, result, gamma, beta)]


def _affine(
    builder: OnnxBuilder,
    op: MnnOp,
    x: str,
    gamma: "np.typing.NDArray[np.float32] | None",
    beta: "np.typing.NDArray[np.float32] | None",
) -> str:
    """Scaled along the normalised axes: the last ones, or the channels where that is said."""
    if gamma is None or not gamma.size:
        return x
    axes = op.parameters["axis"].tolist()
    beta = np.zeros_like(gamma) if beta is None or not beta.size else beta
    if axes == [1]:
        zeros, ones = np.zeros_like(gamma), np.ones_like(gamma)
        weights = [builder.constant(item) for item in (gamma, beta, zeros, ones)]
        return builder.add("BatchNormalization", [x, *weights], epsilon=0.0)
    if axes != [-1]:
        raise refused(op, f"axes {axes}")
    scaled = builder.add("Mul", [x, builder.constant(gamma)])
    return builder.add("Add", [scaled, builder.constant(beta)])


def _local_response(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    norm = op.parameters
    if norm["regionType"]:
        raise refused(op, "a region within channels")
    return [
        builder.add(
            "LRN",
            op.inputs,
            size=norm["localSize"],
            alpha=norm["alpha"],
            beta=norm["beta"],
            bias=norm["bias"],
        )
    ]


TRANSLATORS = {
    "Scale": _scale,
    "BatchNorm": _batch_norm,
    "LayerNorm": _layer_norm,
    "LRN": _local_response,
}
