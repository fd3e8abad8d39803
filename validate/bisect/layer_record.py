"""A target's file as layers, and what its runtime computes between them: for a worker."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddleport.errors import UsageError
from paddleport.models.artifact import Artifact
from paddleport.runners import runner_class
from paddleport.runners.layer_values import FileLayer, LayerValues
from paddleport.runners.runner_options import Precision, RunnerOptions
from paddleport.tensors import Array, Feed, TensorSpec
from paddleport.validate.bisect.computation import Graph, GraphStep, StoredTensor, ValueWriter
from paddleport.validate.compare.error_scale import relative_error
from paddleport.validate.feeds.named_feed import renamed

_THE_SAME = 1e-6  # a tensor that is given out, against the same between the layers
_ALIKE = 1e-2  # the same against what it should be


@dataclass(frozen=True, kw_only=True)
class LayerRecord:
    """A file's layers and its runtime's values.

    Attributes:
        graph: of the layers; its feeds and outputs are tensors of the file.
        stored: the runtime's values by their names in the file, what is fed included.
        answers: what the runner gives, likewise stored, by the model's output names.
        feeds: the file's tensor of each of the model's inputs, in order.
        outputs: the file's tensor of each of the model's outputs, in order.
        computes_in: the precision that it reports.
        takes, gives: the model's inputs and outputs, as the runner has them.
    """

    graph: Graph
    stored: Mapping[str, StoredTensor]
    answers: Mapping[str, StoredTensor]
    feeds: Mapping[str, str]
    outputs: Mapping[str, str]
    computes_in: Precision
    takes: tuple[TensorSpec, ...]
    gives: tuple[TensorSpec, ...]


def save_layer_values(
    backend: str,
    model: Artifact,
    options: RunnerOptions,
    feed: Feed,
    expected: Sequence[Array],
    folder: Path,
) -> LayerRecord:
    """Run a file once, and write every value between its layers and its answers to ``folder``.

    Args:
        backend: a runner that is a ``LayerValues``.
        model: the file.
        options: for the runner.
        feed: tensors in the order of the model's inputs, whatever the file calls those.
        expected: the right outputs in order, to know their tensors by, where answers are wrong.
        folder: an empty one.

    Raises:
        PortError: as the runner does.
        UsageError: the runner gives no layers.
    """
    with runner_class(backend)(model, options) as runner:
        if not isinstance(runner, LayerValues):
            raise UsageError(f"{backend} does not show what it computes between the layers")
        feed = renamed(feed, [spec.name for spec in runner.inputs])
        answers = runner.run(feed)
        values = ValueWriter(folder)
        layers = tuple(runner.layers())
        for name, tensor in runner.layer_values(feed):
            values.add(name, tensor)
        given = {spec.name: answers[spec.name] for spec in runner.outputs}
        computes_in, takes, gives = runner.computes_in, runner.inputs, runner.outputs
    feeds = _tensors_of_feed(layers, values, feed)
    for name, inside in feeds.items():
        if inside not in values.stored:
            values.add(inside, feed[name])
    outputs: dict[str, str] = {}
    for place, name in enumerate(given):
        known = [given[name], *expected[place : place + 1]]
        outputs[name] = _tensor_of_answer(name, place - len(given), layers, values, known)
    beside = folder / "answers"
    beside.mkdir()
    kept = ValueWriter(beside)
    for name, tensor in given.items():
        kept.add(name, tensor)
    graph = Graph(_steps(layers), tuple(feeds.values()), tuple(outputs.values()))
    return LayerRecord(
        graph=graph,
        stored=values.stored,
        answers=kept.stored,
        feeds=feeds,
        outputs=outputs,
        computes_in=computes_in,
        takes=takes,
        gives=gives,
    )


def _steps(layers: Sequence[FileLayer]) -> tuple[GraphStep, ...]:
    return tuple(
        GraphStep(
            name=layer.name or next(iter(layer.outputs), f"layer {position}"),
            operator=layer.operator,
            inputs=layer.inputs,
            outputs=layer.outputs,
            position=position,
        )
        for position, layer in enumerate(layers, 1)
    )


def _tensors_of_feed(
    layers: Sequence[FileLayer], values: ValueWriter, feed: Feed
) -> dict[str, str]:
    """The file's tensor of each input: by name, by value, or else by place among the rest."""
    made = {name for layer in layers if layer.inputs for name in layer.outputs}
    read = [name for layer in layers for name in (*layer.inputs, *layer.outputs)]
    sources = [name for name in dict.fromkeys(read) if name not in made]
    found: dict[str, str] = {}
    for name, tensor in feed.items():
        free = [source for source in sources if source not in found.values()]
        same = [source for source in free if _error(values, source, tensor) == 0]
        unknown = _in_their_order([item for item in free if item not in values.stored])
        named = [name] if name in free else []
        choice = next(iter([*named, *same, *unknown]), "")
        if choice:
            found[name] = choice
    return found


def _in_their_order(names: Sequence[str]) -> list[str]:
    """Names that are numbered, such as in0 and in1, by their numbers; others as they come."""
    parts = [re.fullmatch(r"(.*?)(\d+)", name) for name in names]
    if len({part and part[1] for part in parts}) != 1 or parts[0] is None:
        return list(names)
    return sorted(names, key=lambda name: int(re.findall(r"\d+$", name)[0]))


def _tensor_of_answer(
    name: str,
    place: int,
    layers: Sequence[FileLayer],
    values: ValueWriter,
    known: Sequence[Array],
) -> str:
    """The file's tensor of one of the model's outputs: by name, by value, or else by place.

    Args:
        name: of the output.
        place: of it, from the end.
        layers: of the file.
        values: of the tensors.
        known: what the output is, or should be.
    """
    made = [output for layer in layers for output in layer.outputs]
    if name in made:
        return name
    read = {source for layer in layers for source in layer.inputs}
    ends = [output for output in made if output not in read]
    for tensor, limit in zip(known, (_THE_SAME, _ALIKE), strict=False):
        for among in (ends, made):
            errors = [(_error(values, output, tensor), output) for output in among]
            close = [item for item in errors if item[0] <= limit]
            if close:
                return min(close)[1]
    return (ends if len(ends) >= -place else made)[place]


def _error(values: ValueWriter, name: str, tensor: Array) -> float:
    """Between a stored value and a tensor of as many elements; infinite for any other."""
    if name not in values.stored or values.stored[name].size != tensor.size:
        return np.inf
    return relative_error(values.load(name).reshape(-1), tensor.reshape(-1))
