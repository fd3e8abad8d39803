"""Lets Paddle 3.2 and 3.3 build old programs with functions that they build new ones only with.

Their generated ``paddle.multiply`` and its like call the kernels directly and know nothing of old
programs. What Paddle 2 built for them is appended here, as Paddle 2.6 names it.
"""

from collections.abc import Callable
from typing import Any

UNARY = {
    "cos": "cos",
    "floor": "floor",
    "isfinite": "isfinite_v2",
    "isinf": "isinf_v2",
    "isnan": "isnan_v2",
    "log": "log",
    "logical_not": "logical_not",
    "rsqrt": "rsqrt",
    "sigmoid": "sigmoid",
    "sign": "sign",
    "sin": "sin",
    "sqrt": "sqrt",
}
BINARY = {
    "greater_than": "greater_than",
    "logical_and": "logical_and",
    "logical_or": "logical_or",
    "logical_xor": "logical_xor",
    "maximum": "elementwise_max",
    "minimum": "elementwise_min",
    "multiply": "elementwise_mul",
}
REDUCTIONS = {
    "all": "reduce_all",
    "any": "reduce_any",
    "amax": "reduce_amax",
    "amin": "reduce_amin",
}
_BOOLEAN = ("isfinite", "isinf", "isnan", "greater_than")


def teach_old_programs(paddle: Any) -> None:
    """Put functions that append old operators where the generated ones are."""
    for name, operator in {**UNARY, **BINARY}.items():
        dtype = "bool" if name in _BOOLEAN else None
        _put(paddle, name, _elementwise(paddle, operator, dtype))
    for name, operator in REDUCTIONS.items():
        _put(paddle, name, _reduction(paddle, operator, "dim", "keep_dim"))
    _put(paddle, "matmul", _matmul(paddle))
    _put(paddle, "bmm", lambda x, y: _append(paddle, "bmm", {"X": x, "Y": y}, {}, None))
    _put(paddle, "roll", _roll(paddle))
    _put(paddle, "expand_as", _expand_as(paddle))
    for name in ("tril", "triu"):
        _put(paddle, name, _triangle(paddle, lower=name == "tril"))
    _put(paddle, "logsumexp", _reduction(paddle, "logsumexp", "axis", "keepdim"))


def _put(paddle: Any, name: str, function: Callable[..., Any]) -> None:
    functional = paddle.nn.functional
    setattr(paddle.tensor, name, function)
    for place in (
        paddle,
        paddle.tensor.math,
        functional,
        functional.activation,
        functional.common,
    ):
        if hasattr(place, name):
            setattr(place, name, function)


def _append(
    paddle: Any, operator: str, inputs: dict[str, Any], attributes: dict[str, Any], dtype: Any
) -> Any:
    helper = paddle.base.layer_helper.LayerHelper(operator)
    out = helper.create_variable_for_type_inference(dtype or inputs["X"].dtype)
    helper.append_op(type=operator, inputs=inputs, outputs={"Out": out}, attrs=attributes)
    return out


def _elementwise(paddle: Any, operator: str, dtype: str | None) -> Callable[..., Any]:
    def call(x: Any, y: Any = None, name: str | None = None) -> Any:
        inputs = {"X": x} if y is None else {"X": x, "Y": y}
        attributes = {"axis": -1} if operator.startswith("elementwise") else {}
        return _append(paddle, operator, inputs, attributes, dtype)

    return call


def _reduction(paddle: Any, operator: str, axes: str, keep: str) -> Callable[..., Any]:
    def call(x: Any, axis: Any = None, keepdim: bool = False, name: str | None = None) -> Any:
        wanted = [axis] if isinstance(axis, int) else list(axis or [])
        attributes = {axes: wanted, keep: keepdim, "reduce_all": not wanted}
        return _append(paddle, operator, {"X": x}, attributes, None)

    return call


def _matmul(paddle: Any) -> Callable[..., Any]:
    def call(
        x: Any, y: Any, transpose_x: bool = False, transpose_y: bool = False, name: Any = None
    ) -> Any:
        attributes = {"trans_x": transpose_x, "trans_y": transpose_y}
        return _append(paddle, "matmul_v2", {"X": x, "Y": y}, attributes, None)

    return call


def _roll(paddle: Any) -> Callable[..., Any]:
    def call(x: Any, shifts: Any, axis: Any = None, name: Any = None) -> Any:
        wanted, along = ([v] if isinstance(v, int) else list(v or []) for v in (shifts, axis))
        return _append(paddle, "roll", {"X": x}, {"shifts": wanted, "axis": along}, None)

    return call


def _expand_as(paddle: Any) -> Callable[..., Any]:
    def call(x: Any, y: Any, name: Any = None) -> Any:
        attributes = {"target_shape": list(y.shape)}
        return _append(paddle, "expand_as_v2", {"X": x, "Y": y}, attributes, None)

    return call


def _triangle(paddle: Any, *, lower: bool) -> Callable[..., Any]:
    def call(x: Any, diagonal: int = 0, name: Any = None) -> Any:
        attributes = {"diagonal": diagonal, "lower": lower}
        return _append(paddle, "tril_triu", {"X": x}, attributes, None)

    return call
