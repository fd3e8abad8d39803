"""A program whose inputs' sizes are fixed, for operators that Paddle2ONNX converts at one only.

Paddle states a shape for every value, with -1 where it is free, and infers none again when an
input is fixed afterwards. So the program is run twice: what keeps its size is fixed, and what
follows the batch, or an input that nobody fixed, differs and stays free.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from paddleport.errors import ConversionError
from paddleport.models.artifact import Artifact
from paddleport.models.paddle.import_paddle import import_paddle
from paddleport.models.paddle.paddle_program import read_program
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Array, TensorSpec

FixedShape = tuple[int | None, ...]
_FEEDS = ("data", "feed")
_SIZE, _LENGTH = 224, 16  # of what stays free, in the first run
_LARGER = 32  # in the second


def fix_sizes(
    document: dict[str, Any],
    program: Artifact,
    shapes: Mapping[str, Sequence[int | None]],
    *,
    batch: bool = False,
) -> dict[str, FixedShape]:
    """Write into a parsed program the sizes that its values have where inputs are fixed.

    Args:
        document: the PIR program, changed in place.
        program: the same with its parameters, for Paddle to run.
        shapes: input name to shape, ``None`` where it stays free. Its first dimension, the
            batch, stays free if it is free in the program and Paddle takes another one as well.
        batch: fix it, too.

    Returns:
        The inputs' shapes as they are declared now.

    Raises:
        ConversionError: Paddle does not run the program at these shapes.
    """
    inputs = read_program(program.path).inputs
    runs = _Runs(program, document)
    found = runs.shapes(_feed(inputs, shapes, vary=False))
    other = found if batch else _other_shapes(runs, inputs, shapes) or found
    for op, results, again in zip(runs.operations, found, other, strict=True):
        for result, size, changed in zip(op["O"], results, again, strict=True):
            _fix(result, size, changed)
        if op["#"].rpartition(".")[2] in _FEEDS:
            _fix_attribute(op)
    return {spec.name: spec.shape for spec in _inputs(document)}


def _other_shapes(
    runs: "_Runs", inputs: Sequence[TensorSpec], shapes: Mapping[str, Sequence[int | None]]
) -> list[list[tuple[int, ...] | None]] | None:
    """What the values' shapes become where the batch is another; ``None`` if Paddle takes none."""
    try:
        return runs.shapes(_feed(inputs, shapes, vary=True))
    except ConversionError:
        return None


class _Runs:
    """A program loaded by Paddle, beside the JSON that it was read from."""

    def __init__(self, program: Artifact, document: dict[str, Any]) -> None:
        self._paddle = import_paddle()
        self._executor = self._paddle.static.Executor(self._paddle.CPUPlace())
        self._scope = self._paddle.static.Scope()
        with self._static_mode():
            self._program = self._load(program)
        blocks = document["program"]["regions"][0]["blocks"]
        self.operations = [
            op for op in blocks[0]["ops"] if op["#"].rpartition(".")[2] not in ("p", "fetch")
        ]
        self._results = self._read()

    @contextlib.contextmanager
    def _static_mode(self) -> Iterator[None]:
        self._paddle.enable_static()
        try:
            with self._paddle.static.scope_guard(self._scope):
                yield
        finally:
            self._paddle.disable_static()

    def _load(self, program: Artifact) -> Any:
        prefix = program.path.with_suffix("")
        try:
            return self._paddle.static.load_inference_model(str(prefix), self._executor)[0]
        except Exception as error:  # Paddle raises what it likes; the cause is kept
            raise ConversionError(
                f"Paddle can't load {program.path.name}: {one_line(error)}"
            ) from error

    def _read(self) -> list[list[Any]]:
        """The results of every operation of the JSON, in its order; the fetches are taken out."""
        block = self._program.global_block()
        ours = [op for op in block.ops if op.name() not in ("builtin.parameter", "pd_op.fetch")]
        names = [op["#"].rpartition(".")[2] for op in self.operations]
        if [op.name().rpartition(".")[2] for op in ours] != names:
            raise ConversionError("Paddle reads the program as another one than its file")
        for op in list(block.ops):
            if op.name() == "pd_op.fetch":
                block.remove_op(op)  # with them, a second fetch fails
        return [list(op.results()) for op in ours]

    def shapes(self, feed: Mapping[str, Array]) -> list[list[tuple[int, ...] | None]]:
        """The shape of each result of each operation; ``None`` for what is no dense tensor."""
        wanted = [
            value
            for results in self._results
            for value in results
            if value.initialized() and value.is_dense_tensor_type() and not value.use_empty()
        ]
        try:
            with self._static_mode():
                given = self._executor.run(
                    self._program, feed=dict(feed), fetch_list=wanted, return_numpy=False
                )
        except Exception as error:  # likewise
            raise ConversionError(f"Paddle does not run it: {one_line(error)}") from error
        sizes = {
            value.id: tuple(tensor.shape()) for value, tensor in zip(wanted, given, strict=True)
        }
        return [[sizes.get(value.id) for value in results] for results in self._results]


def _feed(
    inputs: Sequence[TensorSpec], shapes: Mapping[str, Sequence[int | None]], *, vary: bool
) -> dict[str, Array]:
    """Noise of the shapes that are fixed; what stays free is larger in the second run."""
    generator = np.random.Generator(np.random.PCG64(int(vary)))
    feed = {}
    for spec in inputs:
        shape = tuple(
            _size(spec, axis, shapes.get(spec.name), vary=vary) for axis in range(len(spec.shape))
        )
        floating = np.issubdtype(np.dtype(spec.dtype), np.floating)
        values = generator.standard_normal(shape) if floating else np.zeros(shape)
        feed[spec.name] = values.astype(spec.dtype)
    return feed


def _size(spec: TensorSpec, axis: int, fixed: Sequence[int | None] | None, *, vary: bool) -> int:
    size, wanted = spec.shape[axis], fixed[axis] if fixed is not None else None
    if size is not None:
        return size
    if wanted is not None:
        return wanted + (1 if vary and axis == 0 else 0)
    if axis == 0:
        return 2 if vary else 1
    default = _SIZE if len(spec.shape) == 4 and axis > 1 else _LENGTH
    return default + (_LARGER if vary else 0)


def _fix(
    result: dict[str, Any], size: tuple[int, ...] | None, changed: tuple[int, ...] | None
) -> None:
    """Fix the free dimensions of a declared result that two runs gave the same size."""
    kind = result.get("TT") or {}
    if size is None or changed is None or not kind.get("#", "").endswith("t_dtensor"):
        return
    declared = kind["D"][1]
    if len(declared) == len(size) == len(changed):
        kind["D"][1] = [
            one if free < 0 and one == other else free
            for free, one, other in zip(declared, size, changed, strict=True)
        ]


def _fix_attribute(op: dict[str, Any]) -> None:
    for attribute in op["A"]:
        if attribute["N"] == "shape":
            attribute["AT"]["D"] = list(op["O"][0]["TT"]["D"][1])


def _inputs(document: dict[str, Any]) -> list[TensorSpec]:
    ops = document["program"]["regions"][0]["blocks"][0]["ops"]
    found = []
    for op in ops:
        if op["#"].rpartition(".")[2] in _FEEDS:
            name = next(item["AT"]["D"] for item in op["A"] if item["N"] == "name")
            shape = op["O"][0]["TT"]["D"][1]
            found.append(TensorSpec(name, "", tuple(None if size < 0 else size for size in shape)))
    return found
