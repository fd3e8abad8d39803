"""Backends of other packages: whether their modules import, and whether two claim one name."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from paddleport.doctor.children import Failure
from paddleport.doctor.findings import Finding, Problem

_GROUP = "paddleport.runners"  # as runners.GROUP, which would import numpy into this process
_OURS = "paddleport"


@dataclass(frozen=True)
class Claim:
    """A backend's name, and every package that registers it.

    Attributes:
        name: what ``--backend`` takes.
        packages: name and version of each, sorted.
        module: where the first of them has it.
    """

    name: str
    packages: tuple[tuple[str, str], ...]
    module: str

    @property
    def task(self) -> str:
        """The name of its question and of its row."""
        return f"backend {self.name}"

    @property
    def foreign(self) -> tuple[str, ...]:
        """Its packages but this one."""
        return tuple(package for package, _ in self.packages if package != _OURS)


def foreign_backends() -> tuple[Claim, ...]:
    """Every name that another package registers, sorted; nothing is imported."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=_GROUP):
        found.setdefault(entry.name, []).append(entry)
    claims = (_claim(name, entries) for name, entries in sorted(found.items()))
    return tuple(claim for claim in claims if claim.foreign)


def judge_backend(claim: Claim, answer: Any, mend_first: str = "") -> Finding:
    """One backend.

    Args:
        claim: who registers it.
        answer: what ``probe_backend`` said, or the failure that it came to.
        mend_first: what mends a broken package that every backend imports.
    """
    versions = " and ".join(version for _, version in claim.packages)
    names = " and ".join(name for name, _ in claim.packages)
    return Finding(
        claim.task, versions, "", tuple(_problems(claim, answer, mend_first)), f"of {names}"
    )


def _problems(claim: Claim, answer: Any, mend_first: str) -> Sequence[Problem]:
    last = claim.foreign[-1]
    if len(claim.packages) > 1:
        names = " and ".join(name for name, _ in claim.packages)
        text = f"is registered by {names}, so neither is used"
        return [Problem("broken", text, f"pip uninstall -y {last}")]
    if isinstance(answer, Failure):
        mend = mend_first or f"pip install --upgrade --force-reinstall {last}"
        return [Problem("broken", answer.text, "" if answer.mends else mend)]
    return [Problem("missing", str(answer))] if answer else []


def _claim(name: str, entries: Sequence[EntryPoint]) -> Claim:
    packages = sorted(
        (entry.dist.name, entry.dist.version) if entry.dist is not None else (entry.module, "?")
        for entry in entries
    )
    return Claim(name, tuple(packages), entries[0].module)
