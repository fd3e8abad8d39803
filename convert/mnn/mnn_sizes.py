"""Whether an .mnn takes the sizes that its ONNX file leaves free: tried, not believed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddleport.errors import ConversionError, PortError, WorkerCrashed
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.runners import open_runner, why_not
from paddleport.runners.base import Runner
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, TensorSpec
from paddleport.worker import run_in_worker

_SIDE, _LENGTH, _BATCH = 224, 8, 3
_MORE = {4: 32, 5: 32}  # what is added to a side of a picture; to a length, 3
_SAME = 1e-2  # of the largest value: whether a size is honoured, not how exactly
_TRIES = 4
_TIMEOUT_S = 600


@dataclass(frozen=True)
class HonouredSizes:
    """Which free sizes an .mnn takes.

    Attributes:
        batch: another batch gives what the ONNX file gives.
        others: so do other sizes.
        inputs, outputs: with the sizes fixed that it does not take.
    """

    batch: bool
    others: bool
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def try_sizes(made: Artifact, onnx: Path, size: Sequence[int] | None) -> HonouredSizes:
    """Run both files on drawn feeds of several sizes, in a process of its own.

    Where ONNX Runtime is not there, or does not take a size either, nothing is said against it.

    Args:
        made: the .mnn, with inputs and outputs as the ONNX file has them.
        onnx: the file that it was made of.
        size: of the pictures that the model is fed, if known.

    Raises:
        ConversionError: MNN does not load or compute its own file.
    """
    try:
        return run_in_worker(_try_sizes, _TIMEOUT_S, made, onnx, tuple(size or (_SIDE, _SIDE)))
    except WorkerCrashed as error:
        raise ConversionError(
            f"MNN does not survive running what it made of this model: it ended with {error.reason}"
        ) from error


def _try_sizes(made: Artifact, onnx: Path, size: tuple[int, ...]) -> HonouredSizes:
    options = RunnerOptions(threads=1)
    try:
        ours = open_runner("mnn", made, options)
    except PortError as error:
        raise ConversionError(f"MNN does not load what it made of this model: {error}") from error
    plain = [_plain_shape(spec, size) for spec in made.inputs]
    first = _feed(made.inputs, plain, 0)
    try:
        found = ours.run(first)
    except PortError as error:
        raise ConversionError(f"MNN does not compute what it made: {error}") from error
    free_batch = all(spec.shape[:1] == (None,) for spec in made.inputs)
    free_others = any(None in spec.shape[1:] for spec in made.inputs)
    batch = others = True
    if why_not("onnxruntime") == "":
        theirs = open_runner("onnxruntime", onnx_artifact(onnx), options)
        if _same(theirs, first, found):  # if it is wrong at all, the comparison with Paddle says so
            batch = not free_batch or _holds(ours, theirs, _with_batch(plain))
            others = not free_others or _holds(ours, theirs, _with_others(made.inputs, plain))
    inputs, outputs = made.inputs, made.outputs
    if not others:
        inputs = _fixed(inputs, dict(zip([spec.name for spec in inputs], plain, strict=True)))
        outputs = _fixed(outputs, {name: item.shape for name, item in found.items()})
    return HonouredSizes(batch, others, inputs, outputs)


def _plain_shape(spec: TensorSpec, size: tuple[int, ...]) -> tuple[int, ...]:
    sides = {len(spec.shape) - 2: size[0], len(spec.shape) - 1: size[1]}
    picture = len(spec.shape) >= 4
    return tuple(
        wanted
        if wanted is not None
        else 1
        if not axis
        else sides.get(axis, 3)
        if picture
        else _LENGTH
        for axis, wanted in enumerate(spec.shape)
    )


def _with_batch(plain: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [(_BATCH, *shape[1:]) for shape in plain]


def _with_others(
    specs: Sequence[TensorSpec], plain: Sequence[tuple[int, ...]]
) -> list[tuple[int, ...]]:
    shapes = []
    for spec, shape in zip(specs, plain, strict=True):
        more = _MORE.get(len(shape), 3)
        free = [axis > 0 and size is None for axis, size in enumerate(spec.shape)]
        shapes.append(tuple(n + more * take for n, take in zip(shape, free, strict=True)))
    return shapes


def _feed(
    specs: Sequence[TensorSpec], shapes: Sequence[tuple[int, ...]], seed: int
) -> Mapping[str, Array]:
    random = np.random.default_rng(seed)
    return {
        spec.name: random.normal(size=shape).astype(spec.dtype)
        if np.dtype(spec.dtype).kind == "f"
        else random.integers(0, 2, size=shape).astype(spec.dtype)
        for spec, shape in zip(specs, shapes, strict=True)
    }


def _holds(ours: Runner, theirs: Runner, shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether any feed of these shapes comes out alike.

    A size that is not honoured spoils every feed; a network with close calls only some.
    """
    for seed in range(_TRIES):
        feed = _feed(ours.inputs, shapes, seed)
        try:
            found = ours.run(feed)
        except PortError:
            return _same(theirs, feed, {})
        if _same(theirs, feed, found):
            return True
    return False


def _same(theirs: Runner, feed: Mapping[str, Array], found: Mapping[str, Array]) -> bool:
    try:
        wanted = theirs.run(feed)
    except PortError:  # a size that the model does not take
        return True
    for name, item in wanted.items():
        other = found.get(name)
        if other is None or other.shape != item.shape:
            return False
        if not item.size or np.array_equal(other, item):
            continue
        most = np.abs(item.astype(np.float64)).max()
        if not np.abs(other.astype(np.float64) - item).max() <= _SAME * most:
            return False
    return True


def _fixed(
    specs: Sequence[TensorSpec], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[TensorSpec, ...]:
    """Every size but the batch as it was run."""
    return tuple(
        TensorSpec(
            spec.name,
            spec.dtype,
            tuple(
                own if own is not None or not axis else ran
                for axis, (own, ran) in enumerate(zip(spec.shape, shapes[spec.name], strict=True))
            ),
        )
        for spec in specs
    )
