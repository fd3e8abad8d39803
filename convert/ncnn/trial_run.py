"""A file is run before it is believed: pnnx ends well whatever it wrote."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from paddleport.errors import ConversionError, PortError
from paddleport.models.artifact import Artifact
from paddleport.runners.ncnn import NcnnRunner
from paddleport.runners.reference import ReferenceRunner
from paddleport.tensors import Array, Feed, ShapeRange, TensorSpec

_SAME = 1e-2  # of the largest value: other sizes are computed right, or not at all like it
_SEED = 15


def tried(file: Artifact, shapes: Mapping[str, ShapeRange]) -> dict[str, Array]:
    """What the file gives for zeros of the sizes that it was made for.

    Raises:
        ConversionError: it can't be loaded, or not run.
    """
    feed = {spec.name: np.zeros(shapes[spec.name].opt, spec.dtype) for spec in file.inputs}
    return _run(file, feed)


def check_free_sizes(file: Artifact, onnx: Artifact, shapes: Mapping[str, ShapeRange]) -> None:
    """Hold a file that is to take several sizes against the ONNX file, at both ends of them.

    Raises:
        ConversionError: it computes another thing there, or nothing.
    """
    random = np.random.default_rng(_SEED)
    with ReferenceRunner(onnx) as reference:
        for sizes in (
            {name: wanted.min for name, wanted in shapes.items()},
            {name: wanted.max for name, wanted in shapes.items()},
        ):
            feed = {
                spec.name: random.normal(size=sizes[spec.name]).astype(spec.dtype)
                for spec in file.inputs
            }
            told = ", ".join(f"{name} {list(shape)}" for name, shape in sizes.items())
            advice = f"with {told}: give --shape one size, for which the file is made then"
            try:
                found = _run(file, feed)
            except ConversionError as error:
                raise ConversionError(f"{error}, {advice}") from None
            for name, right in reference.run(feed).items():
                if found[name].shape != right.shape or not _close(found[name], right):
                    raise ConversionError(f"ncnn computes another {name} than ONNX {advice}")


def as_found(spec: TensorSpec, found: Array, *, free: bool, looped: bool) -> TensorSpec:
    """An output with the sizes that it has for the sizes that the file was made for.

    Raises:
        ConversionError: it has another number of axes.
    """
    if found.ndim != len(spec.shape):
        raise ConversionError(
            f"pnnx gives {spec.name} as {list(found.shape)}, and the model gives {spec}"
        )
    sizes = [
        None if size is None and free else real
        for size, real in zip(spec.shape, found.shape, strict=True)
    ]
    if looped:
        sizes[0] = None
    return replace(spec, shape=tuple(sizes))


def fixed_inputs(
    specs: Sequence[TensorSpec], shapes: Mapping[str, ShapeRange], *, looped: bool
) -> tuple[TensorSpec, ...]:
    """Inputs with the sizes that the file is made for; free are the batch, and given ranges."""
    found = []
    for spec in specs:
        wanted = shapes[spec.name]
        sizes = [
            low if low == high else None for low, high in zip(wanted.min, wanted.max, strict=True)
        ]
        if looped:
            sizes[0] = None
        found.append(replace(spec, shape=tuple(sizes)))
    return tuple(found)


def _run(file: Artifact, feed: Feed) -> dict[str, Array]:
    try:
        with NcnnRunner(file) as runner:
            return runner.run(feed)
    except PortError as error:
        reason = str(error).replace(str(file.path), "it")
        raise ConversionError(f"pnnx writes what ncnn does not run: {reason}") from None


def _close(found: Array, right: Array) -> bool:
    scale = float(np.abs(right).max(initial=0.0)) or 1.0
    return bool(np.abs(found - right).max(initial=0.0) <= _SAME * scale)
