"""The interpreter that has Paddle Lite: named by the user, looked at, never remembered."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from paddleport.errors import BackendUnavailableError
from paddleport.runners.paddle_lite.lite_process import LiteProcess
from paddleport.runners.piped_process import PipedDeath, PipedRefusal

VARIABLE = "PADDLEPORT_LITE_PYTHON"
TESTED = "2.13rc0"
_OLDEST = (2, 10)  # the last release before it, for Python 3.9
_PYTHONS = ((3, 8), (3, 10))
_DESCRIBE_TIMEOUT_S = 30.0
_START_TIMEOUT_S = 60.0
INSTALL = (
    f"python3.10 -m venv lite && lite/bin/pip install paddlelite=={TESTED} && "
    f"export {VARIABLE}=$PWD/lite/bin/python"
)
NOT_NAMED = f"needs a Python 3.8 to 3.10 of its own, and {VARIABLE} names none: {INSTALL}"


@dataclass(frozen=True, kw_only=True)
class LiteInterpreter:
    """An interpreter with Paddle Lite, as it was found just now.

    Attributes:
        python: its file.
        python_version: as ``3.10.13``.
        version: of the package paddlelite.
    """

    python: Path
    python_version: str
    version: str

    def open(self) -> LiteProcess:
        """A process of it."""
        return LiteProcess(self.python)

    def start(self) -> str:
        """Import Paddle Lite in it; gives its optimiser's version.

        Raises:
            BackendUnavailableError: it cannot be imported, or its optimiser does not start.
        """
        with self.open() as process:
            try:
                answer, _ = process.ask("start", _START_TIMEOUT_S)
            except (PipedRefusal, PipedDeath) as error:
                raise BackendUnavailableError(
                    f"paddlelite {self.version} of {self.python} does not start: {error}. "
                    f"Type: {self.python} -m pip install --force-reinstall paddlelite=={TESTED}"
                ) from None
        return str(answer["optimiser"])


def lite_interpreter(named: str | Path = "") -> LiteInterpreter:
    """Look at the interpreter that is named, or that the environment names.

    Raises:
        BackendUnavailableError: there is none, or it is none, or no Paddle Lite that fits is in
            it; says what to type.
    """
    text = str(named) or os.environ.get(VARIABLE, "")
    if not text:
        raise BackendUnavailableError(NOT_NAMED)
    python = Path(text).expanduser()
    if not python.is_file():
        raise BackendUnavailableError(
            f"{python} is not there, and is named as the interpreter with Paddle Lite: {INSTALL}"
        )
    python = python.absolute()  # not resolved: a virtual environment is where its link is
    try:
        with LiteProcess(python) as process:
            answer, _ = process.ask("describe", _DESCRIBE_TIMEOUT_S)
    except (PipedRefusal, PipedDeath) as error:
        why = error.said if isinstance(error, PipedDeath) else str(error)
        raise BackendUnavailableError(
            f"{python} is no Python that Paddle Lite can be asked in ({why}): {INSTALL}"
        ) from None
    return _checked(python, tuple(answer["python"]), str(answer["paddlelite"]))


def device_here() -> str:
    """What Paddle Lite calls this machine's CPU; empty where it has no kernels for it."""
    devices = {"x86_64": "x86", "amd64": "x86", "aarch64": "arm", "arm64": "arm"}
    return devices.get(platform.machine().lower(), "")


def _checked(python: Path, release: tuple[int, ...], version: str) -> LiteInterpreter:
    shown = ".".join(map(str, release))
    if not version and not _PYTHONS[0] <= release[:2] <= _PYTHONS[1]:
        raise BackendUnavailableError(
            f"{python} is Python {shown}, and Paddle Lite has wheels for 3.8 to 3.10: {INSTALL}"
        )
    if not version:
        raise BackendUnavailableError(
            f"{python} has no Paddle Lite: {python} -m pip install paddlelite=={TESTED}"
        )
    if _numbers(version) < _OLDEST:
        raise BackendUnavailableError(
            f"{python} has paddlelite {version}, which is older than "
            f"{'.'.join(map(str, _OLDEST))}: {python} -m pip install paddlelite=={TESTED}"
        )
    return LiteInterpreter(python=python, python_version=shown, version=version)


def _numbers(version: str) -> tuple[int, ...]:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version).release
    except InvalidVersion:
        return ()
