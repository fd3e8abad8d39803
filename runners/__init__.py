"""One file or folder per runtime, the registry that finds them, and what callers hold.

``base`` is a runner's contract; ``predictor`` holds one and takes pictures, by
``picture_pipeline`` and ``preprocessing``, or tensors; ``tasks`` says what answers mean.
``runner_options`` reads what is asked of a runner, ``profile`` what ``tune`` wrote;
``compiled_cache``, ``gpu``, ``in_order`` and ``vendor_message`` serve all runtimes;
``piped_process`` those that are programs, ``layer_values`` and ``picture_runner`` are second bases.
"""

from dataclasses import dataclass

from paddleport.errors import BackendUnavailableError
from paddleport.models.artifact import Artifact
from paddleport.plugins import Registry
from paddleport.runners.base import Runner
from paddleport.runners.gpu import find_driver
from paddleport.runners.runner_options import RunnerOptions

GROUP = "paddleport.runners"

__all__ = [
    "Backend",
    "Runner",
    "RunnerOptions",
    "default_names",
    "describe_all",
    "names",
    "open_runner",
    "why_not",
]


@dataclass(frozen=True, kw_only=True)
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


_REGISTRY: Registry[Runner] = Registry(GROUP, "backend", Runner)  # type: ignore[type-abstract]  # only asked for subclasses
names = _REGISTRY.names
runner_class = _REGISTRY.find


def default_names() -> tuple[str, ...]:
    """The backends that take part where none is named, sorted; broken ones are among them."""
    found = []
    for name in names():
        try:
            left_out = runner_class(name).only_named
        except BackendUnavailableError:  # its row says why
            left_out = False
        if not left_out:
            found.append(name)
    return tuple(found)


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
        return Backend(
            name=name,
            version=None,
            formats=(),
            devices=(),
            precisions=(),
            usable=False,
            reason=str(error),
        )
    installed = installed_version(found)
    return Backend(
        name=name,
        version=installed,
        formats=found.formats,
        devices=found.devices_of(found.found_distribution()),
        precisions=found.precisions,
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
    """The version of the runner's vendor that is installed."""
    return runner.found_version()
