"""Which Paddle everyone is held against where nobody names one, and why."""

from dataclasses import dataclass

from paddleport.errors import BackendUnavailableError
from paddleport.models.artifact import Artifact
from paddleport.runners.gpu import find_driver
from paddleport.runners.paddle.needs import why_not
from paddleport.worker import run_in_worker

BEST, PLAIN = "paddle-tensorrt", "paddle"
_TIMEOUT_S = 120.0  # Paddle is imported


@dataclass(frozen=True)
class Choice:
    """The reference of a validation.

    Attributes:
        backend: its name.
        reason: why it is not Paddle with TensorRT, or that it is; empty where it was named.
    """

    backend: str
    reason: str = ""


def choose_reference(asked: str | None, model: Artifact) -> Choice:
    """What was asked for; else native Paddle with TensorRT where it can run, else without.

    Raises:
        BackendUnavailableError: Paddle with TensorRT was asked for and can't run here.
    """
    if asked not in (None, BEST):
        return Choice(asked or PLAIN)
    missing = _missing(model)
    if asked is None and missing:
        return Choice(PLAIN, f"{BEST} can't run here: {missing}")
    if missing:
        raise BackendUnavailableError(
            f"--reference {BEST} can't be: {missing}. Leave it out, or try --reference {PLAIN}"
        )
    return Choice(BEST, "" if asked else f"{BEST} can run here, so it is the reference")


def _missing(model: Artifact) -> str:
    if find_driver().missing:
        return why_not(model)  # in milliseconds
    return run_in_worker(why_not, _TIMEOUT_S, model)
