"""Whether a model computes several requests together as it does alone: tried before it is done."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence

import numpy as np

from paddleport.errors import PortError
from paddleport.serve.hosting.model_host import OverloadedError
from paddleport.tensors import Array, Feed, TensorSpec
from paddleport.validate.compare.error_scale import output_error
from paddleport.validate.compare.tolerance import TOLERANCES

_MOST_SIGNATURES = 64
_logger = logging.getLogger(__name__)
Alone = Callable[[Feed], Awaitable[dict[str, Array]]]


class BatchCheck:
    """Which feeds may be computed together.

    A free first dimension need not be a batch: it may be boxes, or words. So the first feed of a
    signature (shapes without the batch axis) is computed alone, beside another one made of it,
    and in a batch of both as large as a batch may be. If each row of the batch is the answer that
    its feed has alone, within the tolerance of ``validate`` (``TOLERANCES`` of the precision, in
    fp32 1e-4 of value plus root mean square), the signature is batched from then on. Until then,
    and where it is not, requests go alone.

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
        self._proven: set[Hashable] = set()
        self._running: dict[Hashable, asyncio.Task[None]] = {}
        self.refused: dict[Hashable, str] = {}

    def key(self, feed: Feed) -> tuple[Hashable | None, int]:
        """The signature by which a feed may be batched, ``None`` if it may not; its examples."""
        first = [feed[name] for name in self._inputs]
        sizes = {len(tensor) if tensor.ndim else 1 for tensor in first}
        examples = sizes.pop() if len(sizes) == 1 else 1
        if not self._possible or sizes:
            return None, examples
        key = tuple((tensor.dtype.str, tensor.shape[1:]) for tensor in first)
        if key in self._proven:
            return key, examples
        known = len(self.refused) + len(self._running) + len(self._proven)
        if key not in self.refused and key not in self._running and known < _MOST_SIGNATURES:
            example = {name: np.array(feed[name][:1]) for name in self._inputs}
            task = asyncio.get_running_loop().create_task(self._try(key, example))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return None, examples

    async def stop(self) -> None:
        """End what is being tried."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _try(self, key: Hashable, one: Feed) -> None:
        other = {name: _varied(tensor) for name, tensor in one.items()}
        if all(np.array_equal(one[name], other[name], equal_nan=False) for name in one):
            return  # a feed of zeros, say: it tells nothing, a later one may
        pair = one, other
        order = [pair[place % 2] for place in range(self._max_batch)]
        together = {name: np.concatenate([feed[name] for feed in order]) for name in one}
        try:
            alone = [await self._alone(feed) for feed in pair]
            found = await self._alone(together)
        except OverloadedError:
            return  # later
        except PortError as error:
            self._refuse(key, f"a batch of {self._max_batch} is not computed: {error}")
            return
        wanted = [alone[place % 2] for place in range(self._max_batch)]
        if problem := self._difference(wanted, found):
            self._refuse(key, problem)
        else:
            self._proven.add(key)

    def _difference(self, wanted: Sequence[dict[str, Array]], found: dict[str, Array]) -> str:
        for name, tensor in found.items():
            expected = np.concatenate([outputs[name] for outputs in wanted])
            if expected.shape != tensor.shape:
                return f"output {name} has no row for each example of a batch"
            error = output_error(tensor, expected)
            if not error <= self._limit:
                return f"output {name} is another in a batch: error {error:.2g}"
        return ""

    def _refuse(self, key: Hashable, why: str) -> None:
        self.refused[key] = why
        _logger.warning("requests of %s are computed alone: %s", key, why)


def _varied(tensor: Array) -> Array:
    """Another tensor of the same shape: the same values in another order, floats moved a bit."""
    turned: Array = np.ascontiguousarray(tensor.reshape(-1)[::-1]).reshape(tensor.shape)
    if tensor.dtype.kind == "f" and tensor.size:
        moved = np.linspace(-0.5, 0.5, tensor.size, dtype=np.float64).reshape(tensor.shape)
        turned = (turned + moved).astype(tensor.dtype)
    return turned
