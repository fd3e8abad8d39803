"""What a check of this installation found, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["ok", "note", "missing", "untested", "broken"]
_ORDER: tuple[State, ...] = ("ok", "note", "missing", "untested", "broken")


@dataclass(frozen=True)
class Problem:
    """What is the matter with one part of the installation, and the command that repairs it.

    Attributes:
        state: what the part is because of it. A ``note`` leaves the part what it is.
        text: what is the matter, without a full stop.
        fix: the one command that repairs it; empty where there is none.
    """

    state: State
    text: str
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of ``paddleport doctor``.

    Attributes:
        part: as ``onnx`` or ``driver``.
        found: its version; empty if it is not there, ``?`` if nothing reports it.
        tested: the versions that were tested, for people; empty if none was.
        problems: what is the matter with it.
        detail: the one fact to show beside it, such as its providers.
        facts: what it reports of itself, for ``--json``.
    """

    part: str
    found: str
    tested: str = ""
    problems: tuple[Problem, ...] = ()
    detail: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """The worst of its problems; a note is none."""
        states: list[State] = ["ok", *(problem.state for problem in self.problems)]
        worst = max(states, key=_ORDER.index)
        return "ok" if worst == "note" else worst

    @property
    def fix(self) -> str:
        """The first command that fixes what is broken; empty if nothing is."""
        return next((problem.fix for problem in self.problems if problem.state == "broken"), "")


@dataclass(frozen=True)
class InstallationReport:
    """Whether what is installed on this machine fits together.

    Attributes:
        machine: what it was found on.
        findings: one per part, in the order of the table.
    """

    machine: Mapping[str, Any]
    findings: tuple[Finding, ...]

    def named(self, *states: State) -> tuple[str, ...]:
        """The parts in one of these states."""
        return tuple(finding.part for finding in self.findings if finding.state in states)

    @property
    def fits(self) -> bool:
        """Whether nothing is broken."""
        return not self.named("broken")
