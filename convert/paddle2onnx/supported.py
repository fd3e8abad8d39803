"""The opsets and operators that Paddle2ONNX writes; what it lacks is named before it aborts."""

from collections.abc import Collection, Iterable
from typing import Any

from paddleport.convert.paddle2onnx.fixups.pir_operations import PirOperations
from paddleport.errors import ConversionError, SettledConversionError

DEFAULT_OPSET = 17
LOWEST_OPSET, HIGHEST_OPSET = 7, 21  # what Paddle2ONNX 2.1.0 writes

ALIASES = {
    "add": "elementwise_add",
    "add_n": "sum",
    "all": "reduce_all",
    "any": "reduce_any",
    "arange": "range",
    "argmax": "arg_max",
    "argmin": "arg_min",
    "assign_value_": "assign_value",
    "batch_norm_": "batch_norm",
    "combine": "builtin_combine",
    "divide": "elementwise_div",
    "expand": "expand_v2",
    "flatten": "flatten_contiguous_range",
    "floor_divide": "elementwise_floordiv",
    "grid_sample": "grid_sampler",
    "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_swish",
    "matmul": "matmul_v2",
    "max": "reduce_max",
    "maximum": "elementwise_max",
    "mean": "reduce_mean",
    "min": "reduce_min",
    "minimum": "elementwise_min",
    "multiply": "elementwise_mul",
    "nonzero": "where_index",
    "numel": "size",
    "prod": "reduce_prod",
    "remainder": "elementwise_mod",
    "repeat_interleave_with_tensor_index": "repeat_interleave",
    "subtract": "elementwise_sub",
    "sum": "reduce_sum",
    "topk": "top_k_v2",
    "unsqueeze": "unsqueeze2",
}
"""PIR's name of an operator to the one in Paddle2ONNX's registry, where they differ.

Source: ``convert_pir_op_name`` in Paddle2ONNX's exporter.h.
"""

_NOT_CONVERTED_BY_NAME = {"data", "feed", "fetch", "if", "parameter", "print", "while", "yield"}
_TO_FLOAT8_OR_INT8 = ("quantize_linear", "dequantize_linear")
_FLOAT8_LIMITS = (448, 57344)  # the largest e4m3 and e5m2, which Paddle2ONNX quantises to


def check_opset(opset: int) -> None:
    """Refuse an opset that Paddle2ONNX does not write.

    Raises:
        ConversionError: it is not among 7 to 21.
    """
    if not LOWEST_OPSET <= opset <= HIGHEST_OPSET:
        raise ConversionError(
            f"opset {opset} is not possible: Paddle2ONNX writes {LOWEST_OPSET} to "
            f"{HIGHEST_OPSET}. Try: --opset {11 if opset < LOWEST_OPSET else HIGHEST_OPSET}"
        )


def refuse_unknown_operators(operators: Iterable[str]) -> None:
    """Check the operators of a PIR program.

    Raises:
        SettledConversionError: Paddle2ONNX has no conversion for some of them; they are named.
    """
    import paddle2onnx.paddle2onnx_cpp2py_export as paddle2onnx

    known = set(paddle2onnx.get_all_supported_operators_pir()) | _NOT_CONVERTED_BY_NAME
    unknown = sorted({name for name in operators if ALIASES.get(name, name) not in known})
    if unknown:
        raise SettledConversionError(
            f"Paddle2ONNX has no conversion for the operator {', '.join(unknown)}: "
            "write that part of the network with other operators and save it again"
        )


def refuse_quantised(operators: Iterable[str]) -> None:
    """Check that a program of these operators, in whichever format, is no quantised one.

    Raises:
        SettledConversionError: it quantises, which Paddle2ONNX does not convert.
    """
    _refuse_quantising({name for name in operators if "quant" in name} - set(_TO_FLOAT8_OR_INT8))


def refuse_quantised_to_integers(document: dict[str, Any]) -> None:
    """Check that a parsed PIR program quantises to 8-bit floats alone, if at all.

    Raises:
        SettledConversionError: it quantises to integers.
    """
    _refuse_quantising(
        {
            operation.kind
            for operation in PirOperations(document).operations
            if operation.kind in _TO_FLOAT8_OR_INT8
            and operation.attribute("qmax") not in _FLOAT8_LIMITS
        }
    )


def _refuse_quantising(operators: Collection[str]) -> None:
    if operators:
        raise SettledConversionError(
            f"this model is quantised (operator {', '.join(sorted(operators))}), and Paddle2ONNX "
            "does not convert that: give the float model that it was made of, with "
            "--precision int8"
        )
