"""Faults in a pair of ncnn files, each as a converter could have made it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from paddleport.models.ncnn.ncnn_file import read_ncnn, write_ncnn
from paddleport.models.ncnn.ncnn_graph import NcnnGraph, NcnnLayer

Fault = Callable[[NcnnLayer], NcnnLayer]


def plant(param: Path, fault: Fault, operator: str, which: int = 0) -> NcnnLayer:
    """Change a layer of NAME.ncnn.param, and NAME.ncnn.bin beside it, where they lie.

    Args:
        param: the .param file.
        fault: what to do to the layer.
        operator: its type.
        which: of the layers of that type; negative ones are counted from the end.

    Returns:
        The layer as it was.
    """
    weights = param.with_suffix(".bin")
    graph = read_ncnn(param, weights)
    place = layers_of(graph, operator)[which]
    write_ncnn(graph.with_layers({place: fault(graph.layers[place])}), param, weights)
    return graph.layers[place]


def layers_of(graph: NcnnGraph, operator: str) -> list[int]:
    """The places of the layers of a type."""
    found = [at for at, layer in enumerate(graph.layers) if layer.operator == operator]
    assert found, f"no {operator}"
    return found


def other_weight(layer: NcnnLayer) -> NcnnLayer:
    """The first array's values are 1.5 times what they should be."""
    first, *rest = layer.weights
    changed = replace(first, stored=(first.stored * 1.5).astype(first.stored.dtype))
    return replace(layer, weights=(changed, *rest))


def lost_bias(layer: NcnnLayer) -> NcnnLayer:
    """The bias is there, and is zero."""
    found = layer.weight("bias_data")
    assert found is not None, layer
    zero = replace(found, stored=np.zeros_like(found.stored))
    weights = tuple(zero if item is found else item for item in layer.weights)
    return replace(layer, weights=weights)


def other_padding(layer: NcnnLayer) -> NcnnLayer:
    """A convolution's padding lies on the right and below only; the shapes stay the same."""
    left, top = layer.integer(4), layer.integer(14, layer.integer(4))
    assert left and top, layer
    moved = {4: "0", 14: "0", 15: str(2 * left), 16: str(2 * top)}
    return layer.with_parameters(moved)


def other_activation(layer: NcnnLayer) -> NcnnLayer:
    """A fused clip to 0 to 6 became a plain relu, and any other one nothing."""
    kind = layer.integer(9)
    assert kind, layer
    return layer.with_parameters({9: "1" if kind == 3 else "0"})


def swapped_inputs(layer: NcnnLayer) -> NcnnLayer:
    """A concatenation takes its first two inputs in the other order."""
    first, second, *rest = layer.inputs
    return replace(layer, inputs=(second, first, *rest))


def wrong_axis(layer: NcnnLayer) -> NcnnLayer:
    """A softmax runs along another axis."""
    return layer.with_parameters({0: str(layer.integer(0) + 1)})
