"""An MNN file as plain values: its operators, their weights, the tensors between them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.models.mnn.flat_table import DamagedBufferError, FlatTable, root_table
from paddleport.tensors import TensorSpec

_TYPES = {"DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_INT32": "int32", "DT_INT64": "int64"}
_TYPES |= {"DT_UINT8": "uint8", "DT_INT8": "int8", "DT_BOOL": "bool", "DT_HALF": "float16"}


@dataclass(frozen=True, kw_only=True)
class MnnOp:
    """One operator.

    Attributes:
        type: MNN's name of it, such as ``Convolution``; a number where it has none here.
        name: unique in converted files.
        inputs, outputs: names of tensors.
        parameters: as the schema names them, weights as numpy arrays; empty where it has none.
        parameter_kind: the table that they are, such as ``Convolution2D``, or ``NONE``.
        layout: of its tensors, ``NCHW`` or ``NHWC``, where it says so.
    """

    type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: Mapping[str, Any] = field(repr=False)
    parameter_kind: str
    layout: str


@dataclass(frozen=True, kw_only=True)
class MnnGraph:
    """What an MNN file holds.

    Attributes:
        ops: in the order of computation.
        inputs: by the file's ``Input`` operators; a size of -1 is a free dimension.
        outputs: names of tensors.
        source: the format that the converter read, such as ``ONNX``.
        version: of the converter.
        scales: of quantised tensors, by name: ``scale``, ``zero``, ``min``, ``max``.
        subgraphs: names of the graphs that control flow runs.
    """

    ops: tuple[MnnOp, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]
    source: str
    version: str
    scales: Mapping[str, Mapping[str, Any]]
    subgraphs: tuple[str, ...]


def read_mnn(path: Path) -> MnnGraph:
    """Read an MNN file; weights are views of its bytes.

    Raises:
        ModelNotFoundError: it is not there.
        ModelFileError: it is not MNN's, is damaged, or keeps its weights in another file.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ModelNotFoundError(f"{path} does not exist") from None
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None
    try:
        return _graph(root_table(data, "Net"))
    except (DamagedBufferError, IndexError) as error:
        raise ModelFileError(f"{path} is not an MNN file, or is damaged ({error})") from None


def _graph(net: FlatTable) -> MnnGraph:
    names = unique(net["tensorName"] or [])
    operators = net["oplists"] or []
    if not operators or not names:
        raise DamagedBufferError("it holds no operators")
    ops = tuple(_op(op, names) for op in operators)
    outputs = tuple(net["outputName"] or ())
    lost = set(outputs) - {name for op in ops for name in op.outputs}
    if not outputs or lost:
        raise DamagedBufferError(f"nothing gives its outputs {', '.join(sorted(lost))}".rstrip())
    extra = net["extraInfo"]
    return MnnGraph(
        ops=ops,
        inputs=tuple(_input(op) for op in ops if op.type == "Input"),
        outputs=outputs,
        source=net["sourceType"],
        version="" if extra is None else extra["version"] or "",
        scales={
            names[item["index"]]: item["quantInfo"].plain()
            for item in net["extraTensorDescribe"] or []
            if item["quantInfo"] is not None
        },
        subgraphs=tuple(graph["name"] or "" for graph in net["subgraphs"] or []),
    )


def unique(names: Sequence[str]) -> list[str]:
    """Names of tensors, which MNN knows by number, so that no two are the same."""
    count = Counter(names)
    return [
        name if name and count[name] == 1 else f"{name}#{index}" for index, name in enumerate(names)
    ]


def _op(op: FlatTable, names: Sequence[str]) -> MnnOp:
    table = op["main"]
    parameters = {} if table is None else table.plain()
    if parameters.get("external") is not None and len(parameters["external"]):
        raise DamagedBufferError(f"the weights of {op['name']} are in another file")
    return MnnOp(
        type=op["type"],
        name=op["name"] or "",
        inputs=_names(op["inputIndexes"], names),
        outputs=_names(op["outputIndexes"], names),
        parameters=parameters,
        parameter_kind=op.union_kind("main"),
        layout=op["defaultDimentionFormat"],
    )


def _names(indexes: Any, names: Sequence[str]) -> tuple[str, ...]:
    numbers = [] if indexes is None else indexes.tolist()
    wrong = [number for number in numbers if not 0 <= number < len(names)]
    if wrong:
        raise DamagedBufferError(f"tensor {wrong[0]} of {len(names)}")
    return tuple(names[number] for number in numbers)


def _input(op: MnnOp) -> TensorSpec:
    if not op.parameters or not op.outputs:
        raise DamagedBufferError(f"input {op.name} has no shape")
    dims = op.parameters["dims"]
    sizes = [] if dims is None else dims.tolist()
    shape = tuple(size if size >= 0 else None for size in sizes)
    dtype = op.parameters["dtype"]
    if dtype not in _TYPES:
        raise DamagedBufferError(f"input {op.name} is of type {dtype}")
    return TensorSpec(op.outputs[0], _TYPES[dtype], shape)
