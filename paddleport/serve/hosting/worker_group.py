"""A model's worker processes, kept alive: started again when they end, ended when they hang."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from paddleport.errors import ModelFileError, PortError, WorkerCrashed
from paddleport.files import sha256
from paddleport.runners.predictor import PredictorSpec
from paddleport.serve.hosting.dispatcher import Dispatcher
from paddleport.serve.hosting.host_settings import HostSettings
from paddleport.serve.hosting.hosted_worker import AHEAD, HostedWorker
from paddleport.serve.hosting.model_host import NotReadyError, WorkerLostError
from paddleport.serve.hosting.told_reason import told_reason
from paddleport.serve.hosting.worker_service import Opened

_LONGEST_LOOK_S = 0.5  # between two looks for workers that hang
_logger = logging.getLogger(__name__)


class WorkerGroup:
    """As many processes as were asked for.

    Attributes:
        last_error: why the last of those that ended did.
    """

    def __init__(
        self,
        spec: PredictorSpec,
        settings: HostSettings,
        feeds: Dispatcher,
        pictures: Dispatcher,
        on_restart: Callable[[], None],
    ) -> None:
        self._spec, self._settings, self._on_restart = spec, settings, on_restart
        self._feeds, self._pictures = feeds, pictures
        self._executor = ThreadPoolExecutor(
            2 * settings.workers + 1, thread_name_prefix="paddleport-workers"
        )
        self._workers: set[HostedWorker] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._first: list[asyncio.Future[Opened]] = []
        self._given_up: set[int] = set()
        self._digest = ""
        self.last_error = ""

    @property
    def is_up(self) -> bool:
        """Whether any worker takes requests."""
        return bool(self._feeds.lines)

    @property
    def gave_up(self) -> bool:
        """Whether none does, and every one has failed to start too often in a row."""
        return not self.is_up and len(self._given_up) == self._settings.workers

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes."""
        return tuple(worker.pid for worker in self._workers if worker.pid is not None)

    async def start(self) -> Opened:
        """Start all; done when all are up.

        Raises:
            PortError: one can't open the model, or has ended each time.
        """
        loop = asyncio.get_running_loop()
        self._digest = await self._read_digest()
        self._first = [loop.create_future() for _ in range(self._settings.workers)]
        self._tasks = [
            loop.create_task(self._keep(index)) for index in range(self._settings.workers)
        ]
        self._tasks.append(loop.create_task(self._look_for_hangs()))
        return (await asyncio.gather(*self._first))[0]

    async def close(self) -> None:
        """End all; what is being computed is lost."""
        for task in self._tasks:
            task.cancel()
        self.kill("it was closed")
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.close() for worker in tuple(self._workers)))
        self._workers.clear()
        for future in self._first:
            future.cancel()
        self._executor.shutdown(wait=False)

    def kill(self, because: str) -> None:
        """Begin to end all."""
        for worker in tuple(self._workers):
            worker.kill(because)

    async def _keep(self, index: int) -> None:
        """One worker after another, for as long as the model is served."""
        failures, again = 0, False
        while True:
            worker = HostedWorker(self._spec, self._settings.readers_each, self._executor)
            self._workers.add(worker)
            try:
                opened = await worker.start(self._settings.start_timeout_s)
                await self._check_unchanged(worker)
            except PortError as error:
                self._workers.discard(worker)
                failures += 1
                self._failed(index, failures, error)
            else:
                self._given_up.discard(index)
                if again:
                    self._on_restart()
                failures = 0 if await self._serve(index, worker, opened) else failures + 1
                self._workers.discard(worker)
            again = True
            await asyncio.sleep(self._settings.pause_s(failures))

    async def _check_unchanged(self, worker: HostedWorker) -> None:
        """See that a worker has opened the files that were proven: it may be the tenth.

        Raises:
            ModelFileError: they are others now; the worker is ended.
        """
        if await self._read_digest() == self._digest:
            return
        worker.kill("its model file was replaced")
        await worker.close()
        raise ModelFileError(
            f"{self._spec.model.path} was replaced since it was loaded: load the model again, or "
            "start the server again, and it is proven anew"
        )

    async def _read_digest(self) -> str:
        """Of the model's files; empty where one is missing, which opening it says."""

        def read() -> str:
            try:
                return sha256(self._spec.model.files)
            except OSError:
                return ""

        return await asyncio.get_running_loop().run_in_executor(self._executor, read)

    async def _serve(self, index: int, worker: HostedWorker, opened: Opened) -> bool:
        """Until it ends; whether it has answered anything."""
        answered = self._feeds.answered + self._pictures.answered
        worker.feeds.started(opened.streams, AHEAD, self._feeds.answer, worker.lost)
        worker.pictures.started(worker.readers, 0, self._pictures.answer, worker.lost)
        self._feeds.up(worker.feeds)
        self._pictures.up(worker.pictures)
        if not self._first[index].done():
            self._first[index].set_result(opened)
        why = "was ended"
        try:
            await worker.gone
        finally:
            begun = self._feeds.down(worker.feeds) + self._pictures.down(worker.pictures)
            try:
                crash = await worker.ended()
                why = f"ended with {crash.reason}"
            finally:
                for request in begun:
                    request.fail(WorkerLostError(f"the worker that computed this {why}"))
        self.last_error = str(crash)
        _logger.warning("worker %d: %s", index, crash)
        return self._feeds.answered + self._pictures.answered > answered

    def _failed(self, index: int, failures: int, error: PortError) -> None:
        self.last_error = str(error)
        _logger.warning("worker %d does not start: %s", index, error)
        certain = not isinstance(error, WorkerCrashed)
        if failures < self._settings.tries and not certain:
            return
        self._given_up.add(index)
        if not self._first[index].done():
            self._first[index].set_exception(error)
        if self.gave_up:
            lost = NotReadyError(
                "no worker is there, it can't be started again: "
                + told_reason(str(error), self._spec.model.files)
            )
            self._feeds.fail_all(lost)
            self._pictures.fail_all(lost)

    async def _look_for_hangs(self) -> None:
        timeout_s = self._settings.timeout_s
        while True:
            await asyncio.sleep(min(_LONGEST_LOOK_S, timeout_s / 4))
            for worker in tuple(self._workers):
                if worker.feeds.hangs(timeout_s) or worker.pictures.hangs(timeout_s):
                    worker.kill(f"no answer within {timeout_s:g} s")
