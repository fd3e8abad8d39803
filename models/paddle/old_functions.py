"""Functions of Paddle 3 that write no operator into a protobuf program, made to do so again.

Since Paddle 3.2 they are bound to C++, which takes PIR's values alone; their operators are still
there, as Paddle's own layers for the old programs write them.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from paddleport.models.paddle.import_paddle import import_paddle

_OPERATORS: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "bmm": ("bmm", ("X", "Y"), {}),
    "matmul": ("matmul_v2", ("X", "Y"), {"trans_x": False, "trans_y": False}),
    "maximum": ("elementwise_max", ("X", "Y"), {"axis": -1}),
    "minimum": ("elementwise_min", ("X", "Y"), {"axis": -1}),
    "multiply": ("elementwise_mul", ("X", "Y"), {"axis": -1}),
    "sigmoid": ("sigmoid", ("X",), {}),
}
"""By function: its operator, the slots of its tensors, and its attributes' defaults."""
_ARGUMENTS = {"transpose_x": "trans_x", "transpose_y": "trans_y"}


@contextlib.contextmanager
def old_functions() -> Iterator[None]:
    """While a network is saved as a protobuf program; other values are computed as ever."""
    paddle = import_paddle()
    replaced = {
        getattr(paddle, name): _function(getattr(paddle, name), *operator)
        for name, operator in _OPERATORS.items()
    }
    changed = []
    for module in [item for name, item in sys.modules.items() if name.split(".")[0] == "paddle"]:
        for name in _OPERATORS:
            function = getattr(module, name, None)
            if callable(function) and function in replaced:
                changed.append((module, name, function))
                setattr(module, name, replaced[function])
    try:
        yield
    finally:
        for module, name, function in changed:
            setattr(module, name, function)


def _function(
    own: Callable[..., Any], operator: str, slots: tuple[str, ...], defaults: dict[str, Any]
) -> Callable[..., Any]:
    from paddle.base.framework import Variable
    from paddle.base.layer_helper import LayerHelper

    def function(*given: Any, **named: Any) -> Any:
        tensors = [*given[: len(slots)]]
        tensors += [named.pop(slot.lower()) for slot in slots[len(tensors) :]]
        if not any(isinstance(item, Variable) for item in tensors):
            return own(*tensors, *given[len(slots) :], **named)
        named.pop("name", None)
        attributes = dict(zip(defaults, given[len(slots) :], strict=False))
        attributes |= {_ARGUMENTS[key]: value for key, value in named.items()}
        helper = LayerHelper(operator)
        output = helper.create_variable_for_type_inference(tensors[0].dtype)
        helper.append_op(
            type=operator,
            inputs=dict(zip(slots, tensors, strict=True)),
            outputs={"Out": output},
            attrs={**defaults, **attributes},
        )
        return output

    return function
