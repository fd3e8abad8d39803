"""Put every computation to the gate, time those that pass, and take the simplest of equals."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from paddleport import runners
from paddleport.errors import BackendUnavailableError, PortError, UsageError
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress, no_progress
from paddleport.runners.runner_options import Precision, available_threads
from paddleport.runners.tasks import shapes_of, task_of
from paddleport.tensors import Array
from paddleport.validate.accuracy_gate.gate import GateResult, GateSet, judge_gate, matched_inputs
from paddleport.validate.parity.describe import describe_environment, describe_model
from paddleport.validate.session import PLAIN_PADDLE
from paddleport.validate.tune.candidate import Goal, ModelVariant, TuneCandidate, candidates
from paddleport.validate.tune.candidate_timing import CandidateFiles, CandidateProcesses, MakeFile
from paddleport.validate.tune.successive_halving import (
    TimedConfiguration,
    equally_fast,
    halve_successively,
)
from paddleport.validate.tune.tuning import State, TunedRow, Tuning

_GATE_SHARE = 0.3  # share of the progress bar
_LEAST_TIMING = 0.5  # share of the seconds, however long the gate took


@dataclass(frozen=True, kw_only=True)
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
    variants: Sequence[ModelVariant],
    pictures: GateSet,
    plan: TunePlan,
    *,
    make: MakeFile | None = None,
    command: str = "",
    progress: Progress = no_progress,
) -> Tuning:
    """Find the fastest configuration of a model on this machine that passes the accuracy gate.

    Every backend and precision first answers the gate's pictures, and is compared with native
    Paddle at its plainest. What passes is timed; what does not is never chosen, however fast.

    Args:
        source: the Paddle model.
        variants: its files, the proven conversion first.
        pictures: the gate's.
        plan: what to look for.
        make: makes what backends load that take no ONNX file; they fail without it.
        command: what was typed.
        progress: called with each step and the share done.

    Raises:
        BackendUnavailableError: a named backend is not available.
        UsageError: no backend to try.
    """
    return _Tuner(source, variants, pictures, plan, make, progress).tuning(command)


class _Tuner:
    def __init__(
        self,
        source: SourceModel,
        variants: Sequence[ModelVariant],
        pictures: GateSet,
        plan: TunePlan,
        make: MakeFile | None,
        progress: Progress,
    ) -> None:
        self._source, self._variants, self._pictures = source, variants, pictures
        self._plan = replace(plan, threads=plan.threads or available_threads())
        self._progress, self._started = progress, time.monotonic()
        inputs, _ = onnx_tensors(variants[0].file.path)
        files = CandidateFiles(
            paddle=source.model,
            variants=variants,
            paddle_inputs=source.program.inputs,
            onnx_inputs=matched_inputs(source.program.inputs, inputs),
            make=make,
        )
        free = all(spec.shape[:1] == (None,) for spec in inputs)
        first = inputs[0].shape[:1] if inputs else ()
        self._fixed_batch = None if free else (first and first[0]) or 1
        self._processes = CandidateProcesses(files, pictures, self._report_turn)
        self._out: list[TunedRow] = []
        self._not_tried: dict[str, str] = {}
        self._gates: dict[tuple[str, str, str], GateResult] = {}

    def tuning(self, command: str) -> Tuning:
        offered = candidates(
            self._backends(),
            self._variants,
            self._plan.goal,
            threads=self._plan.threads,
            fixed_batch=self._fixed_batch,
        )
        wanted = self._plan.precisions
        offered = [item for item in offered if not wanted or item.precision in wanted]
        try:
            passed = self._passing(offered)
            spent = time.monotonic() - self._started - self._processes.making_s
            self._timing_s = max(_LEAST_TIMING * self._plan.seconds, self._plan.seconds - spent)
            self._timing_began = time.monotonic()
            ranked = halve_successively(
                passed,
                self._processes.time,
                self._timing_s,
                on_rung=self._processes.keep,
                now=time.monotonic,
            )
        finally:
            self._processes.close()
        return Tuning(
            model=describe_model(self._source, self._variants[0].file),
            goal=self._plan.goal,
            rows=(*self._ranked_rows(ranked), *self._out),
            judged_on=self._pictures.source,
            judged_sha256=self._pictures.sha256,
            threads=self._plan.threads,
            seconds=time.monotonic() - self._started,
            environment=describe_environment(),
            command=command,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            not_tried=self._not_tried,
        )

    def _backends(self) -> list[str]:
        named = self._plan.backends
        found = []
        for name in named or runners.default_names():
            reason = runners.why_not(name)
            if reason and named:
                raise BackendUnavailableError(f"{name} can't be used here: {reason}")
            if reason:
                self._not_tried[name] = reason
            elif runners.runner_class(name).timed:
                found.append(name)
        if not found:
            raise UsageError("there is no backend to try: paddleport backends")
        return found

    def _passing(self, offered: Sequence[TuneCandidate]) -> list[TuneCandidate]:
        """Those whose computation passes the gate; the others become rows."""
        self._progress("native Paddle", 0.0)
        plain = TuneCandidate(
            backend="paddle",
            precision="fp32",
            variant="fp32",
            threads=self._plan.threads,
            batch=self._fixed_batch or 1,
        )
        wanted, _ = self._processes.answers(plain, PLAIN_PADDLE)
        computations = list(dict.fromkeys(item.computation for item in offered))
        for index, computation in enumerate(computations):
            first = next(item for item in offered if item.computation == computation)
            self._progress(
                f"{first.backend} {first.precision}: the same model?",
                _GATE_SHARE * (index + 1) / (len(computations) + 1),
            )
            self._apply_gate(
                replace(first, threads=self._plan.threads, streams=1, batch=self._fixed_batch or 1),
                wanted,
            )
        return [
            item
            for item in offered
            if (gate := self._gates.get(item.computation)) is not None and gate.passed
        ]

    def _apply_gate(self, candidate: TuneCandidate, wanted: Sequence[dict[str, Array]]) -> None:
        state: State = "not possible"
        try:
            found, ms = self._processes.answers(candidate)
        except BackendUnavailableError as error:
            self._out.append(TunedRow(candidate=candidate, state=state, reason=str(error)))
            return
        except PortError as error:
            self._out.append(TunedRow(candidate=candidate, state="failed", reason=str(error)))
            return
        task = task_of(self._source.program.inputs, shapes_of(wanted))
        labels, kind = self._pictures.labels, self._pictures.kind
        gate = judge_gate(task, wanted, found, labels, examples=kind)
        self._gates[candidate.computation] = gate
        if not gate.passed:
            self._out.append(
                TunedRow(
                    candidate=candidate,
                    state="failed the gate",
                    reason=gate.reason,
                    gate=gate,
                    ms_per_picture=ms,
                )
            )

    def _report_turn(self) -> None:
        share = (time.monotonic() - self._timing_began) / self._timing_s
        self._progress("race", _GATE_SHARE + (1 - _GATE_SHARE) * min(1.0, share))

    def _ranked_rows(self, ranked: Sequence[TimedConfiguration[TuneCandidate]]) -> list[TunedRow]:
        alike = sorted(equally_fast(ranked), key=lambda item: item.configuration.preference)
        furthest = max((item.rungs for item in ranked), default=0)
        rows = [self._row(item, "equal" if index else "chosen") for index, item in enumerate(alike)]
        for item in ranked:
            if item in alike:
                continue
            if item.failed:
                rows.append(self._row(item, "failed"))
            else:
                rows.append(self._row(item, "slower" if item.rungs == furthest else "dropped"))
        return rows

    def _row(self, item: TimedConfiguration[TuneCandidate], state: State) -> TunedRow:
        gate = self._gates[item.configuration.computation]
        if not item.rounds:
            return TunedRow(
                candidate=item.configuration, state=state, reason=item.failed, gate=gate
            )
        runs = sum(len(times) for times in item.rounds)
        return TunedRow(
            candidate=item.configuration,
            state=state,
            reason=item.failed,
            gate=gate,
            ms_per_picture=item.median,
            interval_ms=item.interval,
            runs=runs,
        )
