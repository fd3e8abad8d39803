"""Read a pickle of numbers without running it.

A pickle is a program; ``pickle.load`` of one from outside can do anything. Here its opcodes are
taken apart by ``pickletools`` and the few that a table of arrays needs are followed by hand: none
can call, import or allocate beyond the bytes that are in the file.
"""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddleport.tensors import Array

_MARK = object()

# What paddle.save writes, from Paddle 1.8 (Python 2's names) to 3.3 with numpy 2
_ALLOWED = {
    ("collections", "OrderedDict"): "dict",
    ("builtins", "tuple"): "tuple",
    ("__builtin__", "tuple"): "tuple",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("numpy.core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("_codecs", "encode"): "encode",
}
_DTYPES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}


class Refused(Exception):
    """What the pickle asks for, as the end of a sentence that begins with the file's name."""


def read_pickle(data: bytes) -> Any:
    """The dicts, tuples, texts, numbers and ``PickledArray`` that a pickle holds.

    Raises:
        Refused: it asks for anything else.
        ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError: it is damaged.
    """
    return _Pickle(data).read()


@dataclass(frozen=True)
class _Name:
    """A class or function that a pickle names, never looked up."""

    kind: str


@dataclass
class _Dtype:
    code: str
    order: str = "<"


@dataclass
class PickledArray:
    """An array; ``values`` is set once its content was read."""

    values: Array | None = None


class _Pickle:
    """The stack machine that pickles are written for, without its power."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def read(self) -> Any:
        for opcode, argument, _ in pickletools.genops(self._data):
            name = opcode.name
            if name == "STOP":
                return self._stack.pop()
            if name in _PUSHED:
                self._stack.append(argument)
            elif name in _CONSTANTS:
                self._stack.append(_CONSTANTS[name]())
            elif name in _STEPS:
                _STEPS[name](self, argument)
            elif name not in ("PROTO", "FRAME"):
                raise Refused(f"it uses the pickle instruction {name}")
        raise Refused("it has no end")

    def _since_mark(self) -> list[Any]:
        position = len(self._stack) - 1
        while self._stack[position] is not _MARK:
            position -= 1
            if position < 0:
                raise Refused("its structure is damaged")
        items = self._stack[position + 1 :]
        del self._stack[position:]
        return items

    def remember(self, index: Any) -> None:
        self._memo[len(self._memo) if index is None else int(index)] = self._stack[-1]

    def recall(self, index: Any) -> None:
        self._stack.append(self._memo[int(index)])

    def tuple_of(self, count: int | None) -> None:
        if count is None:
            items = self._since_mark()
        else:
            items = self._stack[-count:]
            del self._stack[-count:]
        self._stack.append(tuple(items))

    def set_items(self, *, many: bool) -> None:
        items = self._since_mark() if many else [self._stack.pop(-2), self._stack.pop()]
        target = self._stack[-1]
        if not isinstance(target, dict):
            raise Refused("it sets items of something else than a table")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str):
                raise Refused("it has a key that is no text")
            target[key] = value

    def name(self, argument: str | None) -> None:
        if argument is None:
            name = self._stack.pop()
            module = self._stack.pop()
        else:
            module, name = argument.split(" ", 1)
        if not (isinstance(module, str) and isinstance(name, str)):
            raise Refused("its structure is damaged")
        kind = _ALLOWED.get((module, name))
        if kind is None:
            asked = ascii(f"{module}.{name}"[:80])
            raise Refused(f"it asks for {asked}, which no checkpoint needs; nothing was run")
        self._stack.append(_Name(kind))

    def reduce(self) -> None:
        arguments = self._stack.pop()
        function = self._stack.pop()
        kind = function.kind if isinstance(function, _Name) else "?"
        if kind == "dict" and arguments == ():
            self._stack.append({})
        elif kind == "tuple" and len(arguments) == 1 and isinstance(arguments[0], tuple | list):
            self._stack.append(tuple(arguments[0]))
        elif kind == "array" and arguments[0] == _Name("ndarray"):
            self._stack.append(PickledArray())
        elif kind == "dtype" and arguments[0] in _DTYPES:
            self._stack.append(_Dtype(arguments[0]))
        elif kind == "encode" and arguments[1] == "latin1":  # bytes, in Python 2's protocol
            self._stack.append(arguments[0].encode("latin1"))
        else:
            raise Refused(f"it calls {kind} in a way that no checkpoint needs")

    def build(self) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if isinstance(target, _Dtype) and state[1] in ("<", "|", ">"):
            target.order = state[1]
        elif isinstance(target, PickledArray):
            _, shape, dtype, fortran_order, data = state
            target.values = _array(shape, dtype, fortran_order, data)
        else:
            raise Refused("it changes something else than an array")


def _array(shape: Any, dtype: Any, fortran_order: Any, data: Any) -> Array:
    if isinstance(data, str):  # Python 2's protocol has no bytes
        data = data.encode("latin1")
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
        raise Refused("it holds an array of something else than numbers")
    values = np.frombuffer(data, np.dtype(dtype.order + dtype.code))
    ordered = values.reshape(shape, order="F" if fortran_order else "C")
    return np.ascontiguousarray(ordered, ordered.dtype.newbyteorder("=")).reshape(shape)


_PUSHED = {
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINSTRING", "SHORT_BINSTRING", "STRING"),
    *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "BINFLOAT", "FLOAT"),
}
_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "MARK": lambda: _MARK,
}
_STEPS: Mapping[str, Callable[[_Pickle, Any], None]] = {
    "MEMOIZE": lambda machine, _: machine.remember(None),
    "PUT": _Pickle.remember,
    "BINPUT": _Pickle.remember,
    "LONG_BINPUT": _Pickle.remember,
    "GET": _Pickle.recall,
    "BINGET": _Pickle.recall,
    "LONG_BINGET": _Pickle.recall,
    "TUPLE": lambda machine, _: machine.tuple_of(None),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "SETITEM": lambda machine, _: machine.set_items(many=False),
    "SETITEMS": lambda machine, _: machine.set_items(many=True),
    "GLOBAL": _Pickle.name,
    "STACK_GLOBAL": _Pickle.name,
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
}
