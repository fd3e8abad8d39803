"""Native Paddle Inference: what the model means, and the speed to beat."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from paddleport.errors import BackendUnavailableError, ModelFileError
from paddleport.models.paddle.source import FoundModel
from paddleport.runners.gpu import find_driver, need_gpu
from paddleport.runners.paddle.program_runner import (
    GPU_BUILD,
    GPU_MEMORY_MB,
    PaddleProgramRunner,
    import_quietly,
    settle_tf32,
)
from paddleport.runners.runner_options import Precision


@dataclass(frozen=True)
class PaddleExtras:
    """``-o`` options of Paddle; with both off it computes what the model says, at its plainest.

    Attributes:
        onednn: use oneDNN's kernels.
        ir_optim: fuse and rewrite the graph.
    """

    onednn: bool = True
    ir_optim: bool = True


class PaddleRunner(PaddleProgramRunner):
    """A Paddle program in ``paddle.inference``.

    Some models end the whole process under oneDNN: run it in a worker.
    """

    name: ClassVar[str] = "paddle"
    distributions: ClassVar[tuple[str, ...]] = ("paddlepaddle", "paddlepaddle-gpu")
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    extras_type: ClassVar[type[Any]] = PaddleExtras
    install: ClassVar[str] = "pip install 'paddleport[cpu]'"

    def prepare(self, found: FoundModel) -> None:
        """On a GPU, have fp32 mean fp32."""
        if self.device == "cuda" and not find_driver().missing:
            self.notes = (*self.notes, settle_tf32("paddle on cuda", on=False))

    def build(self, found: FoundModel, program: Path, inference: Any) -> Any:
        """A predictor whose switches were read back."""
        if self.device == "cuda":
            self._need_cuda()
        config = self._config(inference, program, found.model.weights_file)
        with self.vendor(ModelFileError, "does not take this model"):
            return inference.create_predictor(config)

    def _need_cuda(self) -> None:
        if not import_quietly("paddle").is_compiled_with_cuda():
            raise BackendUnavailableError(
                f"paddle was asked for cuda and this build is for CPUs only: {GPU_BUILD}; "
                "or try --device cpu"
            )
        need_gpu("paddle on cuda")

    def _config(self, inference: Any, program: Path, params: Path | None) -> Any:
        """The predictor's switches, each read back."""
        config = inference.Config(str(program), str(params) if params else "")
        config.disable_glog_info()
        config.set_cpu_math_library_num_threads(self.options.threads)
        config.switch_ir_optim(self.extras.ir_optim)
        if self.device == "cuda":
            config.enable_use_gpu(GPU_MEMORY_MB, 0)
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
        """Always fp32: no kernel changes precision unless a switch we never set is on."""
        return "fp32"
