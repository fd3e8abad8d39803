"""Which feeds may be computed together: models in one line, right and wrong."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from paddleport.errors import FeedError, PortError
from paddleport.serve.hosting import batch_check
from paddleport.serve.hosting.batch_check import BatchCheck
from paddleport.serve.hosting.model_host import OverloadedError, WorkerLostError
from paddleport.tensors import Array, Feed, TensorSpec

Model = Callable[[Array], Array]
SPECS = [TensorSpec("x", "float32", (None, None))]


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_check, "_REST", 0)


def check_of(model: Model, max_batch: int = 4) -> tuple[BatchCheck, list[int]]:
    """A check of one model, and the sizes of the batches that it asked for."""
    asked: list[int] = []

    async def alone(feed: Feed) -> dict[str, Array]:
        asked.append(len(feed["x"]))
        return {"y": model(feed["x"])}

    return BatchCheck(SPECS, SPECS, max_batch=max_batch, computes_in="fp32", alone=alone), asked


def feed_of(width: int = 5) -> Feed:
    return {"x": np.random.default_rng(width).normal(size=(1, width)).astype(np.float32)}


async def learned(check: BatchCheck, feed: Feed) -> bool:
    """Whether it is batched once it was tried."""
    check.learn(feed)
    while check.is_trying:
        await asyncio.sleep(0)
    return check.key(feed)[0] is not None


def is_batched(model: Model, max_batch: int = 4) -> bool:
    return asyncio.run(learned(check_of(model, max_batch)[0], feed_of()))


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_no_other_order_of_rows_is_taken_for_theirs(count: int) -> None:
    for order in itertools.permutations(range(count)):
        batched = is_batched(lambda x, order=order: x[list(order)] if len(x) > 1 else x, count)  # type: ignore[misc]
        assert batched == (order == tuple(range(count))), order


def test_rows_far_apart_are_not_swapped() -> None:
    def swapped(x: Array) -> Array:
        return x[[0, 1, 2, 60, *range(4, 60), 3, *range(61, 64)]] if len(x) > 1 else x

    assert is_batched(lambda x: x, 64) and not is_batched(swapped, 64)


def test_a_batch_too_large_to_try_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_check, "MOST_BATCH_BYTES", 79)
    check, asked = check_of(lambda x: x)
    assert not asyncio.run(learned(check, feed_of()))
    assert not asked and list(check.refused.values()) == ["a batch of 4 has 80 bytes"]


def test_the_newest_signatures_are_known() -> None:
    async def ask() -> None:
        check, _ = check_of(lambda x: x, 2)
        feeds = [feed_of(width) for width in range(2, 80)]
        assert all([await learned(check, feed) for feed in feeds])
        known = [check.key(feed)[0] is not None for feed in feeds]
        assert known == [False] * 14 + [True] * 64

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("error", "trials"),
    [
        (WorkerLostError("it ended"), 2),
        (FeedError("not this"), 2),
        (OverloadedError("full", 1), None),
    ],
    ids=["lost", "refused", "full"],
)
def test_what_can_not_be_tried_is_given_up_after_the_second_trial(
    error: PortError, trials: int | None
) -> None:
    def failing(x: Array) -> Array:
        raise error

    async def ask() -> None:
        check, asked = check_of(failing)
        for _ in range(4):
            assert not await learned(check, feed_of())
        assert len(asked) == (trials or 4)
        assert bool(check.refused) == (trials is not None)

    asyncio.run(ask())


def test_a_worker_lost_once_does_not_end_batching() -> None:
    lost: list[Any] = []

    def once(x: Array) -> Array:
        if len(x) > 1 and not lost:
            lost.append(x)
            raise WorkerLostError("it ended")
        return x

    async def ask() -> None:
        check, _ = check_of(once)
        assert [await learned(check, feed_of()) for _ in range(2)] == [False, True]

    asyncio.run(ask())


def test_the_workers_rest_between_two_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_check, "_REST", 1e6)

    async def ask() -> None:
        check, asked = check_of(lambda x: x)
        assert await learned(check, feed_of(5))
        before = list(asked)
        assert not await learned(check, feed_of(6))
        assert asked == before

    asyncio.run(ask())


def test_a_feed_that_tells_nothing_is_tried_again_with_a_later_one() -> None:
    async def ask() -> None:
        check, _ = check_of(lambda x: x)
        zeros = {"x": np.zeros((1, 5), np.int32)}
        assert not await learned(check, zeros) and not check.refused
        assert await learned(check, {"x": np.arange(5, dtype=np.int32)[None]})

    asyncio.run(ask())
