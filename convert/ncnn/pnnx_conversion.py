"""An ONNX file through pnnx: its two files under the model's names, nothing of them lost."""

import importlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddleport.convert.ncnn.blob_renaming import named_like_model
from paddleport.convert.ncnn.pnnx_binary import VERSION, PnnxFiles, run_pnnx
from paddleport.convert.ncnn.pnnx_input import PnnxInput, write_pnnx_input
from paddleport.errors import ConversionError
from paddleport.models.ncnn.ncnn_graph import NcnnGraph
from paddleport.models.ncnn.ncnn_names import BATCHED, blob_name
from paddleport.models.ncnn.param_text import param_text, read_param
from paddleport.runners.ncnn import unknown_layers
from paddleport.tensors import ShapeRange, TensorSpec

_PNNX_TIMEOUT_S = 900.0
_HANDING_ON = ("Split", "Reshape", "Squeeze", "ExpandDims", "Flatten", "Permute")
_TAKES_NUMBERS = "Embed"  # the one layer that reads whole numbers


@dataclass(frozen=True, kw_only=True)
class ConvertedByPnnx:
    """What was written.

    Attributes:
        files: the .param, and the .bin unless no layer has weights.
        settings: what pnnx was given, and which tensors have no batch axis.
        free: whether sizes were left free.
    """

    files: tuple[Path, ...]
    settings: Mapping[str, Any]
    free: bool


def convert_by_pnnx(
    onnx: Path,
    path: Path,
    inputs: Sequence[TensorSpec],
    shapes: Mapping[str, ShapeRange],
    *,
    half: bool,
) -> ConvertedByPnnx:
    """Write ``onnx`` as ``path`` and a .bin beside it.

    Args:
        onnx: in fp32.
        path: of the .param.
        inputs: of the ONNX file.
        shapes: of each, one example where they are given one by one.
        half: whether weights are stored in fp16.

    Raises:
        BackendUnavailableError: a type of input that ncnn has not.
        ConversionError: pnnx fails, or leaves an operator unconverted, which is named.
    """
    names = tuple(spec.name for spec in inputs)
    weights = path.with_suffix(".bin")
    with tempfile.TemporaryDirectory(prefix="paddleport-pnnx-") as folder:
        source = Path(folder) / "m.onnx"
        given = write_pnnx_input(onnx, source, inputs, shapes)
        made = run_pnnx(source, given.shapes, given.larger, half=half, timeout_s=_PNNX_TIMEOUT_S)
        graph = NcnnGraph(read_param(made.param))
        _check_operators(made, graph)
        graph = named_like_model(graph, names, given.outputs, given.copies)
        _check_numbers(graph, inputs)
        path.write_text(param_text(graph), "utf-8")
        if made.weights.stat().st_size:
            weights.write_bytes(made.weights.read_bytes())
    return ConvertedByPnnx(
        files=(path, weights) if weights.is_file() else (path,),
        settings={
            "inputshape": given.shapes,
            "inputshape2": given.larger,
            "fp16": half,
            "optlevel": 2,
            "fixups": list(given.fixups),
            BATCHED: _batched(names, given, made),
        },
        free=bool(given.larger),
    )


def _batched(names: Sequence[str], given: PnnxInput, made: PnnxFiles) -> list[str]:
    """The model's names of the tensors that ncnn takes or gives without a batch axis."""
    numbered = {f"in{place}": name for place, name in enumerate(names)}
    numbered |= {f"out{place}": name for place, name in enumerate(given.outputs)}
    found = [name for number, name in numbered.items() if number in made.batched]
    return found + [copy for copy, origin in given.copies.items() if origin in found]


def _check_operators(made: PnnxFiles, graph: NcnnGraph) -> None:
    """Refuse what pnnx wrote though it has not converted it, or not with all of its settings."""
    unknown = [*made.refused, *unknown_layers(importlib.import_module("ncnn"), graph)]
    if unknown:
        raise ConversionError(
            f"ncnn has no {', '.join(dict.fromkeys(unknown))}, which this model needs: pnnx "
            f"{VERSION} does not convert it"
        )


def _check_numbers(graph: NcnnGraph, inputs: Sequence[TensorSpec]) -> None:
    """Refuse whole numbers that go into a layer which would read their bytes as float32."""
    for spec in inputs:
        if spec.dtype == "float32":
            continue
        numbers = {blob_name(spec.name)}
        for layer in graph.layers:
            if not numbers & set(layer.inputs):
                continue
            if layer.operator in _HANDING_ON:
                numbers |= set(layer.outputs)
            elif layer.operator != _TAKES_NUMBERS:
                raise ConversionError(
                    f"input {spec.name} is {spec.dtype} and goes into {layer.operator} "
                    f"({layer.name}), which reads float32 in ncnn: only Embed takes whole numbers"
                )
