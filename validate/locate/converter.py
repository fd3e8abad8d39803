"""The converter's side: the ONNX graph in float64 against Paddle's own intermediate values."""

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from paddleport.errors import ModelFileError
from paddleport.models.card import OnnxModel, PaddleModel
from paddleport.models.onnx_file import read_onnx_proto
from paddleport.tensors import Feed
from paddleport.validate.feeds import NamedFeed
from paddleport.validate.locate.error import output_error
from paddleport.validate.locate.exact import save_exact_values
from paddleport.validate.locate.graph import (
    Graph,
    Step,
    chain,
    frontier,
    lost_steps,
    onnx_graph,
)
from paddleport.validate.locate.located import Located
from paddleport.validate.locate.match import Matcher, affine_error
from paddleport.validate.locate.paddle_values import environ, save_paddle_values
from paddleport.validate.locate.probe import ANSWER_TIMEOUT_S, BudgetSpent, Deadline
from paddleport.validate.locate.search import JUMP, Edge
from paddleport.validate.locate.sentences import converter_sentence
from paddleport.validate.locate.values import Values
from paddleport.worker import Worker

Progress = Callable[[str, float], None]
_ROUNDING_SHARE = 100.0  # of the limit: errors below are taken for rounding
_LONGEST_CHAIN = 4
_LINEAR = ("conv", "matmul", "mul", "fc", "linear", "bmm")  # a name's beginning, or after depthwise
_FOLDED = ("batch_norm", "scale", "elementwise_add", "elementwise_mul", "add", "multiply")
_UNFOLDED = ("BatchNormalization", "Add", "Mul")


def locate_converter(
    model: PaddleModel,
    onnx: OnnxModel,
    feed: NamedFeed,
    onnx_feed: Feed,
    *,
    limit: float,
    seconds: float,
    progress: Progress = lambda step, share: None,
) -> Located | None:
    """The first Paddle operator whose value the ONNX graph no longer has.

    Names do not survive conversion, so each of Paddle's values is looked for among all values
    of the ONNX graph. A value that is missing proves nothing: converters fold and fuse. So the
    search goes back from an output that differs through missing values only, and ends at an
    operator all of whose inputs are still there.

    Args:
        model: the Paddle program.
        onnx: the file that should be the same model.
        feed: tensors under Paddle's input names.
        onnx_feed: the same under the ONNX file's.
        limit: what counts as parted, in the tolerance's unit.
        seconds: budget of the search; the values are computed regardless.
        progress: told each step and a guess at the share done.

    Returns:
        ``None`` if no output parts.

    Raises:
        BackendUnavailableError: paddle is not installed, or float64 lacks an operator.
        FeedError: one of them can't compute the feed.
        ModelFileError: the two have another number of outputs.
        WorkerCrashed: Paddle ended its process.
    """
    with tempfile.TemporaryDirectory(prefix="paddleport-") as folder:
        theirs, ours = Path(folder) / "onnx", Path(folder) / "paddle"
        theirs.mkdir()
        ours.mkdir()
        progress("Paddle's values", 0.0)
        with Worker(environ=environ(model)) as worker:
            record = worker.call(
                save_paddle_values, ANSWER_TIMEOUT_S, model, dict(feed.tensors), ours
            )
        progress("float64 values", 0.3)
        with Worker() as worker:
            stored = worker.call(save_exact_values, ANSWER_TIMEOUT_S, onnx.path, onnx_feed, theirs)
        paddle = _Side(record.graph, Values(ours, record.stored))
        exact = _Side(onnx_graph(read_onnx_proto(onnx.path)), Values(theirs, stored))
        bad = _bad_output(paddle, exact, limit)
        if bad is None:
            return None
        tick = _Ticker(Deadline(seconds), progress, len(paddle.graph.steps) * 2)
        return _located(paddle, exact, bad, limit, tick, feed.name)


@dataclass(frozen=True)
class _Side:
    """One of the two computations."""

    graph: Graph
    values: Values

    @property
    def names(self) -> list[str]:
        """What can be looked up: the feeds and all that depends on them."""
        return [
            *self.graph.feeds,
            *(name for name in self.values.stored if name in self.graph.varying),
        ]


@dataclass(frozen=True)
class _Bad:
    """An output that parts: its name on both sides, and by how much."""

    paddle: str
    onnx: str
    error: float


