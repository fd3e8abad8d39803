"""Every backend against native Paddle: the same feeds, a verdict each, and comparable latency."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from paddleport import runners
from paddleport.errors import (
    BackendUnavailableError,
    FeedError,
    PortError,
    UsageError,
    unknown_name,
)
from paddleport.models.card import OnnxModel, PaddleModel
from paddleport.models.onnx_file import onnx_input_names
from paddleport.models.resolve import SourceModel
from paddleport.runners.base import Precision, RunnerOptions, available_threads
from paddleport.tensors import Array, Feed
from paddleport.validate.compare import TOLERANCES, compare_outputs, overall
from paddleport.validate.describe import describe_environment, describe_model
from paddleport.validate.feeds import make_feeds
from paddleport.validate.latency import measure
from paddleport.validate.report import BackendRow, ParityReport
from paddleport.validate.session import PLAIN_PADDLE, Session

_logger = logging.getLogger(__name__)
Progress = Callable[[str, float], None]
SPEED_REFERENCE = "paddle"
_MEASURING_FROM = 0.5  # share of the progress bar that comparing takes


@dataclass(frozen=True)
class Plan:
    """What to compare with what, and how long to measure.

    Attributes:
        backends: names, each of which must then be available; ``None`` for all there are.
        reference: the backend the numbers are judged against, at its plainest.
        device, precision, threads, extras: as ``RunnerOptions`` has them, for every candidate;
            extras go to the backends that know them.
        seconds_each: time to measure each backend's latency; 0 measures none.
    """

    backends: tuple[str, ...] | None = None
    reference: str = "paddle"
    device: str = "cpu"
    precision: Precision | None = None
    threads: int = field(default_factory=available_threads)
    extras: Mapping[str, str] = field(default_factory=dict)
    seconds_each: float = 3.0


def validate(
    source: SourceModel,
    onnx: OnnxModel,
    plan: Plan | None = None,
    *,
    pictures: Sequence[Path] = (),
    shapes: Mapping[str, Sequence[int]] | None = None,
    feed: Mapping[str, Array] | None = None,
    progress: Progress = lambda step, share: None,
) -> ParityReport:
    """Hold every backend against native Paddle on the same feeds.

    Args:
        source: the Paddle model, from ``paddleport.models.resolve.resolve``.
        onnx: the ONNX file that should be the same model, from here or from elsewhere.
        plan: which backends, which options, how long; all backends by default.
        pictures: files to feed, instead of the samples that the package draws.
        shapes: input name to shape, where the model leaves dimensions free.
        feed: input name to tensor, instead of made-up feeds.
        progress: told each step and the share done.

    Raises:
        BackendUnavailableError: a named backend, or the reference, is not available.
        WorkerCrashed: the reference crashed; a candidate that does is a row of the report.
        FeedError, ImageError: what was given cannot be fed.
    """
    plan = plan or Plan()
    feeds = make_feeds(
        source.program.inputs,
        preprocess=source.preprocess,
        pictures=pictures,
        shapes=shapes,
        given=feed,
    )
    run = _Run(source, onnx, plan, [item.tensors for item in feeds], progress)
    try:
        rows = run.rows()
    finally:
        run.close()
    return ParityReport(
        describe_model(source, onnx),
        run.reference_description,
        run.speed_description,
        tuple((item.name, item.kind) for item in feeds),
        plan.threads,
        tuple(rows),
        describe_environment(),
    )


class _Run:
    """One validation under way: the open sessions and what they have given so far."""

    def __init__(
        self,
        source: SourceModel,
        onnx: OnnxModel,
        plan: Plan,
        feeds: Sequence[Feed],
        progress: Progress,
    ) -> None:
        self.source, self.onnx, self.plan, self.feeds = source, onnx, plan, feeds
        self.onnx_feeds, self.onnx_notes = _feeds_for_onnx(source, onnx, feeds)
        self.progress = progress
        self.sessions: dict[str, Session] = {}
        self.reference_description = f"{plan.reference} plain"
        self.speed_description = "nothing: latency was not measured"

    def rows(self) -> list[BackendRow]:
        names = self.plan.backends or runners.names()
        known = {key for name in names for key in runners.runner_class(name).option_names()}
        for key in self.plan.extras:
            if key not in known:
                raise UsageError(unknown_name(f"option of {', '.join(names)}", key, known))
        self.progress("reference", 0.0)
        rows = [self._reference_row()]
        for index, name in enumerate(names):
            self.progress(name, _MEASURING_FROM * (index + 1) / (len(names) + 1))
            rows.append(self._candidate_row(name))
        return self._with_latency(rows)

    def close(self) -> None:
        for session in self.sessions.values():
            session.close()

    def _reference_row(self) -> BackendRow:
        name = self.plan.reference
        options = replace(
            PLAIN_PADDLE if name == "paddle" else RunnerOptions(), threads=self.plan.threads
        )
        row_name = f"{name} plain" if name == "paddle" else f"{name} (reference)"
        session = Session(name, self._model_for(name), options)
        self.sessions[row_name] = session
        self.expected = session.run_all(self._feeds_for(name))
        facts = session.facts
        switches = ", no oneDNN, no graph optimisation" if name == "paddle" else ""
        version = runners.installed_version(runners.runner_class(name))
        self.reference_description = f"{name} {version} {facts.computes_in}{switches}"
        return BackendRow(
            row_name,
            "reference",
            computes_in=facts.computes_in,
            load_ms=facts.load_ms,
            notes=facts.notes,
        )

    def _candidate_row(self, name: str) -> BackendRow:
        try:
            session = Session(name, self._model_for(name), self._options_for(name))
        except BackendUnavailableError as error:
            if self.plan.backends is not None:
                raise
            return BackendRow(name, "skipped", reason=str(error))
        except PortError as error:
            return BackendRow(name, "failed", reason=str(error))
        self.sessions[name] = session
        facts = session.facts
        row = BackendRow(
            name,
            "failed",
            computes_in=facts.computes_in,
            load_ms=facts.load_ms,
            notes=facts.notes + self.onnx_notes * (self._consumes(name) == "onnx"),
        )
        try:
            outputs = session.run_all(self._feeds_for(name))
        except PortError as error:
            self._end(name)
            return replace(row, reason=str(error))
        comparisons = compare_outputs(self.expected, outputs, TOLERANCES[facts.computes_in])
        _logger.info("%s: %s in %s", name, overall(comparisons), facts.computes_in)
        reason = "; ".join(f"{item.output}: {item.reason}" for item in comparisons if item.reason)
        return replace(
            row, verdict=overall(comparisons), reason=reason, comparisons=tuple(comparisons)
        )

    def _with_latency(self, rows: list[BackendRow]) -> list[BackendRow]:
        if not self.plan.seconds_each:
            return rows
        timed = {
            name: (session, self._feeds_for(name.split()[0])[0])
            for name, session in self.sessions.items()
            if runners.runner_class(name.split()[0]).timed
        }
        found = measure(
            timed,
            seconds_each=self.plan.seconds_each,
            on_round=lambda share: self.progress(
                "latency", _MEASURING_FROM + (1 - _MEASURING_FROM) * share
            ),
        )
        measured = []
        for row in rows:
            latency = found.get(row.name)
            if isinstance(latency, PortError):
                row = replace(row, verdict="failed", reason=f"while measuring: {latency}")
            elif latency is not None:
                row = replace(row, latency=latency)
            measured.append(row)
        return self._with_speed_up(measured)

    def _with_speed_up(self, rows: list[BackendRow]) -> list[BackendRow]:
        base = next((row for row in rows if row.name == SPEED_REFERENCE), None)
        if base is None or base.latency is None:
            why = "was not among the backends" if base is None else f"{base.verdict}: {base.reason}"
            self.speed_description = f"nothing: {SPEED_REFERENCE} {why}"
            return rows
        self.speed_description = f"paddle with oneDNN, {self.plan.threads} threads"
        p50_ms = base.latency.p50_ms
        return [
            replace(row, speed_up=p50_ms / row.latency.p50_ms) if row.latency else row
            for row in rows
        ]

    def _model_for(self, name: str) -> PaddleModel | OnnxModel:
        return self.source.model if self._consumes(name) == "paddle" else self.onnx

    def _feeds_for(self, name: str) -> Sequence[Feed]:
        return self.feeds if self._consumes(name) == "paddle" else self.onnx_feeds

    def _consumes(self, name: str) -> str:
        return runners.runner_class(name).consumes

    def _options_for(self, name: str) -> RunnerOptions:
        known = runners.runner_class(name).option_names()
        extras = {key: text for key, text in self.plan.extras.items() if key in known}
        return RunnerOptions(self.plan.device, self.plan.precision, self.plan.threads, extras)

    def _end(self, name: str) -> None:
        self.sessions.pop(name).close()


def _feeds_for_onnx(
    source: SourceModel, onnx: OnnxModel, feeds: Sequence[Feed]
) -> tuple[Sequence[Feed], tuple[str, ...]]:
    """The feeds under the ONNX file's input names: by name where they are the same, else in order.

    Raises:
        FeedError: the file takes another number of inputs.
    """
    ours, theirs = [spec.name for spec in source.program.inputs], onnx_input_names(onnx.path)
    if set(ours) == set(theirs):
        return feeds, ()
    if len(ours) != len(theirs):
        raise FeedError(
            f"{onnx.path} takes {', '.join(theirs) or 'nothing'}, the Paddle model takes "
            f"{', '.join(ours)}: they are not the same model"
        )
    pairs = list(zip(ours, theirs, strict=True))
    note = f"fed in order: {', '.join(f'{one} as {other}' for one, other in pairs)}"
    return [{other: feed[one] for one, other in pairs} for feed in feeds], (note,)
