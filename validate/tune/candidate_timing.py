"""Candidates in processes of their own: opened when they are wanted, timed one at a time."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from paddleport import runners
from paddleport.errors import PortError
from paddleport.models.artifact import Artifact
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed, ShapeRange, TensorSpec
from paddleport.validate.accuracy_gate.gate import GateSet
from paddleport.validate.benchmark.machine import settle
from paddleport.validate.session import Session
from paddleport.validate.tune.candidate import ModelVariant, TuneCandidate
from paddleport.validate.tune.successive_halving import MeasurementFailed

_MOST_OPEN = 16  # processes at a time; each holds a runtime and a model
_WARM_UP_S = 0.05
_BRIEF_S = 0.2


MakeFile = Callable[[Artifact, Sequence[str]], Artifact]


@dataclass(frozen=True, kw_only=True)
class CandidateFiles:
    """What candidates load.

    Attributes:
        paddle: the program, for backends that read Paddle's.
        variants: the model's other files.
        paddle_inputs, onnx_inputs: what they take, in one order.
        make: a file of one of some formats, out of an ONNX file; ``None`` makes nothing.
    """

    paddle: Artifact
    variants: Sequence[ModelVariant]
    paddle_inputs: tuple[TensorSpec, ...]
    onnx_inputs: tuple[TensorSpec, ...]
    make: MakeFile | None = None

    def of(self, candidate: TuneCandidate) -> tuple[Artifact, tuple[TensorSpec, ...]]:
        """File and inputs.

        Raises:
            PortError: the backend loads another format, and nothing makes it.
        """
        formats = runners.runner_class(candidate.backend).formats
        if "paddle" in formats:
            return self.paddle, self.paddle_inputs
        file = next(
            variant.file
            for variant in self.variants
            if variant.name == candidate.variant and variant.serves(candidate.backend)
        )
        if file.format not in formats and self.make is not None:
            return self.make(file, formats), self.onnx_inputs
        return file, self.onnx_inputs


class CandidateProcesses:
    """A process per candidate, opened when it is wanted; ``close`` ends them all.

    Attributes:
        making_s: what it took so far to make the files that candidates load.
    """

    def __init__(
        self, files: CandidateFiles, pictures: GateSet, on_turn: Callable[[], None]
    ) -> None:
        """Nothing is opened yet.

        Args:
            files: what is loaded.
            pictures: what to time with; a batch is made of the first ones.
            on_turn: called after each turn.
        """
        self._files, self._pictures, self._on_turn = files, pictures, on_turn
        self._open: dict[TuneCandidate, Session] = {}
        self._found: dict[tuple[str, str, str], tuple[Artifact, tuple[TensorSpec, ...]]] = {}
        self.making_s = 0.0

    def answers(
        self, candidate: TuneCandidate, options: RunnerOptions | None = None
    ) -> tuple[list[dict[str, Array]], float]:
        """Its outputs for every example, one at a time, and roughly its time.

        In a process for this alone.

        Returns:
            One mapping per example; milliseconds per picture, timed briefly.

        Raises:
            PortError: it is not to be had here, refuses a picture, or crashes.
        """
        _, inputs = self._file(candidate)
        session = self._session(candidate, options or candidate.options)
        try:
            outputs = session.run_all(self._pictures.feeds(*inputs))
            times = self._times(candidate, session, _BRIEF_S)
        finally:
            session.close()
        own = [self._pictures.own(found, *inputs) for found in outputs]
        return own, float(np.median(times)) / candidate.batch

    def time(self, candidate: TuneCandidate, seconds: float) -> list[float]:
        """Milliseconds per picture of each run.

        Raises:
            MeasurementFailed: it can't be opened, or fails while it runs.
        """
        try:
            session = self._opened(candidate)
            settle([other.facts.pid for other in self._open.values() if other is not session])
            times = self._times(candidate, session, seconds)
        except PortError as error:
            self._close([candidate])
            raise MeasurementFailed(str(error)) from error
        self._on_turn()
        return [time / candidate.batch for time in times]

    def keep(self, left: Collection[TuneCandidate]) -> None:
        """Close all others."""
        self._close([candidate for candidate in self._open if candidate not in left])

    def close(self) -> None:
        """End every process."""
        self.keep(())

    def _times(self, candidate: TuneCandidate, session: Session, seconds: float) -> list[float]:
        feed = self._feed(candidate)
        if candidate.streams > 1:
            return session.time_many_ms(feed, at_most_s=seconds, warm_up_s=_WARM_UP_S)
        return session.time_ms(feed, at_most_s=seconds, warm_up_s=_WARM_UP_S)

    def _feed(self, candidate: TuneCandidate) -> Feed:
        _, inputs = self._file(candidate)
        return self._pictures.batch(candidate.batch, *inputs)

    def _file(self, candidate: TuneCandidate) -> tuple[Artifact, tuple[TensorSpec, ...]]:
        """Made only once, whatever it is asked for."""
        if candidate.computation not in self._found:
            started = time.monotonic()
            self._found[candidate.computation] = self._files.of(candidate)
            self.making_s += time.monotonic() - started
        return self._found[candidate.computation]

    def _session(self, candidate: TuneCandidate, options: RunnerOptions) -> Session:
        """With the shape that it will be fed, as ``run`` has it."""
        file, _ = self._file(candidate)
        if runners.runner_class(candidate.backend).gains_from_shapes:
            feed = self._feed(candidate)
            shapes = {name: ShapeRange.only(item.shape) for name, item in feed.items()}
            options = replace(options, shapes=shapes)
        return Session(candidate.backend, file, options)

    def _opened(self, candidate: TuneCandidate) -> Session:
        if candidate in self._open:
            self._open[candidate] = self._open.pop(candidate)  # the last one used goes last
        else:
            self._close(list(self._open)[: max(0, len(self._open) - _MOST_OPEN + 1)])
            self._open[candidate] = self._session(candidate, candidate.options)
        return self._open[candidate]

    def _close(self, candidates: Collection[TuneCandidate]) -> None:
        for candidate in list(candidates):
            session = self._open.pop(candidate, None)
            if session is not None:
                session.close()
