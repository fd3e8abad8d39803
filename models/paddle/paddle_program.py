"""Read what a Paddle program says of itself, in either format, without importing Paddle."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from paddleport.errors import ModelFileError
from paddleport.models import protobuf
from paddleport.models.paddle.params import DATA_TYPES, ParameterSpec
from paddleport.tensors import TensorSpec

MAX_PROGRAM_BYTES = 1 << 30

_QUANTIZATION = ("quantize_linear", "dequantize_linear")

# Paddle's paddle/fluid/pir/serialize_deserialize: type name -> numpy's name
_PIR_TYPES = {
    "t_bool": "bool",
    "t_ui8": "uint8",
    "t_i8": "int8",
    "t_i16": "int16",
    "t_i32": "int32",
    "t_i64": "int64",
    "t_f16": "float16",
    "t_bf16": "bfloat16",
    "t_f32": "float32",
    "t_f64": "float64",
    "t_c64": "complex64",
    "t_c128": "complex128",
}


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a program takes, gives, computes with and needs.

    Attributes:
        format: ``pir`` (JSON) or ``protobuf`` (ProgramDesc).
        version: of the file format as the file states it.
        inputs: in feed order.
        outputs: in fetch order.
        parameters: by name, what the parameter file must hold.
        operators: how often each operator occurs, feeds and fetches left out.
        quantized: parameters that ``quantize_linear`` and ``dequantize_linear`` read, which
            Paddle stores otherwise than it declares them.
    """

    format: Literal["pir", "protobuf"]
    version: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    parameters: Mapping[str, ParameterSpec]
    operators: Mapping[str, int]
    quantized: frozenset[str] = frozenset()


