"""What an evaluation is asked to run, and what of it can't be before anything is converted."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from paddleport import runners
from paddleport.errors import BackendUnavailableError
from paddleport.runners.runner_options import Precision, available_threads
from paddleport.validate.parity.validation_plan import PLAIN, Plan, assign_extras

if TYPE_CHECKING:
    from paddleport.runners.profile import Profile


@dataclass(frozen=True, kw_only=True)
class RowsAsked:
    """What is to be evaluated.

    Attributes:
        backends: names, each of which must then be available; ``None`` for all there are.
        precisions: each of them on every backend; empty is each backend's own.
        files: ONNX files that should be the model, instead of our own conversion.
        profile: a tuned configuration, a row beside the others; alone where no backend is named.
        reference: whether native Paddle is a row.
        device, threads, extras: as ``RunnerOptions`` has them.
        batch_size: pictures per inference.
        opset: of our own ONNX file, 17 by default.
        calibrate: pictures that int8 takes its ranges from; by default drawn ones.
    """

    backends: tuple[str, ...] | None = None
    precisions: tuple[Precision, ...] = ()
    files: tuple[Path, ...] = ()
    profile: "Profile | None" = None
    reference: bool = True
    device: str | None = None
    threads: int = field(default_factory=available_threads)
    extras: dict[str, str] = field(default_factory=dict)
    batch_size: int = 1
    opset: int | None = None
    calibrate: Path | None = None


def check_rows(asked: RowsAsked) -> None:
    """Refuse, before a conversion that may take long, what can't be.

    Raises:
        BackendUnavailableError: a named backend, or native Paddle, is not to be had.
        UsageError: an option that no backend takes.
    """
    for name in asked.backends or ():
        if reason := runners.why_not(name):
            raise BackendUnavailableError(f"{name} can't be used here: {reason}")
    if asked.reference and (reason := runners.why_not(PLAIN)):
        raise BackendUnavailableError(
            f"native Paddle can't be used here: {reason}; or leave it out: --no-reference"
        )
    extras_of(asked)


def extras_of(asked: RowsAsked) -> dict[str, dict[str, str]]:
    """The ``-o`` options of each backend: they go to those that take them, as in ``validate``.

    Native Paddle gets its own as well: ``-o onednn=false`` is for all that it computes.
    """
    if not asked.extras:
        return {}
    backends = asked.backends
    if backends is not None and asked.reference:
        backends = tuple(dict.fromkeys([PLAIN, *backends]))
    plan = Plan(backends=backends, device=asked.device, threads=asked.threads, extras=asked.extras)
    return {name: dict(found.extras) for name, found in assign_extras(plan).items()}
