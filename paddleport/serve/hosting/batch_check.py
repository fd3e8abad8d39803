"""Whether a model computes several requests together as it does alone: tried before it is done."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np

from paddleport.errors import PortError
from paddleport.serve.hosting.model_host import (
    DeadlineError,
    NotReadyError,
    OverloadedError,
    WorkerLostError,
)
from paddleport.tensors import Array, Feed, TensorSpec
from paddleport.validate.compare.error_scale import output_error
from paddleport.validate.compare.tolerance import TOLERANCES

MOST_BATCH_BYTES = 256 << 20  # of one input's batch, which is made in the event loop's thread
_MOST_SIGNATURES = 64  # known at a time; the one that was asked for longest ago is forgotten
_MOST_FAILURES = 2  # of a signature's trials, before it is given up
_REST = 9  # times what a trial took pass before the next: new shapes must not take the workers
_NOT_THE_MODELS = (DeadlineError, NotReadyError, OverloadedError, WorkerLostError)
_logger = logging.getLogger(__name__)
Alone = Callable[[Feed], Awaitable[dict[str, Array]]]
T = TypeVar("T")


class BatchCheck:
    """Which feeds may be computed together.

    A free first dimension need not be a batch: it may be boxes, or words. So a feed of each
    signature (shapes without the batch axis) that was answered is computed again, beside another
    one made of it, and in batches of both as large as a batch may be. Each row's number stands in
    the batches, a bit in each, as which of the two it is, so that no order but the right one gives
    every row its own answer. If each row of every batch is the answer that its feed has alone,
    within the tolerance of ``validate`` (``TOLERANCES`` of the precision, in fp32 1e-4 of value
    plus root mean square), the signature is batched from then on. Until then, and where it is
    not, requests go alone.

    Attributes:
        refused: why, by signature, where it is not.
    """

    def __init__(
        self,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        *,
        max_batch: int,
        computes_in: str,
        alone: Alone,
    ) -> None:
        self._possible = max_batch > 1 and all(
            spec.shape[:1] == (None,) for spec in (*inputs, *outputs)
        )
        self._inputs = [spec.name for spec in inputs]
        self._max_batch, self._alone = max_batch, alone
        self._limit = TOLERANCES.get(computes_in, TOLERANCES["fp32"]).limit
        self._proven: dict[Hashable, None] = {}
        self._failures: dict[Hashable, int] = {}
        self._running: asyncio.Task[None] | None = None
        self._next_at = 0.0  # on the monotonic clock
        self.refused: dict[Hashable, str] = {}

    @property
    def is_trying(self) -> bool:
        """Whether a signature is being tried now."""
        return self._running is not None

    def key(self, feed: Feed) -> tuple[Hashable | None, int]:
        """The signature by which a feed may be batched, ``None`` if it may not; its examples."""
        signature, examples = self._signature(feed)
        if signature is None or signature not in self._proven:
            return None, examples
        _touch(self._proven, signature, None)
        return signature, examples

    def learn(self, feed: Feed) -> None:
        """A feed was answered that went alone: try its signature, unless another one's is tried."""
        if not self._possible or self._running is not None or time.monotonic() < self._next_at:
            return
        signature, _ = self._signature(feed)
        if signature is None or signature in self._proven or signature in self.refused:
            return
        example = {name: np.array(feed[name][:1]) for name in self._inputs}
        largest = max(tensor.nbytes for tensor in example.values()) * self._max_batch
        if largest > MOST_BATCH_BYTES:
            self._refuse(signature, f"a batch of {self._max_batch} has {largest} bytes")
            return
        self._running = asyncio.get_running_loop().create_task(self._try(signature, example))
        self._running.add_done_callback(self._tried)

    async def stop(self) -> None:
        """End what is being tried."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def _signature(self, feed: Feed) -> tuple[Hashable | None, int]:
        first = [feed[name] for name in self._inputs]
        sizes = {len(tensor) if tensor.ndim else 1 for tensor in first}
        examples = sizes.pop() if len(sizes) == 1 else 1
        if not self._possible or sizes:
            return None, examples
        return tuple((tensor.dtype.str, tensor.shape[1:]) for tensor in first), examples

    def _tried(self, task: "asyncio.Task[None]") -> None:
        self._running = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("batches were not tried", exc_info=error)

    async def _try(self, signature: Hashable, one: Feed) -> None:
        """Find out, and note it; a signature that fails to be tried has another trial."""
        began = time.monotonic()
        try:
            problem = await self._problem(one)
        except OverloadedError:
            return  # later
        except PortError as error:  # a worker was lost, say, or the model does not take the other
            failures = self._failures.pop(signature, 0) + 1
            _touch(self._failures, signature, failures)
            if failures >= _MOST_FAILURES:
                self._refuse(signature, f"it can't be tried: {error}")
        else:
            if problem:
                self._refuse(signature, problem)
            elif problem is not None:
                _touch(self._proven, signature, None)
        finally:
            now = time.monotonic()
            self._next_at = now + _REST * (now - began)

    async def _problem(self, one: Feed) -> str | None:
        """Why its signature can't be batched, empty if it can; ``None`` where the feed won't tell.

        Raises:
            PortError: as the worker that computes it does.
        """
        other = {name: _varied(tensor) for name, tensor in one.items()}
        if all(np.array_equal(one[name], other[name], equal_nan=False) for name in one):
            return None  # a feed of zeros, say: a later one may
        pair = one, other
        alone = [await self._alone(feed) for feed in pair]
        for bit in range((self._max_batch - 1).bit_length()):
            order = [place >> bit & 1 for place in range(self._max_batch)]
            together = {
                name: np.concatenate([pair[which][name] for which in order]) for name in one
            }
            try:
                found = await self._alone(together)
            except _NOT_THE_MODELS:
                raise
            except PortError as error:
                return f"a batch of {self._max_batch} is not computed: {error}"
            if problem := self._difference([alone[which] for which in order], found):
                return problem
        return ""

    def _difference(self, wanted: Sequence[dict[str, Array]], found: dict[str, Array]) -> str:
        for name, tensor in found.items():
            expected = np.concatenate([outputs[name] for outputs in wanted])
            if expected.shape != tensor.shape:
                return f"output {name} has no row for each example of a batch"
            error = output_error(tensor, expected)
            if not error <= self._limit:
                return f"output {name} is another in a batch: error {error:.2g}"
        return ""

    def _refuse(self, signature: Hashable, why: str) -> None:
        _touch(self.refused, signature, why)
        _logger.warning("requests of %s are computed alone: %s", signature, why)


def _touch(known: dict[Hashable, T], signature: Hashable, value: T) -> None:
    """Note a signature as the newest, and forget the oldest where there are too many."""
    known.pop(signature, None)
    known[signature] = value
    if len(known) > _MOST_SIGNATURES:
        del known[next(iter(known))]


def _varied(tensor: Array) -> Array:
    """Another tensor of the same shape: the same values in another order, floats moved a bit."""
    turned: Array = np.ascontiguousarray(tensor.reshape(-1)[::-1]).reshape(tensor.shape)
    if tensor.dtype.kind == "f" and tensor.size:
        moved = np.linspace(-0.5, 0.5, tensor.size, dtype=np.float64).reshape(tensor.shape)
        turned = (turned + moved).astype(tensor.dtype)
    return turned
