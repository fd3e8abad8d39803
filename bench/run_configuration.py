"""One configuration of a model, as ``paddleport run`` would open it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from paddleport.convert.artifact_cache import cached_onnx
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.preprocess import Preprocess
from paddleport.models.recognize import read_artifact
from paddleport.models.resolve import SourceModel
from paddleport.runners import open_runner, runner_class
from paddleport.runners.base import Runner
from paddleport.runners.predictor import Predictor, PredictorSpec
from paddleport.runners.profile import Profile, read_profile
from paddleport.runners.runner_options import Precision, RunnerOptions
from paddleport.tensors import ShapeRange

THREADS = 2


@dataclass(frozen=True, kw_only=True)
class RunConfiguration:
    """A runner, its model and options, and the shape of its input.

    Attributes:
        backend: a runner's name.
        model: in a format that it takes.
        options: as ``paddleport run`` passes them.
        shape: of its input, which every model of the bench calls ``x``.
        environ: variables for its process beside those that its runner sets.
    """

    backend: str
    model: Artifact
    options: RunnerOptions
    shape: tuple[int, ...]
    environ: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def as_run(
        cls,
        backend: str,
        model: Artifact,
        shape: tuple[int, ...],
        *,
        precision: Precision | None = "fp32",
        threads: int = THREADS,
        extras: Mapping[str, str] | None = None,
    ) -> "RunConfiguration":
        """With its shape fixed in advance, if the backend gains from that."""
        gains = runner_class(backend).gains_from_shapes
        shapes = {"x": ShapeRange.only(shape)} if gains else {}
        return cls(
            backend=backend,
            model=model,
            options=RunnerOptions(
                device=None,
                precision=precision,
                threads=threads,
                extras=extras or {},
                shapes=shapes,
            ),
            shape=shape,
        )

    @classmethod
    def from_profile(
        cls, path: Path, source: SourceModel, size: tuple[int, int]
    ) -> "RunConfiguration":
        """As ``paddleport run --profile`` opens it."""
        found = read_profile(path)
        return cls.as_run(
            found.backend,
            _file(found, source),
            (found.batch, 3, *size),
            precision=found.runner_options.precision,
            threads=found.threads,
            extras=found.options,
        )

    @property
    def name(self) -> str:
        """As the tables call it."""
        precision = self.options.precision or getattr(self.model, "path", Path()).stem
        streams = self.options.extras.get("streams", "1")
        parts = [
            f"{self.backend} {precision}",
            f"{self.options.threads} thread{'' if self.options.threads == 1 else 's'}",
            f"{streams} streams" if streams != "1" else "",
            f"batch {self.shape[0]}",
        ]
        return ", ".join(part for part in parts if part)

    def open(self) -> Runner:
        """Its runner."""
        return open_runner(self.backend, self.model, self.options)

    def predictor(self, preprocess: Preprocess) -> Predictor:
        """Its predictor for pictures, opened."""
        return PredictorSpec(
            model=self.model,
            backend=self.backend,
            options=self.options,
            preprocess=preprocess,
            batch_size=self.shape[0],
            workers=THREADS,
        ).open()


def _file(profile: Profile, source: SourceModel) -> Artifact:
    if profile.file is not None:
        onnx = profile.file.suffix == ".onnx"
        return onnx_artifact(profile.file) if onnx else read_artifact(profile.file)
    if "paddle" in runner_class(profile.backend).formats:
        return source.model
    return cached_onnx(source, opset=17)
