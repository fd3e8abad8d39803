"""The runtime's side: the ONNX graph on a backend against the same graph in float64."""

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddleport.errors import BackendUnavailableError, PortError, UsageError, WorkerCrashed
from paddleport.models.card import OnnxModel
from paddleport.runners.base import RunnerOptions
from paddleport.tensors import Array, Feed
from paddleport.validate.feeds import NamedFeed
from paddleport.validate.locate.cut import Cutter
from paddleport.validate.locate.error import output_error, relative_error
from paddleport.validate.locate.exact import node_on, save_exact_values
from paddleport.validate.locate.located import Located, TensorRange
from paddleport.validate.locate.probe import (
    ANSWER_TIMEOUT_S,
    Answer,
    BudgetSpent,
    Deadline,
    Probe,
    outcome,
)
from paddleport.validate.locate.search import JUMP, Edge, NodeAlone, Search
from paddleport.validate.locate.sentences import runtime_sentence
from paddleport.validate.locate.values import Store, Values
from paddleport.validate.tolerance import UNIT_ROUNDOFF
from paddleport.worker import Worker

Progress = Callable[[str, float], None]
_ROUNDING_SHARE = 100.0  # of the limit: errors below are taken for rounding
_NO_ANSWER = (BackendUnavailableError, UsageError)  # says nothing of the model


def locate_runtime(
    onnx: OnnxModel,
    backend: str,
    options: RunnerOptions,
    feed: NamedFeed,
    *,
    limit: float,
    seconds: float,
    progress: Progress = lambda step, share: None,
) -> Located | None:
    """The first node whose output on the backend is not what float64 gives.

    Models are cut out of the graph, from its inputs to one tensor, and run on the backend; the
    float64 values come from one evaluation. The answer is a proven edge: every input of the
    node was cut and is good, its output was cut and is bad.

    Args:
        onnx: the file.
        backend: a runner that consumes ONNX.
        options: for the backend.
        feed: tensors under the ONNX file's input names.
        limit: what counts as parted, in the tolerance's unit.
        seconds: budget of the search; the whole model is run once on both sides regardless.
        progress: told each step and a guess at the share done.

    Returns:
        ``None`` if no output of the whole model parts.

    Raises:
        BackendUnavailableError: the backend is not to be had, or float64 lacks an operator.
        ModelFileError: the file is no ONNX, or holds more than 2 GB.
        FeedError: float64 can't compute the feed.
    """
    with (
        tempfile.TemporaryDirectory(prefix="paddleport-") as name,
        Probe(backend, options) as probe,
        Worker() as worker,
    ):
        progress("float64 values", 0.0)
        folder = Path(name)
        cutter = Cutter(onnx.path)
        (folder / "values").mkdir()
        stored = worker.call(
            save_exact_values, ANSWER_TIMEOUT_S, onnx.path, feed.tensors, folder / "values"
        )
        exact = Values(folder / "values", stored)
        run = _Run(cutter, exact, probe, worker, folder, feed.tensors)
        found = run.search(backend, limit, seconds, progress)
        return None if found is None else run.located(found, feed.name, backend, limit)


@dataclass(frozen=True)
class _Found:
    """How a search ended: the edge, where its rounding begins, and whether the whole is needed."""

    edge: Edge
    floor: float
    only_whole: bool = False


