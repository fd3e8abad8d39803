"""The ONNX graph in float64: slow, exact, everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from paddleport.errors import BackendUnavailableError, FeedError, ModelFileError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import read_onnx_proto, tensor_specs
from paddleport.runners.base import Runner, owned
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array, Feed, TensorSpec

if TYPE_CHECKING:
    import onnx


# The operators' blocks are shared out among threads of our own, each with its product to do:
# OpenBLAS's threads spin between two products, and elementwise operators have none.
_ONE_THREAD_EACH = dict.fromkeys(
    (
        *("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)
# glibc gives freed memory back at once and gets it again page by page, which takes as long as
# the arithmetic. 32 MiB is the most that it takes for the first.
_KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}


@dataclass(frozen=True)
class ReferenceExtras:
    """``-o`` options of the reference.

    Attributes:
        rounding: unit roundoff of a narrower format whose rounding is to be imitated, such as
            6e-8 for fp32; 0 computes exactly. Every time a feed is run it gets other rounding
            errors, and so tells how far rounding alone moves the outputs.
        seed: of the imitated rounding errors.
    """

    rounding: float = 0.0
    seed: int = 0


class ReferenceRunner(Runner):
    """An ONNX file computed in float64 by numpy: what the file means, without a runtime's haste.

    It takes the model's own input types and gives float64 where the model says float32. It uses
    every CPU that its process may use.
    """

    name: ClassVar[str] = "reference"
    formats: ClassVar[tuple[str, ...]] = ("onnx",)
    distributions: ClassVar[tuple[str, ...]] = ("onnx",)
    precisions: ClassVar[tuple[Precision, ...]] = ("fp64",)
    uses_threads: ClassVar[bool] = False
    extras_type: ClassVar[type[Any]] = ReferenceExtras
    timed: ClassVar[bool] = False
    environ: ClassVar[Mapping[str, str]] = {**_ONE_THREAD_EACH, **_KEPT_MEMORY}

    def load(self, model: Artifact) -> None:
        """Read the graph, turn it into double precision, find an operator for each node."""
        proto = read_onnx_proto(model.path)
        from paddleport.runners import float64

        missing = float64.unknown_operators(proto)
        if missing:
            raise BackendUnavailableError(
                f"reference does not compute {', '.join(missing)}: use another backend for "
                f"{model.path.name}"
            )
        self.inputs = tensor_specs(proto.graph, proto.graph.input)
        with self.vendor(ModelFileError, "does not take this model"):
            import onnx

            proto, weights = float64.detach_weights(proto)
            proto = onnx.shape_inference.infer_shapes(proto)
            outputs = tensor_specs(proto.graph, proto.graph.output)
            float64.to_double(proto)
            self._prepare(proto, weights)
        self.outputs = tuple(
            TensorSpec(spec.name, _doubled(spec.dtype), spec.shape) for spec in outputs
        )

    def _prepare(self, proto: "onnx.ModelProto", weights: Mapping[str, Array]) -> None:
        from paddleport.runners import float64
        from paddleport.runners.float64 import rounding

        self._proto, self._evaluator = proto, float64.evaluator(proto, weights)
        self._noise: rounding.Noise | None = None
        if self.extras.rounding:
            self._noise = rounding.disturb(
                self._evaluator, proto, self.extras.rounding, self.extras.seed
            )
            self.notes = (f"imitates rounding by {self.extras.rounding:g}",)

    @property
    def computes_in(self) -> Precision:
        """Always fp64."""
        return "fp64"

    def infer(self, feed: Feed) -> dict[str, Array]:
        """Evaluate node after node."""
        from paddleport.runners.float64.evaluation import evaluate

        exact = {name: item.astype(_doubled(item.dtype.name)) for name, item in feed.items()}
        with self.vendor(FeedError, "can't compute this feed"):
            try:
                if self._noise is not None:
                    self._noise.restart(exact)
                results = evaluate(self._evaluator, self._proto, exact)
            except NotImplementedError as error:
                raise BackendUnavailableError(f"reference does not compute {error}") from error
        return {
            spec.name: owned(result) for spec, result in zip(self.outputs, results, strict=True)
        }

    def release(self) -> None:
        """Let the graph go."""
        del self._evaluator, self._proto


def _doubled(dtype: str) -> str:
    return "float64" if np.dtype(dtype).kind == "f" else dtype
