"""An ONNX file's own word on how it is fed and where it comes from, in its metadata."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.metadata import (
    checked_labels,
    checked_preprocess,
    checked_provenance,
    parse_json,
)
from paddleport.models.onnx.onnx_header import read_header
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import TensorSpec

if TYPE_CHECKING:
    import onnx

PREPROCESS_KEY = "paddleport.preprocess"
LABELS_KEY = "paddleport.labels"
PROVENANCE_KEY = "paddleport.provenance"
INPUT_KEY = "paddleport.input"
REFERENCE_KEY = "paddleport.reference"
"""Of the provenance's ``reference``, which is long, and comes last."""

_REFERENCE = "reference"
_FLOAT16, _BFLOAT16 = 10, 16  # of TensorProto.DataType


def read_onnx_proto(path: Path, *, external_data: bool = True) -> "onnx.ModelProto":
    """Parse an ONNX file, with ``external_data`` the files beside it that hold weights too.

    Raises:
        ModelNotFoundError: it is not there.
        ModelFileError: it is not ONNX, or holds no graph.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        missing = "is not a file" if path.exists() else "does not exist"
        raise ModelNotFoundError(f"{path} {missing}")
    try:
        proto = onnx.load(str(path), load_external_data=external_data)
    except (DecodeError, OSError, ValueError, onnx.checker.ValidationError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelFileError(f"{path} is not an ONNX file, or is damaged ({reason})") from None
    if not proto.graph.output:
        raise ModelFileError(f"{path} is not an ONNX file: it holds no graph with outputs")
    return proto


def read_onnx_model(path: Path) -> Artifact:
    """Read what an ONNX file, from here or from elsewhere, says of itself.

    Raises:
        ModelNotFoundError, ModelFileError: as ``read_onnx_proto``; or our metadata is damaged.
    """
    header = read_header(path)
    if header is None:
        found = {item.key: item.value for item in read_onnx_proto(path).metadata_props}
    else:
        found = header.metadata
    try:
        return replace(
            onnx_artifact(path),
            preprocess=checked_preprocess(parse_json(found.get(PREPROCESS_KEY, "null"))),
            labels=checked_labels(parse_json(found.get(LABELS_KEY, "null"))),
            provenance=_provenance(found),
            input_format=found.get(INPUT_KEY, ""),
        )
    except ValueError as error:
        raise ModelFileError(f"{path} has damaged paddleport metadata: {error}") from None


def write_metadata(
    proto: "onnx.ModelProto",
    *,
    preprocess: Preprocess | None,
    labels: tuple[str, ...] | None,
    provenance: Mapping[str, Any],
    input_format: str = "",
) -> None:
    """Set our metadata entries, in one order, so that equal content is equal bytes.

    Args:
        proto: loses the entries that it has.
        preprocess: how pictures are fed.
        labels: class names by index.
        provenance: how the file was made.
        input_format: what the input takes, in words, where that is no normalised picture.
    """
    short = {key: value for key, value in provenance.items() if key != _REFERENCE}
    entries: dict[str, Mapping[str, Any]] = {PROVENANCE_KEY: short}
    if _REFERENCE in provenance:
        entries[REFERENCE_KEY] = provenance[_REFERENCE]
    if preprocess is not None:
        entries[PREPROCESS_KEY] = preprocess.to_dict()
    kept = [item for item in proto.metadata_props if not item.key.startswith("paddleport.")]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    texts = {key: json.dumps(value, sort_keys=True) for key, value in entries.items()}
    if labels is not None:
        texts[LABELS_KEY] = json.dumps(labels, ensure_ascii=False)
    if input_format:
        texts[INPUT_KEY] = input_format
    for key in sorted(texts):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, texts[key]


def append_reference(path: Path, record: Mapping[str, Any]) -> None:
    """Add the answers that a file can be held against, behind what is there.

    A message that follows another one is merged into it, so a large file is not read for it:
    https://protobuf.dev/programming-guides/encoding/#last-one-wins
    """
    import onnx

    addition = onnx.ModelProto()
    entry = addition.metadata_props.add()
    entry.key, entry.value = REFERENCE_KEY, json.dumps(record, sort_keys=True)
    with path.open("ab") as stream:
        stream.write(addition.SerializeToString(deterministic=True))


def _provenance(metadata: Mapping[str, str]) -> Mapping[str, Any]:
    provenance = checked_provenance(parse_json(metadata.get(PROVENANCE_KEY, "{}")))
    if REFERENCE_KEY not in metadata:
        return provenance
    return {**provenance, _REFERENCE: parse_json(metadata[REFERENCE_KEY])}


def onnx_tensors(path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """What an ONNX file must be fed and what it gives, in its order."""
    header = read_header(path)
    if header is not None:
        return header.inputs, header.outputs
    graph = read_onnx_proto(path).graph
    return tensor_specs(graph, graph.input), tensor_specs(graph, graph.output)


def tensor_specs(
    graph: "onnx.GraphProto", values: Iterable["onnx.ValueInfoProto"]
) -> tuple[TensorSpec, ...]:
    """Names, types and shapes of some of a graph's inputs or outputs.

    Weights that can be fed are left out: files before IR version 4 list them as inputs. An
    output that states no type, and whose type no rule gives, is taken for a float32.
    """
    import numpy as np
    import onnx

    weights = {tensor.name for tensor in graph.initializer}
    specs = []
    for value in values:
        tensor = value.type.tensor_type
        shape = tuple(
            size.dim_value if size.HasField("dim_value") and size.dim_value >= 0 else None
            for size in tensor.shape.dim
        )
        kind = tensor.elem_type or onnx.TensorProto.FLOAT
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind)).name
        if value.name not in weights:
            specs.append(TensorSpec(value.name, dtype, shape))
    return tuple(specs)


def weights_precision(path: Path) -> Literal["fp32", "fp16", "bf16", "int8"]:
    """What a file's arithmetic is in: ``int8`` where it dequantizes, else as its weights are.

    ``fp16`` or ``bf16`` if any stored weight is of that type, else ``fp32``.
    """
    header = read_header(path)
    if header is not None:
        operators, types = header.operators, header.weight_types
    else:
        graph = read_onnx_proto(path).graph
        operators = frozenset(node.op_type for node in graph.node)
        types = frozenset(item.data_type for item in graph.initializer)
    if "DequantizeLinear" in operators:
        return "int8"
    if _FLOAT16 in types:
        return "fp16"
    return "bf16" if _BFLOAT16 in types else "fp32"


def external_files(path: Path) -> tuple[Path, ...]:
    """The files beside an ONNX file that hold weights of its main graph, sorted."""
    header = read_header(path)
    if header is not None:
        names = header.external
    else:
        initializers = read_onnx_proto(path, external_data=False).graph.initializer
        names = frozenset(
            entry.value
            for tensor in initializers
            for entry in tensor.external_data
            if entry.key == "location"
        )
    return tuple(path.parent / name for name in sorted(names))


def total_size(path: Path) -> int:
    """Bytes of an ONNX file and of the files beside it that hold weights of its main graph."""
    return sum(file.stat().st_size for file in (path, *external_files(path)))


def onnx_opset(path: Path) -> int:
    """The version of ONNX's own operator set that a file asks for."""
    header = read_header(path)
    if header is not None:
        return header.opset
    imports = read_onnx_proto(path).opset_import
    return next((int(item.version) for item in imports if item.domain in ("", "ai.onnx")), 0)
