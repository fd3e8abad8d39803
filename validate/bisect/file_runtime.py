"""Where a runtime leaves what its own file says, by the values between the layers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array
from paddleport.validate.bisect.computation import Computation, Graph, GraphStep, StoredValues
from paddleport.validate.bisect.divergence import Divergence, describe_edge, figure, title
from paddleport.validate.bisect.edge_search import Deadline, EdgeSearch, ErrorEdge
from paddleport.validate.bisect.lost_layer import flat_error
from paddleport.validate.bisect.value_lookup import ValueMatcher
from paddleport.validate.compare.error_scale import output_error
from paddleport.validate.compare.low_precision import fits_lower_precision
from paddleport.validate.compare.tolerance import TOLERANCES, UNIT_ROUNDOFF

_ROUNDING_SHARE = 100.0  # of the limit: errors below are taken for rounding


@dataclass(frozen=True, kw_only=True)
class RuntimeOfFile:
    """What a runtime computed of a file on one feed.

    Attributes:
        backend: its name.
        graph: of the file's layers.
        runtime: the values between them.
        answers: what it gives, by the model's output names.
        outputs: the tensor of the file that each of those is.
        computes_in: the precision that it reports.
        limit: what counts as parted, in the tolerance's unit.
        feed: name of the feed.
    """

    backend: str
    graph: Graph
    runtime: StoredValues
    answers: StoredValues
    outputs: Mapping[str, str]
    computes_in: Precision
    limit: float
    feed: str

    def from_file(self, file: StoredValues, deadline: Deadline) -> Divergence | None:
        """Where it leaves the file's own values in float64; ``None`` if no output does."""
        errors = {
            tensor: self._answer_error(name, tensor, file) for name, tensor in self.outputs.items()
        }
        bad = {tensor: error for tensor, error in errors.items() if error > self.limit}
        if not bad:
            return None
        start = min(bad, key=lambda name: len(self.graph.behind(name, lambda _: False)))
        if start not in self.graph.producer:
            return None
        search = EdgeSearch(self.graph, lambda name: self._error(name, file, deadline))
        search.errors[start] = self._error(start, file, None)
        inside = search.errors[start]
        if inside is not None and inside <= self.limit:
            return self._only_given_out(start, bad[start])
        search.errors[start] = bad[start]
        floor = max(self.limit / _ROUNDING_SHARE, UNIT_ROUNDOFF[self.computes_in])
        edge = search.first_jump(start, self.limit, floor)
        sentence = describe_edge(
            self.backend,
            edge,
            limit=self.limit,
            floor=floor,
            failure=None,
            only_whole=False,
            untested=(),
        )
        return self._answer(edge, sentence, len(search.errors))

    def in_lower_precision(self, reference: Computation) -> Divergence | None:
        """The first layer that was computed in less than fp32 where that was asked for.

        Args:
            reference: the file's own values in float64, or the ONNX graph's, where a layer's is
                looked for by value.
        """
        if self.computes_in != "fp32":
            return None
        matcher = ValueMatcher(reference.values, reference.names, TOLERANCES["bf16"].limit)
        own = reference.graph is self.graph
        for step in self.graph.steps:
            for name in step.outputs:
                if name not in self.runtime or name not in self.graph.varying:
                    continue
                value = self.runtime.load(name)
                exact = _counterpart(name, value, matcher, reference.values, own)
                lower = "" if exact is None else fits_lower_precision([value], [exact])
                if lower and exact is not None:
                    return self._lowered(step, name, lower, flat_error(value, exact))
        return None

    def _answer_error(self, name: str, tensor: str, file: StoredValues) -> float:
        answer = self.answers.load(name)
        if tensor not in file or file.stored[tensor].size != answer.size:
            return math.inf
        return output_error(answer, file.load(tensor).reshape(answer.shape))

    def _error(self, name: str, file: StoredValues, deadline: Deadline | None) -> float | None:
        """Of the runtime's own value; ``None`` where either side has none."""
        if deadline is not None:
            deadline.check()
        if name not in self.runtime or name not in file:
            return None
        return flat_error(self.runtime.load(name), file.load(name))

    def _only_given_out(self, tensor: str, error: float) -> Divergence:
        step = self.graph.producer[tensor]
        edge = ErrorEdge(step=step, value=tensor, before=0.0, after=error, complete=False)
        return self._answer(
            edge,
            f"every layer is right on {self.backend}, up to {title(step)}, and what it gives out "
            f"as {tensor} is not (off by {figure(error)}, the limit is {self.limit:g}): the fault "
            "lies in how the answer is taken from the runtime",
            len(self.outputs),
        )

    def _lowered(self, step: GraphStep, name: str, lower: str, error: float) -> Divergence:
        edge = ErrorEdge(step=step, value=name, before=0.0, after=error)
        return self._answer(
            edge,
            f"{self.backend} computes in {lower} from {title(step)} on, though it says fp32: every "
            f"value there fits into {lower}, and those of float64 do not (off by "
            f"{figure(error)}, the limit is {self.limit:g})",
            step.position,
        )

    def _answer(self, edge: ErrorEdge, sentence: str, looked_at: int) -> Divergence:
        known = [name for name in dict.fromkeys(edge.step.inputs) if name in self.runtime]
        return Divergence(
            side="runtime",
            node=edge.step.name,
            operator=edge.step.operator,
            output=edge.value,
            position=edge.step.position,
            nodes=len(self.graph.steps),
            inputs=tuple(self.runtime.range_of(name) for name in known),
            error_before=edge.before,
            error_after=edge.after,
            limit=self.limit,
            feed=self.feed,
            cuts=looked_at,
            complete=edge.complete,
            sentence=sentence,
        )


def _counterpart(
    name: str, value: Array, matcher: ValueMatcher, values: StoredValues, own: bool
) -> Array | None:
    """What a layer's value should be, in its shape; ``None`` where that is not known."""
    if own:
        place = name if name in values and values.stored[name].size == value.size else ""
    else:
        found = matcher.find(value)
        place = found[0] if found else ""
    return values.load(place).reshape(value.shape) if place else None
