"""Functions of Paddle that write no operator into a protobuf program, made to do so again.

Since Paddle 3.2 they are bound to C++, which takes PIR's values alone; their operators are still
there, under the names and with the attributes that the old programs have them.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from paddleport.models.paddle.import_paddle import import_paddle


@dataclass(frozen=True)
class _OldOperator:
    """The operator of a function: its name, its tensors' slots, and its attributes' defaults.

    ``renamed`` has the function's arguments that are named otherwise than the attributes.
    """

    name: str
    slots: tuple[str, ...] = ("X",)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)

    def attributes(self, given: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        """What a call after its tensors means."""
        values = dict(zip(self.defaults, given, strict=False))
        values |= {self.renamed.get(key, key): item for key, item in named.items()}
        for key, default in self.defaults.items():
            value = values.setdefault(key, default)
            if isinstance(default, list) and not isinstance(value, list | tuple):
                values[key] = [] if value is None else [value]
        return values


_TWO = ("X", "Y")
_AXIS = {"axis": -1}
_OPERATORS = {
    "bmm": _OldOperator("bmm", _TWO),
    "matmul": _OldOperator(
        "matmul_v2",
        _TWO,
        {"trans_x": False, "trans_y": False},
        {"transpose_x": "trans_x", "transpose_y": "trans_y"},
    ),
    "maximum": _OldOperator("elementwise_max", _TWO, _AXIS),
    "minimum": _OldOperator("elementwise_min", _TWO, _AXIS),
    "multiply": _OldOperator("elementwise_mul", _TWO, _AXIS),
    "roll": _OldOperator("roll", defaults={"shifts": [], "axis": []}),
    **{
        name: _OldOperator(name)
        for name in ("cos", "floor", "log", "rsqrt", "sigmoid", "sign", "sin", "sqrt")
    },
}


@contextlib.contextmanager
def old_functions() -> Iterator[None]:
    """While a network is saved as a protobuf program; other values are computed as ever."""
    paddle = import_paddle()
    from paddle.base.framework import Variable

    own = {name: getattr(paddle, name) for name in _OPERATORS}
    replaced = {name: _writing(own[name], operator) for name, operator in _OPERATORS.items()}
    modules = [item for name, item in sys.modules.items() if name.split(".")[0] == "paddle"]
    changed: list[tuple[Any, str, Any]] = [
        (module, name, own[name])
        for module in modules
        for name in _OPERATORS
        if getattr(module, name, None) is own[name]
    ]
    changed += [(Variable, name, method) for name, method in vars(Variable).items() if name in own]
    for holder, name, _ in changed:
        setattr(holder, name, replaced[name])
    try:
        yield
    finally:
        for holder, name, before in changed:
            setattr(holder, name, before)


def _writing(own: Callable[..., Any], operator: _OldOperator) -> Callable[..., Any]:
    from paddle.base.framework import Variable
    from paddle.base.layer_helper import LayerHelper

    def function(*given: Any, **named: Any) -> Any:
        tensors, rest = list(given[: len(operator.slots)]), given[len(operator.slots) :]
        tensors += [named.pop(slot.lower()) for slot in operator.slots[len(tensors) :]]
        if not any(isinstance(item, Variable) for item in tensors):
            return own(*tensors, *rest, **named)
        named.pop("name", None)
        helper = LayerHelper(operator.name)
        output = helper.create_variable_for_type_inference(tensors[0].dtype)
        helper.append_op(
            type=operator.name,
            inputs=dict(zip(operator.slots, tensors, strict=True)),
            outputs={"Out": output},
            attrs=operator.attributes(rest, named),
        )
        return output

    kept: Callable[..., Any] = import_paddle().jit.not_to_static(function)
    return kept
