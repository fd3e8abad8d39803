"""ONNX's own evaluator, with every operator that computes done in float64 here.

``pointwise``, ``normalization``, ``windows`` (convolution and pooling), ``resizing`` and
``recurrent`` hold the operators, ``node`` what they know of their node; ``rounding`` disturbs
results as a narrower format would.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from paddleport.runners.float64 import arithmetic as arithmetic
from paddleport.runners.float64 import convolution as convolution
from paddleport.runners.float64 import normalization as normalization
from paddleport.runners.float64 import pointwise as pointwise
from paddleport.runners.float64 import recurrent as recurrent
from paddleport.runners.float64 import resizing as resizing
from paddleport.runners.float64 import windows as windows
from paddleport.runners.float64.node import OperatorNode
from paddleport.runners.float64.weights import detach_weights as detach_weights
from paddleport.tensors import Array

# onnx.reference computes these slowly, in float32, with the newest opset's defaults, or wrong.
OPERATORS: Mapping[str, Callable[..., Any]] = {
    "Add": arithmetic.add,
    "AveragePool": windows.average_pool,
    "BatchNormalization": normalization.batch_normalization,
    "Cast": pointwise.cast,
    "CastLike": pointwise.cast_like,
    "Celu": pointwise.celu,
    "Clip": pointwise.clip,
    "ConstantOfShape": pointwise.constant_of_shape,
    "Conv": convolution.convolve,
    "ConvTranspose": convolution.convolve_transposed,
    "Div": arithmetic.divide,
    "Dropout": pointwise.identity,
    "Elu": pointwise.elu,
    "Erf": pointwise.error_function,
    "Gelu": pointwise.gelu,
    "Gemm": arithmetic.general_matrix_product,
    "GlobalAveragePool": normalization.global_average_pool,
    "GlobalMaxPool": normalization.global_max_pool,
    "GRU": recurrent.gru,
    "GridSample": resizing.grid_sample,
    "GroupNormalization": normalization.group_normalization,
    "HardSigmoid": pointwise.hard_sigmoid,
    "HardSwish": pointwise.hard_swish,
    "InstanceNormalization": normalization.instance_normalization,
    "LSTM": recurrent.lstm,
    "LRN": normalization.local_response,
    "LayerNormalization": normalization.layer_normalization,
    "LeakyRelu": pointwise.leaky_relu,
    "LogSoftmax": pointwise.log_softmax,
    "MatMul": arithmetic.matrix_product,
    "MaxPool": windows.max_pool,
    "Mish": pointwise.mish,
    "Mul": arithmetic.multiply,
    "PRelu": pointwise.prelu,
    "Pad": resizing.pad,
    "Pow": arithmetic.power,
    "Relu": pointwise.relu,
    "Resize": resizing.resize,
    "Selu": pointwise.selu,
    "Sigmoid": pointwise.sigmoid,
    "Softmax": pointwise.softmax,
    "Softplus": pointwise.softplus,
    "Softsign": pointwise.softsign,
    "Sub": arithmetic.subtract,
    "Tanh": pointwise.hyperbolic_tangent,
    "ThresholdedRelu": pointwise.thresholded_relu,
    "Upsample": resizing.upsample,
}

# onnx.reference's own, each held against ONNX Runtime by tests/test_reference.py.
BORROWED = frozenset(
    """
    Abs Acos Acosh And ArgMax ArgMin Asin Asinh Atan Atanh Ceil Concat Constant Cos Cosh
    CumSum DepthToSpace Einsum Equal Exp Expand Flatten Floor Gather GatherElements GatherND
    Greater GreaterOrEqual Identity If IsInf IsNaN Less LessOrEqual Log Loop Max
    Mean Min Mod Neg NonZero Not OneHot Or Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
    Reshape Round ScatterElements ScatterND Shape Sign Sin Sinh Size Slice SpaceToDepth Split
    Sqrt Squeeze Sum Tan Tile TopK Transpose Trilu Unsqueeze Where Xor
    """.split()  # noqa: SIM905  # seventy lines otherwise
)


def evaluator(
    proto: onnx.ModelProto, weights: Mapping[str, Array] | None = None
) -> ReferenceEvaluator:
    """An evaluator of ``proto``, which must be in double precision already.

    Args:
        proto: with its weights, or with those that are not in ``weights``.
        weights: as ``detach_weights`` gives them.
    """
    opset = next(item.version for item in proto.opset_import if item.domain in ("", "ai.onnx"))
    classes: list[Any] = [
        _operator_class(name, function, opset) for name, function in OPERATORS.items()
    ]
    made = ReferenceEvaluator(proto, new_ops=classes, optimized=False)
    made.rt_inits_.update(weights or {})
    return made


def unknown_operators(proto: onnx.ModelProto) -> tuple[str, ...]:
    """The operators of a model, subgraphs included, that are not computed here."""
    known = BORROWED | OPERATORS.keys()
    names = {
        node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        for graph in _graphs(proto.graph)
        for node in graph.node
    }
    return tuple(sorted(names - known))


def to_double(proto: onnx.ModelProto) -> None:
    """Turn every floating point tensor and type that the model states into double, in place.

    A float32 weight is that number exactly in float64; only the arithmetic gains.
    """
    for graph in _graphs(proto.graph):
        for tensor in graph.initializer:
            _tensor_to_double(tensor)
        for node in graph.node:
            for attribute in node.attribute:
                _attribute_to_double(node, attribute)
        for value in (*graph.input, *graph.output, *graph.value_info):
            if value.type.tensor_type.elem_type in pointwise.FLOAT_TYPES:
                value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE


def _attribute_to_double(node: onnx.NodeProto, attribute: onnx.AttributeProto) -> None:
    if attribute.type == onnx.AttributeProto.TENSOR:
        _tensor_to_double(attribute.t)
    elif node.op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
        single = attribute.name == "value_float"
        numbers = np.float64(attribute.f) if single else np.array(attribute.floats, np.float64)
        tensor = numpy_helper.from_array(np.asarray(numbers))
        attribute.CopyFrom(onnx.helper.make_attribute("value", tensor))


def _tensor_to_double(tensor: onnx.TensorProto) -> None:
    if tensor.data_type in pointwise.FLOAT_TYPES and tensor.data_type != onnx.TensorProto.DOUBLE:
        exact = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(exact, tensor.name))


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _graphs(attribute.g)


class _Operator(OpRun):
    """Calls one of ``OPERATORS`` with what the node itself states."""

    function: Callable[..., Any]
    opset: int

    def _load_attributes(self) -> None:
        # not the base's: it fills in the newest opset's defaults, as float32
        self.attributes_names_: set[str] = set()
        self.has_linked_attribute = False
        stated = {
            item.name: onnx.helper.get_attribute_value(item) for item in self.onnx_node.attribute
        }
        named = len([name for name in self.onnx_node.output if name])
        self.node = OperatorNode(
            operator=self.onnx_node.op_type, opset=self.opset, outputs=named, attributes=stated
        )

    def _run(self, *inputs: Array | None) -> tuple[Array, ...]:
        found = type(self).function(self.node, *inputs)
        return found if isinstance(found, tuple) else (np.asarray(found),)


def _operator_class(name: str, function: Callable[..., Any], opset: int) -> type[OpRun]:
    return type(name, (_Operator,), {"function": staticmethod(function), "opset": opset})
