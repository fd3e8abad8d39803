"""Read and write a pair of ncnn files, .param and .bin."""

from dataclasses import replace
from pathlib import Path

from paddleport.errors import ModelFileError
from paddleport.files import write_atomically, writing_atomically
from paddleport.models.ncnn.ncnn_graph import NcnnGraph, NcnnLayer, NcnnWeight
from paddleport.models.ncnn.param_text import param_text, read_param
from paddleport.models.ncnn.weight_data import WeightReader, weight_bytes
from paddleport.models.ncnn.weight_tables import stored_weights


def read_ncnn(param: Path, bin: Path | None) -> NcnnGraph:
    """All that a pair of files holds; a network without weights has no second one.

    Raises:
        ModelFileError: a file is not there, damaged, or not of the other one.
        BackendUnavailableError: a layer of a type that nothing is known of, so that its weights
            can't be told from the next one's.
    """
    layers = []
    found = read_param(param)
    if bin is None:
        _check_weightless(param, found)
        return NcnnGraph(found)
    reader = WeightReader(bin)
    for layer in found:
        weights: list[NcnnWeight] = []
        for name, count, flagged in stored_weights(layer):
            weights.append(reader.take(layer.name, name, count, flagged=flagged))
        layers.append(replace(layer, weights=tuple(weights)))
    if reader.left:
        raise ModelFileError(
            f"{bin} has {reader.left} bytes more than the layers of {param.name} take: it "
            "belongs to another file, or is damaged"
        )
    return NcnnGraph(tuple(layers))


def _check_weightless(param: Path, layers: tuple[NcnnLayer, ...]) -> None:
    for layer in layers:
        if stored_weights(layer):
            raise ModelFileError(
                f"{param} needs {param.with_suffix('.bin').name} beside it, with the weights of "
                f"layer {layer.name}"
            )


def write_ncnn(graph: NcnnGraph, param: Path, bin: Path) -> None:
    """Write both files; what was read is written as it was.

    Raises:
        OutputError: a file can't be written.
    """
    with writing_atomically(bin) as stream:
        for layer in graph.layers:
            for weight in layer.weights:
                stream.write(weight_bytes(weight))
    write_atomically(param, param_text(graph).encode())
