"""A served model in worker processes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from paddleport.errors import PortError, UsageError
from paddleport.runners.predictor import PredictorSpec
from paddleport.runners.tasks import task_named
from paddleport.runners.tasks.base import Task
from paddleport.serve.hosting.batch_check import BatchCheck
from paddleport.serve.hosting.dispatcher import Counted, Dispatcher
from paddleport.serve.hosting.host_settings import HostSettings
from paddleport.serve.hosting.model_host import (
    DiffersError,
    HostState,
    Inferred,
    ModelHost,
    NotReadyError,
    PictureAnswers,
)
from paddleport.serve.hosting.picture_requests import PictureRequests
from paddleport.serve.hosting.told_reason import told_reason
from paddleport.serve.hosting.worker_group import WorkerGroup
from paddleport.serve.hosting.worker_service import Opened
from paddleport.tensors import Array, Feed, TensorSpec, check_feed

if TYPE_CHECKING:
    from paddleport.serve.server_metrics import ServerMetrics

Prove = Callable[
    [PredictorSpec, Callable[[Feed], Awaitable[Inferred]]], Awaitable[Mapping[str, Any]]
]
Prepare = Callable[[], PredictorSpec]
_Phase = Literal["unloaded", "loading", "ready", "unloading", "failed"]
_NOT_COMPARED: Mapping[str, Any] = {"result": "not compared"}
_logger = logging.getLogger(__name__)


class ProcessHost(ModelHost):
    """A model that worker processes compute; nothing is started before ``load``."""

    def __init__(
        self,
        name: str,
        spec: PredictorSpec,
        settings: HostSettings,
        *,
        metrics: "ServerMetrics | None" = None,
        prove: Prove | None = None,
        prepare: Prepare | None = None,
    ) -> None:
        """Describe it.

        Args:
            name: in addresses.
            spec: what its predictors are opened with; with ``prepare``, what is known before.
            settings: how it is hosted.
            metrics: told of batches, the queue and restarts.
            prove: called once it is loaded; it is not ready before that has returned.
            prepare: makes the spec when it is loaded, in a thread of its own.
        """
        self.name, self.spec = name, spec
        self._settings, self._metrics = settings, metrics
        self._prove, self._prepare = prove, prepare
        self._phase: _Phase = "unloaded"
        self._reason = "it is not loaded"
        self._proof: Mapping[str, Any] = {}
        self._opened: Opened | None = None
        self._task: Task[Any] | None = None
        self._group: WorkerGroup | None = None
        self._open_requests = 0
        self._drained = asyncio.Event()
        self._changing = asyncio.Lock()
        self._loading: asyncio.Task[Any] | None = None

    @property
    def state(self) -> HostState:
        """Ready if it is loaded and proven, and a worker is there."""
        reason = "" if self._phase == "ready" else self._reason
        group = self._group
        if self._phase == "ready" and group is not None and not group.is_up:
            again = "it can't be started again" if group.gave_up else "it is started again"
            reason = f"no worker is there, {again}: {self._told(group.last_error)}"
        return HostState(ready=not reason, reason=reason, proof=self._proof)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """As the runtime has them."""
        return self._opened.inputs if self._opened else ()

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """As the runtime has them."""
        return self._opened.outputs if self._opened else ()

    @property
    def pids(self) -> tuple[int, ...]:
        """Of its worker processes."""
        return self._group.pids if self._group else ()

    @property
    def not_batched(self) -> tuple[str, ...]:
        """Why some feeds are computed alone though batches are asked for."""
        return tuple(self._check.refused.values()) if self._opened else ()

    async def load(self) -> None:
        """Start the workers, and prove the model if that is asked for; nothing if it is loaded.

        Raises:
            PortError: it can't be opened, or is not proven; ``state`` says so from then on.
        """
        async with self._changing:
            if self._phase == "ready":
                return
            self._phase, self._reason, self._proof = "loading", "it is being loaded", {}
            self._loading = asyncio.current_task()
            try:
                await self._start()
            except BaseException as error:
                self._phase, self._reason = "failed", self._told(error)
                if isinstance(error, PortError):
                    _logger.warning("%s is not loaded: %s", self.name, error)
                await asyncio.shield(self._stop())
                raise
            finally:
                self._loading = None
            self._phase, self._reason = "ready", ""

    async def unload(self) -> None:
        """Take nothing more, finish what was taken, and end the workers."""
        async with self._changing:
            if self._group is None:
                return
            self._phase, self._reason = "unloading", "it is being unloaded"
            try:
                self._feeds.queue.hurry = True
                self._feeds.dispatch()
                while self._open_requests:
                    self._drained.clear()
                    await self._drained.wait()
            finally:
                self._phase, self._reason = "unloaded", "it is not loaded"
                await asyncio.shield(self._stop())

    async def close(self) -> None:
        """As ``unload``, but a loading that goes on is ended, not waited for."""
        if self._loading is not None:
            self._loading.cancel()
        await self.unload()

    def check_room(self) -> None:
        """As the contract says."""
        if self._phase == "ready":
            self._feeds.check_room()

    async def infer(self, feed: Feed, *, deadline_s: float | None = None) -> Inferred:
        """As the contract says."""
        self._admit()
        try:
            return await self._infer(feed, deadline_s)
        finally:
            self._leave()

    async def predict(
        self, pictures: Sequence[bytes], *, deadline_s: float | None = None
    ) -> PictureAnswers:
        """As the contract says."""
        self._admit()
        try:
            task = self._task
            if self.spec.preprocess is None or task is None:
                raise UsageError(f"{self.name} takes no pictures: send it tensors")
            return await PictureRequests(
                spec=task.picture_input(self.inputs, self.outputs),
                task=task,
                reading=self._pictures,
                infer=self._infer,
                most=self._settings.most_pictures,
                max_batch=self._settings.max_batch,
            ).answer(pictures, deadline_s)
        finally:
            self._leave()

    def _admit(self) -> None:
        if self._phase != "ready":
            raise NotReadyError(f"{self.name} is not ready: {self._reason}")
        if self._group is not None and self._group.gave_up:
            raise NotReadyError(f"{self.name} is not ready: {self.state.reason}")
        self._open_requests += 1

    def _leave(self) -> None:
        self._open_requests -= 1
        if not self._open_requests:
            self._drained.set()

    async def _infer(self, feed: Feed, deadline_s: float | None) -> Inferred:
        check_feed(self.inputs, feed)
        key, examples = self._check.key(feed)
        done = await self._feeds.submit(feed, deadline_s=deadline_s, examples=examples, key=key)
        if key is None:
            self._check.learn(feed)
        stages = {"queue": done.queue_s, "compute": done.compute_s, "transfer": done.transfer_s}
        return Inferred(outputs=done.outputs, stages_s=stages, batch=done.batch)

    async def _start(self) -> None:
        if self._prepare is not None:
            self.spec = await asyncio.get_running_loop().run_in_executor(None, self._prepare)
        spec, settings = self.spec, self._settings
        self._task = task_named(spec.task, labels=spec.labels, options=spec.task_options)
        counted = (
            Counted(model=self.name, metrics=self._metrics) if self._metrics is not None else None
        )
        self._feeds = Dispatcher(settings, counted)
        self._pictures = Dispatcher(replace(settings, max_batch=1), None)
        self._group = WorkerGroup(spec, settings, self._feeds, self._pictures, self._restarted)
        opened = await self._group.start()
        self._check = BatchCheck(
            opened.inputs,
            opened.outputs,
            max_batch=settings.max_batch,
            computes_in=opened.computes_in,
            alone=self._alone,
        )
        self._opened = opened
        self._proof = _NOT_COMPARED
        if self._prove is not None:
            self._reason = "it is being compared with what it should answer"
            try:
                self._proof = await self._prove(spec, lambda feed: self._infer(feed, None))
            except DiffersError as error:
                self._proof = {"result": "differs", "sentence": self._told(error)}
                raise

    async def _stop(self) -> None:
        group, self._group = self._group, None
        if self._opened is not None:
            await self._check.stop()
        if group is not None:
            error = NotReadyError(f"{self.name} is not ready: {self._reason}")
            waiting = (self._feeds, self._pictures)
            for each in waiting:  # so that no worker begins another
                each.fail_all(error)
            await group.close()
            for each in waiting:  # what a worker had and had not begun has come back
                each.fail_all(error)
        self._opened = None

    async def _alone(self, feed: Feed) -> dict[str, Array]:
        return (await self._feeds.submit(feed, deadline_s=None)).outputs

    def _told(self, error: BaseException | str) -> str:
        """An error for clients; the log has the files' places as well."""
        return told_reason(str(error) or type(error).__name__, self.spec.model.files)

    def _restarted(self) -> None:
        _logger.warning("%s: a worker was started again", self.name)
        if self._metrics is not None:
            self._metrics.restarted(self.name)
