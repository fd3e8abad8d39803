"""What every runner of a Paddle program shares: reading it, and feeding its predictor."""

import importlib
import os
import sys
import tempfile
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from paddleport.errors import BackendUnavailableError, FeedError, ModelFileError, PortError
from paddleport.models.artifact import Artifact
from paddleport.models.paddle.source import FoundModel, open_model
from paddleport.runners.base import Runner
from paddleport.runners.paddle.paddle_refusals import why_refused
from paddleport.tensors import Array, Feed

GPU_MEMORY_MB = 256  # to begin with; Paddle takes more as it needs it
GPU_BUILD = (
    "install a GPU build of Paddle 3 as its installation page says (paddlepaddle-gpu for your "
    "CUDA), in place of paddlepaddle"
)
_SUFFIXES = {"pir": ".json", "protobuf": ".pdmodel"}
_PIR_OF_3_3 = 4  # version of PIR's JSON that Paddle 3.3 was the first to write
_TF32_SWITCH = "NVIDIA_TF32_OVERRIDE"  # cuBLAS, cuDNN and TensorRT read it as they are loaded


class PaddleProgramRunner(Runner):
    """A Paddle program in a predictor of ``paddle.inference``.

    Attributes:
        reads_copy: the program was written by a newer Paddle, and a rewritten copy was read.
    """

    formats: ClassVar[tuple[str, ...]] = ("paddle",)
    reads_copy: bool = False

    def load(self, model: Artifact) -> None:
        """Build a predictor and connect its inputs and outputs."""
        found = open_model(model.path, model.weights_file)  # on a wrong file Paddle may segfault
        self.prepare(found)
        with self.vendor(BackendUnavailableError, "does not start"):
            paddle = import_quietly("paddle")
            inference = import_quietly("paddle.inference")
        with tempfile.TemporaryDirectory(prefix="paddleport-") as folder:
            readable = self._readable(found, Path(folder), paddle.__version__)
            self._predictor = self.build(found, readable, inference)
        self.inputs, self.outputs = found.program.inputs, found.program.outputs
        with self.vendor(ModelFileError, "does not take this model"):
            self._input_handles = {
                spec.name: self._predictor.get_input_handle(spec.name) for spec in self.inputs
            }
            self._output_handles = {
                spec.name: self._predictor.get_output_handle(name)
                for spec, name in zip(self.outputs, self.output_names(), strict=True)
            }

    @contextmanager
    def vendor(self, failure: type[PortError], what: str) -> Iterator[None]:
        """As every runner's; what this Paddle lacks for the model is a ``ModelFileError``."""
        try:
            with super().vendor(failure, what):
                yield
        except failure as error:
            lacks = why_refused(str(error.__cause__ or ""))
            if not lacks:
                raise
            version = getattr(sys.modules.get("paddle"), "__version__", "")
            raise ModelFileError(f"{self.name} {version} {lacks}") from error

    def prepare(self, found: FoundModel) -> None:  # most have nothing to refuse
        """Refuse, before Paddle is imported, what can't be done with this model."""

    @abstractmethod
    def build(self, found: FoundModel, program: Path, inference: Any) -> Any:
        """A predictor of ``program``, which is the model's in a form that this Paddle reads."""

    def output_names(self) -> list[str]:
        """What the predictor calls the model's outputs, in the model's order."""
        return [spec.name for spec in self.outputs]

    def infer(self, feed: Feed) -> dict[str, Array]:
        """Copy in, run, copy out, which waits for the device."""
        with self.vendor(FeedError, "can't compute this feed"):
            self.copy_in(feed)
            self._predictor.run()
            return {name: handle.copy_to_cpu() for name, handle in self._output_handles.items()}

    def copy_in(self, feed: Feed) -> None:
        """Copy a feed into the predictor's inputs."""
        for name, handle in self._input_handles.items():
            handle.copy_from_cpu(np.asarray(feed[name], order="C"))

    def release(self) -> None:
        """Let the predictor go."""
        del self._input_handles, self._output_handles, self._predictor

    def _readable(self, found: FoundModel, folder: Path, version: str) -> Path:
        """The program under a name that tells Paddle its format, and in a version it reads."""
        model, program = found.model, found.program
        path = folder / f"program{_SUFFIXES[program.format]}"
        newer = program.format == "pir" and program.version >= _PIR_OF_3_3
        if newer and _release(version) < (3, 3):
            from paddleport.models.paddle.pir import downgrade_pir

            self.reads_copy = downgrade_pir(model.path, path)
            if self.reads_copy:
                self.notes = (*self.notes, "reads a copy rewritten for this Paddle")
                return path
        if model.path.suffix == path.suffix:
            return model.path
        path.symlink_to(model.path.resolve())
        return path


def import_quietly(module: str) -> Any:
    """Import Paddle without its advice to install ccache and its start-up log."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(module)


def settle_tf32(backend: str, *, on: bool) -> str:
    """Let NVIDIA's libraries round fp32 to TF32, or keep them from it; the note that says so.

    Raises:
        BackendUnavailableError: this process has loaded Paddle with the other setting.
    """
    now = os.environ.get(_TF32_SWITCH)
    clashes = now == "0" if on else now not in (None, "0")
    if clashes and "paddle" in sys.modules:
        raise BackendUnavailableError(
            f"{backend} can't turn TF32 {'on' if on else 'off'}: this process has loaded Paddle "
            f"with {_TF32_SWITCH}={now}. Run it in another one"
        )
    if on:
        os.environ.pop(_TF32_SWITCH, None)
        return "TF32 allowed"
    os.environ[_TF32_SWITCH] = "0"
    return f"TF32 off ({_TF32_SWITCH}=0)"


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])
