"""Native Paddle Inference: what the model means, and the speed to beat."""

import importlib
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from paddleport.errors import BackendUnavailableError, FeedError, ModelFileError
from paddleport.models.card import PaddleModel
from paddleport.models.program import Program
from paddleport.models.source import open_model
from paddleport.runners.base import Precision, Runner
from paddleport.tensors import Array, Feed

_SUFFIXES = {"pir": ".json", "protobuf": ".pdmodel"}
_PIR_OF_3_3 = 4  # version of PIR's JSON that Paddle 3.3 was the first to write
_GPU_MEMORY_MB = 256  # to begin with; Paddle takes more as it needs it


@dataclass(frozen=True)
class PaddleExtras:
    """``-o`` options of Paddle; with both off it computes what the model says, at its plainest.

    Attributes:
        onednn: use oneDNN's kernels.
        ir_optim: fuse and rewrite the graph.
    """

    onednn: bool = True
    ir_optim: bool = True


class PaddleRunner(Runner):
    """A Paddle program in ``paddle.inference``.

    Some models end the whole process under oneDNN: run it in a worker.

    Attributes:
        reads_copy: the program was written by a newer Paddle, and a rewritten copy was read.
    """

    name: ClassVar[str] = "paddle"
    consumes: ClassVar[Literal["onnx", "paddle"]] = "paddle"
    distributions: ClassVar[tuple[str, ...]] = ("paddlepaddle", "paddlepaddle-gpu")
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    extras_type: ClassVar[type[Any]] = PaddleExtras
    install: ClassVar[str] = "pip install 'paddleport[cpu]'"

    reads_copy: bool = False

    def load(self, model: PaddleModel) -> None:
        """Build a predictor and read its switches back."""
        found = open_model(model.program, model.params)  # on a wrong file Paddle may segfault
        model, program = found.model, found.program
        with self.vendor(BackendUnavailableError, "does not start"):
            paddle = _import_quietly("paddle")
            inference = _import_quietly("paddle.inference")
        with tempfile.TemporaryDirectory(prefix="paddleport-") as folder:
            readable = self._readable(model, program, Path(folder), paddle.__version__)
            config = self._config(inference, readable, model.params)
            with self.vendor(ModelFileError, "does not take this model"):
                self._predictor = inference.create_predictor(config)
        self.inputs, self.outputs = program.inputs, program.outputs
        with self.vendor(ModelFileError, "does not take this model"):
            self._input_handles = {
                spec.name: self._predictor.get_input_handle(spec.name) for spec in program.inputs
            }
            self._output_handles = {
                spec.name: self._predictor.get_output_handle(spec.name) for spec in program.outputs
            }

    def _readable(self, model: PaddleModel, program: Program, folder: Path, version: str) -> Path:
        """The program under a name that tells Paddle its format, and in a version it reads."""
        path = folder / f"program{_SUFFIXES[program.format]}"
        if (
            program.version >= _PIR_OF_3_3
            and program.format == "pir"
            and _release(version) < (3, 3)
        ):
            from paddleport.models.pir import downgrade_pir

            self.reads_copy = downgrade_pir(model.program, path)
            if self.reads_copy:
                self.notes = (*self.notes, "reads a copy rewritten for this Paddle")
                return path
        if model.program.suffix == path.suffix:
            return model.program
        path.symlink_to(model.program.resolve())
        return path

    def _config(self, inference: Any, program: Path, params: Path | None) -> Any:
        """The predictor's switches, each read back."""
        config = inference.Config(str(program), str(params) if params else "")
        config.disable_glog_info()
        config.set_cpu_math_library_num_threads(self.options.threads)
        config.switch_ir_optim(self.extras.ir_optim)
        if self.device == "cuda":
            config.enable_use_gpu(_GPU_MEMORY_MB, 0)
        else:
            config.disable_gpu()
        if self.extras.onednn and self.device == "cpu":
            config.enable_mkldnn()
        else:
            config.disable_mkldnn()
        if config.use_gpu() != (self.device == "cuda"):
            raise BackendUnavailableError(
                f"paddle was asked for {self.device} and this build does not take it: "
                "try --device cpu"
            )
        asked = {
            "oneDNN": (self.extras.onednn and not config.use_gpu(), config.mkldnn_enabled()),
            "graph optimisation": (self.extras.ir_optim, config.ir_optim()),
            "threads": (self.options.threads, config.cpu_math_library_num_threads()),
        }
        for what, (wanted, given) in asked.items():
            if wanted != given:
                raise BackendUnavailableError(
                    f"paddle was asked for {what} = {wanted} and this build gives {given}"
                )
        return config

    @property
    def computes_in(self) -> Precision:
        """Always fp32: the CPU kernels change no precision unless a switch we never set is on."""
        return "fp32"

    def infer(self, feed: Feed) -> dict[str, Array]:
        """Copy in, run, copy out."""
        with self.vendor(FeedError, "can't compute this feed"):
            for name, handle in self._input_handles.items():
                handle.copy_from_cpu(np.ascontiguousarray(feed[name]))
            self._predictor.run()
            return {name: handle.copy_to_cpu() for name, handle in self._output_handles.items()}

    def release(self) -> None:
        """Let the predictor go."""
        del self._input_handles, self._output_handles, self._predictor


def _import_quietly(module: str) -> Any:
    """Import Paddle without its advice to install ccache and its start-up log."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(module)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])
