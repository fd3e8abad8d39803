"""A plug-in's runner: loads the .npz and nothing else; faulty if the environment says so."""

import os
from typing import Any, ClassVar

import numpy as np
from npz_target import onnx_of

from paddleport.models.artifact import Artifact
from paddleport.runners.base import Runner
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array, Feed


class NpzRunner(Runner):
    """The graph on ONNX's own evaluator, in float32."""

    name: ClassVar[str] = "npz"
    formats: ClassVar[tuple[str, ...]] = ("npz",)
    distributions: ClassVar[tuple[str, ...]] = ("numpy",)

    def load(self, model: Artifact) -> None:
        import onnx
        from onnx.reference import ReferenceEvaluator

        self.inputs, self.outputs = model.inputs, model.outputs
        self._evaluator: Any = ReferenceEvaluator(onnx.load_model_from_string(onnx_of(model.path)))

    @property
    def computes_in(self) -> Precision:
        return "fp32"

    def infer(self, feed: Feed) -> dict[str, Array]:
        found = self._evaluator.run(None, dict(feed))
        if os.environ.get("NPZ_FAULT") == "runtime":
            found = [np.flip(value, -1) * np.float32(1.1) for value in found]
        names = [spec.name for spec in self.outputs]
        return {name: np.array(value) for name, value in zip(names, found, strict=True)}
