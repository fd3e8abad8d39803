"""Requests that wait, and which of them are computed next, alone or together."""

import asyncio
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import msgspec

from paddleport.tensors import Array, Feed


class Computed(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's outputs for one request, and the seconds of its way.

    Attributes:
        outputs: by name, in arrays of its own.
        queue_s: from its arrival until a worker began.
        compute_s: of the work itself.
        transfer_s: the rest.
        batch: examples computed together.
    """

    outputs: dict[str, Array]
    queue_s: float
    compute_s: float
    transfer_s: float
    batch: int


@dataclass(eq=False, kw_only=True)
class Request:
    """One feed that waits for its answer; compared by identity.

    Attributes:
        feed: what is computed.
        size_bytes: of its tensors.
        future: of the answer.
        arrived: on the monotonic clock.
        deadline: likewise; 0 is none.
        examples: along the batch axis.
        key: requests of equal keys may be computed together; ``None`` is none with it.
    """

    feed: Feed
    size_bytes: int
    future: "asyncio.Future[Computed]"
    arrived: float
    deadline: float = 0.0
    examples: int = 1
    key: Hashable | None = None

    def fail(self, error: Exception) -> None:
        """Answer with an error, unless it is answered or nobody waits any more."""
        if not self.future.done():
            self.future.set_exception(error)


class RequestQueue:
    """Requests in the order of their arrival, by key; every operation on one takes constant time.

    Nothing else holds a request that waits, so one that is removed is gone with its tensors.

    Attributes:
        size_bytes: of the tensors that wait.
        hurry: no request waits for company.
    """

    def __init__(self, *, max_batch: int, max_delay_s: float) -> None:
        self._max_batch, self._max_delay_s = max_batch, max_delay_s
        self._groups: dict[Hashable | None, dict[Request, None]] = {}
        self._count = self.size_bytes = 0
        self.hurry = False

    def __len__(self) -> int:
        return self._count

    def add(self, request: Request) -> None:
        """As the last."""
        self._groups.setdefault(request.key, {})[request] = None
        self._count += 1
        self.size_bytes += request.size_bytes

    def put_back(self, requests: Iterable[Request]) -> None:
        """As the first of their key; they have waited before."""
        for request in reversed(list(requests)):
            later = self._groups.get(request.key, {})
            self._groups[request.key] = {request: None, **later}
            self._count += 1
            self.size_bytes += request.size_bytes

    def discard(self, request: Request) -> bool:
        """Take one out, if it still waits; whether it did."""
        group = self._groups.get(request.key)
        if group is None or request not in group:
            return False
        del group[request]
        if not group:
            del self._groups[request.key]
        self._count -= 1
        self.size_bytes -= request.size_bytes
        return True

    def take(self, now: float, *, only_full: bool = False) -> list[Request]:
        """What is to be computed next, together; nothing if all may wait for more.

        Args:
            now: on the monotonic clock.
            only_full: nobody is idle, so that a batch that can still grow may as well wait.
        """
        due: tuple[float, list[Request]] | None = None
        for key, group in self._groups.items():
            found, full = self._first(key, group)
            arrived = found[0].arrived
            waited = self.hurry or now >= arrived + self._max_delay_s
            if (full or (waited and not only_full)) and (due is None or arrived < due[0]):
                due = arrived, found
        requests = due[1] if due else []
        for request in requests:
            self.discard(request)
        return requests

    def next_due_s(self, now: float) -> float:
        """Seconds until the first of those that wait for more has waited long enough."""
        first = min(next(iter(group)).arrived for group in self._groups.values())
        return max(0.0, first + self._max_delay_s - now)

    def drain(self) -> list[Request]:
        """Take all out."""
        found = [request for group in self._groups.values() for request in group]
        self._groups.clear()
        self._count = self.size_bytes = 0
        return found

    def _first(
        self, key: Hashable | None, group: dict[Request, None]
    ) -> tuple[list[Request], bool]:
        """The first batch of a group, and whether nothing more goes in."""
        found: list[Request] = []
        examples = 0
        for request in group:
            if found and (key is None or examples + request.examples > self._max_batch):
                return found, True
            found.append(request)
            examples += request.examples
        return found, key is None or examples >= self._max_batch
