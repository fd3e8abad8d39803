"""A target's side: its file against the ONNX graph, and its runtime against the file."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from paddleport.errors import PortError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors, read_onnx_proto
from paddleport.progress import Progress, no_progress
from paddleport.runners import runner_class
from paddleport.runners.reference import ReferenceRunner
from paddleport.runners.runner_options import RunnerOptions
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Array, Feed
from paddleport.validate.bisect.backend_process import ANSWER_TIMEOUT_S, call_backend
from paddleport.validate.bisect.computation import Computation, StoredTensor, StoredValues
from paddleport.validate.bisect.divergence import Divergence
from paddleport.validate.bisect.edge_search import Deadline
from paddleport.validate.bisect.file_conversion import Whose, lost_layer_divergence
from paddleport.validate.bisect.file_runtime import RuntimeOfFile
from paddleport.validate.bisect.float64_values import onnx_graph, save_float64_values
from paddleport.validate.bisect.layer_record import LayerRecord, save_layer_values
from paddleport.validate.compare.error_scale import output_error
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.diagnose.conversions import Conversions
from paddleport.validate.feeds.named_feed import NamedFeed, renamed
from paddleport.worker import Worker


@dataclass(frozen=True)
class TargetFile:
    """A file that a target made, and what else reads it than its runtime.

    Attributes:
        artifact: the file.
        target: the name of what makes its format.
        conversions: reads it without its runtime; ``None`` reads nothing.
    """

    artifact: Artifact
    target: str
    conversions: Conversions | None = None


def locate_target(
    file: TargetFile,
    onnx: Artifact,
    backend: str,
    options: RunnerOptions,
    feed: NamedFeed,
    *,
    limit: float | None = None,
    seconds: float,
    progress: Progress = no_progress,
) -> tuple[Divergence, ...]:
    """Where a target's file leaves the ONNX graph, and where its runtime leaves the file.

    The file's own graph in float64 stands between the two, where the target can read it back.
    Without, the runtime's values are looked for in the ONNX graph themselves, and the sentence
    says that file and runtime are not told apart.

    Args:
        file: the file.
        onnx: the one that it was made of, or should be the same as.
        backend: a runner of the file's format that is a ``LayerValues``.
        options: for it.
        feed: tensors under the ONNX file's input names.
        limit: what counts as parted; by default that of the backend's precision.
        seconds: budget of the searches together; every value is computed once regardless.
        progress: called with each step and a guess at the share done.

    Returns:
        What parts, the file first; empty where nothing does.

    Raises:
        PortError: as the runner does, or float64 lacks an operator of the ONNX graph.
    """
    with tempfile.TemporaryDirectory(prefix="paddleport-") as name:
        folder = Path(name)
        values = _Values(folder, onnx, feed.tensors)
        progress("float64 values", 0.0)
        values.of_onnx()
        progress(f"{backend}: values between the layers", 0.2)
        with Worker(environ=runner_class(backend).environ) as worker:
            record = call_backend(
                worker,
                save_layer_values,
                ANSWER_TIMEOUT_S,
                backend,
                file.artifact,
                options,
                dict(feed.tensors),
                values.outputs_of_onnx,
                values.folder("runtime"),
            )
        progress("the file's values in float64", 0.3)
        said = values.of_file(file, record)
        asked = limit or TOLERANCES[record.computes_in].limit
        search = _TargetSearch(file, record, values, said, backend, asked, feed.name)
        return search.run(Deadline(seconds), progress)


@dataclass
class _Values:
    """What was computed, in one folder."""

    root: Path
    onnx: Artifact
    feed: Feed
    stored: dict[str, Mapping[str, StoredTensor]] = field(default_factory=dict)

    def folder(self, name: str) -> Path:
        made = self.root / name
        made.mkdir()
        return made

    def of_onnx(self) -> None:
        """The ONNX graph's values in float64."""
        with Worker(environ=ReferenceRunner.environ) as worker:
            self.stored["onnx"] = worker.call(
                save_float64_values,
                ANSWER_TIMEOUT_S,
                self.onnx.path,
                self.feed,
                self.folder("onnx"),
            )

    @property
    def outputs_of_onnx(self) -> list[Array]:
        """What the ONNX graph gives in float64, in its order."""
        stored = self.of("onnx")
        return [stored.load(item.name) for item in onnx_tensors(self.onnx.path)[1]]

    def of_file(self, file: TargetFile, record: LayerRecord) -> str:
        """The file's own values in float64, by its tensors' names; or why there are none."""
        if file.conversions is None:
            return f"nothing here reads {file.artifact.format} but its runtime"
        try:
            given = renamed(self.feed, [spec.name for spec in record.takes])
            shapes = {name: tuple(tensor.shape) for name, tensor in given.items()}
            known = replace(file.artifact, inputs=record.takes, outputs=record.gives)
            graph = file.conversions.graph(known, shapes)
            feed = renamed(self.feed, [spec.name for spec in onnx_tensors(graph.path)[0]])
            with Worker(environ=ReferenceRunner.environ) as worker:
                stored = worker.call(
                    save_float64_values, ANSWER_TIMEOUT_S, graph.path, feed, self.folder("file")
                )
        except PortError as error:
            return one_line(error)
        # What is fed and given out has the model's names there, and the file's elsewhere.
        fed = dict(zip(feed, record.feeds.values(), strict=False))
        outputs = [item.name for item in onnx_tensors(graph.path)[1]]
        pairs = dict(zip(outputs, record.outputs.values(), strict=False))
        if set(outputs) == set(record.outputs):
            pairs = dict(record.outputs)
        for ours, theirs in {**fed, **pairs}.items():
            if ours in stored:
                stored[theirs] = stored[ours]
        self.stored["file"] = stored
        return ""

    def of(self, name: str) -> StoredValues:
        return StoredValues(self.root / name, self.stored[name])


