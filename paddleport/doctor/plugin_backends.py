"""Backends of other packages: whether their modules import, and whether two registered one name."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from paddleport.doctor.child_processes import ChildFailure
from paddleport.doctor.findings import Finding, Problem

_GROUP = "paddleport.runners"  # as runners.GROUP, which would import numpy into this process
_OURS = "paddleport"


@dataclass(frozen=True)
class RegisteredBackend:
    """The name of a backend, and every package that registers it.

    Attributes:
        name: what ``--backend`` takes.
        packages: name and version of each, sorted by name.
        module: the module that the first of them registers.
    """

    name: str
    packages: tuple[tuple[str, str], ...]
    module: str

    @property
    def task(self) -> str:
        """The name of its child task and of its row."""
        return f"backend {self.name}"

    @property
    def foreign(self) -> tuple[str, ...]:
        """Its packages without this one."""
        return tuple(package for package, _ in self.packages if package != _OURS)


def foreign_backends() -> tuple[RegisteredBackend, ...]:
    """Every backend name that another package registers, sorted; nothing is imported."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=_GROUP):
        found.setdefault(entry.name, []).append(entry)
    backends = (_registered(name, entries) for name, entries in sorted(found.items()))
    return tuple(registered for registered in backends if registered.foreign)


def assess_backend(registered: RegisteredBackend, answer: Any, fix_first: str = "") -> Finding:
    """Whether a backend of another package can be used.

    Args:
        registered: its name and packages.
        answer: of ``probe_backend``, or how asking it failed.
        fix_first: the command that repairs a broken package that every backend imports.
    """
    versions = " and ".join(version for _, version in registered.packages)
    names = " and ".join(name for name, _ in registered.packages)
    return Finding(
        part=registered.task,
        found=versions,
        problems=tuple(_problems(registered, answer, fix_first)),
        detail=f"of {names}",
    )


def _problems(registered: RegisteredBackend, answer: Any, fix_first: str) -> Sequence[Problem]:
    last = registered.foreign[-1]
    if len(registered.packages) > 1:
        names = " and ".join(name for name, _ in registered.packages)
        text = f"is registered by {names}, so neither is used"
        return [Problem("broken", text, f"pip uninstall -y {last}")]
    if isinstance(answer, ChildFailure):
        fix = fix_first or f"pip install --upgrade --force-reinstall {last}"
        return [Problem("broken", answer.text, "" if answer.names_fix else fix)]
    return [Problem("missing", str(answer))] if answer else []


def _registered(name: str, entries: Sequence[EntryPoint]) -> RegisteredBackend:
    packages = sorted(
        (entry.dist.name, entry.dist.version) if entry.dist is not None else (entry.module, "?")
        for entry in entries
    )
    return RegisteredBackend(name, tuple(packages), entries[0].module)
