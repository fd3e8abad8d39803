"""TensorRT's runner without a GPU: Polygraphy's own classes, autospecced, and engines of bytes."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import small_network

from paddleport.errors import ModelFileError
from paddleport.runners.gpu import Gpu
from paddleport.runners.tensorrt import engine_cache
from paddleport.runners.tensorrt import trt_runner as runner
from paddleport.runners.tensorrt.engine_build import Engine, EngineFacts, EngineSettings
from paddleport.runners.tensorrt.library import Library, Loaded
from paddleport.tensors import Array, TensorSpec

L4 = Gpu(index=0, name="NVIDIA L4", compute_capability=(8, 9), memory_bytes=24_000_000_000)
VERSION = "10.13.3.9"


@dataclass
class SimulatedTensorrt:
    """What is simulated, and what the runner did with it.

    Attributes:
        gpu: the GPU that is found.
        version: of the library.
        loads: what of an engine's content the library still loads; ``None`` is everything.
        built: what was built, in order.
        timings: what each build was given.
        runners: the autospecced TrtRunner instances.
    """

    gpu: Gpu = L4
    version: str = VERSION
    loads: bytes | None = None
    built: list[EngineSettings] = field(default_factory=list)
    timings: list[bytes] = field(default_factory=list)
    runners: list[Any] = field(default_factory=list)

    def build(
        self, library: Library, onnx: Path, wanted: EngineSettings, timings: bytes = b""
    ) -> Engine:
        """Stands for ``build_engine``."""
        self.built.append(wanted)
        self.timings.append(timings)
        if timings == b"damaged":
            raise ModelFileError("the timing cache is not taken")
        facts = EngineFacts(
            library=f"{library.backend} {self.version}",
            inputs=(TensorSpec("x", "float32", (None, 3, 9, 9)),),
            outputs=tuple(TensorSpec(name, "float32", (None, 5)) for name in small_network.OUTPUTS),
            computes_in=wanted.precision,
            tf32=wanted.tf32,
            layers=6,
            capabilities=(),
            profiles=1,
        )
        return Engine(f"engine {len(self.built)}".encode(), facts, b"timings")

    def loaded(self, library: Library) -> Loaded:
        """Stands for ``Library.load``."""
        from polygraphy import cuda
        from polygraphy.backend import trt as loaders

        return Loaded(
            library=library,
            trt=SimpleNamespace(__version__=self.version),
            loaders=SimpleNamespace(
                EngineFromBytes=self._engine_loader(loaders.EngineFromBytes),
                TrtRunner=self._runner_class(loaders.TrtRunner),
            ),
            rtx_loaders=None,
            cuda=SimpleNamespace(DeviceArray=_device_array(cuda.DeviceArray)),
        )

    def _engine_loader(self, real: Any) -> Any:
        specced = mock.create_autospec(real)

        def make(serialized_engine: bytes, **options: Any) -> Any:
            def call() -> object:
                if self.loads is not None and serialized_engine != self.loads:
                    raise RuntimeError("Could not deserialize engine")
                return object()

            return call

        specced.side_effect = make
        return specced

    def _runner_class(self, real: Any) -> Any:
        specced = mock.create_autospec(real)
        takes = set(inspect.signature(real.infer_impl).parameters)

        def make(engine: object, **options: Any) -> Any:
            instance = mock.create_autospec(real, instance=True)
            names = ["x", *small_network.OUTPUTS]
            instance.engine = SimpleNamespace(
                num_io_tensors=len(names), get_tensor_name=names.__getitem__
            )
            instance.buffers = {}

            def infer(
                feed_dict: Mapping[str, Any], check_inputs: bool = True, **options: Any
            ) -> Any:
                unknown = set(options) - takes
                assert not unknown, f"TrtRunner.infer does not take {unknown}"
                tensors = {
                    name: getattr(tensor, "content", tensor) for name, tensor in feed_dict.items()
                }
                if len(tensors["x"]) > 8:
                    raise RuntimeError("failed to set shape")
                found = dict(zip(small_network.OUTPUTS, _answers(tensors["x"]), strict=True))
                for name, item in found.items():  # its buffers are used again
                    held = instance.buffers.setdefault(name, np.empty((8, 5), np.float32))
                    held[: len(item)] = item
                return {name: instance.buffers[name][: len(item)] for name, item in found.items()}

            instance.infer.side_effect = infer
            self.runners.append(instance)
            return instance

        specced.side_effect = make
        return specced


@contextmanager
def simulated_tensorrt(simulated: SimulatedTensorrt) -> Iterator[SimulatedTensorrt]:
    """Meanwhile there is a GPU, a library, and a builder."""
    with (
        mock.patch.object(runner, "need_gpu", lambda backend: simulated.gpu),
        mock.patch.object(engine_cache, "build_engine", simulated.build),
        mock.patch.object(Library, "load", lambda library: simulated.loaded(library)),
    ):
        yield simulated


def _answers(x: Array) -> tuple[Array, ...]:
    assert x.flags.c_contiguous, "Polygraphy copies the memory as it lies"
    return tuple(item.astype(np.float32) for item in small_network.expected(x))


def _device_array(real: Any) -> Any:
    specced = mock.create_autospec(real)

    def make(shape: tuple[int, ...] = (), dtype: Any = None) -> Any:
        instance = mock.create_autospec(real, instance=True)

        def copy_from(host_buffer: Array, stream: Any = None) -> Any:
            assert (host_buffer.shape, host_buffer.dtype) == (shape, dtype)
            instance.content = host_buffer.copy()
            return instance

        instance.copy_from.side_effect = copy_from
        return instance

    specced.side_effect = make
    return specced
