"""One backend in a process that opens model after model, and comes back after a crash."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from paddleport.errors import PortError, WorkerCrashed
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.runners import runner_class
from paddleport.runners.runner_options import Precision, RunnerOptions
from paddleport.tensors import Array, Feed
from paddleport.validate.feeds.named_feed import renamed
from paddleport.worker import RemoteError, Worker

T = TypeVar("T")

ANSWER_TIMEOUT_S = 300.0  # importing, loading, compiling and the feeds


@dataclass(frozen=True)
class BackendOutputs:
    """What a backend gave.

    Attributes:
        outputs: one tuple of tensors per feed, in the model's order.
        names: of the outputs.
        computes_in: the precision read back.
    """

    outputs: tuple[tuple[Array, ...], ...]
    names: tuple[str, ...]
    computes_in: Precision


class BackendProcess:
    """Runs models on one backend; imports are paid once, as long as nothing crashes."""

    def __init__(
        self,
        backend: str,
        options: RunnerOptions,
        *,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing is started yet."""
        self._backend, self._options, self._environ = backend, options, environ
        self._worker: Worker | None = None

    def run(
        self,
        model: Artifact,
        feeds: Sequence[Feed],
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> BackendOutputs:
        """Load ``model``, run every feed and close it.

        Raises:
            PortError: as the runner does, or WorkerCrashed; the next call starts a new process.
        """
        if self._worker is None:
            self._worker = Worker(environ=self._environ)
        try:
            return call_backend(
                self._worker, _answer, timeout_s, self._backend, model, self._options, tuple(feeds)
            )
        except WorkerCrashed:
            self.close()
            raise

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def __enter__(self) -> "BackendProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def call_backend(
    worker: Worker, function: Callable[..., T], timeout_s: float, backend: str, *args: object
) -> T:
    """One call of ``function(backend, ...)`` in a worker; what a runner raises is one line.

    Raises:
        PortError: as the function does, or WorkerCrashed.
    """
    try:
        result: T = worker.call(function, timeout_s, backend, *args)
    except RemoteError as error:
        log = str(error).strip()
        reason = log.splitlines()[-1]
        raise WorkerCrashed(f"{backend} raised {reason}", reason=reason, log=log) from None
    return result


def outputs_or_error(
    process: BackendProcess, path: Path, feed: Feed, timeout_s: float
) -> BackendOutputs | PortError:
    """The answer for an ONNX file on one feed, or the error that stands for it."""
    try:
        return process.run(onnx_artifact(path), [feed], timeout_s)
    except PortError as error:
        return error


def _answer(
    backend: str,
    model: Artifact,
    options: RunnerOptions,
    feeds: Sequence[Feed],
) -> BackendOutputs:
    with runner_class(backend)(model, options) as runner:
        names = tuple(spec.name for spec in runner.outputs)
        if not model.inputs and model.format not in ("onnx", "paddle"):  # nor does it name them
            feeds = [renamed(feed, [spec.name for spec in runner.inputs]) for feed in feeds]
        found = [runner.run(feed) for feed in feeds]
        return BackendOutputs(
            tuple(tuple(outputs[name] for name in names) for outputs in found),
            names,
            runner.computes_in,
        )
