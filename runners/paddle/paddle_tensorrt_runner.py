"""Native Paddle Inference with its TensorRT engine: the reference on a GPU.

Never run on a GPU by those who wrote it: it follows Paddle's sources, which
``engines`` names.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from paddleport.errors import BackendUnavailableError, FeedError, ModelFileError, UsageError
from paddleport.models.paddle.paddle_program import Program
from paddleport.models.paddle.source import FoundModel
from paddleport.runners import gpu
from paddleport.runners.paddle.engines import EnginePlan, engine_folder, open_engines
from paddleport.runners.paddle.needs import why_not
from paddleport.runners.paddle.program_runner import (
    GPU_BUILD,
    PaddleProgramRunner,
    import_quietly,
    settle_tf32,
)
from paddleport.runners.runner_options import Precision, ranges_for
from paddleport.tensors import Array, Feed, format_shape

# NVIDIA's TensorRT support matrix. Where the GPU is not one of these, Paddle computes in fp32 and
# only logs it ("Hardware does not support FP16. Continuing in FP32 mode", converter.py).
_SLOW_FP16 = {(6, 1)}
_SLOW_INT8 = {(6, 0), (6, 2)}
_FIRST_FP16, _FIRST_INT8 = (5, 3), (6, 1)

# Operators of a quantised program that Paddle's TensorRT passes know how to take.
_QUANTISED = {
    "pir": {"quantize_linear", "dequantize_linear"},
    "protobuf": {
        "quantize_linear",
        "dequantize_linear",
        "fake_quantize_dequantize_moving_average_abs_max",
        "fake_channel_wise_quantize_dequantize_abs_max",
        "fake_quantize_moving_average_abs_max",
        "fake_quantize_range_abs_max",
        "fake_channel_wise_dequantize_max_abs",
    },
}


@dataclass(frozen=True, kw_only=True)
class PaddleTensorRtExtras:
    """``-o`` options of Paddle with TensorRT.

    Attributes:
        device_id: which GPU, as CUDA counts them.
        tf32: let fp32 be rounded to TF32 on the way into a product.
        workspace_mb: the most memory that TensorRT may use while it tries kernels.
        min_subgraph_size: in operators; smaller subgraphs stay with Paddle.
    """

    device_id: int = 0
    tf32: bool = False
    workspace_mb: int = 1024
    min_subgraph_size: int = 3


class PaddleTensorRtRunner(PaddleProgramRunner):
    """A Paddle program whose subgraphs are TensorRT engines; never silently without any."""

    name: ClassVar[str] = "paddle-tensorrt"
    distributions: ClassVar[tuple[str, ...]] = ("paddlepaddle-gpu",)
    devices: ClassVar[tuple[str, ...]] = ("cuda",)
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "fp16", "int8")
    uses_threads: ClassVar[bool] = False
    extras_type: ClassVar[type[Any]] = PaddleTensorRtExtras
    install: ClassVar[str] = GPU_BUILD
    compiles_for_shapes: ClassVar[bool] = True
    keeps_on_device: bool = True

    _placed: Feed | None = None

    def prepare(self, found: FoundModel) -> None:
        """Say what is missing on this machine or in this model."""
        for name in ("workspace_mb", "min_subgraph_size"):
            if getattr(self.extras, name) < 1:
                raise UsageError(
                    f"-o {name}={getattr(self.extras, name)} is not possible: 1 or more"
                )
        tf32 = ""
        if not gpu.find_driver().missing:
            tf32 = settle_tf32(self.name, on=self.extras.tf32)
        reason = why_not(found.model)
        if reason:
            raise BackendUnavailableError(f"{self.name} can't run on {self.device} here: {reason}")
        self._gpu = gpu.need_gpu(self.name, self.extras.device_id)
        self._check_format(found.program)
        self._check_precision(found.program)
        self._shapes = ranges_for(found.program.inputs, self.options.shapes, self.name)
        self.notes = (*self.notes, tf32)

    def _check_format(self, program: Program) -> None:
        if program.format == "pir" and self.extras.device_id:  # export.py: paddle.CUDAPlace(0)
            raise BackendUnavailableError(
                f"{self.name} builds engines of a PIR program on GPU 0 only: instead of "
                f"-o device_id={self.extras.device_id}, set "
                f"CUDA_VISIBLE_DEVICES={self.extras.device_id}"
            )

    def _check_precision(self, program: Program) -> None:
        capability = self._gpu.compute_capability
        fast = {
            "fp16": capability >= _FIRST_FP16 and capability not in _SLOW_FP16,
            "int8": capability >= _FIRST_INT8 and capability not in _SLOW_INT8,
        }
        if not fast.get(self.precision, True):
            raise BackendUnavailableError(
                f"{self.name}: TensorRT has no {self.precision} on {self._gpu}: --precision fp32"
            )
        quantised = _QUANTISED[program.format] & set(program.operators)
        if self.precision == "int8" and not quantised:
            raise BackendUnavailableError(
                f"{self.name} computes in int8 only what a model's own quantisation says, and "
                "this program has no quantize_linear: quantise it with PaddleSlim on some "
                "hundred of your pictures (nothing is calibrated here), or --precision fp16"
            )

    def build(self, found: FoundModel, program: Path, inference: Any) -> Any:
        """A predictor with engines, from the cache if they are there."""
        plan = EnginePlan(
            program=program,
            params=found.model.weights_file,
            format=found.program.format,
            inputs=found.program.inputs,
            shapes=self._shapes,
            precision=self.precision,
            device_id=self.extras.device_id,
            workspace_mb=self.extras.workspace_mb,
            min_subgraph_size=self.extras.min_subgraph_size,
        )
        machine = {
            "paddle": import_quietly("paddle").__version__,
            "tensorrt": str(inference.get_trt_runtime_version()),
            "gpu": str(self._gpu),
            "tf32": str(self.extras.tf32),
        }
        with self.vendor(ModelFileError, "does not take this model"):
            engines = open_engines(inference, plan, engine_folder(plan, machine))
        self._renamed = plan.format == "pir"
        plural = "" if engines.count == 1 else "s"
        self.notes = (*self.notes, f"{engines.count} subgraph{plural} in TensorRT")
        return engines.predictor

    def output_names(self) -> list[str]:
        """A converted program's outputs have new names, in the old order."""
        if not self._renamed:
            return super().output_names()
        names = list(self._predictor.get_output_names())
        if len(names) != len(self.outputs):
            raise ModelFileError(
                f"{self.name} gives {len(names)} outputs, the model has {len(self.outputs)}"
            )
        return names

    @property
    def computes_in(self) -> Precision:
        """What the engines were built for, where the GPU has it; the rest stays in fp32.

        Read back from Paddle for a .pdmodel; ``paddle.tensorrt`` does not report it.
        """
        return self.precision

    def infer(self, feed: Feed) -> dict[str, Array]:
        """Copy in, run, copy out, which waits for the device."""
        self._check_range(feed)
        self._placed = None
        return super().infer(feed)

    def place(self, feed: Feed) -> object:
        """Copy a feed into the predictor's inputs; the next feed takes their place."""
        self._check_range(feed)
        with self.vendor(FeedError, "can't compute this feed"):
            self.copy_in(feed)
        self._placed = feed
        return feed

    def infer_placed(self, placed: object) -> None:
        """Run, and wait for the device: a predictor's ``run`` only enqueues."""
        if placed is not self._placed:
            raise UsageError(f"another feed was placed in this {self.name} runner since")
        with self.vendor(FeedError, "can't compute this feed"):
            self._predictor.run()
            import_quietly("paddle").device.synchronize(f"gpu:{self.extras.device_id}")

    def _check_range(self, feed: Feed) -> None:
        """Outside its range Paddle would build the engine again, in the middle of a run."""
        for name, wanted in self._shapes.items():
            shape = feed[name].shape
            sizes = zip(wanted.min, shape, wanted.max, strict=True)
            if not all(low <= size <= high for low, size, high in sizes):
                raise FeedError(
                    f"{name} [{format_shape(shape)}] is outside what {self.name} is compiled for, "
                    f"{wanted}: give --shape {name}=min:opt:max"
                )
