"""Faults in an MNN file, each planted by overwriting its bytes where they lie.

Every function takes the file and, if wanted, the name of the operator to spoil, and gives the name
of the tensor at which the fault begins. The file keeps its length; a JSON file beside it that
records its sha256 has to be removed or written again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from paddleport.models.mnn.flat_table import FlatTable, root_table
from paddleport.models.mnn.mnn_file import unique

CONVOLUTIONS = ("Convolution", "ConvolutionDepthwise")


def scale_weights(path: Path, operator: str = "", *, by: float = 1.5) -> str:
    """The weights of a convolution's first output channel, times ``by``."""
    with _opened(path) as (_, net):
        op = _chosen(net, operator, lambda op: op["type"] in CONVOLUTIONS)
        convolution = op["main"]
        weight = convolution["weight"]
        weight[: weight.size // convolution["common"]["outputCount"]] *= by
        return _tensor(net, op)


def shift_padding(path: Path, operator: str = "") -> str:
    """A convolution's padding at the top goes to the bottom, so that its size stays."""
    with _opened(path) as (_, net):
        op = _chosen(net, operator, _is_padded)
        pads = op["main"]["common"]["pads"]
        pads[:] = [0, pads[1], pads[0] + pads[2], pads[3]]
        return _tensor(net, op)


def drop_activation(path: Path, operator: str = "") -> str:
    """A convolution loses the ReLU or ReLU6 that was fused into it."""
    with _opened(path) as (data, net):
        op = _chosen(net, operator, lambda op: bool(_activations(op)))
        common = op["main"]["common"]
        for name in _activations(op):
            _write(data, common, name, b"\0")
        return _tensor(net, op)


def swap_concat_inputs(path: Path, operator: str = "") -> str:
    """The first two inputs of a concatenation change places."""
    with _opened(path) as (_, net):
        op = _chosen(net, operator, lambda op: op["type"] == "Concat")
        inputs = op["inputIndexes"]
        inputs[:2] = inputs[:2][::-1].copy()
        return _tensor(net, op)


def turn_softmax(path: Path, operator: str = "", *, axis: int = 0) -> str:
    """A softmax goes along another axis."""
    with _opened(path) as (data, net):
        op = _chosen(net, operator, lambda op: op["type"] == "Softmax")
        _write(data, op["main"], "axis", np.int32(axis).tobytes())
        return _tensor(net, op)


def operators(path: Path, kind: str) -> list[str]:
    """The names of a file's operators of one type, in order."""
    net = root_table(path.read_bytes(), "Net")
    return [op["name"] for op in net["oplists"] if op["type"] == kind]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[bytearray, FlatTable]]:
    data = bytearray(path.read_bytes())
    yield data, root_table(data, "Net")
    path.write_bytes(data)


def _chosen(net: FlatTable, name: str, fits: Callable[[FlatTable], bool]) -> FlatTable:
    for op in net["oplists"]:
        if fits(op) and name in ("", op["name"]):
            found: FlatTable = op
            return found
    raise LookupError(f"no operator {name} of that kind")


def _tensor(net: FlatTable, op: FlatTable) -> str:
    name: str = unique(net["tensorName"])[op["outputIndexes"][0]]
    return name


def _is_padded(op: FlatTable) -> bool:
    if op["type"] not in CONVOLUTIONS:
        return False
    pads: Any = op["main"]["common"]["pads"]
    return pads is not None and pads.size == 4 and pads[0] > 0


def _activations(op: FlatTable) -> list[str]:
    if op["type"] not in CONVOLUTIONS:
        return []
    common = op["main"]["common"]
    return [name for name in ("relu", "relu6") if common[name]]


def _write(data: bytearray, table: FlatTable, field: str, value: bytes) -> None:
    position = table.position(field)
    assert position is not None, f"{table.kind}.{field} is not stored"
    data[position : position + len(value)] = value
