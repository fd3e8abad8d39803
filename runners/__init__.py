"""One file per runtime, and the registry that finds them."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version

from paddleport.errors import BackendUnavailableError, UsageError, unknown_name
from paddleport.models.artifact import Artifact
from paddleport.runners.base import Runner, RunnerOptions
from paddleport.runners.gpu import find_driver

GROUP = "paddleport.runners"

__all__ = ["Backend", "Runner", "RunnerOptions", "describe_all", "names", "open_runner", "why_not"]


@dataclass(frozen=True)
class Backend:
    """One row of ``paddleport backends``.

    Attributes:
        name: what ``--backend`` takes.
        version: of the vendor's package; ``None`` if it is not installed.
        formats: those of ``Artifact`` that it loads, the one that it is best given first.
        devices: every device that the installed package can be asked for.
        precisions: every precision it can be asked for, the default first.
        usable: whether the vendor's package is installed, and its GPU there if it needs one.
        reason: if not usable, why, and what to type.
    """

    name: str
    version: str | None
    formats: tuple[str, ...]
    devices: tuple[str, ...]
    precisions: tuple[str, ...]
    usable: bool
    reason: str = ""


def names() -> tuple[str, ...]:
    """Every registered backend, sorted; nothing is imported."""
    return tuple(sorted(_registered()))


def runner_class(name: str) -> type[Runner]:
    """Import the runner of one backend, and no other.

    Raises:
        UsageError: no such backend.
        BackendUnavailableError: two packages claim the name, or a package that its module
            imports is missing.
    """
    known = _registered()
    if name not in known:
        raise UsageError(unknown_name("backend", name, known))
    found = known[name]
    if len(found) > 1:
        packages = " and ".join(sorted(_package(entry) for entry in found))
        raise BackendUnavailableError(
            f"backend '{name}' is registered by {packages}: uninstall one of them"
        )
    loaded = _load(found[0])
    if not (isinstance(loaded, type) and issubclass(loaded, Runner)):
        raise BackendUnavailableError(
            f"backend '{name}' of {_package(found[0])} is no Runner but {found[0].value}"
        )
    return loaded


def open_runner(name: str, model: Artifact, options: RunnerOptions | None = None) -> Runner:
    """Load ``model`` in the backend ``name``; raises as ``runner_class`` and ``Runner`` do."""
    return runner_class(name)(model, options)


def describe_all() -> tuple[Backend, ...]:
    """Every registered backend from package metadata; no vendor library is imported."""
    return tuple(_describe(name) for name in names())


def _describe(name: str) -> Backend:
    try:
        found = runner_class(name)
    except BackendUnavailableError as error:
        return Backend(name, None, (), (), (), usable=False, reason=str(error))
    installed = installed_version(found)
    return Backend(
        name,
        installed,
        found.formats,
        found.devices_of(installed_distribution(found)),
        found.precisions,
        usable=not (reason := _why_not(found, installed)),
        reason=reason,
    )


def _why_not(runner: type[Runner], installed: str | None) -> str:
    """Why a backend can't be used here, by what costs milliseconds to ask; empty where it can."""
    driver = find_driver()
    if runner.devices == ("cuda",) and driver.missing:
        return f"{driver.missing}; {driver.advice}"
    return "" if installed else runner.how_to_install()


def why_not(name: str) -> str:
    """Why a backend can't be used here, by what costs milliseconds to ask; empty if it may.

    Raises:
        UsageError, BackendUnavailableError: as ``runner_class`` does.
    """
    found = runner_class(name)
    return _why_not(found, installed_version(found))


def installed_version(runner: type[Runner]) -> str | None:
    """The version of the runner's distribution that is installed."""
    distribution = installed_distribution(runner)
    return version(distribution) if distribution else None


def installed_distribution(runner: type[Runner]) -> str | None:
    """The first of the runner's distributions that is installed."""
    for distribution in runner.distributions:
        try:
            version(distribution)
        except PackageNotFoundError:
            continue
        return distribution
    return None


def _registered() -> Mapping[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, []).append(entry)
    return found


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module


def _load(entry: EntryPoint) -> object:
    try:
        return entry.load()
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        own = {"paddleport", entry.module.partition(".")[0]}
        if missing in own or not missing:
            raise  # broken code, not a missing package: the traceback says where
        raise BackendUnavailableError(
            f"backend '{entry.name}' of {_package(entry)} needs the package '{missing}' "
            f"({error}): pip install {missing}"
        ) from error
