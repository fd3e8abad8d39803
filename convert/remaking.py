"""The files of a conversion made again, step by step, for those who look for the faulty step."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from paddleport.convert.paddle2onnx.export import export_raw, mended
from paddleport.convert.paddle2onnx.finish import finish
from paddleport.convert.prepare import loadable
from paddleport.convert.provenance import PADDLE2ONNX, PRECISION, SIMPLIFIER, steps_of
from paddleport.convert.targets import Target, target_for
from paddleport.convert.weight_offload.references import write_whole
from paddleport.errors import UsageError
from paddleport.files import sha256
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.resolve import SourceModel
from paddleport.tensors import Array, Feed, ShapeRange
from paddleport.validate.diagnose.conversions import Stage
from paddleport.worker import run_in_worker

CHANGED = "a change of the file after its conversion"
_TIMEOUT_S = 600.0


class RemadeConversion:
    """The conversion of one Paddle model to one ONNX file, and on to what backends load.

    ``close`` removes what was made again.
    """

    def __init__(self, source: SourceModel, onnx: Artifact) -> None:
        """Nothing is made yet."""
        self._source, self._onnx = source, onnx
        self._folder = tempfile.TemporaryDirectory(prefix="paddleport-")
        self._stages: list[Stage] | None = None

    def loadable(self, formats: Sequence[str], shapes: Mapping[str, ShapeRange]) -> Artifact:
        """As ``paddleport.convert.prepare.loadable``."""
        return loadable(self._onnx, formats, shapes=shapes)

    def stages(self) -> Sequence[Stage]:
        """What the provenance of the file names, made again; empty for a file from elsewhere."""
        if self._stages is None:
            steps = steps_of(self._onnx.provenance)
            own = self._onnx.provenance.get("source", {}).get("sha256") == self._source.sha256
            self._stages = self._remade(steps) if own and PADDLE2ONNX in steps else []
        return self._stages

    def _remade(self, steps: Sequence[str]) -> list[Stage]:
        folder, provenance = Path(self._folder.name), self._onnx.provenance
        simplify = SIMPLIFIER in steps
        raw, finished = run_in_worker(
            _remake,
            _TIMEOUT_S,
            self._source,
            folder,
            int(provenance["opset"]),
            simplify,
            bool(provenance.get("embedded_preprocess")),
        )
        stages = [Stage(PADDLE2ONNX, onnx_artifact(raw))]
        if simplify:
            stages.append(Stage(SIMPLIFIER, onnx_artifact(finished)))
        if PRECISION in steps:
            return [*stages, Stage(PRECISION, self._onnx)]
        if sha256([finished]) != sha256([self._onnx.path]):
            stages.append(Stage(CHANGED, self._onnx))
        return stages

    def evaluate(self, artifact: Artifact, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
        """In a process of its own, by the target that makes this format."""
        target = target_for((artifact.format,))
        return run_in_worker(_evaluate, _TIMEOUT_S, target, artifact, list(feeds))

    def target_of(self, artifact: Artifact) -> str:
        """The name of the target that makes this format."""
        try:
            return target_for((artifact.format,)).name
        except UsageError:
            return artifact.format

    def close(self) -> None:
        """Remove what was made again; a second call does nothing."""
        self._folder.cleanup()


def _evaluate(
    target: type[Target], artifact: Artifact, feeds: Sequence[Feed]
) -> list[dict[str, Array]]:
    return target().evaluate(artifact, feeds)


def _remake(
    source: SourceModel, folder: Path, opset: int, simplify: bool, embed: bool
) -> tuple[Path, Path]:
    """The file as Paddle2ONNX's step leaves it, and the finished one; in a process of its own."""
    raw = export_raw(source.model, folder, opset=opset, allow_upgrade=True)
    proto, _ = mended(raw)
    exported, finished = folder / "exported.onnx", folder / "finished.onnx"
    with exported.open("wb") as stream:
        write_whole(proto, stream)
    finish(raw, finished, simplify=simplify, source=source, embed=embed)
    return exported, finished
