"""Which operators work on each element by itself, by what ONNX and the runtimes call them."""

from typing import Literal

from paddleport.validate.bisect.computation import GraphStep, StoredValues

Kind = Literal["", "activation", "arithmetic"]

_ACTIVATIONS = (
    *("relu", "prelu", "leakyrelu", "leaky_relu", "thresholdedrelu", "clip", "sigmoid", "tanh"),
    *(
        "hardsigmoid",
        "hard_sigmoid",
        "swish",
        "hardswish",
        "hard_swish",
        "silu",
        "gelu",
        "softplus",
    ),
    *("softsign", "unary"),
)
_SHORT_NAMES = {  # others begin like these
    *("abs", "absval", "celu", "elu", "erf", "exp", "log", "max", "min", "mish", "selu", "sqrt"),
}
_ARITHMETIC = (
    *("add", "sub", "mul", "div", "pow", "binary", "eltwise", "elementwise", "scale", "bias"),
    *("batchnorm", "batch_norm"),
)
_LONGER = ("logsoftmax", "multihead", "addmm", "scaled")  # begin so, and are none


def kind_of(operator: str) -> Kind:
    """``activation`` or ``arithmetic`` for what works on each element; empty for any other."""
    name = operator.rpartition(".")[2].lower()
    if name.startswith(_LONGER):
        return ""
    if name.startswith(_ARITHMETIC):
        return "arithmetic"
    return "activation" if name.startswith(_ACTIVATIONS) or name in _SHORT_NAMES else ""


def is_bias(step: GraphStep, values: StoredValues) -> bool:
    """Whether an ONNX node adds to or multiplies by several numbers that are stored.

    One number may be a part of an activation that was written out, such as hard swish.
    """
    sizes = [values.stored[name].size for name in step.inputs if name in values]
    return kind_of(step.operator) == "arithmetic" and len(sizes) > 1 and min(sizes) > 1
