"""int8 for ncnn: what its tools ncnn2table and ncnn2int8 do, which no wheel has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddleport.convert.ncnn.activation_ranges import Rule, size_histograms
from paddleport.errors import BackendUnavailableError, ConversionError
from paddleport.models.artifact import Artifact
from paddleport.models.ncnn.int8_weights import quantized_layer, reason_against
from paddleport.models.ncnn.ncnn_file import read_ncnn, write_ncnn
from paddleport.models.ncnn.ncnn_graph import NcnnGraph
from paddleport.models.ncnn.ncnn_names import blob_name
from paddleport.runners import open_runner
from paddleport.runners.layer_values import LayerValues
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed

RULE: Rule = "largest"
_MULTIPLYING = ("Gemm", "MultiHeadAttention", "Deconvolution", "DeconvolutionDepthWise")


@dataclass(frozen=True, kw_only=True)
class QuantizedNcnn:
    """What quantising a file came to.

    Attributes:
        settings: for the provenance.
        kept_fp32: layers that were left in fp32 without being asked for, and why.
    """

    settings: dict[str, Any]
    kept_fp32: dict[str, str]


def quantize_ncnn(
    file: Artifact,
    param: Path,
    feeds: Sequence[Feed],
    keep: frozenset[int] = frozenset(),
    rule: Rule = RULE,
) -> QuantizedNcnn:
    """Write a float32 file in int8 as ``param``, and its .bin beside it.

    Every convolution and inner product gets whole numbers for weights, with a scale per output,
    and one scale for its input, from what ncnn itself computes of the feeds in float32.

    Args:
        file: float32, with its inputs.
        param: the .param file to write.
        feeds: of ``file``, that the ranges are taken from.
        keep: places of layers that stay in fp32.
        rule: which size of an input value becomes 127.

    Raises:
        BackendUnavailableError: ncnn is not installed.
        ConversionError: no layer can be quantised, or there are no feeds.
    """
    weights = file.weights_file
    if weights is None or not feeds:
        raise ConversionError("int8 takes a file with weights, and examples for its ranges")
    graph = read_ncnn(file.path, weights)
    kept = {
        layer.name: reason_against(layer)
        for place, layer in enumerate(graph.layers)
        if layer.weight("weight_data") or layer.operator in _MULTIPLYING
        if place not in keep and reason_against(layer)
    }
    places = [
        place
        for place, layer in enumerate(graph.layers)
        if layer.weight("weight_data") and place not in keep and not reason_against(layer)
    ]
    thresholds = _thresholds(file, graph, places, feeds, rule)
    changed = {}
    for place in places:
        layer, largest = graph.layers[place], thresholds[graph.layers[place].inputs[0]]
        if largest > 0:
            changed[place] = quantized_layer(layer, largest)
        else:
            kept[layer.name] = "its input is zero in all calibration examples"
    if not changed:
        raise ConversionError(
            "no layer of this model becomes int8 in ncnn: only convolutions and inner products do"
        )
    write_ncnn(graph.with_layers(changed), param, param.with_suffix(".bin"))
    settings = {
        "activations": f"one range per tensor, by its {rule} value",
        "weights": "one range per output, symmetric",
        "layers_in_int8": len(changed),
        "subset_size": len(feeds),
    }
    return QuantizedNcnn(settings=settings, kept_fp32=kept)


def _thresholds(
    file: Artifact, graph: NcnnGraph, places: Sequence[int], feeds: Sequence[Feed], rule: Rule
) -> dict[str, float]:
    """Of each blob that goes into one of the layers, as ncnn computes it in float32."""
    wanted = list(dict.fromkeys(graph.layers[place].inputs[0] for place in places))
    with open_runner("ncnn", file, RunnerOptions(precision="fp32")) as runner:
        if not isinstance(runner, LayerValues):
            raise BackendUnavailableError("the backend ncnn does not give values between layers")
        values = runner.layer_values

        def tensors() -> Iterator[Iterator[tuple[str, Array]]]:
            for feed in feeds:
                yield _with_inputs(values, feed)

        found = size_histograms(tensors(), wanted)
    return {name: histogram.threshold(rule) for name, histogram in found.items()}


def _with_inputs(values: Any, feed: Feed) -> Iterator[tuple[str, Array]]:
    for name, tensor in feed.items():
        yield blob_name(name), tensor
    yield from values(feed)
