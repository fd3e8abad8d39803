"""From the queue to the workers and back: who computes what, and whose answer is whose."""

import asyncio
import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paddleport.serve.hosting.host_settings import HostSettings
from paddleport.serve.hosting.model_host import (
    DeadlineError,
    HostError,
    OverloadedError,
)
from paddleport.serve.hosting.request_queue import Computed, Request, RequestQueue
from paddleport.serve.hosting.worker_line import Sent, WorkerLine
from paddleport.serve.hosting.worker_messages import Answer, ComputeError
from paddleport.tensors import Array, Feed
from paddleport.wording import counted

if TYPE_CHECKING:
    from paddleport.serve.server_metrics import ServerMetrics

MOST_QUEUED_BYTES = 1 << 30  # of one kind of request, whatever the number that may wait
_LONGEST_RETRY_S = 60.0
_FIRST_GUESS_S = 0.1  # of one request, before any was measured
_NEWEST = 0.1  # its weight in the running mean of what a request takes


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Whose figures they are: of a model's name, or of none where nothing is counted."""

    model: str
    metrics: "ServerMetrics"


class Dispatcher:
    """Requests of one kind, and the workers' lines for them.

    Attributes:
        queue: those that wait.
        lines: of workers that are up.
    """

    def __init__(self, settings: HostSettings, counted: Counted | None) -> None:
        self.queue = RequestQueue(max_batch=settings.max_batch, max_delay_s=settings.max_delay_s)
        self.lines: list[WorkerLine] = []
        self._most, self._counted = settings.max_queue, counted
        self._each_s = _FIRST_GUESS_S
        self._timer: asyncio.TimerHandle | None = None
        self.answered = 0

    async def submit(
        self,
        feed: Feed,
        *,
        deadline_s: float | None,
        examples: int = 1,
        key: Hashable | None = None,
    ) -> Computed:
        """A worker's answer to one feed; cancelling gives the place in the queue back.

        Raises:
            OverloadedError: the queue is full.
            DeadlineError: the time was over.
            PortError: what the worker says, or that it was lost.
        """
        size_bytes = sum(tensor.nbytes for tensor in feed.values())
        self.check_room(size_bytes)
        if deadline_s is not None and deadline_s <= 0:
            raise DeadlineError("the request's time was over when it came")
        loop, now = asyncio.get_running_loop(), time.monotonic()
        request = Request(
            feed=feed,
            size_bytes=size_bytes,
            future=loop.create_future(),
            arrived=now,
            deadline=0.0 if deadline_s is None else now + deadline_s,
            examples=examples,
            key=key,
        )
        timer = None if deadline_s is None else loop.call_later(deadline_s, _expire, request)
        self.queue.add(request)
        try:
            self.dispatch()
            return await request.future
        finally:
            if timer is not None:
                timer.cancel()
            if self.queue.discard(request):
                self._count()

    def check_room(self, size_bytes: int = 0) -> None:
        """Refuse one more request where too many wait.

        Args:
            size_bytes: of its tensors, as far as that is known.

        Raises:
            OverloadedError: the queue is full.
        """
        full = self.queue.size_bytes + size_bytes > MOST_QUEUED_BYTES and len(self.queue) > 0
        if full or len(self.queue) >= self._most:
            raise self._overloaded()

    def dispatch(self) -> None:
        """Give the workers what they have room for."""
        while len(self.queue):
            lines = [line for line in self.lines if line.has_room]
            if not lines:
                break
            line = min(lines, key=lambda line: line.load / line.streams)
            busy = line.load >= line.streams
            requests = self.queue.take(time.monotonic(), only_full=busy)
            if not requests:
                if not busy:
                    self._look_again()
                break
            self._send(line, requests)
        self._count()

    def up(self, line: WorkerLine) -> None:
        """A worker is there."""
        self.lines.append(line)
        self.dispatch()

    def down(self, line: WorkerLine) -> list[Request]:
        """A worker is gone: what it had begun will have no answer, the rest is for the others.

        Returns:
            What it had begun, to be failed once it is known how the worker ended.
        """
        if line in self.lines:
            self.lines.remove(line)
        begun, waiting = line.take_back()
        self.queue.put_back(request for request in waiting if not request.future.done())
        self.dispatch()
        return begun

    def fail_all(self, error: Exception) -> None:
        """Nobody will compute what waits."""
        for request in self.queue.drain():
            request.fail(error)
        self._count()

    def answer(self, line: WorkerLine, sent: Sent, answer: Answer) -> None:
        """A worker has answered: each request gets its own part, in memory of its own."""
        self.answered += 1
        error = answer.failure()
        if error is None:
            try:
                self._distribute(sent, answer)
            except _NotSplitError as failure:
                error = failure
        if error is not None:
            self._fail(sent.requests, error)
        self.dispatch()

    def _send(self, line: WorkerLine, requests: list[Request]) -> None:
        requests = [request for request in requests if not request.future.done()]
        if not requests:
            return
        feed = requests[0].feed
        if len(requests) > 1:
            feed = {
                name: np.concatenate([request.feed[name] for request in requests]) for name in feed
            }
        deadlines = [request.deadline for request in requests]
        try:
            line.send(requests, feed, max(deadlines) if all(deadlines) else 0.0)
        except (OSError, ValueError) as error:
            self._fail(requests, HostError(f"this server has no memory for the request: {error}"))

    def _distribute(self, sent: Sent, answer: Answer) -> None:
        found = {place.name: sent.memory.view(place) for place in answer.tensors}
        batch = sum(request.examples for request in sent.requests)
        if len(sent.requests) > 1:
            for name, tensor in found.items():
                if tensor.shape[:1] != (batch,):
                    raise _NotSplitError(f"{name} has no row for each example")
        now, began, first = time.monotonic(), sent.memory.began, 0
        for request in sent.requests:
            last = first + request.examples
            rows = slice(first, last) if len(sent.requests) > 1 else ...
            first = last
            if request.future.done():
                continue
            outputs: dict[str, Array] = {
                name: np.array(tensor[rows]) for name, tensor in found.items()
            }
            queue_s = max(0.0, began - request.arrived)
            request.future.set_result(
                Computed(
                    outputs=outputs,
                    queue_s=queue_s,
                    compute_s=answer.took_s,
                    transfer_s=max(0.0, now - request.arrived - queue_s - answer.took_s),
                    batch=batch,
                )
            )
        each_s = answer.took_s / len(sent.requests)
        self._each_s += _NEWEST * (each_s - self._each_s)
        if self._counted is not None:
            self._counted.metrics.batch(self._counted.model, batch)

    def _fail(self, requests: list[Request], error: Exception) -> None:
        """One's error is its own; of several nobody knows whose it is, so each goes alone."""
        if len(requests) == 1:
            return requests[0].fail(error)
        waiting = [request for request in requests if not request.future.done()]
        for request in waiting:
            request.key = None
        self.queue.put_back(waiting)

    def _overloaded(self) -> OverloadedError:
        streams = sum(line.streams for line in self.lines) or 1
        wait_s = min(_LONGEST_RETRY_S, len(self.queue) * self._each_s / streams)
        waiting = counted(len(self.queue), "request")
        verb = "waits" if len(self.queue) == 1 else "wait"
        return OverloadedError(f"{waiting} {verb} already: try again in {wait_s:.2g} s", wait_s)

    def _look_again(self) -> None:
        """When the first of the requests that wait for company has waited long enough."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            due_s = self.queue.next_due_s(time.monotonic())
            self._timer = loop.call_later(due_s, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self.dispatch()

    def _count(self) -> None:
        if self._counted is not None:
            self._counted.metrics.queued(self._counted.model, len(self.queue))


class _NotSplitError(ComputeError):
    """The outputs of a batch have another number of rows."""


def _expire(request: Request) -> None:
    request.fail(DeadlineError("the request's time was over before its answer was there"))