@dataclass(frozen=True)
class _TargetSearch:
    """Both searches of one file on one feed."""

    file: TargetFile
    record: LayerRecord
    values: _Values
    unread: str  # why the file has no values of its own; empty where it has
    backend: str
    limit: float
    feed: str

    def run(self, deadline: Deadline, progress: Progress) -> tuple[Divergence, ...]:
        graph = self.record.graph
        onnx = self._onnx
        runtime = StoredValues(self.values.root / "runtime", self.record.stored)
        of_file = runtime if self.unread else self.values.of("file")
        progress("the layers of the file", 0.4)
        whose = self._whose()
        found = lost_layer_divergence(
            Computation(graph, of_file),
            onnx,
            named=f"the {self.file.target} file",
            whose=whose,
            limit=self.limit,
            feed=self.feed,
            deadline=deadline,
            progress=progress,
        )
        progress("what the runtime makes of it", 0.8)
        answers = RuntimeOfFile(
            backend=self.backend,
            graph=graph,
            runtime=runtime,
            answers=StoredValues(runtime.folder / "answers", self.record.answers),
            outputs=self.record.outputs,
            computes_in=self.record.computes_in,
            limit=self.limit,
            feed=self.feed,
        )
        other = None
        if not self.unread:
            other = answers.from_file(of_file, deadline)
        elif found is None:
            other = answers.from_file(self._outputs_of_onnx, deadline)
        reference = onnx if self.unread else Computation(graph, of_file)
        lowered = answers.in_lower_precision(reference)
        if lowered is not None and (other is None or lowered.position <= other.position):
            other = lowered
        return tuple(item for item in (found, other) if item is not None)

    @cached_property
    def _onnx(self) -> Computation:
        graph = onnx_graph(read_onnx_proto(self.values.onnx.path))
        return Computation(graph, self.values.of("onnx"))

    @property
    def _outputs_of_onnx(self) -> StoredValues:
        """What the ONNX graph gives out, by the tensors of the file."""
        onnx = self._onnx
        pairs = zip(self.record.graph.outputs, onnx.graph.outputs, strict=False)
        stored = {ours: onnx.values.stored[theirs] for ours, theirs in pairs}
        return StoredValues(onnx.values.folder, stored)

    def _whose(self) -> Whose:
        """Whose a layer is that the ONNX graph has not."""
        target, backend = self.file.target, self.backend
        if not self.unread:
            return Whose("target")
        wrong = self._says_otherwise()
        if wrong is None:
            return Whose("target", f"the file and {backend} are not told apart: {self.unread}")
        if wrong:
            return Whose("target", f"what the {target} file says is wrong, whoever runs it")
        return Whose("runtime", f"what the {target} file says is right, so {backend} does it")

    def _says_otherwise(self) -> bool | None:
        """Whether the file's outputs part, where its target says them and nothing between."""
        if self.file.conversions is None:
            return None
        try:
            said = self.file.conversions.evaluate(self.file.artifact, [self.values.feed])[0]
        except PortError:
            return None
        names, values = self._onnx.graph.outputs, self._onnx.values
        pairs = zip(names, names if set(said) == set(names) else said, strict=False)
        return any(
            output_error(said[theirs], values.load(name)) > self.limit for name, theirs in pairs
        )
