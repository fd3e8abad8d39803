"""Between a model's tensors and ncnn's, which have no batch axis and no 64-bit numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paddleport.errors import FeedError, ModelFileError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.ncnn.ncnn_graph import NcnnGraph, NcnnLayer
from paddleport.models.ncnn.ncnn_names import blob_name, recorded_batched
from paddleport.runners.runner_options import check_ranges
from paddleport.tensors import Array, Feed, ShapeRange, TensorSpec

_INPUT = "Input"
_PASSING = ("Split", "ReLU", "Noop", "Dropout", "Padding", "Cast", "Quantize")
_ONE_BY_ONE = "examples of a batch are run one by one"
_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, kw_only=True)
class NcnnTensors:
    """What a pair of files takes and gives, in the model's terms.

    Attributes:
        inputs, outputs: with the batch axis.
        batched: names of those whose first axis ncnn does not have.
        looped: examples are given one after the other, so any number of them.
        notes: what differs from the plain case.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batched: frozenset[str]
    looped: bool
    notes: tuple[str, ...] = ()

    def examples(self, feed: Feed) -> int:
        """How many runs a checked feed takes.

        Raises:
            FeedError: inputs of several batch sizes.
        """
        if not self.looped:
            return 1
        if len(self.inputs) == 1:
            return len(feed[self.inputs[0].name])
        sizes = {spec.name: len(feed[spec.name]) for spec in self.inputs}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise FeedError(f"the inputs have several batch sizes ({told}): give each the same")
        return next(iter(sizes.values()))

    def given(self, spec: TensorSpec, feed: Feed, example: int) -> Array:
        """One input of one run, as ncnn takes it.

        Raises:
            FeedError: a whole number that 32 bits do not hold.
        """
        tensor = feed[spec.name]
        if spec.name in self.batched:
            tensor = tensor[example if self.looped else 0]
        elif self.looped:
            tensor = tensor[example : example + 1]
        if tensor.dtype.kind in "iu" and tensor.dtype != np.int32:
            if tensor.size and not _INT32.min <= tensor.min() <= tensor.max() <= _INT32.max:
                raise FeedError(
                    f"input {spec.name} has numbers that 32 bits do not hold, and ncnn has no more"
                )
            tensor = tensor.astype(np.int32)
        return np.ascontiguousarray(tensor if tensor.ndim else tensor.reshape(1))

    def taken(self, spec: TensorSpec, found: Sequence[Array]) -> Array:
        """One output of all runs, as the model gives it.

        Raises:
            FeedError: it has not the shape that the model gives.
        """
        if spec.name in self.batched:
            whole = np.stack(found) if len(found) > 1 else found[0][None]
        else:
            whole = np.concatenate(found) if len(found) > 1 else found[0]
        if whole.ndim != len(spec.shape) and spec.shape:
            whole = self._reshaped(spec, whole)
        return whole.astype(spec.dtype, copy=False)

    def _reshaped(self, spec: TensorSpec, whole: Array) -> Array:
        """With the axes of one that ncnn leaves out, or puts before."""
        free = [place for place, size in enumerate(spec.shape) if size is None]
        shape = [-1 if size is None else size for size in spec.shape]
        try:
            if len(free) > 1:
                raise ValueError
            return whole.reshape(shape)
        except ValueError:
            raise FeedError(
                f"ncnn gives {spec.name} as {list(whole.shape)}, and the model gives {spec}"
            ) from None


def read_tensors(
    model: Artifact, graph: NcnnGraph, shapes: Mapping[str, ShapeRange]
) -> NcnnTensors:
    """What a file takes and gives: by the JSON file beside it, else by its layers and ``shapes``.

    Raises:
        ModelFileError: it does not say, or the two do not belong together.
        UsageError: shapes that it does not take.
    """
    if not model.inputs:
        return _foreign(model, graph, shapes)
    check_ranges(model.inputs, shapes)
    for specs, kind in ((model.inputs, "input"), (model.outputs, "output")):
        for spec in specs:
            if blob_name(spec.name) not in graph.blobs:
                raise ModelFileError(f"{model.path.name} has no {kind} {spec.name}: convert again")
    looped = all(spec.shape[:1] == (None,) for spec in (*model.inputs, *model.outputs))
    return NcnnTensors(
        inputs=model.inputs,
        outputs=model.outputs,
        batched=_recorded(model),
        looped=looped,
        notes=(_ONE_BY_ONE,) if looped else (),
    )


def _recorded(model: Artifact) -> frozenset[str]:
    found = recorded_batched(model)
    if found is None:
        raise ModelFileError(
            f"the JSON file beside {model.path.name} does not say how it was made: convert again, "
            "or remove it"
        )
    return found


def _foreign(model: Artifact, graph: NcnnGraph, shapes: Mapping[str, ShapeRange]) -> NcnnTensors:
    """A file of somebody else's: every tensor has a batch before what ncnn calls c, h and w."""
    layers = [layer for layer in graph.layers if layer.operator == _INPUT]
    names = [layer.outputs[0] for layer in layers]
    for name in shapes:
        if name not in names:
            raise UsageError(f"{model.path.name} has no input {name}, only {', '.join(names)}")
    inputs = tuple(_foreign_input(model, graph, layer, shapes) for layer in layers)
    results = [name for name in graph.results if name not in names]
    return NcnnTensors(
        inputs=inputs,
        outputs=tuple(TensorSpec(name, "float32", ()) for name in results),
        batched=frozenset((*names, *results)),
        looped=True,
        notes=("no JSON file beside it: what it takes is guessed from its layers", _ONE_BY_ONE),
    )


def _foreign_input(
    model: Artifact, graph: NcnnGraph, layer: NcnnLayer, shapes: Mapping[str, ShapeRange]
) -> TensorSpec:
    (name,) = layer.outputs
    user = _reader(graph, name)
    dtype = "int32" if user is not None and user.operator == "Embed" else "float32"
    if name in shapes:
        wanted = shapes[name]
        sizes = tuple(
            low if low == high else None for low, high in zip(wanted.min, wanted.max, strict=True)
        )
        return TensorSpec(name, dtype, (None, *sizes[1:]))
    told = [layer.integer(number) for number in (2, 11, 1, 0)]  # c, d, h, w
    if any(told):
        return TensorSpec(name, dtype, (None, *(size for size in told if size)))
    found = None if user is None else _sizes_for(user)
    if found is None:
        raise ModelFileError(
            f"{model.path.name} does not say what shape its input {name} has: feed it with --feed, "
            f"or give its shape with a batch, such as --shape {name}=1,3,224,224"
        )
    return TensorSpec(name, dtype, (None, *found))


def _reader(graph: NcnnGraph, blob: str) -> NcnnLayer | None:
    """The first layer that takes a blob and does not hand it on as it is."""
    for layer in graph.layers:
        if blob in layer.inputs:
            if layer.operator not in _PASSING:
                return layer
            return _reader(graph, layer.outputs[0])
    return None


def _sizes_for(layer: NcnnLayer) -> tuple[int | None, ...] | None:
    """What a layer with weights takes: [c, h, w] of a convolution, [w] of a product."""
    if layer.operator in ("Convolution", "ConvolutionDepthWise"):
        width = layer.integer(1)
        window = width * layer.integer(11, width) * max(layer.integer(0), 1)
        return layer.integer(6) * layer.integer(7, 1) // max(window, 1), None, None
    if layer.operator == "InnerProduct":
        return (layer.integer(2) // max(layer.integer(0), 1),)
    return (None,) if layer.operator == "Embed" else None
