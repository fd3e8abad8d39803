"""MNN."""

from collections.abc import Generator
from typing import Any, ClassVar

import numpy as np

from paddleport.errors import (
    BackendUnavailableError,
    FeedError,
    ModelFileError,
    ModelNotFoundError,
)
from paddleport.models.artifact import Artifact
from paddleport.models.mnn.mnn_file import MnnGraph, read_mnn
from paddleport.runners.base import Runner
from paddleport.runners.layer_values import FileLayer, LayerValues
from paddleport.runners.mnn.interpreter_session import InterpreterSession
from paddleport.runners.mnn.mnn_session import MnnError, MnnSession, NeedsModule
from paddleport.runners.mnn.module_session import ModuleSession
from paddleport.runners.printed_by_vendors import CapturedPrints
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array, Feed, TensorSpec

_NO_LAYERS = ("Input", "Const")
# MNN's interpreter gives as many rows as there could be, and says nothing.
_SHAPED_BY_CONTENTS = ("NonMaxSuppressionV2", "Where", "DetectionPostProcess")
_INT8 = ("ConvInt8", "DepthwiseConvInt8", "FloatToInt8", "Int8ToFloat")
_HALF = 3  # of IDSTQuan.type
ONE_BY_ONE = {"batches": "one at a time"}
"""What the target records among its step's options of a file that takes no batch."""


class MnnRunner(Runner, LayerValues):
    """An .mnn file on the CPU, in fp32, or in int8 where the file is.

    MNN has no other precision on x86: its "low" and "low_bf16" change nothing there, and say so
    to nobody. Weights alone in 8 or 16 bits are widened when the file is loaded.
    """

    name: ClassVar[str] = "mnn"
    formats: ClassVar[tuple[str, ...]] = ("mnn",)
    distributions: ClassVar[tuple[str, ...]] = ("MNN",)
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "int8")
    install: ClassVar[str] = "pip install 'paddleport[mnn]'"
    _session: MnnSession
    _one_by_one: bool = False

    def load(self, model: Artifact) -> None:
        """Read the file, open it in MNN, and hold what MNN has against what was recorded."""
        if not model.path.is_file():
            raise ModelNotFoundError(f"{model.path} does not exist")
        self._graph = read_mnn(model.path)
        asked = self.options.precision
        if asked not in (None, self.computes_in):
            made = "make one in int8 with convert --to mnn --precision int8"
            raise BackendUnavailableError(
                f"mnn was asked for {asked} and computes this file in {self.computes_in}: "
                f"{made if asked == 'int8' else 'leave --precision out'}"
            )
        if narrow := _narrow_weights(self._graph):
            self.notes = (*self.notes, narrow)
        with self.vendor(BackendUnavailableError, "does not start"), CapturedPrints() as printed:
            import MNN

            printed.text()
        try:
            self._mnn, self._path = MNN, model.path
            self._session = self._open(MNN, model)
        except MnnError as error:
            raise ModelFileError(f"mnn does not take {model.path}: {error}") from error
        self.inputs, self.outputs = model.inputs, model.outputs
        if not self.inputs or not self.outputs:
            self._describe()
        elif _takes_one(model):
            self._run_one_by_one()
        self._check_tensors(model)

    def _open(self, mnn: Any, model: Artifact) -> MnnSession:
        contents = any(op.type in _SHAPED_BY_CONTENTS for op in self._graph.ops)
        if not self._graph.subgraphs and not contents:
            try:
                return InterpreterSession(mnn, model.path, self.options.threads)
            except NeedsModule:
                pass
        self.notes = (*self.notes, "by MNN's module, whose settings can't be read back")
        return ModuleSession(mnn, model.path, self._graph, self.options.threads)

    def _describe(self) -> None:
        """Inputs and outputs of a file that nothing was recorded of, by what is in it.

        Of a batch that was free MNN's converter leaves 1: such a file takes any batch, one
        example at a time.
        """
        inputs = self._graph.inputs
        zeros = {
            spec.name: np.zeros([size or 1 for size in spec.shape], self._session.inputs[spec.name])
            for spec in inputs
        }
        try:
            found = self._session.run(zeros)
        except MnnError as error:
            raise ModelFileError(f"mnn can't compute this file: {error}") from error
        outputs = [TensorSpec(name, found[name].dtype.name, found[name].shape) for name in found]
        both = [*inputs, *outputs]
        if all(spec.shape[:1] in ((1,), (None,)) for spec in both):
            self._run_one_by_one()
        first = (None,) if self._one_by_one else ()
        lead = len(first)
        self.inputs, self.outputs = (
            tuple(TensorSpec(s.name, s.dtype, (*first, *s.shape[lead:])) for s in specs)
            for specs in (inputs, outputs)
        )

    def _run_one_by_one(self) -> None:
        self._one_by_one = True
        self.notes = (*self.notes, "batches are run one example at a time")

    def _check_tensors(self, model: Artifact) -> None:
        """Hold the file's own tensors against what was recorded of it beside it.

        An input that nothing is computed of is not in the file.
        """
        takes, gives = ({spec.name for spec in specs} for specs in (self.inputs, self.outputs))
        strange = [*(self._session.inputs.keys() - takes), *(gives - {*self._session.outputs})]
        if strange:
            has = ", ".join([*self._session.inputs, *self._session.outputs])
            raise ModelFileError(
                f"{model.path} has {has}, and what is recorded of it does not fit: "
                f"{', '.join(strange)}"
            )
        for spec in self.inputs:
            _check_type(spec, self._session.inputs.get(spec.name, spec.dtype))

    @property
    def computes_in(self) -> Precision:
        """What the file itself says: int8 where its activations have scales.

        Nothing can be read back of a session but that it was given "high" precision and memory.
        """
        quantized = any(op.type in _INT8 for op in self._graph.ops)
        return "int8" if quantized or self._graph.scales else "fp32"

    def infer(self, feed: Feed) -> dict[str, Array]:
        """Run once, or once for each example where the file has room for one."""
        held = self._held(feed)
        batch = len(held[self.inputs[0].name]) if self._one_by_one else 1
        try:
            if not self._one_by_one or batch == 1:
                found = self._session.run(held)
            else:
                rows = [
                    self._session.run({name: item[row : row + 1] for name, item in held.items()})
                    for row in range(batch)
                ]
                found = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        except MnnError as error:
            raise FeedError(f"mnn can't compute this feed: {error}") from error
        for spec in self.outputs:
            _check_type(spec, found[spec.name].dtype.name)
        return {spec.name: found[spec.name].astype(spec.dtype, copy=False) for spec in self.outputs}

    def _held(self, feed: Feed) -> dict[str, Array]:
        """The feed in the types that MNN holds it in; what is left out it does not use."""
        found = {}
        for name, dtype in self._session.inputs.items():
            values = feed[name]
            if values.dtype != dtype:
                values = _narrowed(name, values, np.dtype(dtype))
            found[name] = values
        return found

    def layers(self) -> tuple[FileLayer, ...]:
        """Every operator of the file, as the converter has named it."""
        constants = {name for op in self._graph.ops if op.type == "Const" for name in op.outputs}
        return tuple(
            FileLayer(
                name=op.name or op.outputs[0],
                operator=op.type,
                inputs=tuple(name for name in op.inputs if name not in constants),
                outputs=op.outputs,
            )
            for op in self._graph.ops
            if op.type not in _NO_LAYERS and op.outputs
        )

    def layer_values(self, feed: Feed) -> Generator[tuple[str, Array], None, None]:
        """Run once in a session that keeps every tensor; the bits are those of ``infer``."""
        self._check(feed)
        if not isinstance(self._session, InterpreterSession):
            raise BackendUnavailableError("MNN's module hands out no values between the layers")
        names = [name for layer in self.layers() for name in layer.outputs]
        try:
            session = InterpreterSession(self._mnn, self._path, self.options.threads, names)
            found = session.run(self._held(feed))
        except MnnError as error:
            raise FeedError(f"mnn can't compute this feed: {error}") from error
        yield from ((name, found[name]) for name in names if name in found)

    def release(self) -> None:
        """Let the session and the file go."""
        del self._session, self._graph