class _Run:
    """One search: the cuts that were run, and what they gave."""

    def __init__(
        self,
        cutter: Cutter,
        exact: Values,
        probe: Probe,
        worker: Worker,
        folder: Path,
        feed: Feed,
    ) -> None:
        self.cutter, self.exact, self.probe, self.worker = cutter, exact, probe, worker
        self.folder, self.feed = folder, feed
        (folder / "cuts").mkdir()
        self.kept = Store(folder / "cuts")
        self.cuts = 0
        self.failure: PortError | None = None
        self.untested: dict[str, PortError] = {}

    def search(
        self, backend: str, limit: float, seconds: float, progress: Progress
    ) -> _Found | None:
        """From the whole model to the edge."""
        progress(f"{backend}: the whole model", 0.1)
        whole = outcome(self.probe, self.cutter.path, self.feed, ANSWER_TIMEOUT_S)
        if isinstance(whole, _NO_ANSWER):
            raise whole
        floor = limit / _ROUNDING_SHARE
        if isinstance(whole, PortError):
            self.failure = whole
            bad = dict.fromkeys(self.cutter.graph.outputs, math.inf)
        else:
            floor = max(floor, UNIT_ROUNDOFF[whole.computes_in])
            errors = self._output_errors(whole)
            bad = {name: error for name, error in errors.items() if error > limit}
        if not bad:
            return None
        expected = 6 + 3 * math.log2(len(self.cutter.graph.steps) + 1)
        deadline = Deadline(seconds)

        def measure(tensor: str) -> float | None:
            deadline.check()
            share = min(0.95, 0.2 + 0.75 * self.cuts / expected)
            progress(f"{backend}: cut {self.cuts + 1}, at {tensor}", share)
            return self.measure(tensor, deadline)

        search = Search(self.cutter.graph, measure, self._alone)
        return self._from_outputs(bad, search, measure, limit, floor)

    def _from_outputs(
        self,
        bad: dict[str, float],
        search: Search,
        measure: Callable[[str], float | None],
        limit: float,
        floor: float,
    ) -> _Found:
        graph = self.cutter.graph
        starts = [name for name in bad if name in graph.varying]
        # the fewest values behind it: the least to search
        starts.sort(key=lambda name: len(graph.behind(name, lambda _: False)))
        for name in starts:
            try:
                error = search.errors[name] = measure(name)
            except BudgetSpent:
                search.errors[name] = bad[name]
                return _Found(search.first_jump(name, limit, floor), floor)
            if error is not None and error > limit:
                return _Found(search.first_jump(name, limit, floor), floor)
        name = starts[0] if starts else next(iter(bad))
        step = graph.producer.get(name)
        if step is None:
            raise UsageError(
                f"output {name} is an input or a weight of the file, and differs: "
                "there is no node to locate"
            )
        edge = Edge(step, name, 0.0, bad[name], complete=False)
        return _Found(edge, floor, only_whole=bool(starts))

    def measure(self, tensor: str, deadline: Deadline) -> float | None:
        """The error of one tensor by a cut; ``None`` where the cut itself cannot be judged."""
        if tensor not in self.exact:
            return None
        self.cuts += 1
        path = self.folder / "cut.onnx"
        self.cutter.write(tensor, self.exact.stored, path)
        feed = {name: self.feed[name] for name in self.cutter.inputs_of(tensor)}
        found = outcome(self.probe, path, feed, max(1.0, deadline.remaining_s))
        if isinstance(found, PortError):
            if isinstance(found, WorkerCrashed):
                deadline.check()  # it may be our own time that was over
            if self.failure is not None and type(found) is type(self.failure):
                return math.inf
            self.untested[tensor] = found
            return None
        if self.failure is not None:
            return 0.0
        self.kept.add(tensor, found.outputs[0][0])
        return self._error(tensor, found.outputs[0][0])

    def located(self, found: _Found, feed: str, backend: str, limit: float) -> Located:
        """The answer, with what else is known of the node."""
        edge = found.edge
        graph = self.cutter.graph
        inputs = [
            name
            for name in dict.fromkeys(edge.step.inputs)
            if name in self.exact and (name in graph.varying or name in graph.feeds)
        ]
        sentence = runtime_sentence(
            backend,
            edge,
            limit=limit,
            floor=found.floor,
            failure=self.failure,
            only_whole=found.only_whole,
            untested=[self.untested[name] for name in edge.unknown if name in self.untested],
        )
        return Located(
            "runtime",
            edge.step.name,
            edge.step.operator,
            edge.value,
            edge.step.position,
            len(graph.steps),
            tuple(self._range(name) for name in inputs),
            edge.before,
            edge.after,
            limit,
            feed,
            self.cuts,
            edge.complete,
            sentence,
        )

    def _alone(self, edge: Edge) -> NodeAlone | None:
        """Whether the node is right on what the backend fed it; ``None`` where it is unknown."""
        if self.failure is not None:
            return None
        kept = Values(self.folder / "cuts", self.kept.stored)
        graph = self.cutter.graph
        inputs: dict[str, Array] = {}
        for name in dict.fromkeys(edge.step.inputs):
            if name in self.feed:
                inputs[name] = self.feed[name]
            elif name in graph.varying:
                if name not in kept:
                    return None
                inputs[name] = kept.load(name)
            elif name in self.exact:
                inputs[name] = self.exact.load(name)
        results = self.worker.call(
            node_on, ANSWER_TIMEOUT_S, self.cutter.path, edge.step.position, inputs
        )
        if results is None or edge.value not in kept:
            return None
        own = results[edge.step.outputs.index(edge.value)]
        error = relative_error(kept.load(edge.value), own)
        return NodeAlone(error, right=error <= edge.after / JUMP)

    def _output_errors(self, whole: Answer) -> dict[str, float]:
        names: Sequence[str] = self.cutter.graph.outputs
        if set(names) == set(whole.names):
            names = whole.names
        return {
            name: output_error(tensor, self.exact.load(name))
            for name, tensor in zip(names, whole.outputs[0], strict=True)
            if name in self.exact
        }

    def _error(self, tensor: str, found: Array) -> float:
        judge = output_error if tensor in self.cutter.graph.outputs else relative_error
        return judge(found, self.exact.load(tensor))

    def _range(self, name: str) -> TensorRange:
        return self.exact.range_of(name)
