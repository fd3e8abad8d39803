"""TensorRT and TensorRT-RTX: an ONNX file as an engine, or an engine, on the GPU."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from paddleport.errors import BackendUnavailableError, FeedError, ModelFileError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.runners.base import Runner, owned
from paddleport.runners.gpu import need_gpu
from paddleport.runners.runner_options import Precision, ranges_for
from paddleport.runners.tensorrt.engine_build import EngineSettings
from paddleport.runners.tensorrt.engine_cache import (
    ENGINE,
    FACTS,
    cached_engine,
    discard_engine,
)
from paddleport.runners.tensorrt.library import (
    TENSORRT,
    TENSORRT_RTX,
    Library,
    Loaded,
    collected_errors,
    first_reason,
)
from paddleport.runners.tensorrt.parse import check_precision
from paddleport.tensors import Array, Feed, ShapeRange, format_shape


@dataclass(frozen=True)
class TensorRtExtras:
    """``-o`` options of TensorRT and TensorRT-RTX.

    Attributes:
        tf32: let float32 products be rounded to TF32; off, unlike the libraries' own default.
        workspace_mb: most scratch memory of a layer; 0 is the library's default.
    """

    tf32: bool = False
    workspace_mb: int = 0


class TensorRtRunner(Runner):
    """An engine in Polygraphy's TrtRunner: a file's, or built for this GPU out of an ONNX file."""

    name: ClassVar[str] = "tensorrt"
    formats: ClassVar[tuple[str, ...]] = ("onnx", "tensorrt")
    library: ClassVar[Library] = TENSORRT
    distributions: ClassVar[tuple[str, ...]] = TENSORRT.distributions
    install: ClassVar[str] = TENSORRT.install
    devices: ClassVar[tuple[str, ...]] = ("cuda",)
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "fp16", "bf16", "int8")
    uses_threads: ClassVar[bool] = False
    extras_type: ClassVar[type[Any]] = TensorRtExtras
    compiles_for_shapes: ClassVar[bool] = True

    keeps_on_device = True

    def load(self, model: Artifact) -> None:
        """Find the GPU, then the engine, and make an execution context of it."""
        if model.format == "onnx":
            loaded, engine = self._build(model)
        else:
            loaded, engine = self._read(model)
        self._device_array = loaded.cuda.DeviceArray
        self._runner = loaded.loaders.TrtRunner(engine)
        with self.vendor(ModelFileError, "makes no execution context"):
            self._runner.activate()
        self._check_engine()

    def _build(self, model: Artifact) -> tuple[Loaded, Any]:
        """The engine of an ONNX file, from the cache or built now."""
        precision = check_precision(model.path, self.options.precision, self.name)
        self.inputs, self.outputs = onnx_tensors(model.path)
        self._ranges = ranges_for(self.inputs, self.options.shapes, self.name)
        gpu = need_gpu(self.name)
        loaded = self.library.load()
        wanted = EngineSettings(
            precision=precision,
            ranges=self._ranges,
            tf32=self.extras.tf32,
            on_this_gpu=self.library.rtx,
            workspace_mb=self.extras.workspace_mb,
        )
        folder = cached_engine(self.library, model.path, gpu, wanted)
        try:
            engine = _deserialized(loaded.loaders, folder / ENGINE)
        except ModelFileError:  # intact, and of no use any more: a driver update does that
            discard_engine(self.library, model.path, gpu, wanted)
            folder = cached_engine(self.library, model.path, gpu, wanted)
            engine = _deserialized(loaded.loaders, folder / ENGINE)
        facts = json.loads((folder / FACTS).read_text("utf-8"))
        self._computes_in: Precision = facts["computes_in"]
        self.notes = (*self.notes, *_told(facts, self._ranges))
        return loaded, engine

    def _read(self, model: Artifact) -> tuple[Loaded, Any]:
        """An engine that ``convert`` has built, with what the JSON file beside it says of it."""
        try:
            built = model.provenance["steps"][-1]["options"]
            own: Precision = built["precision"]
            tf32 = bool(built["tf32"])
            self._ranges = {
                name: ShapeRange(*(tuple(shapes[key]) for key in ("min", "opt", "max")))
                for name, shapes in built["profile"].items()
            }
        except (KeyError, IndexError, TypeError, AttributeError):
            raise ModelFileError(
                f"{model.path} has no JSON file beside it that says how it was built: build it "
                f"with paddleport convert --to {self.name}"
            ) from None
        if self.options.precision not in (None, own) or self.extras.tf32 != tf32:
            rounded = "on" if tf32 else "off"
            raise BackendUnavailableError(
                f"{model.path.name} was built in {own} with TF32 {rounded}, which can't be changed "
                "any more: ask for that, or build another one"
            )
        need_gpu(self.name)
        loaded = self.library.load()
        self.inputs, self.outputs, self._computes_in = model.inputs, model.outputs, own
        shapes = "; ".join(f"{name} {item}" for name, item in self._ranges.items())
        self.notes = (*self.notes, f"TF32 {'on' if tf32 else 'off'}", f"built for {shapes}")
        return loaded, _deserialized(loaded.loaders, model.path)

    @property
    def computes_in(self) -> Precision:
        """The coarsest type in the strongly typed network, read back when it was parsed."""
        return self._computes_in

    def infer(self, feed: Feed) -> dict[str, Array]:
        """Copy in, run, copy out, and wait for the device."""
        tensors = {name: np.asarray(tensor, order="C") for name, tensor in feed.items()}
        found = self._run(tensors, to_host=True)
        return {spec.name: owned(found[spec.name]) for spec in self.outputs}

    def place(self, feed: Feed) -> object:
        """Every input in an array on the device."""
        placed = {}
        for name, tensor in feed.items():
            array = self._device_array(tensor.shape, tensor.dtype)
            placed[name] = array.copy_from(np.asarray(tensor, order="C"))
        return placed

    def infer_placed(self, placed: Any) -> None:
        """Run on arrays that lie on the device, and leave the outputs there."""
        self._run(placed, to_host=False)

    def release(self) -> None:
        """Free the context, its buffers and its stream."""
        self._runner.deactivate()
        del self._runner

    def _run(self, tensors: dict[str, Any], *, to_host: bool) -> Any:
        with self.vendor(FeedError, "can't compute this feed"), collected_errors() as errors:
            try:
                return self._runner.infer(tensors, check_inputs=False, copy_outputs_to_host=to_host)
            except Exception as error:
                outside = self._outside_the_profile(tensors)
                raise FeedError(
                    outside or f"{self.name} can't compute this feed: {first_reason(errors, error)}"
                ) from error

    def _outside_the_profile(self, tensors: dict[str, Any]) -> str:
        for name, shapes in self._ranges.items():
            shape = tuple(tensors[name].shape)
            if any(
                not low <= size <= high
                for low, size, high in zip(shapes.min, shape, shapes.max, strict=True)
            ):
                return (
                    f"input {name} is [{format_shape(shape)}], and the engine was built for "
                    f"{shapes}: give --shape {name}=min:opt:max"
                )
        return ""

    def _check_engine(self) -> None:
        """The engine's own names against the file's."""
        engine = self._runner.engine
        found = {engine.get_tensor_name(index) for index in range(engine.num_io_tensors)}
        wanted = {spec.name for spec in (*self.inputs, *self.outputs)}
        if found != wanted:
            raise BackendUnavailableError(
                f"the engine has the tensors {', '.join(sorted(found))}, the model "
                f"{', '.join(sorted(wanted))}"
            )


class TensorRtRtxRunner(TensorRtRunner):
    """The same with TensorRT-RTX, which finishes compiling when the engine is loaded."""

    name: ClassVar[str] = "tensorrt-rtx"
    formats: ClassVar[tuple[str, ...]] = ("onnx", "tensorrt-rtx")
    library: ClassVar[Library] = TENSORRT_RTX
    distributions: ClassVar[tuple[str, ...]] = TENSORRT_RTX.distributions
    install: ClassVar[str] = TENSORRT_RTX.install


def _deserialized(loaders: Any, path: Any) -> Any:
    with collected_errors() as errors:
        try:
            return loaders.EngineFromBytes(path.read_bytes())()
        except Exception as error:  # Polygraphy's one exception; the reason is in the log
            raise ModelFileError(
                f"the engine {path} is not loaded: {first_reason(errors, error)}"
            ) from error


def _told(facts: dict[str, Any], ranges: Any) -> tuple[str, ...]:
    shapes = "; ".join(f"{name} {shapes}" for name, shapes in ranges.items())
    tf32 = "TF32 on" if facts["tf32"] else "TF32 off"
    return facts["library"], tf32, f"built for {shapes}", *facts["notes"]
