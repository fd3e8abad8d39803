"""Judge every computation, race those that pass, and take of equals the simplest."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from paddleport import runners
from paddleport.errors import BackendUnavailableError, PortError, UsageError
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress, no_progress
from paddleport.runners.base import Precision, available_threads
from paddleport.runners.tasks import task_of
from paddleport.tensors import Array
from paddleport.validate.accuracy_gate.gate import GateResult, GateSet, judge_gate, matched_inputs
from paddleport.validate.parity.describe import describe_environment, describe_model
from paddleport.validate.parity.session import PLAIN_PADDLE
from paddleport.validate.tune.candidate import Candidate, Goal, Variant, candidates
from paddleport.validate.tune.race import Racer, equals, race
from paddleport.validate.tune.timed import Files, Stable
from paddleport.validate.tune.tuning import State, TunedRow, Tuning

_JUDGING = 0.3  # share of the progress bar
_LEAST_RACING = 0.5  # share of the seconds, whatever judging took


@dataclass(frozen=True)
class TunePlan:
    """What to look for.

    Attributes:
        goal: ``latency`` of one picture, or ``throughput``.
        backends: names, each of which must then be available; ``None`` for all there are.
        threads: CPUs to share out among threads and streams.
        seconds: for all of it, without conversions.
        precisions: only these; empty is every one.
    """

    goal: Goal = "latency"
    backends: tuple[str, ...] | None = None
    threads: int = 0
    seconds: float = 120.0
    precisions: tuple[Precision, ...] = ()


def tune(
    source: SourceModel,
    variants: Sequence[Variant],
    pictures: GateSet,
    plan: TunePlan,
    *,
    command: str = "",
    progress: Progress = no_progress,
) -> Tuning:
    """Find the fastest configuration of a model on this machine that passes the accuracy gate.

    Every backend and precision first answers the gate's pictures, and is judged against native
    Paddle at its plainest. What passes is raced; what does not is never chosen, however fast.

    Args:
        source: the Paddle model.
        variants: its ONNX files, fp32 first.
        pictures: the gate's.
        plan: what to look for.
        command: what was typed.
        progress: told each step and the share done.

    Raises:
        BackendUnavailableError: a named backend is not available.
        UsageError: no backend to try.
    """
    return _Tuner(source, variants, pictures, plan, progress).tuning(command)


class _Tuner:
    def __init__(
        self,
        source: SourceModel,
        variants: Sequence[Variant],
        pictures: GateSet,
        plan: TunePlan,
        progress: Progress,
    ) -> None:
        self._source, self._variants, self._pictures = source, variants, pictures
        self._plan = replace(plan, threads=plan.threads or available_threads())
        self._progress, self._started = progress, time.monotonic()
        inputs, _ = onnx_tensors(variants[0].onnx.path)
        files = Files(
            source.model,
            {variant.name: variant.onnx for variant in variants},
            source.program.inputs,
            matched_inputs(source.program.inputs, inputs),
        )
        free = all(spec.shape[:1] == (None,) for spec in inputs)
        first = inputs[0].shape[:1] if inputs else ()
        self._fixed_batch = None if free else (first and first[0]) or 1
        self._stable = Stable(files, pictures, self._tell)
        self._out: list[TunedRow] = []
        self._gates: dict[tuple[str, str, str], GateResult] = {}

    def tuning(self, command: str) -> Tuning:
        field = candidates(
            self._backends(),
            self._variants,
            self._plan.goal,
            threads=self._plan.threads,
            fixed_batch=self._fixed_batch,
        )
        wanted = self._plan.precisions
        field = [item for item in field if not wanted or item.precision in wanted]
        try:
            passed = self._judged(field)
            spent = time.monotonic() - self._started
            self._racing_s = max(_LEAST_RACING * self._plan.seconds, self._plan.seconds - spent)
            self._race_began = time.monotonic()
            ranked = race(
                passed,
                self._stable.time,
                self._racing_s,
                between=self._stable.keep,
                now=time.monotonic,
            )
        finally:
            self._stable.close()
        return Tuning(
            describe_model(self._source, self._variants[0].onnx),
            self._plan.goal,
            (*self._ranked_rows(ranked), *self._out),
            self._pictures.source,
            self._pictures.sha256,
            self._plan.threads,
            time.monotonic() - self._started,
            describe_environment(),
            command,
            datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )

    def _backends(self) -> list[str]:
        named = self._plan.backends
        found = []
        for name in named or runners.names():
            reason = runners.why_not(name)
            if reason and named:
                raise BackendUnavailableError(f"{name} can't be used here: {reason}")
            if not reason and runners.runner_class(name).timed:
                found.append(name)
        if not found:
            raise UsageError("there is no backend to try: paddleport backends")
        return found

    def _judged(self, field: Sequence[Candidate]) -> list[Candidate]:
        """Those whose computation passes the gate; the others become rows."""
        self._progress("native Paddle", 0.0)
        plain = Candidate(
            "paddle", "fp32", "fp32", self._plan.threads, batch=self._fixed_batch or 1
        )
        wanted, _ = self._stable.answers(plain, PLAIN_PADDLE)
        computations = list(dict.fromkeys(item.computation for item in field))
        for index, computation in enumerate(computations):
            first = next(item for item in field if item.computation == computation)
            self._progress(
                f"{first.backend} {first.precision}: the same model?",
                _JUDGING * (index + 1) / (len(computations) + 1),
            )
            self._judge(
                replace(first, threads=self._plan.threads, streams=1, batch=self._fixed_batch or 1),
                wanted,
            )
        return [
            item
            for item in field
            if (gate := self._gates.get(item.computation)) is not None and gate.passed
        ]

    def _judge(self, candidate: Candidate, wanted: Sequence[dict[str, Array]]) -> None:
        state: State = "not possible"
        try:
            found, ms = self._stable.answers(candidate)
        except BackendUnavailableError as error:
            self._out.append(TunedRow(candidate, state, str(error)))
            return
        except PortError as error:
            self._out.append(TunedRow(candidate, "failed", str(error)))
            return
        task = task_of(self._source.program.inputs, [item.shape for item in wanted[0].values()])
        labels, kind = self._pictures.labels, self._pictures.kind
        gate = judge_gate(task, wanted, found, labels, examples=kind)
        self._gates[candidate.computation] = gate
        if not gate.passed:
            self._out.append(TunedRow(candidate, "failed the gate", gate.reason, gate, ms))

    def _tell(self) -> None:
        share = (time.monotonic() - self._race_began) / self._racing_s
        self._progress("race", _JUDGING + (1 - _JUDGING) * min(1.0, share))

    def _ranked_rows(self, ranked: Sequence[Racer[Candidate]]) -> list[TunedRow]:
        alike = sorted(equals(ranked), key=lambda runner: runner.what.preference)
        furthest = max((runner.heats for runner in ranked), default=0)
        rows = [
            self._row(runner, "equal" if index else "chosen") for index, runner in enumerate(alike)
        ]
        for runner in ranked:
            if runner in alike:
                continue
            if runner.failed:
                rows.append(self._row(runner, "failed"))
            else:
                rows.append(self._row(runner, "slower" if runner.heats == furthest else "dropped"))
        return rows

    def _row(self, runner: Racer[Candidate], state: State) -> TunedRow:
        gate = self._gates[runner.what.computation]
        if not runner.rounds:
            return TunedRow(runner.what, state, runner.failed, gate)
        runs = sum(len(times) for times in runner.rounds)
        return TunedRow(
            runner.what, state, runner.failed, gate, runner.median, runner.interval, runs
        )
