"""What a validation is asked to do: its plan, its reference, and each backend's extras."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from paddleport import runners
from paddleport.errors import BackendUnavailableError, UsageError, unknown_name
from paddleport.models.artifact import Artifact
from paddleport.runners.base import Runner
from paddleport.runners.gpu import find_driver
from paddleport.runners.paddle.needs import why_not
from paddleport.runners.runner_options import Precision, RunnerOptions, available_threads
from paddleport.tensors import ShapeRange
from paddleport.worker import run_in_worker

BEST, PLAIN = "paddle-tensorrt", "paddle"
NATIVE = (BEST, PLAIN)
"""The backends that are Paddle itself, and run its own file."""
_TIMEOUT_S = 120.0  # Paddle is imported


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to compare with what, and how long to measure.

    Attributes:
        backends: names, each of which must then be available; ``None`` for all there are.
        reference: the backend the numbers are compared with, at its plainest; ``None`` is
            Paddle with TensorRT where that can run, else Paddle.
        device, precision, threads, extras: as ``RunnerOptions`` has them, for every candidate;
            extras go to the backends that take them, as ``assign_extras`` has it.
        shapes: the Paddle model's input name to the shapes that backends compile for; by
            default those that are fed.
        seconds_each: most seconds to measure each backend's main configuration; 0 measures
            nothing.
        quick: fewer feeds, and of the latencies only the main ones.
        locate: look for the node where a backend parts from the reference, if it does.
        locate_seconds: most seconds for each of these searches.
        strict: a skipped backend is a failure.
        timeout_s: for one inference; a backend that takes longer has failed.
        memory_limit_bytes: for one backend's process; ``None`` is 80 % of what is available.
    """

    backends: tuple[str, ...] | None = None
    reference: str | None = None
    device: str | None = None
    precision: Precision | None = None
    threads: int = field(default_factory=available_threads)
    extras: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, ShapeRange] = field(default_factory=dict)
    seconds_each: float = 3.0
    quick: bool = False
    locate: bool = False
    locate_seconds: float = 60.0
    strict: bool = False
    timeout_s: float = 300.0
    memory_limit_bytes: int | None = None

    @property
    def samples(self) -> int:
        """How many drawn pictures to feed."""
        return 3 if self.quick else 6

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Of the batches that are fed; odd, as whole vectors of pictures may come out right."""
        return tuple(size for size in ((3,) if self.quick else (3, 8)) if self.takes_batch(size))

    @property
    def float64_seconds(self) -> float:
        """Most seconds for the float64 answers of all feeds, and once more for looking into them.

        On two cores that is enough for networks of up to some 150 GFLOP a picture. Without a
        limit where nothing may be missing.
        """
        if self.strict or "reference" in (self.backends or ()):
            return math.inf
        return 20.0 if self.quick else 60.0

    def takes_batch(self, size: int) -> bool:
        """Whether a batch is within the shapes that backends compile for."""
        return all(
            shapes.min[0] <= size <= shapes.max[0] for shapes in self.shapes.values() if shapes.max
        )


@dataclass(frozen=True)
class AssignedExtras:
    """One backend's part.

    Attributes:
        extras: those that it gets.
        notes: a sentence for each that it knows and does not get.
    """

    extras: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _AcceptedExtras:
    """What a backend takes of those that it knows.

    Attributes:
        extras: those it takes together.
        refusal: of all that it knows together; ``None`` where there is none.
        possible: whether it has the device and the precision that were asked for.
    """

    extras: Mapping[str, str]
    refusal: UsageError | None = None
    possible: bool = True


def assign_extras(plan: Plan) -> dict[str, AssignedExtras]:
    """The extras of each of the plan's backends: those that it knows and takes.

    One that a backend refuses, since only another of its providers takes it, is left out there
    if another backend takes it; else nobody would compute as asked.

    Raises:
        UsageError: an extra that no backend takes, or that is no value of its type.
        BackendUnavailableError: a backend that was named never has the device or precision; one
            that was not is skipped for it later.
    """
    kinds = {name: runners.runner_class(name) for name in plan.backends or runners.default_names()}
    known = {key for kind in kinds.values() for key in kind.option_names()}
    for key in plan.extras:
        if key not in known:
            raise UsageError(unknown_name(f"option of {', '.join(kinds)}", key, known))
    tried = {name: _accepted(kind, plan) for name, kind in kinds.items()}
    takers = {
        key: [name for name, one in tried.items() if one.possible and key in one.extras]
        for key in plan.extras
    }
    return {name: _assigned(kind, tried[name], plan, takers) for name, kind in kinds.items()}


def _accepted(kind: type[Runner], plan: Plan) -> _AcceptedExtras:
    known = {key: text for key, text in plan.extras.items() if key in kind.option_names()}
    asked = RunnerOptions(
        device=plan.device, precision=plan.precision, threads=plan.threads, extras=known
    )
    try:
        return _taken(kind, asked)
    except BackendUnavailableError:
        if plan.backends is not None:
            raise
        return _AcceptedExtras(known, possible=False)


def _taken(kind: type[Runner], asked: RunnerOptions) -> _AcceptedExtras:
    """All, or one after the other, from the start after each: a provider makes way for others."""
    try:
        kind.check_options(asked)
        return _AcceptedExtras(asked.extras)
    except UsageError as error:
        refusal = error
    taken, pending = replace(asked, extras={}), dict(asked.extras)
    kind.check_options(taken)
    while fitting := [key for key in pending if kind.takes_extra(taken, key, pending[key])]:
        key = fitting[0]
        taken = replace(taken, extras={**taken.extras, key: pending.pop(key)})
    return _AcceptedExtras(taken.extras, refusal)


def _assigned(
    kind: type[Runner], tried: _AcceptedExtras, plan: Plan, takers: Mapping[str, list[str]]
) -> AssignedExtras:
    notes = []
    for key, text in plan.extras.items():
        if key in tried.extras or key not in kind.option_names():
            continue
        if tried.refusal is not None and not takers[key]:
            raise tried.refusal
        notes.append(f"did not get -o {key}={text}, as others do: {', '.join(takers[key])}")
    return AssignedExtras(tried.extras, tuple(notes))


@dataclass(frozen=True)
class ReferenceChoice:
    """The reference of a validation.

    Attributes:
        backend: its name.
        reason: why it is not Paddle with TensorRT, or that it is; empty where it was named.
    """

    backend: str
    reason: str = ""


def choose_reference(asked: str | None, model: Artifact) -> ReferenceChoice:
    """What was asked for; else native Paddle with TensorRT where it can run, else without.

    Raises:
        BackendUnavailableError: Paddle with TensorRT was asked for and can't run here.
    """
    if asked not in (None, BEST):
        return ReferenceChoice(asked or PLAIN)
    missing = _missing(model)
    if asked is None and missing:
        return ReferenceChoice(PLAIN, f"{BEST} can't run here: {missing}")
    if missing:
        raise BackendUnavailableError(
            f"--reference {BEST} can't be: {missing}. Leave it out, or try --reference {PLAIN}"
        )
    return ReferenceChoice(BEST, "" if asked else f"{BEST} can run here, so it is the reference")


def _missing(model: Artifact) -> str:
    if find_driver().missing:
        return why_not(model)  # in milliseconds
    return run_in_worker(why_not, _TIMEOUT_S, model)