@dataclass
class _Found:
    """Which values of one side are on the other: the other's name and the error."""

    side: _Side
    matcher: Matcher
    tick: Callable[[str], None]
    known: dict[str, tuple[str, float] | None] = field(default_factory=dict)

    def find(self, name: str) -> tuple[str, float] | None:
        """Where a value is on the other side."""
        if name not in self.known:
            if name not in self.side.values:
                return None  # it could not be fetched: taken for lost, and searched behind
            self.tick(name)
            self.known[name] = self.matcher.find(self.side.values.load(name), f"p2o.{name}")
        return self.known[name]

    def present(self, name: str) -> bool:
        """Whether it is there."""
        return self.find(name) is not None


def _bad_output(paddle: _Side, exact: _Side, limit: float) -> _Bad | None:
    """The output that parts and has the fewest operators behind it."""
    ours, theirs = paddle.graph.outputs, exact.graph.outputs
    if len(ours) != len(theirs):
        raise ModelFileError(
            f"the ONNX file has {len(theirs)} outputs and the Paddle program {len(ours)}: "
            "they are not the same model"
        )
    pairs = zip(ours, ours if set(ours) == set(theirs) else theirs, strict=True)
    bad = [
        _Bad(one, other, error)
        for one, other in pairs
        if one in paddle.values and other in exact.values
        for error in [output_error(exact.values.load(other), paddle.values.load(one))]
        if error > limit
    ]
    return min(
        bad,
        key=lambda item: len(paddle.graph.behind(item.paddle, lambda _: False)),
        default=None,
    )


class _Ticker:
    """Called before each value that is looked up: the clock, the count and the progress bar."""

    def __init__(self, deadline: Deadline, progress: Progress, expected: int) -> None:
        self._deadline, self._progress, self._expected = deadline, progress, expected
        self.count = 0

    def __call__(self, name: str) -> None:
        self._deadline.check()
        self.count += 1
        share = 0.5 + 0.5 * min(0.98, self.count / self._expected)
        self._progress(f"looking for {name}", share)


@dataclass(frozen=True)
class _Result:
    """What one hunt found; the fields are those of ``converter_sentence``."""

    edge: Edge
    following: Sequence[Step] = ()
    kept: Step | None = None
    onnx_step: Step | None = None
    elsewhere: str = ""


def _located(
    paddle: _Side, exact: _Side, bad: _Bad, limit: float, tick: _Ticker, feed: str
) -> Located:
    """Hunt with ever smaller thresholds, until the error jumps or only rounding is left."""
    floor = limit / _ROUNDING_SHARE
    best: _Result | None = None
    threshold = limit
    while threshold >= floor:
        hunt = _Hunt(paddle, exact, bad, threshold, tick)
        try:
            found = hunt.result()
        except BudgetSpent:
            best = best or _Result(hunt.bracket())
            best = replace(best, edge=replace(best.edge, complete=False))
            break
        if best is None or found.edge.jump(floor) > best.edge.jump(floor):
            best = found
        if found.elsewhere or best.edge.jump(floor) >= JUMP:
            break
        threshold /= JUMP
    if best is None:
        raise ValueError(f"limit {limit} leaves nothing to hunt for")
    return _answer(paddle, best, limit, floor, tick.count, feed)


def _answer(
    paddle: _Side, found: _Result, limit: float, floor: float, cuts: int, feed: str
) -> Located:
    edge, values = found.edge, paddle.values
    inputs = [name for name in dict.fromkeys(edge.step.inputs) if name in values]
    return Located(
        "converter",
        edge.step.name,
        edge.step.operator,
        edge.value,
        edge.step.position,
        len(paddle.graph.steps),
        tuple(values.range_of(name) for name in inputs),
        edge.before,
        edge.after,
        limit,
        feed,
        cuts,
        edge.complete,
        converter_sentence(
            edge,
            limit=limit,
            floor=floor,
            following=found.following,
            kept=found.kept,
            onnx_step=found.onnx_step,
            elsewhere=found.elsewhere,
        ),
    )


