"""One ONNX graph cut at its tensors, run on one backend, and held against float64."""

import math
from collections.abc import Sequence
from pathlib import Path

from paddleport.errors import BackendUnavailableError, PortError, UsageError, WorkerCrashed
from paddleport.tensors import Array, Feed
from paddleport.validate.bisect.cut import Cutter
from paddleport.validate.bisect.error import output_error, relative_error
from paddleport.validate.bisect.exact import node_on
from paddleport.validate.bisect.probe import ANSWER_TIMEOUT_S, Answer, Deadline, Probe, outcome
from paddleport.validate.bisect.search import JUMP, Edge, NodeAlone
from paddleport.validate.bisect.values import Store, Values
from paddleport.validate.compare.tolerance import UNIT_ROUNDOFF
from paddleport.worker import Worker

_EXPLAINED = 4.0  # times imitated rounding: its worst case over a tensor varies as much
_NO_ANSWER = (BackendUnavailableError, UsageError)  # says nothing of the model


class Cuts:
    """The cuts that were run, and what they gave.

    Attributes:
        cutter: of the file.
        exact: the graph's values in float64.
        count: how many cuts were run.
        failure: how the whole model failed, if it did; a cut is then bad if it fails as well.
        untested: cuts that failed by themselves, and decide nothing.
    """

    def __init__(
        self,
        cutter: Cutter,
        exact: Values,
        probe: Probe,
        worker: Worker,
        folder: Path,
        feed: Feed,
    ) -> None:
        """Nothing is run yet.

        Args:
            cutter: of the file.
            exact: the graph's values in float64.
            probe: the backend.
            worker: computes single nodes in float64.
            folder: an empty one, for the cuts and what they give.
            feed: tensors under the file's input names.
        """
        self.cutter, self.exact = cutter, exact
        self.count = 0
        self.failure: PortError | None = None
        self.untested: dict[str, PortError] = {}
        self._probe, self._worker, self._folder, self._feed = probe, worker, folder, feed
        self._kept = Store(folder)
        self._unit_roundoff = 0.0  # known once the whole model has run

    def whole(self) -> Answer | None:
        """What the whole model gives; ``None`` where it fails.

        Raises:
            BackendUnavailableError, UsageError: which say nothing of the model.
        """
        answer = outcome(self._probe, self.cutter.path, self._feed, ANSWER_TIMEOUT_S)
        if isinstance(answer, _NO_ANSWER):
            raise answer
        if isinstance(answer, PortError):
            self.failure = answer
            return None
        self._unit_roundoff = UNIT_ROUNDOFF[answer.computes_in]
        return answer

    def output_errors(self, whole: Answer) -> dict[str, float]:
        """The errors of the whole model's outputs."""
        names: Sequence[str] = self.cutter.graph.outputs
        if set(names) == set(whole.names):
            names = whole.names
        return {
            name: output_error(tensor, self.exact.load(name))
            for name, tensor in zip(names, whole.outputs[0], strict=True)
            if name in self.exact
        }

    def error(self, tensor: str, deadline: Deadline) -> float | None:
        """The error of one tensor by a cut; ``None`` where the cut itself cannot be judged."""
        if tensor not in self.exact:
            return None
        self.count += 1
        path = self._folder / "cut.onnx"
        self.cutter.write(tensor, self.exact.stored, path)
        feed = {name: self._feed[name] for name in self.cutter.inputs_of(tensor)}
        found = outcome(self._probe, path, feed, max(1.0, deadline.remaining_s))
        if isinstance(found, PortError):
            if isinstance(found, WorkerCrashed):
                deadline.check()  # it may be our own time that was over
            if self.failure is not None and type(found) is type(self.failure):
                return math.inf
            self.untested[tensor] = found
            return None
        if self.failure is not None:
            return 0.0
        (value,) = found.outputs[0]
        self._kept.add(tensor, value)
        judge = output_error if tensor in self.cutter.graph.outputs else relative_error
        return judge(value, self.exact.load(tensor))

    def node_alone(self, edge: Edge) -> NodeAlone | None:
        """Whether the node is right on what the backend fed it; ``None`` where it is unknown."""
        kept = Values(self._folder, self._kept.stored)
        inputs = None if self.failure is not None else self._fed(edge, kept)
        if inputs is None or edge.value not in kept:
            return None
        exact = self._node_on(edge, inputs)
        rounded = self._node_on(edge, inputs, self._unit_roundoff)
        if exact is None or rounded is None:
            return None
        error = relative_error(kept.load(edge.value), exact)
        rounds = error <= _EXPLAINED * relative_error(rounded, exact)
        return NodeAlone(error, right=error <= edge.after / JUMP, rounds=rounds)

    def _node_on(
        self, edge: Edge, inputs: dict[str, Array], unit_roundoff: float = 0.0
    ) -> Array | None:
        """The edge's value, if its node can be computed alone."""
        position = edge.step.position
        results = self._worker.call(
            node_on, ANSWER_TIMEOUT_S, self.cutter.path, position, inputs, unit_roundoff
        )
        return None if results is None else results[edge.step.outputs.index(edge.value)]

    def _fed(self, edge: Edge, kept: Values) -> dict[str, Array] | None:
        """What the backend feeds a node; ``None`` if an input was not cut."""
        inputs: dict[str, Array] = {}
        for name in dict.fromkeys(edge.step.inputs):
            if name in self._feed:
                inputs[name] = self._feed[name]
            elif name in self.cutter.graph.varying:
                if name not in kept:
                    return None
                inputs[name] = kept.load(name)
            elif name in self.exact:
                inputs[name] = self.exact.load(name)
        return inputs
