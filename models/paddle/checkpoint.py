"""Read a .pdparams training checkpoint: a pickle of arrays, which is read and never run.

A pickle is a program; ``pickle.load`` of one from outside can do anything. Here its opcodes are
taken apart by ``pickletools`` and the few that a table of arrays needs are followed by hand: none
can call, import or allocate beyond the bytes that are in the file.
"""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.tensors import Array

MAX_BYTES = 2 << 30
_NAMES_KEY = "StructuredToParameterName@@"  # paddle.save's own table, no tensor

_STUDENT = "Student"  # PaddleClas's DistillationModel; the other is the Teacher

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


@dataclass(frozen=True)
class Checkpoint:
    """What a .pdparams file holds of one model.

    Attributes:
        state: its tensors by their keys, as the file has them but for the part's prefix.
        part: of several models in the file the one that this is; empty where there is one.
    """

    state: dict[str, Array]
    part: str = ""


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the weights of a model: every value is finite.

    Of a distillation, which PaddleClas saves as one table, it is the student's.

    Args:
        path: a .pdparams file.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelFileError: the file is no checkpoint, or asks for something that a checkpoint does
            not need.
    """
    tensors, part = read_tensors(path), ""
    if any(key.startswith(f"{_STUDENT}.") for key in tensors):
        part, prefix = _STUDENT, f"{_STUDENT}."
        tensors = {
            key.removeprefix(prefix): value
            for key, value in tensors.items()
            if key.startswith(prefix)
        }
    for key, value in tensors.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ModelFileError(f"{path} holds values in {key} that are not finite")
    return Checkpoint(tensors, part)


def read_tensors(path: Path) -> dict[str, Array]:
    """Every tensor of a .pdparams file by its key.

    Raises:
        ModelNotFoundError, ModelFileError: as ``read_checkpoint``.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"no checkpoint {path}")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ModelFileError(
            f"{path} has {size:,} bytes, more than the {MAX_BYTES:,} that are read"
        )
    try:
        content = _read_pickle(path.read_bytes())
        if not isinstance(content, dict):
            raise _Refused("it holds no table of tensors")
        for key, value in content.items():
            if isinstance(value, dict) and value and key != _NAMES_KEY:
                raise _Refused(
                    f"it holds a table of its own in {key[:80]!a}. Next: where those are the "
                    f"weights, save them alone, paddle.save(paddle.load(FILE)[{key[:80]!a}], "
                    "WEIGHTS.pdparams)"
                )
        return {str(key): _tensor(value) for key, value in content.items() if key != _NAMES_KEY}
    except _Refused as error:
        raise ModelFileError(f"{path} is not a checkpoint that can be read: {error}") from None
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError) as error:
        raise ModelFileError(f"{path} is not a .pdparams file, or is damaged ({error})") from None


def _tensor(value: Any) -> Array:
    # paddle.save writes a tensor as an array, or as (name, array) where it is given no state dict
    if isinstance(value, tuple) and len(value) == 2:
        value = value[1]
    if not isinstance(value, _PickledArray) or value.values is None:
        raise _Refused("it holds something else than tensors")
    return value.values


class _Refused(Exception):
    """What the pickle asks for, as the end of a sentence that begins with the file's name."""


def _read_pickle(data: bytes) -> Any:
    """The dicts, tuples, texts, numbers and arrays that a pickle holds.

    Raises:
        _Refused: it asks for anything else.
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
class _PickledArray:
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
                raise _Refused(f"it uses the pickle instruction {name}")
        raise _Refused("it has no end")

    def _since_mark(self) -> list[Any]:
        position = len(self._stack) - 1
        while self._stack[position] is not _MARK:
            position -= 1
            if position < 0:
                raise _Refused("its structure is damaged")
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
            raise _Refused("it sets items of something else than a table")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str):
                raise _Refused("it has a key that is no text")
            target[key] = value

    def name(self, argument: str | None) -> None:
        if argument is None:
            name = self._stack.pop()
            module = self._stack.pop()
        else:
            module, name = argument.split(" ", 1)
        if not (isinstance(module, str) and isinstance(name, str)):
            raise _Refused("its structure is damaged")
        kind = _ALLOWED.get((module, name))
        if kind is None:
            asked = ascii(f"{module}.{name}"[:80])
            raise _Refused(f"it asks for {asked}, which no checkpoint needs; nothing was run")
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
            self._stack.append(_PickledArray())
        elif kind == "dtype" and arguments[0] in _DTYPES:
            self._stack.append(_Dtype(arguments[0]))
        elif kind == "encode" and arguments[1] == "latin1":  # bytes, in Python 2's protocol
            self._stack.append(arguments[0].encode("latin1"))
        else:
            raise _Refused(f"it calls {kind} in a way that no checkpoint needs")

    def build(self) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if isinstance(target, _Dtype) and state[1] in ("<", "|", ">"):
            target.order = state[1]
        elif isinstance(target, _PickledArray):
            _, shape, dtype, fortran_order, data = state
            target.values = _array(shape, dtype, fortran_order, data)
        else:
            raise _Refused("it changes something else than an array")


def _array(shape: Any, dtype: Any, fortran_order: Any, data: Any) -> Array:
    if isinstance(data, str):  # Python 2's protocol has no bytes
        data = data.encode("latin1")
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
        raise _Refused("it holds an array of something else than numbers")
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