def _takes_one(model: Artifact) -> bool:
    """Whether the target found that the file takes no batch."""
    steps = model.provenance.get("steps", [])
    options = [step.get("options", {}) for step in steps if step.get("step") == MnnRunner.name]
    return any(ONE_BY_ONE.items() <= item.items() for item in options)


def _narrow_weights(graph: MnnGraph) -> str:
    """How weights are stored that are computed with in fp32; empty where they are float32."""
    stored = [op.parameters.get("quanParameter") for op in graph.ops]
    kinds = {item["type"] for item in stored if item is not None and item["buffer"] is not None}
    if not kinds or graph.scales:
        return ""
    width = "16-bit" if kinds == {_HALF} else "8-bit"
    return f"weights stored in {width}, computed with in fp32"


def _check_type(spec: TensorSpec, held: str) -> None:
    """Refuse a tensor whose values do not come through MNN's type unchanged.

    Raises:
        ModelFileError: says which.
    """
    whole = np.dtype(spec.dtype).kind in "iub" and held in ("int32", "uint8", "int64")
    if held != spec.dtype and not whole and (held, spec.dtype) != ("float32", "float16"):
        raise ModelFileError(
            f"mnn holds {spec.name} as {held}, and it is {spec.dtype}: values would be rounded"
        )


def _narrowed(name: str, values: Array, dtype: "np.dtype[Any]") -> Array:
    """Values in the type that MNN holds them in.

    Raises:
        FeedError: one of them that is none of that type.
    """
    found = values.astype(dtype)
    if not np.array_equal(found, values):
        wrong = values[found != values].flat[0]
        raise FeedError(f"mnn holds {name} as {dtype.name}, and {wrong} is none")
    return found
