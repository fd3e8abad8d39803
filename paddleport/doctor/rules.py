"""Versions that are known not to work together."""

from collections.abc import Mapping
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from paddleport.doctor.findings import Problem, State
from paddleport.doctor.parts import load_table, parse


@dataclass(frozen=True)
class Rule:
    """One row of ``known_bad.json``.

    Attributes:
        part: whose row it is shown in.
        versions: the rule applies where every distribution, or ``python``, has such a version;
            empty is any, ``None`` is that it is not installed.
        problem: what goes wrong.
        mend: what to type.
        mend_with_gpu: what to type where there is a GPU, if that differs.
        state: ``broken``, or ``note`` for what is met by few.
    """

    part: str
    versions: Mapping[str, str | None]
    problem: str
    mend: str
    mend_with_gpu: str = ""
    state: State = "broken"

    def applies(self, found: Mapping[str, str | None]) -> bool:
        """Whether this is what is installed."""
        return all(_matches(found.get(name), spec) for name, spec in self.versions.items())

    def told(self, *, gpu: bool) -> Problem:
        """The rule as a problem of this machine."""
        return Problem(self.state, self.problem, (gpu and self.mend_with_gpu) or self.mend)


def load_rules() -> tuple[Rule, ...]:
    """The table, in its order."""
    return tuple(Rule(**row) for row in load_table("known_bad.json"))


def _matches(found: str | None, spec: str | None) -> bool:
    if found is None or spec is None:
        return found is spec
    if not spec:
        return True
    version = parse(found)
    return version is not None and SpecifierSet(spec).contains(version.public, prereleases=True)
