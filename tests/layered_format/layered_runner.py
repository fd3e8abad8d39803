"""A plug-in's runner that shows the values between layers; faulty if the environment says so."""

import os
from collections.abc import Generator
from typing import Any, ClassVar

import numpy as np
from layered_target import layers_of, read

from paddleport.models.artifact import Artifact
from paddleport.runners.base import Runner
from paddleport.runners.layer_values import FileLayer, LayerValues
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array, Feed, TensorSpec


class LayeredRunner(Runner, LayerValues):
    """Layer by layer on ONNX's own evaluator in float32, the rows of a batch one by one.

    LAYERED_FAULT is a layer whose output is spoilt, ``fp16`` for every layer's, ``order`` for the
    rows of a batch, or ``answer`` for what is given out alone.
    """

    name: ClassVar[str] = "layered"
    formats: ClassVar[tuple[str, ...]] = ("layered",)
    distributions: ClassVar[tuple[str, ...]] = ("numpy",)

    def load(self, model: Artifact) -> None:
        self._proto = read(*model.files)
        graph = self._proto.graph
        self.inputs = model.inputs or tuple(map(_spec, graph.input))
        self.outputs = model.outputs or tuple(map(_spec, graph.output))
        self._given = [value.name for value in graph.input]
        self._asked = [value.name for value in graph.output]
        self._weights = {item.name for item in graph.initializer}
        self._evaluators = [self._evaluator(nodes) for _, nodes in layers_of(self._proto)]
        self._fault = os.environ.get("LAYERED_FAULT", "")

    def _evaluator(self, nodes: list[Any]) -> Any:
        import onnx
        from onnx.reference import ReferenceEvaluator

        made = {name for node in nodes for name in node.output}
        read_here = dict.fromkeys(name for node in nodes for name in node.input if name)
        values = onnx.helper.make_empty_tensor_value_info
        stored = [item for item in self._proto.graph.initializer if item.name in read_here]
        inputs = [n for n in read_here if n not in made and n not in self._weights]
        graph = onnx.helper.make_graph(
            nodes, "layer", [*map(values, inputs)], [values(nodes[-1].output[0])], stored
        )
        opsets = self._proto.opset_import
        return ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=opsets))

    @property
    def computes_in(self) -> Precision:
        return "fp32"

    def layers(self) -> tuple[FileLayer, ...]:
        return tuple(
            FileLayer(
                name=name.partition("|")[0],
                operator=name.partition("|")[2],
                inputs=tuple(evaluator.input_names),
                outputs=tuple(evaluator.output_names),
            )
            for (name, _), evaluator in zip(layers_of(self._proto), self._evaluators, strict=True)
        )

    def layer_values(self, feed: Feed) -> Generator[tuple[str, Array], None, None]:
        rows = [self._row(feed, row) for row in range(len(next(iter(feed.values()))))]
        for layer in self.layers():
            for name in layer.outputs:
                yield name, np.concatenate([row[name] for row in rows])

    def _row(self, feed: Feed, row: int) -> dict[str, Array]:
        pairs = zip(self._given, feed.values(), strict=True)
        values = {name: tensor[row : row + 1] for name, tensor in pairs}
        for layer, evaluator in zip(self.layers(), self._evaluators, strict=True):
            found = evaluator.run(None, {name: values[name] for name in evaluator.input_names})
            for name, value in zip(evaluator.output_names, found, strict=True):
                values[name] = self._spoilt(layer.name, np.asarray(value))
        return values

    def _spoilt(self, layer: str, value: Array) -> Array:
        if self._fault == "fp16":
            return value.astype(np.float16).astype(np.float32)
        return value * np.float32(1.1) if self._fault == layer else value

    def infer(self, feed: Feed) -> dict[str, Array]:
        rows = [self._row(feed, row) for row in range(len(next(iter(feed.values()))))]
        if self._fault == "order":
            rows = rows[:1] + rows[1:][::-1]
        found = {}
        for spec, name in zip(self.outputs, self._asked, strict=True):
            value = np.concatenate([row[name] for row in rows])
            found[spec.name] = np.flip(value, -1) if self._fault == "answer" else value
        return {name: np.ascontiguousarray(value) for name, value in found.items()}


def _spec(value: Any) -> TensorSpec:
    """Of rows that are run one by one."""
    sizes = [item.dim_value or None for item in value.type.tensor_type.shape.dim]
    return TensorSpec(value.name, "float32", (None, *sizes[1:]))


class UnreadRunner(LayeredRunner):
    """The same of files that nothing else reads."""

    name: ClassVar[str] = "unread"
    formats: ClassVar[tuple[str, ...]] = ("unread",)