class _Hunt:
    """One search with one threshold, on both sides at once."""

    def __init__(
        self, paddle: _Side, exact: _Side, bad: _Bad, threshold: float, tick: _Ticker
    ) -> None:
        self.paddle, self.exact, self.bad, self.threshold = paddle, exact, bad, threshold
        self.in_onnx = _Found(paddle, Matcher(exact.values, exact.names, threshold), tick)
        self.in_paddle = _Found(exact, Matcher(paddle.values, paddle.names, threshold), tick)

    def result(self) -> _Result:
        """The operator, and what the ONNX side adds to it; raises BudgetSpent."""
        elsewhere = self._elsewhere()
        if elsewhere:
            edge = self._edge_at(self.paddle.graph.producer[self.bad.paddle])
            return _Result(edge, elsewhere=elsewhere)
        graph = self.paddle.graph
        lost = lost_steps(graph, self.bad.paddle, self.in_onnx.present)
        step = frontier(graph, lost, self.in_onnx.present)[0]
        theirs = lost_steps(self.exact.graph, self.bad.onnx, self.in_paddle.present)
        edge = self._edge_at(step)
        onnx_step = self._onnx_step(theirs, edge)
        following = self._folded_into(step, lost, onnx_step)
        kept = None
        if following and self._is_kept(edge.value, theirs):
            kept = step
            named = next((s for s in following if _begins(s, ("batch_norm",))), following[-1])
            edge = replace(self._edge_at(named), before=edge.before)
            following = [item for item in following if item is not named]
        edge = replace(edge, after=self._nearest_error(edge.value, theirs))
        return _Result(edge, following, kept, onnx_step)

    def _elsewhere(self) -> str:
        """The ONNX tensor that holds the bad output's value although the output does not."""
        found = self.in_onnx.find(self.bad.paddle)
        return found[0] if found and found[0] != self.bad.onnx else ""

    def _edge_at(self, step: Step, *, complete: bool = True) -> Edge:
        found = [self.in_onnx.known.get(name) for name in self.paddle.graph.varying_inputs(step)]
        before = max((item[1] for item in found if item), default=0.0)
        value = next((name for name in step.outputs if name in self.paddle.values), self.bad.paddle)
        return Edge(step, value, before, self.bad.error, complete=complete)

    def _onnx_step(self, lost: Sequence[Step], edge: Edge) -> Step | None:
        """Where the ONNX graph parts: preferably a reader of what the Paddle operator reads."""
        steps = frontier(self.exact.graph, lost, self.in_paddle.present)
        inputs = [self.in_onnx.known.get(name) for name in edge.step.inputs]
        read = {item[0] for item in inputs if item} | set(self.exact.graph.feeds)
        return min(
            steps, key=lambda step: (not read & set(step.inputs), step.position), default=None
        )

    def _folded_into(self, step: Step, lost: Sequence[Step], onnx_step: Step | None) -> list[Step]:
        """The lost operators after a linear one that the converter may have folded into it."""
        if not _begins(step, _LINEAR):
            return []
        found: list[Step] = []
        for item in chain(self.paddle.graph, step, lost, _LONGEST_CHAIN)[1:]:
            if not _begins(item, _FOLDED) or len(self.paddle.graph.varying_inputs(item)) != 1:
                break
            found.append(item)
        return [] if onnx_step and self._stays_apart(onnx_step) else found

    def _stays_apart(self, onnx_step: Step) -> bool:
        """Whether a batch norm or bias of its own comes after the ONNX node: nothing is folded."""
        graph = self.exact.graph
        readers = [step for name in onnx_step.outputs for step in graph.consumers.get(name, ())]
        return any(
            step.operator in _UNFOLDED and len(graph.varying_inputs(step)) == 1 for step in readers
        )

    def _is_kept(self, value: str, theirs: Sequence[Step]) -> bool:
        """Whether an ONNX value is this one up to a scale and shift of each channel.

        If so the linear operator came over right, and what was folded into it did not.
        """
        whole = self.paddle.values.load(value)
        names = [name for step in theirs for name in step.outputs if name in self.exact.values]
        errors = [affine_error(whole, self.exact.values.load(name)) for name in names]
        return min(errors, default=math.inf) <= self.threshold

    def _nearest_error(self, value: str, theirs: Sequence[Step]) -> float:
        lost = {name for step in theirs for name in step.outputs}
        found = None
        if value in self.paddle.values:
            loaded = self.paddle.values.load(value)
            found = self.in_onnx.matcher.nearest(loaded, lost.__contains__)
        return found[1] if found else math.inf

    def bracket(self) -> Edge:
        """The earliest operator known to be lost, as far as the time allowed."""
        known = [name for name, found in self.in_onnx.known.items() if found is None]
        steps = [self.paddle.graph.producer[name] for name in [self.bad.paddle, *known]]
        return self._edge_at(min(steps, key=lambda step: step.position), complete=False)


def _begins(step: Step, words: Sequence[str]) -> bool:
    name = step.operator.rpartition(".")[2].removeprefix("depthwise_")
    return name.startswith(tuple(words))
