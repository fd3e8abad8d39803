"""Versions that are known not to work together."""

from collections.abc import Mapping
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from paddleport.doctor.checked_packages import load_table, parse
from paddleport.doctor.findings import Problem, State


@dataclass(frozen=True, kw_only=True)
class KnownBadVersions:
    """One row of ``known_bad.json``.

    Attributes:
        part: the row that shows it.
        versions: it applies where every distribution, or ``python``, has such a version;
            empty is any, ``None`` is that it is not installed.
        problem: what goes wrong.
        fix: the command that repairs it.
        fix_with_gpu: the command where there is a GPU, if that differs.
        state: ``broken``, or ``note`` for what few models meet.
    """

    part: str
    versions: Mapping[str, str | None]
    problem: str
    fix: str
    fix_with_gpu: str = ""
    state: State = "broken"

    def applies(self, found: Mapping[str, str | None]) -> bool:
        """Whether these are the versions that were found."""
        return all(_matches(found.get(name), spec) for name, spec in self.versions.items())

    def problem_here(self, *, gpu: bool) -> Problem:
        """The problem on this machine, with its command."""
        return Problem(self.state, self.problem, (gpu and self.fix_with_gpu) or self.fix)


def load_known_bad() -> tuple[KnownBadVersions, ...]:
    """The table, in its order."""
    return tuple(KnownBadVersions(**row) for row in load_table("known_bad.json"))


def _matches(found: str | None, spec: str | None) -> bool:
    if found is None or spec is None:
        return found is spec
    if not spec:
        return True
    version = parse(found)
    return version is not None and SpecifierSet(spec).contains(version.public, prereleases=True)
