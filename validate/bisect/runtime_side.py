"""The runtime's side: the ONNX graph on a backend against the same graph in float64."""

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paddleport.errors import UsageError
from paddleport.models.artifact import Artifact
from paddleport.progress import Progress, no_progress
from paddleport.runners.reference import ReferenceRunner
from paddleport.runners.runner_options import RunnerOptions
from paddleport.validate.bisect.backend_process import ANSWER_TIMEOUT_S, BackendProcess
from paddleport.validate.bisect.computation import StoredValues
from paddleport.validate.bisect.divergence import Divergence, describe_edge
from paddleport.validate.bisect.edge_search import (
    BudgetSpent,
    Deadline,
    EdgeSearch,
    ErrorEdge,
)
from paddleport.validate.bisect.float64_values import save_float64_values
from paddleport.validate.bisect.graph_cuts import CutRuns, GraphCutter
from paddleport.validate.compare.tolerance import UNIT_ROUNDOFF
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.worker import Worker

_ROUNDING_SHARE = 100.0  # of the limit: errors below are taken for rounding


def locate_runtime(
    onnx: Artifact,
    backend: str,
    options: RunnerOptions,
    feed: NamedFeed,
    *,
    limit: float,
    seconds: float,
    progress: Progress = no_progress,
) -> Divergence | None:
    """The first node whose output on the backend is not what float64 gives.

    Models are cut out of the graph, from its inputs to one tensor, and run on the backend; the
    float64 values come from one evaluation. The answer is a proven edge: every input of the
    node was cut and is good, its output was cut and is bad.

    Args:
        onnx: the file.
        backend: a runner that loads ONNX.
        options: for the backend.
        feed: tensors under the ONNX file's input names.
        limit: what counts as parted, in the tolerance's unit.
        seconds: budget of the search; the whole model is run once on both sides regardless.
        progress: called with each step and a guess at the share done.

    Returns:
        ``None`` if no output of the whole model parts.

    Raises:
        BackendUnavailableError: the backend is not to be had, or float64 lacks an operator.
        ModelFileError: the file is no ONNX, or holds more than 2 GB.
        FeedError: float64 can't compute the feed.
    """
    with (
        tempfile.TemporaryDirectory(prefix="paddleport-") as folder,
        BackendProcess(backend, options) as process,
        Worker(environ=ReferenceRunner.environ) as worker,
    ):
        progress("float64 values", 0.0)
        cutter = GraphCutter(onnx.path)
        values, cut = Path(folder) / "values", Path(folder) / "cuts"
        values.mkdir()
        cut.mkdir()
        stored = worker.call(save_float64_values, ANSWER_TIMEOUT_S, onnx.path, feed.tensors, values)
        cuts = CutRuns(cutter, StoredValues(values, stored), process, worker, cut, feed.tensors)
        found = _search(cuts, backend, limit, seconds, progress)
        return None if found is None else _answer(cuts, found, feed.name, backend, limit)


@dataclass(frozen=True)
class _SearchEnd:
    """How a search ended: the edge, where its rounding begins, and whether the whole is needed."""

    edge: ErrorEdge
    floor: float
    only_whole: bool = False


def _search(
    cuts: CutRuns, backend: str, limit: float, seconds: float, progress: Progress
) -> _SearchEnd | None:
    """From the whole model to the edge."""
    progress(f"{backend}: the whole model", 0.1)
    graph = cuts.cutter.graph
    whole = cuts.whole()
    floor = limit / _ROUNDING_SHARE
    if whole is None:
        bad = dict.fromkeys(graph.outputs, math.inf)
    else:
        floor = max(floor, UNIT_ROUNDOFF[whole.computes_in])
        errors = cuts.output_errors(whole)
        bad = {name: error for name, error in errors.items() if error > limit}
    if not bad:
        return None
    expected = 6 + 3 * math.log2(len(graph.steps) + 1)
    deadline = Deadline(seconds)

    def measure(tensor: str) -> float | None:
        deadline.check()
        share = min(0.95, 0.2 + 0.75 * cuts.count / expected)
        progress(f"{backend}: cut {cuts.count + 1}, at {tensor}", share)
        return cuts.error(tensor, deadline)

    return _from_outputs(EdgeSearch(graph, measure, cuts.node_alone), bad, measure, limit, floor)


def _from_outputs(
    search: EdgeSearch,
    bad: dict[str, float],
    measure: Callable[[str], float | None],
    limit: float,
    floor: float,
) -> _SearchEnd:
    """The search from the first bad output that is bad when cut out as well."""
    graph = search.graph
    starts = [name for name in bad if name in graph.varying]
    # the fewest values behind it: the least to search
    starts.sort(key=lambda name: len(graph.behind(name, lambda _: False)))
    for name in starts:
        try:
            error = search.errors[name] = measure(name)
        except BudgetSpent:
            search.errors[name] = bad[name]
            return _SearchEnd(search.first_jump(name, limit, floor), floor)
        if error is not None and error > limit:
            return _SearchEnd(search.first_jump(name, limit, floor), floor)
    name = starts[0] if starts else next(iter(bad))
    step = graph.producer.get(name)
    if step is None:
        raise UsageError(
            f"output {name} is an input or a weight of the file, and differs: "
            "there is no node to locate"
        )
    edge = ErrorEdge(step=step, value=name, before=0.0, after=bad[name], complete=False)
    return _SearchEnd(edge, floor, only_whole=bool(starts))


def _answer(cuts: CutRuns, found: _SearchEnd, feed: str, backend: str, limit: float) -> Divergence:
    """The answer, with what else is known of the node."""
    edge, graph, float64 = found.edge, cuts.cutter.graph, cuts.float64
    inputs = [
        name
        for name in dict.fromkeys(edge.step.inputs)
        if name in float64 and (name in graph.varying or name in graph.feeds)
    ]
    sentence = describe_edge(
        backend,
        edge,
        limit=limit,
        floor=found.floor,
        failure=cuts.failure,
        only_whole=found.only_whole,
        untested=[cuts.untested[name] for name in edge.unknown if name in cuts.untested],
    )
    return Divergence(
        side="runtime",
        node=edge.step.name,
        operator=edge.step.operator,
        output=edge.value,
        position=edge.step.position,
        nodes=len(graph.steps),
        inputs=tuple(float64.range_of(name) for name in inputs),
        error_before=edge.before,
        error_after=edge.after,
        limit=limit,
        feed=feed,
        cuts=cuts.count,
        complete=edge.complete,
        sentence=sentence,
    )
