"""Sums, products and matrix products in float64."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from paddleport.runners.float64.blocks import elementwise, ranges, share_out, threads
from paddleport.runners.float64.node import OperatorNode
from paddleport.tensors import Array

_LEAST = 32  # rows or columns of a matrix product, for a share of it to be worth it


def add(node: OperatorNode, a: Array, b: Array) -> Array:
    """A + b."""
    return _binary(node, np.add, a, b)


def subtract(node: OperatorNode, a: Array, b: Array) -> Array:
    """A - b."""
    return _binary(node, np.subtract, a, b)


def multiply(node: OperatorNode, a: Array, b: Array) -> Array:
    """A b."""
    return _binary(node, np.multiply, a, b)


def divide(node: OperatorNode, a: Array, b: Array) -> Array:
    """Integers are divided toward zero, as in C."""
    if a.dtype.kind == "f":
        return _binary(node, _quotient, a, b)
    quotient = np.floor_divide(np.abs(a), np.abs(b))
    return (np.sign(a) * np.sign(b) * quotient).astype(a.dtype)


def power(_: OperatorNode, base: Array, exponent: Array) -> Array:
    """In the type of the base."""
    square = exponent.size == 1 and exponent.ndim <= base.ndim and exponent.item() == 2
    if base.dtype == np.float64 and square:
        return elementwise(np.square, base)  # a normalisation in parts; np.power is slow
    with np.errstate(all="ignore"):
        return np.power(base.astype(np.float64), exponent).astype(base.dtype)


def matrix_product(_: OperatorNode, a: Array, b: Array) -> Array:
    """MatMul, as numpy broadcasts it."""
    return _product(a, b)


def general_matrix_product(node: OperatorNode, a: Array, b: Array, c: Array | None = None) -> Array:
    """Gemm of opset 7 on: alpha a b + beta c, either factor turned if the node says so."""
    if node.opset < 7:
        raise NotImplementedError(f"Gemm of opset {node.opset}")
    a, b = (
        item.T if node.integer(name, 0) else item for name, item in (("transA", a), ("transB", b))
    )
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    result = _product(a, b) if alpha == 1 else _product(a, b) * alpha
    return (result if c is None or beta == 0 else result + c * beta).astype(a.dtype, copy=False)


def _binary(node: OperatorNode, function: Callable[..., Any], a: Array, b: Array) -> Array:
    if a.dtype != b.dtype:
        raise TypeError(f"{node.operator} of {a.dtype} and {b.dtype}")
    return elementwise(function, a, b)


def _quotient(a: Array, b: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.divide(a, b)


def _product(a: Array, b: Array) -> Array:
    """``a @ b``, shared out along an axis that the products do not sum over."""
    fits = a.ndim > 1 and b.ndim > 1 and a.shape[-1] == b.shape[-2]
    if not fits or a.dtype != np.float64 or b.dtype != np.float64:
        return np.asarray(a @ b)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    result = np.empty((*batch, a.shape[-2], b.shape[-1]))
    if prod(b.shape[:-2]) == 1:
        _one_matrix(a.reshape(-1, a.shape[-1]), b.reshape(b.shape[-2:]), result)
        return result
    a, b = (np.broadcast_to(item, (*batch, *item.shape[-2:])) for item in (a, b))
    axis = next((index for index, size in enumerate(batch) if size > 1), 0)

    def some(part: slice) -> None:
        place = (*[slice(None)] * axis, part)
        np.matmul(a[place], b[place], out=result[place])

    share_out(some, ranges(batch[axis], threads()))
    return result


def _one_matrix(rows: Array, matrix: Array, result: Array) -> None:
    """The product of many rows with one matrix; ``result`` is contiguous."""
    table = result.reshape(-1, matrix.shape[1])
    if len(rows) >= matrix.shape[1]:
        share_out(
            lambda part: np.matmul(rows[part], matrix, out=table[part]),
            ranges(len(rows), threads(), _LEAST),
        )
    else:
        share_out(
            lambda part: np.matmul(rows, matrix[:, part], out=table[:, part]),
            ranges(matrix.shape[1], threads(), _LEAST),
        )
