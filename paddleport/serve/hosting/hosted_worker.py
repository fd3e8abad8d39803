"""One worker process from its start to its end, and the lines to it."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

from paddleport.errors import UsageError, WorkerCrashed
from paddleport.runners import runner_class
from paddleport.runners.predictor import PredictorSpec
from paddleport.serve.hosting.model_host import HostError
from paddleport.serve.hosting.worker_line import WorkerLine
from paddleport.serve.hosting.worker_service import Opened, open_service
from paddleport.worker import RemoteError, Worker

_logger = logging.getLogger(__name__)
AHEAD = 1  # requests that wait in a worker, so that it need not wait for them
T = TypeVar("T")


class HostedWorker:
    """A process that holds the model; made in the event loop's thread.

    Attributes:
        feeds: the line for tensors.
        pictures: the line for pictures.
        gone: done when the process has ended, or has been told to.
    """

    def __init__(self, spec: PredictorSpec, readers: int, executor: Executor) -> None:
        self._spec, self._readers, self._executor = spec, readers, executor
        self.feeds = WorkerLine(_streams_asked(spec) + AHEAD)
        self.pictures = WorkerLine(readers)
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._worker: Worker | None = None
        self._killed = ""

    @property
    def readers(self) -> int:
        """Threads that decode pictures."""
        return self._readers

    @property
    def pid(self) -> int | None:
        """Of the process, if there is one."""
        return self._worker.pid if self._worker is not None else None

    async def start(self, timeout_s: float) -> Opened:
        """Start it and open the model.

        Raises:
            PortError: it can't be opened, or the process ended; it is then closed.
        """
        try:
            return await self._blocking(partial(self._open, timeout_s))
        except BaseException:
            self.kill("it was not needed any more")
            await asyncio.shield(self.close())
            raise

    def kill(self, because: str) -> None:
        """Begin to end it; the lines are lost soon after."""
        self._killed = because
        if self._worker is not None:
            self._worker.kill(because)

    def lost(self) -> None:
        """The process has closed its end."""
        if not self.gone.done():
            self.gone.set_result(None)

    async def ended(self) -> WorkerCrashed:
        """How it ended; it is closed then."""
        worker = self._worker
        assert worker is not None
        crash = await self._blocking(partial(worker.end_of, "the model"))
        await self.close()
        return crash

    async def close(self) -> None:
        """End it and give everything back; a second call does nothing."""
        self.lost()
        self.feeds.close()
        self.pictures.close()
        if self._worker is not None:
            await self._blocking(self._worker.close)

    def _open(self, timeout_s: float) -> Opened:
        environ = runner_class(self._spec.backend).environ
        ends = self.feeds.end, self.pictures.end
        inherited = [number for end in ends for number in (end.socket, *end.slots)]
        worker = self._worker = Worker(
            preload=[open_service.__module__], environ=environ, pass_fds=inherited
        )
        try:
            if self._killed:  # meanwhile
                worker.kill(self._killed)
            return worker.call(open_service, timeout_s, self._spec, *ends, self._readers)
        except RemoteError as error:  # a bug, or an installation that is none
            worker.close()
            _logger.error("%s", error)
            raise HostError(f"the model can't be opened: {_last_line(error)}") from None
        except BaseException:  # who has killed it may have been here before it was
            worker.close()
            raise

    async def _blocking(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)


def _last_line(error: RemoteError) -> str:
    return str(error).strip().rpartition("\n")[2]


def _streams_asked(spec: PredictorSpec) -> int:
    """Inferences at a time, as far as they are asked for; slots cost little until they are used."""
    try:
        return max(8, int(spec.options.extras.get("streams", "1")))
    except ValueError:
        raise UsageError(
            f"-o streams={spec.options.extras['streams']} is not possible: a number"
        ) from None
