"""Which backend gets which of the extras that were asked of all."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from paddleport import runners
from paddleport.errors import BackendUnavailableError, UsageError, unknown_name
from paddleport.runners.base import Runner, RunnerOptions
from paddleport.validate.parity.plan import Plan


@dataclass(frozen=True)
class Dealt:
    """One backend's part.

    Attributes:
        extras: those that it gets.
        notes: a sentence for each that it knows and does not get.
    """

    extras: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Tried:
    """What a backend takes of those that it knows.

    Attributes:
        extras: those it takes together.
        refusal: of all that it knows together; ``None`` where there is none.
        possible: whether it has the device and the precision that were asked for.
    """

    extras: Mapping[str, str]
    refusal: UsageError | None = None
    possible: bool = True


def deal(plan: Plan) -> dict[str, Dealt]:
    """The extras of each of the plan's backends: those that it knows and takes.

    One that a backend refuses, since only another of its providers takes it, is left out there
    if another backend takes it; else nobody would compute as asked.

    Raises:
        UsageError: an extra that no backend takes, or that is no value of its type.
        BackendUnavailableError: a backend that was named never has the device or precision; one
            that was not is skipped for it later.
    """
    kinds = {name: runners.runner_class(name) for name in plan.backends or runners.names()}
    known = {key for kind in kinds.values() for key in kind.option_names()}
    for key in plan.extras:
        if key not in known:
            raise UsageError(unknown_name(f"option of {', '.join(kinds)}", key, known))
    tried = {name: _tried(kind, plan) for name, kind in kinds.items()}
    takers = {
        key: [name for name, one in tried.items() if one.possible and key in one.extras]
        for key in plan.extras
    }
    return {name: _dealt(kind, tried[name], plan, takers) for name, kind in kinds.items()}


def _tried(kind: type[Runner], plan: Plan) -> _Tried:
    known = {key: text for key, text in plan.extras.items() if key in kind.option_names()}
    asked = RunnerOptions(plan.device, plan.precision, plan.threads, known)
    try:
        return _taken(kind, asked)
    except BackendUnavailableError:
        if plan.backends is not None:
            raise
        return _Tried(known, possible=False)


def _taken(kind: type[Runner], asked: RunnerOptions) -> _Tried:
    """All, or one after the other, from the start after each: a provider makes way for others."""
    try:
        kind.check_options(asked)
        return _Tried(asked.extras)
    except UsageError as error:
        refusal = error
    taken, pending = replace(asked, extras={}), dict(asked.extras)
    kind.check_options(taken)
    while fitting := [key for key in pending if kind.takes_extra(taken, key, pending[key])]:
        key = fitting[0]
        taken = replace(taken, extras={**taken.extras, key: pending.pop(key)})
    return _Tried(taken.extras, refusal)


def _dealt(kind: type[Runner], tried: _Tried, plan: Plan, takers: Mapping[str, list[str]]) -> Dealt:
    notes = []
    for key, text in plan.extras.items():
        if key in tried.extras or key not in kind.option_names():
            continue
        if tried.refusal is not None and not takers[key]:
            raise tried.refusal
        notes.append(f"did not get -o {key}={text}, as others do: {', '.join(takers[key])}")
    return Dealt(tried.extras, tuple(notes))
