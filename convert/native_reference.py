"""What native Paddle makes of a conversion's feeds; it is asked before anybody is blamed."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait

from paddleport.errors import (
    ConversionError,
    ModelFileError,
    PortError,
    SettledConversionError,
    WorkerCrashed,
)
from paddleport.models.resolve import SourceModel
from paddleport.tensors import Array, Feed
from paddleport.validate.session import PLAIN_PADDLE, Session
from paddleport.worker import Worker

NativeOutputs = list[dict[str, Array]]


class NativeReference:
    """Native Paddle's outputs, which a thread computes while others work."""

    def __init__(self, run: Callable[[], NativeOutputs]) -> None:
        """Nothing is run yet."""
        self._run = run
        self._started: Future[NativeOutputs] | None = None

    def start(self, thread: Executor) -> None:
        """Begin, once what the thread does before is done; a second call does nothing."""
        self._started = self._started or thread.submit(self._run)

    def wait(self) -> None:
        """Until it has run, well or not, if it was started."""
        if self._started is not None:
            wait([self._started])

    def outputs(self) -> NativeOutputs:
        """One mapping per feed; run now, in this thread, unless it was started.

        Raises:
            ConversionError: native Paddle does not load or run the model.
        """
        if self._started is None:
            self._started = Future()
            try:
                self._started.set_result(self._run())
            except BaseException as error:
                self._started.set_exception(error)
        return self._started.result()


def open_natively(worker: Worker, source: SourceModel) -> Session:
    """Native Paddle at its plainest with a model.

    Raises:
        ConversionError: it does not load it.
    """
    try:
        return Session("paddle", source.model, PLAIN_PADDLE, worker=worker)
    except PortError as error:
        raise _nothing(error) from None


def not_run_natively(error: PortError, feeds: Sequence[Feed]) -> ConversionError:
    """Why there is no reference, where Paddle loads the model and does not run it."""
    shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in feeds[0].items())
    if isinstance(error, ModelFileError):  # no shape or feed would help
        return _nothing(error)
    return SettledConversionError(
        f"nothing to compare with: native Paddle does not run this model on {shapes} "
        f"({error}). Give it what it takes with --shape NAME=1,3,224,224 or --feed NAME=FILE"
    )


def _nothing(error: PortError) -> ConversionError:
    if isinstance(error, WorkerCrashed):
        return SettledConversionError(
            f"nothing to compare with: native Paddle ended with {error.reason} on this model"
        )
    return SettledConversionError(f"nothing to compare with: native {error}")
