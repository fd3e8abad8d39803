"""The packages that ``paddleport doctor`` checks, and the versions of them that were tested."""

import json
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

UNKNOWN = "?"
_INSTALL = "pip install 'paddleport[cpu]'"


@dataclass(frozen=True, kw_only=True)
class CheckedPackage:
    """One package, as ``checked_packages.json`` has it.

    Attributes:
        name: of its row.
        module: what is imported.
        distributions: the packages that carry the module.
        imports: the checked packages that it imports itself; they stand before it in the table.
        purpose: what it is for, as the end of a sentence: ``it reads pictures``.
        attribute: what the module must have to be of use; empty is nothing.
        wanted: the versions that paddleport asks for; empty is any.
        tested: those that were tested, as lines of constraints.txt, the preferred one first.
        install: the command that installs it.
        needs_gpu: whether it is of use only where there is a GPU.
    """

    name: str
    module: str
    distributions: tuple[str, ...]
    purpose: str
    attribute: str = ""
    wanted: str = ""
    tested: tuple[str, ...] = ()
    install: str = _INSTALL
    needs_gpu: bool = False
    imports: tuple[str, ...] = ()

    @cached_property
    def tested_versions(self) -> tuple[Version, ...]:
        """On any Python, oldest first."""
        return tuple(sorted({_pinned(Requirement(line)) for line in self.tested}))

    @property
    def tested_text(self) -> str:
        """As ``3.2.2 to 3.3.1``."""
        return range_text(self.tested_versions)

    def fits(self, found: Version) -> bool:
        """Whether paddleport's own requirement allows it."""
        return SpecifierSet(self.wanted).contains(found.public, prereleases=True)

    def was_tested(self, found: Version) -> bool:
        """Whether it lies between the oldest and the newest version that were tested."""
        known = self.tested_versions
        return bool(known) and known[0] <= Version(found.public) <= known[-1]

    def install_tested(self, distribution: str) -> str:
        """The command for the preferred tested version; empty if none of it was tested."""
        pin = self._pin(distribution)
        return f"pip install '{pin}'" if pin else ""

    def reinstall(self, distribution: str, found: str) -> str:
        """The command that writes the package's files again, at a tested version if it can."""
        same = distribution if found == UNKNOWN else f"{distribution}=={found}"
        return f"pip install --force-reinstall --no-deps '{self._pin(distribution) or same}'"

    def complete(self, distribution: str, found: str) -> str:
        """The command that installs what the package asks for and is not there."""
        return self.reinstall(distribution, found).replace(" --force-reinstall --no-deps", "")

    def _pin(self, distribution: str) -> str:
        """Of the lines of constraints.txt, the first for this package and this Python."""
        for pin in map(Requirement, self.tested):
            if pin.name == distribution and (pin.marker is None or pin.marker.evaluate()):
                return f"{pin.name}=={_pinned(pin)}"
        return ""


def load_packages() -> tuple[CheckedPackage, ...]:
    """The table, in its order."""
    return tuple(_package(row) for row in load_table("checked_packages.json"))


def load_table(name: str) -> list[dict[str, Any]]:
    """The rows of one of this package's data files."""
    text = resources.files("paddleport.doctor").joinpath(name).read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = json.loads(text)
    return rows


def installed(distribution: str) -> str | None:
    """The version in the package's metadata; ``None`` if it is not installed."""
    try:
        return version(distribution) or UNKNOWN
    except PackageNotFoundError:
        return None
    except (KeyError, ValueError, OSError):  # metadata that nobody can read
        return UNKNOWN


def parse(text: str) -> Version | None:
    """A version to compare with; ``None`` where there is none in it."""
    try:
        return Version(text.split("-")[0])  # OpenVINO's goes on with its commit
    except InvalidVersion:
        return None


def range_text(versions: tuple[Version, ...]) -> str:
    """Oldest to newest."""
    ends = dict.fromkeys(str(version) for version in (*versions[:1], *versions[-1:]))
    return " to ".join(ends)


def _pinned(requirement: Requirement) -> Version:
    (pin,) = requirement.specifier
    return Version(pin.version)


def _package(row: dict[str, Any]) -> CheckedPackage:
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in row.items()
    }
    return CheckedPackage(**fields)
