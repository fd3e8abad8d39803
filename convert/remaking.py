"""The files of a conversion made again, step by step, for those who look for the faulty step."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from paddleport.convert.loadable import loadable
from paddleport.convert.paddle2onnx.declared_inputs import Narrowing
from paddleport.convert.paddle2onnx.export import RawExport, export_raw, fixed_graph
from paddleport.convert.paddle2onnx.external_data import write_model
from paddleport.convert.paddle2onnx.finish import finish
from paddleport.convert.precision.lowering import lower_onnx
from paddleport.convert.provenance import (
    EMBEDDING,
    PADDLE2ONNX,
    PRECISION,
    SIMPLIFIER,
    steps_of,
    tool_versions,
)
from paddleport.convert.targets import Target, TargetOptions, target_for
from paddleport.convert.tools import SAME_ORDER
from paddleport.errors import ConversionError, PortError, UsageError
from paddleport.files import sha256
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.onnx.onnx_file import external_files, onnx_tensors, read_onnx_proto
from paddleport.models.resolve import SourceModel
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Array, Feed, ShapeRange
from paddleport.validate.diagnose.conversions import Stage
from paddleport.worker import Worker, run_in_worker

CHANGED = "a change of the file after its conversion"
_OR_CHANGED = "a change of the file afterwards"
OTHER_TOOLS = f"another version of the tools, or {_OR_CHANGED}"
PRECISION_OR_CHANGED = f"{PRECISION}, or {_OR_CHANGED}"
PRECISION_OR_TOOLS = f"{PRECISION}, {OTHER_TOOLS}"
_REMADE = ("fp16", "bf16")  # int8 takes its ranges from pictures that are not at hand
_TIMEOUT_S = 600.0


class RemadeConversion:
    """The conversion of one Paddle model to one ONNX file, and on to what backends load.

    ``close`` removes what was made again.
    """

    def __init__(self, source: SourceModel, onnx: Artifact, made: Artifact | None = None) -> None:
        """Nothing is made yet; ``made`` is what backends of its format load."""
        self._source, self._onnx, self._made = source, onnx, made
        self._folder = tempfile.TemporaryDirectory(prefix="paddleport-")
        self._stages: list[Stage] | None = None

    def loadable(self, formats: Sequence[str], shapes: Mapping[str, ShapeRange]) -> Artifact:
        """As ``paddleport.convert.loadable.loadable``, unless it was made already."""
        return self.given(formats) or loadable(
            self._onnx, formats, source=self._source, shapes=shapes
        )

    def made_of_paddle(self, formats: Sequence[str]) -> bool:
        """By what the target says of itself."""
        try:
            return target_for(tuple(formats)).made_of == "paddle"
        except UsageError:  # nothing makes them; ``loadable`` says so
            return False

    def given(self, formats: Sequence[str]) -> Artifact | None:
        """What was made already, where it is of one of these formats."""
        made = self._made
        return made if made is not None and made.format in formats else None

    def stages(self) -> Sequence[Stage]:
        """What the provenance of the file names, made again; empty for a file from elsewhere."""
        if self._stages is None:
            steps = steps_of(self._onnx.provenance)
            own = self._onnx.provenance.get("source", {}).get("sha256") == self._source.sha256
            self._stages = self._remade(steps) if own and PADDLE2ONNX in steps else []
        return self._stages

    def _remade(self, steps: Sequence[str]) -> list[Stage]:
        folder, opset = Path(self._folder.name), int(self._onnx.provenance["opset"])
        fixed = self._shapes("fixed")
        raw, exported = run_in_worker(_export, _TIMEOUT_S, self._source, folder, opset, fixed)
        embeds = EMBEDDING in steps
        stages = [Stage(PADDLE2ONNX, onnx_artifact(exported), takes_paddle_feeds=embeds)]
        latest = exported
        for step, embed in ((SIMPLIFIER, False), (EMBEDDING, True)):
            if step in steps:
                latest = folder / f"{step.replace(' ', '-')}.onnx"
                self._finish(raw, latest, simplify=SIMPLIFIER in steps, embed=embed)
                feeds = embeds and not embed
                stages.append(Stage(step, onnx_artifact(latest), takes_paddle_feeds=feeds))
        own_tools = self._onnx.provenance.get("tools") == tool_versions()
        if PRECISION in steps:
            lowered = self._lowered(latest)
            if lowered is None:
                unknown = PRECISION_OR_CHANGED if own_tools else PRECISION_OR_TOOLS
                return [*stages, Stage(unknown, self._onnx)]
            latest = lowered
            stages.append(Stage(PRECISION, onnx_artifact(latest)))
        if _weights_and_graph(latest) != _weights_and_graph(self._onnx.path):
            stages.append(Stage(CHANGED if own_tools else OTHER_TOOLS, self._onnx))
        return stages

    def _finish(self, raw: RawExport, path: Path, *, simplify: bool, embed: bool) -> None:
        narrowing = Narrowing(declared=self._shapes("declared"))
        with Worker(environ=SAME_ORDER) as worker:
            worker.call(
                finish,
                _TIMEOUT_S,
                raw,
                path,
                simplify=simplify,
                source=self._source,
                embed=embed,
                narrowing=narrowing,
            )

    def _shapes(self, name: str) -> dict[str, tuple[int | None, ...]]:
        """The inputs' shapes under a name of Paddle2ONNX's step; empty where it has none."""
        options = self._onnx.provenance["steps"][0].get("options", {})
        return {key: tuple(shape) for key, shape in options.get(name, {}).items()}

    def _lowered(self, float32: Path) -> Path | None:
        """The precision step made again; ``None`` where that can't be."""
        asked = self._onnx.provenance["steps"][-1].get("options", {})
        if asked.get("precision") not in _REMADE:
            return None
        path = float32.with_name("lowered.onnx")
        keep = tuple(asked.get("keep_fp32", ()))
        options = TargetOptions(precision=asked["precision"], keep_fp32=keep)
        try:
            run_in_worker(lower_onnx, _TIMEOUT_S, float32, path, options, ())
        except PortError:  # such as a node to keep that another version names otherwise
            return None
        return path

    def evaluate(self, artifact: Artifact, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
        """In a process of its own, by the target that makes this format.

        A file that does not say what it takes and gives is taken to have the ONNX file's names.
        """
        target = target_for((artifact.format,))
        inputs, outputs = onnx_tensors(self._onnx.path)
        named = replace(
            artifact, inputs=artifact.inputs or inputs, outputs=artifact.outputs or outputs
        )
        return run_in_worker(_evaluate, _TIMEOUT_S, target, named, list(feeds))

    def graph(self, artifact: Artifact, shapes: Mapping[str, tuple[int, ...]]) -> Artifact:
        """Likewise, what the target reads back out of it as an ONNX file."""
        path = Path(self._folder.name) / "read-back.onnx"
        target = target_for((artifact.format,))
        run_in_worker(_graph, _TIMEOUT_S, target, artifact, dict(shapes), path)
        return onnx_artifact(path)

    def target_of(self, artifact: Artifact) -> str:
        """The name of the target that makes this format."""
        try:
            return target_for((artifact.format,)).name
        except UsageError:
            return artifact.format

    def close(self) -> None:
        """Remove what was made again; a second call does nothing."""
        self._folder.cleanup()

    def __enter__(self) -> "RemadeConversion":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _evaluate(
    target: type[Target], artifact: Artifact, feeds: Sequence[Feed]
) -> list[dict[str, Array]]:
    with _in_one_line():
        return target().evaluate(artifact, feeds)


def _graph(
    target: type[Target], artifact: Artifact, shapes: Mapping[str, tuple[int, ...]], path: Path
) -> None:
    with _in_one_line():
        write_model(target().graph(artifact, shapes), path)


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Around a target of somebody else's; the text of a traceback is no reason."""
    try:
        yield
    except PortError:
        raise
    except Exception as error:  # it raises what it likes; the cause is kept
        raise ConversionError(f"{type(error).__name__}: {one_line(error)}") from error


def _export(
    source: SourceModel,
    folder: Path,
    opset: int,
    fixed: Mapping[str, tuple[int | None, ...]],
) -> tuple[RawExport, Path]:
    """What Paddle2ONNX writes, and that with its fixups; in a process of its own."""
    raw = export_raw(
        source.model,
        folder,
        opset=opset,
        allow_upgrade=True,
        shapes=fixed,
        fix_batch=all(None not in shape for shape in fixed.values()),
    )
    proto, _ = fixed_graph(raw)
    exported = folder / "exported.onnx"
    write_model(proto, exported)
    return raw, exported


def _weights_and_graph(path: Path) -> tuple[bytes, str]:
    """All that an ONNX file computes with, without what it says of itself.

    Of weights in a second file, their digest: together they may be more than protobuf takes.
    """
    beside = external_files(path)
    graph = read_onnx_proto(path, external_data=False).graph
    for tensor in graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = ""
    return graph.SerializeToString(deterministic=True), sha256(beside)