def program_format(path: Path) -> Literal["pir", "protobuf"] | None:
    """Which program format a file holds, by its content; ``None`` if neither."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    if head.lstrip().startswith(b"{"):
        return "pir" if b'"pir"' in head and b'"magic"' in head else None
    if head[:1] != b"\x0a" or path.stat().st_size > MAX_PROGRAM_BYTES:
        return None
    try:
        numbers = {number for number, _ in protobuf.fields(memoryview(path.read_bytes()))}
    except ValueError:
        return None
    return "protobuf" if numbers <= {1, 2, 3, 4, 5} else None


def read_program(path: Path) -> Program:
    """Read a program file of either format.

    Raises:
        ModelFileError: it is empty, truncated, or no Paddle program.
    """
    size = path.stat().st_size
    if size == 0:
        raise ModelFileError(f"{path} is empty; copy or download it again")
    if size > MAX_PROGRAM_BYTES:
        raise ModelFileError(f"{path} has {size:,} bytes, more than any Paddle program")
    data = path.read_bytes()
    try:
        if data.lstrip()[:1] == b"{":
            return _read_pir(json.loads(data))
        return _read_protobuf(memoryview(data))
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise ModelFileError(
            f"{path} is not a Paddle program, or is damaged ({error}); "
            "a program is a .json of Paddle 3 or a .pdmodel"
        ) from None


def _read_pir(document: Any) -> Program:
    if document["base_code"]["magic"] != "pir":
        raise ValueError("its magic word is not 'pir'")
    inputs: list[TensorSpec] = []
    outputs: list[tuple[int, TensorSpec]] = []
    parameters: dict[str, ParameterSpec] = {}
    names: dict[int, str] = {}
    operators: Counter[str] = Counter()
    quantized: set[str] = set()
    for op in document["program"]["regions"][0]["blocks"][0]["ops"]:
        kind = op["#"].rpartition(".")[2]
        if kind == "p":
            dtype, shape = _pir_tensor(op["O"])
            if op["OA"][0]:  # persistable: an LSTM's dropout state is not, and not in the file
                parameters[op["A"][3]] = ParameterSpec(dtype, shape)
                names[op["O"]["%"]] = op["A"][3]
            continue
        attributes = {item["N"]: item["AT"].get("D") for item in op["A"]}
        if kind in ("data", "feed"):
            inputs.append(_spec(attributes["name"], *_pir_tensor(op["O"][0])))
        elif kind == "fetch":
            fetched = _spec(attributes["name"], *_pir_tensor(op["O"][0]))
            outputs.append((attributes["col"], fetched))
    for kind, op in _pir_operators(document["program"]["regions"]):
        operators[kind] += 1
        if kind in _QUANTIZATION:
            quantized.update(names[item["%"]] for item in op["I"] if item["%"] in names)
    return Program(
        format="pir",
        version=document["base_code"]["version"],
        inputs=tuple(inputs),
        outputs=tuple(spec for _, spec in sorted(outputs, key=lambda item: item[0])),
        parameters=parameters,
        operators=operators,
        quantized=frozenset(quantized),
    )


def _pir_operators(regions: Any) -> Iterator[tuple[str, Any]]:
    """Every operation with its name, also those of inner blocks."""
    for region in regions:
        for block in region["blocks"]:
            for op in block["ops"]:
                kind = op["#"].rpartition(".")[2]
                if kind not in ("p", "data", "feed", "fetch"):
                    yield kind, op
                yield from _pir_operators(op.get("regions", []))


def _pir_tensor(result: Any) -> tuple[str, tuple[int, ...]]:
    element, shape = result["TT"]["D"][:2]
    return _PIR_TYPES[element["#"].rpartition(".")[2]], tuple(shape)


def _read_protobuf(data: memoryview) -> Program:
    # ProgramDesc: 1 blocks, 4 version. BlockDesc: 3 vars, 4 ops. OpDesc: 1 inputs, 2 outputs,
    # 3 type, 4 attributes.
    blocks = list(protobuf.messages(data, 1))
    if not blocks:
        raise ValueError("it holds no block")
    variables = {name: found for name, found in map(_variable, protobuf.messages(blocks[0], 3))}
    feeds: list[tuple[int, str]] = []
    fetches: list[tuple[int, str]] = []
    operators: Counter[str] = Counter()
    read_quantized: set[str] = set()
    for block in blocks:
        for op in protobuf.messages(block, 4):
            kind = protobuf.text(op, 3)
            if kind == "feed":
                feeds.append((_column(op), _argument(op, 2)))
            elif kind == "fetch":
                fetches.append((_column(op), _argument(op, 1)))
            else:
                operators[kind] += 1
            if kind in _QUANTIZATION:
                read_quantized.update(_arguments(op, 1))
    versions = [protobuf.integers(message, 1) for message in protobuf.messages(data, 4)]
    parameters = {
        name: found.spec for name, found in variables.items() if found.persistable and found.spec
    }
    return Program(
        format="protobuf",
        version=versions[0][0] if versions and versions[0] else 0,
        inputs=tuple(_variable_spec(name, variables[name]) for _, name in sorted(feeds)),
        outputs=tuple(_variable_spec(name, variables[name]) for _, name in sorted(fetches)),
        parameters=parameters,
        operators=operators,
        quantized=frozenset(read_quantized.intersection(parameters)),
    )


@dataclass(frozen=True)
class _Variable:
    spec: Any  # ParameterSpec, or None for what is no dense tensor
    persistable: bool


def _variable(message: memoryview) -> tuple[str, _Variable]:
    # VarDesc: 1 name, 2 type, 3 persistable. VarType: 3 lod_tensor. LoDTensorDesc: 1 tensor.
    # TensorDesc: 1 data_type, 2 dims.
    spec = None
    for kind in protobuf.messages(message, 2):
        for lod_tensor in protobuf.messages(kind, 3):
            for tensor in protobuf.messages(lod_tensor, 1):
                dtype = DATA_TYPES[protobuf.integers(tensor, 1)[0]][0]
                spec = ParameterSpec(dtype, tuple(protobuf.integers(tensor, 2)))
    persistable = 1 in protobuf.integers(message, 3)
    return protobuf.text(message, 1), _Variable(spec, persistable)


def _variable_spec(name: str, variable: _Variable) -> TensorSpec:
    return _spec(name, variable.spec.dtype, variable.spec.shape)


def _spec(name: str, dtype: str, shape: tuple[int, ...]) -> TensorSpec:
    return TensorSpec(name, dtype, tuple(None if size < 0 else size for size in shape))


def _column(op: memoryview) -> int:
    # OpDesc.Attr: 1 name, 3 i
    for attribute in protobuf.messages(op, 4):
        if protobuf.text(attribute, 1) == "col":
            return (protobuf.integers(attribute, 3) or [0])[0]
    return 0


def _argument(op: memoryview, number: int) -> str:
    return next(_arguments(op, number), "")


def _arguments(op: memoryview, number: int) -> Iterator[str]:
    # OpDesc.Var: 1 parameter, 2 arguments
    for variable in protobuf.messages(op, number):
        for argument in protobuf.messages(variable, 2):
            yield bytes(argument).decode()
