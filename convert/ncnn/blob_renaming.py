"""pnnx calls inputs in0, in1 and outputs out0, out1: here they get the model's names back."""

from collections.abc import Mapping
from dataclasses import replace

from paddleport.errors import ConversionError
from paddleport.models.ncnn.ncnn_graph import NcnnGraph, NcnnLayer
from paddleport.models.ncnn.ncnn_names import blob_name

_INPUT, _SPLIT = "Input", "Split"


def named_like_model(
    graph: NcnnGraph,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    copies: Mapping[str, str],
) -> NcnnGraph:
    """The graph with the model's names for what it takes and gives, and a Split for each copy.

    Args:
        graph: as pnnx wrote it.
        inputs: names in the order in which pnnx has counted them.
        outputs: likewise, without copies.
        copies: name of an output to that of the input or output that it is the same as.

    Raises:
        ConversionError: an input or output is not in the file, or two would have one name.
    """
    _check_present(graph, len(inputs), len(outputs))
    names = {f"in{place}": name for place, name in enumerate(inputs)}
    names |= {f"out{place}": name for place, name in enumerate(outputs)}
    renamed = {old: blob_name(new) for old, new in names.items()}
    wanted = [*renamed.values(), *map(blob_name, copies)]
    if len(set(wanted)) < len(wanted):
        raise ConversionError(f"ncnn can't tell these names apart: {', '.join(names.values())}")
    for blob in graph.blobs:
        if blob not in renamed:
            renamed[blob] = _free(blob, wanted)
            wanted.append(renamed[blob])
    layers = [
        replace(
            layer,
            inputs=tuple(renamed[name] for name in layer.inputs),
            outputs=tuple(renamed[name] for name in layer.outputs),
        )
        for layer in graph.layers
    ]
    for copy, origin in copies.items():
        layers = _with_copy(layers, blob_name(copy), blob_name(origin), wanted)
    return NcnnGraph(tuple(layers))


def _check_present(graph: NcnnGraph, inputs: int, outputs: int) -> None:
    given = [layer.outputs[0] for layer in graph.layers if layer.operator == _INPUT]
    if sorted(given) != sorted(f"in{place}" for place in range(inputs)):
        raise ConversionError(f"pnnx has kept {len(given)} of the model's {inputs} inputs")
    results = {name for name in graph.blobs if name.startswith("out")}
    lost = [place for place in range(outputs) if f"out{place}" not in results]
    if lost:
        raise ConversionError(f"pnnx has lost output {lost[0]} of the model's {outputs}")


def _with_copy(
    layers: list[NcnnLayer], copy: str, origin: str, taken: list[str]
) -> list[NcnnLayer]:
    """The layers with one more that gives ``origin`` twice, the second time as ``copy``.

    A blob has one reader in ncnn, so the one that was ``origin`` gets another name, and whoever
    read it goes on reading ``origin``.
    """
    made = _free(f"{origin}_made", taken)
    taken.append(made)
    place = next(at for at, layer in enumerate(layers) if origin in layer.outputs)
    maker = layers[place]
    if maker.operator == _INPUT:  # which is fed by its name
        return _with_input_copy(layers, place, copy, origin, taken)
    outputs = tuple(made if name == origin else name for name in maker.outputs)
    split = NcnnLayer(
        operator=_SPLIT,
        name=f"copy_{copy}",
        inputs=(made,),
        outputs=(origin, copy),
        parameters={},
    )
    return [*layers[:place], replace(maker, outputs=outputs), split, *layers[place + 1 :]]


def _with_input_copy(
    layers: list[NcnnLayer], place: int, copy: str, origin: str, taken: list[str]
) -> list[NcnnLayer]:
    read = _free(f"{origin}_read", taken)
    taken.append(read)
    split = NcnnLayer(
        operator=_SPLIT, name=f"copy_{copy}", inputs=(origin,), outputs=(read, copy), parameters={}
    )
    later = [
        replace(layer, inputs=tuple(read if name == origin else name for name in layer.inputs))
        for layer in layers[place + 1 :]
    ]
    return [*layers[: place + 1], split, *later]


def _free(name: str, taken: list[str]) -> str:
    while name in taken:
        name += "_"
    return name
