"""Classes that packages register under a name: found by metadata, imported when asked for."""

import os
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from paddleport.errors import BackendUnavailableError, UsageError, unknown_name

Base = TypeVar("Base")


class Registry(Generic[Base]):
    """The classes of one group of entry points; the built-in ones are declared there as well.

    Attributes:
        group: the entry points' group, as in ``paddleport.runners``.
        kind: what one of them is called in messages, as in ``unknown backend 'x'``.
        base: what every class must be a subclass of.
    """

    def __init__(self, group: str, kind: str, base: type[Base]) -> None:
        self.group, self.kind, self.base = group, kind, base

    def names(self) -> tuple[str, ...]:
        """Every registered name, sorted; nothing is imported."""
        return tuple(sorted(self._entries()))

    def find(self, name: str) -> type[Base]:
        """Import the class of one name, and no other.

        Raises:
            UsageError: nothing has this name.
            BackendUnavailableError: two packages claim it, or a package that its module imports
                is missing.
        """
        known = self._entries()
        if name not in known:
            raise UsageError(unknown_name(self.kind, name, known))
        found = known[name]
        if len(found) > 1:
            packages = " and ".join(sorted(_package(entry) for entry in found))
            raise BackendUnavailableError(
                f"{self.kind} '{name}' is registered by {packages}: uninstall one of them"
            )
        loaded = self._load(found[0])
        if not (isinstance(loaded, type) and issubclass(loaded, self.base)):
            raise BackendUnavailableError(
                f"{self.kind} '{name}' of {_package(found[0])} is no {self.base.__name__} but "
                f"{found[0].value}"
            )
        if missing := sorted(getattr(loaded, "__abstractmethods__", ())):
            raise BackendUnavailableError(
                f"{self.kind} '{name}' of {_package(found[0])} lacks {', '.join(missing)}, which "
                f"every {self.base.__name__} has"
            )
        return loaded

    def _entries(self) -> Mapping[str, Sequence[EntryPoint]]:
        return _entries_of(self.group, _import_folders())

    def _load(self, entry: EntryPoint) -> object:
        try:
            return entry.load()
        except ImportError as error:
            missing = (error.name or "").partition(".")[0]
            own = {"paddleport", entry.module.partition(".")[0]}
            if missing in own or not missing:
                raise  # broken code, not a missing package: the traceback says where
            raise BackendUnavailableError(
                f"{self.kind} '{entry.name}' of {_package(entry)} needs the package '{missing}' "
                f"({error}): pip install {missing}"
            ) from error


@lru_cache(maxsize=8)
def _entries_of(
    group: str, folders: tuple[tuple[str, int], ...]
) -> Mapping[str, Sequence[EntryPoint]]:
    """By name. Every package's metadata is read for it, so it is kept while the folders stay."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=group):
        found.setdefault(entry.name, []).append(entry)
    return found


def _import_folders() -> tuple[tuple[str, int], ...]:
    """Where packages may lie, and when one was last put there or taken away."""
    found = []
    for folder in sys.path:
        try:
            found.append((folder, os.stat(folder or os.curdir).st_mtime_ns))
        except OSError:
            found.append((folder, 0))
    return tuple(found)


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module
