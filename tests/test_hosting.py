"""Models in worker processes: answers, queues, deadlines, cancellation, memory, the end."""

import asyncio
import os
import resource
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import planted_hosting as planted
import pytest
import small_network
from onnx import TensorProto, helper
from planted_hosting import agrees, host_of, loaded, run, told, until

from paddleport.errors import FeedError, ModelFileError, UsageError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.process import resident_bytes
from paddleport.serve.hosting.host_registry import (
    HostRegistry,
    NotAllowedError,
    UnknownModelError,
)
from paddleport.serve.hosting.host_settings import HostSettings
from paddleport.serve.hosting.model_host import (
    DeadlineError,
    Inferred,
    NotReadyError,
    OverloadedError,
    WorkerLostError,
)
from paddleport.serve.hosting.worker_messages import ComputeError


@pytest.fixture(autouse=True)
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.plant(tmp_path, monkeypatch)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_request_gets_its_own_answer(small_onnx: Artifact, workers: int) -> None:
    feeds = [small_network.feed(1 + place % 3, seed=place) for place in range(120)]

    async def ask() -> None:
        async with loaded(host_of(small_onnx, workers=workers)[0]) as host:
            assert host.state.ready
            assert [spec.name for spec in host.inputs] == ["x"]
            found = await asyncio.gather(*(host.infer(feed) for feed in feeds))
            for one, feed in zip(found, feeds, strict=True):
                assert agrees(one.outputs, feed)
                assert one.batch == len(feed["x"])
                assert set(one.stages_s) == {"queue", "compute", "transfer"}
            for one in found[:3]:  # nobody else's memory, and no view of it
                assert all(
                    item.flags.writeable and item.base is None for item in one.outputs.values()
                )

    run(ask())


def test_a_feed_that_does_not_fit_is_refused_before_it_is_queued(small_onnx: Artifact) -> None:
    async def ask() -> None:
        async with loaded(host_of(small_onnx)[0]) as host:
            for bad in ({"x": np.zeros((1, 3, 9, 8), np.float32)}, {"x": np.zeros(3)}, {}):
                with pytest.raises(FeedError):
                    await host.infer(bad)
            with pytest.raises(FeedError, match="told number"):
                await host.infer(told(planted.REFUSE))
            with pytest.raises(ComputeError, match="RuntimeError: a bug of the runtime's"):
                await host.infer(told(planted.FAULT))
            pids = host.pids
            assert agrees((await host.infer(told(1))).outputs, told(1))
            assert host.pids == pids

    run(ask())


def test_beyond_the_queue_requests_are_refused_and_told_when_to_come_again(
    small_onnx: Artifact,
) -> None:
    async def ask() -> None:
        host, metrics = host_of(small_onnx, max_queue=4)
        async with loaded(host):
            await host.infer(told(planted.SLOW))
            asked = [host.infer(told(planted.SLOW, seed=place)) for place in range(20)]
            found = await asyncio.gather(*asked, return_exceptions=True)
        refused = [error for error in found if isinstance(error, OverloadedError)]
        assert len(refused) == 20 - (4 + 2)  # one is computed, one waits in the worker
        assert all(0.05 < error.retry_after_s < 5 for error in refused)
        for place, one in enumerate(found[:6]):
            assert isinstance(one, Inferred)
            assert agrees(one.outputs, told(planted.SLOW, seed=place))
        assert 'paddleport_queued_requests{model="small"} 0.0' in metrics.text().decode()

    run(ask())


def test_a_request_whose_time_is_over_is_dropped_and_not_computed(small_onnx: Artifact) -> None:
    async def ask() -> None:
        async with loaded(host_of(small_onnx)[0]) as host:
            slow = [asyncio.ensure_future(host.infer(told(planted.SLOW))) for _ in range(2)]
            await asyncio.sleep(0.02)
            started = time.monotonic()
            with pytest.raises(DeadlineError):
                await host.infer(told(planted.CRASH), deadline_s=0.05)  # would end the worker
            assert time.monotonic() - started < planted.SLOW_S
            with pytest.raises(DeadlineError):
                await host.infer(told(planted.CRASH), deadline_s=-1)
            await asyncio.gather(*slow)
            assert agrees((await host.infer(told(1), deadline_s=10)).outputs, told(1))
            assert not host._open_requests

    run(ask())


def test_what_waits_in_a_worker_is_dropped_there(small_onnx: Artifact) -> None:
    async def ask() -> None:
        async with loaded(host_of(small_onnx)[0]) as host:
            slow = asyncio.ensure_future(host.infer(told(planted.SLOW)))
            await asyncio.sleep(0.02)
            with pytest.raises(DeadlineError):
                await host.infer(told(planted.CRASH), deadline_s=0.05)
            await slow
            pids = host.pids
            assert agrees((await host.infer(told(1))).outputs, told(1))
            assert host.pids == pids

    run(ask())


def test_cancelling_gives_the_place_back(small_onnx: Artifact) -> None:
    async def ask() -> None:
        async with loaded(host_of(small_onnx, max_queue=3)[0]) as host:
            slow = [asyncio.ensure_future(host.infer(told(planted.SLOW))) for _ in range(2)]
            await asyncio.sleep(0.02)
            queue = host._feeds.queue
            waiting = [asyncio.ensure_future(host.infer(told(planted.CRASH))) for _ in range(3)]
            await asyncio.sleep(0)
            assert len(queue) == 3
            assert queue.size_bytes == 3 * told(1)["x"].nbytes
            with pytest.raises(OverloadedError):
                await host.infer(told(1))
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            assert (len(queue), queue.size_bytes, queue._groups) == (0, 0, {})
            again = asyncio.ensure_future(host.infer(told(2)))
            slow[0].cancel()  # one that is computed
            assert agrees((await again).outputs, told(2))
            await slow[1]

    run(ask())


def test_the_memory_stays_over_thousands_of_requests(small_onnx: Artifact) -> None:
    large = small_network.feed(20_000)  # 19 MB: more than a slot keeps

    async def ask() -> None:
        async with loaded(host_of(small_onnx, max_queue=8)[0]) as host:
            feeds = [small_network.feed(4, seed=place) for place in range(8)]

            async def client(feed: Any) -> None:
                for _ in range(150):
                    await host.infer(feed)

            async def rounds() -> tuple[int, int]:
                await asyncio.gather(*map(client, feeds))
                (pid,) = host.pids
                return resident_bytes(os.getpid()) or 0, resident_bytes(pid) or 0

            before = await rounds()
            open_before = len(os.listdir("/proc/self/fd"))
            for _ in range(2):
                after = await rounds()
            assert after[0] < before[0] * 1.02 + (1 << 20)
            assert after[1] < before[1] * 1.02 + (1 << 20)
            found = await host.infer(large)
            assert len(found.outputs["logits"]) == 20_000
            sizes = [slot.size for slot in host._feeds.lines[0]._slots]
            assert max(sizes) <= 16 << 20
            assert len(os.listdir("/proc/self/fd")) == open_before
            assert agrees((await host.infer(told(1))).outputs, told(1))

    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc here")
    run(ask())
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0


def test_unloading_finishes_what_was_taken_and_takes_no_more(small_onnx: Artifact) -> None:
    async def ask() -> None:
        host, _ = host_of(small_onnx, max_batch=4, max_delay_s=30)
        await host.load()
        await host.infer(told(3))
        await until(lambda: host._check._proven)
        asked = [asyncio.ensure_future(host.infer(told(place, seed=place))) for place in range(3)]
        await asyncio.sleep(0.01)
        registry = HostRegistry([host])
        started = time.monotonic()
        closing = asyncio.ensure_future(registry.close())
        while host.state.ready:
            await asyncio.sleep(0)
        with pytest.raises(NotReadyError, match="unload"):
            await host.infer(told(1))
        found = await asyncio.gather(*asked)  # though their batch is not full for 30 s
        await closing
        assert time.monotonic() - started < 10
        assert all(agrees(one.outputs, told(place, seed=place)) for place, one in enumerate(found))
        assert not host.state.ready
        assert host.pids == ()

    run(ask())


def test_closing_that_is_cancelled_ends_the_workers_and_answers_everybody(
    small_onnx: Artifact,
) -> None:
    async def ask() -> None:
        host, _ = host_of(small_onnx)
        await host.load()
        (pid,) = host.pids
        asked = [asyncio.ensure_future(host.infer(told(planted.HANG))) for _ in range(5)]
        await asyncio.sleep(0.1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(HostRegistry([host]).close(), 0.1)
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(error, Exception) for error in found)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    run(ask())


def test_closing_does_not_wait_for_a_loading(small_onnx: Artifact) -> None:
    async def ask() -> None:
        async def prove(spec: Any, infer: Any) -> dict[str, str]:
            await asyncio.sleep(1000)
            return {}

        host, _ = host_of(small_onnx, prove=prove)
        registry = HostRegistry([host])
        loading = asyncio.ensure_future(registry.load_all(registry.names))
        await until(lambda: host.pids and "compared" in host.state.reason)
        await asyncio.wait_for(registry.close(), 10)
        assert await loading == {}
        assert host.pids == ()

    run(ask())


async def given_up(change: Coroutine[Any, Any, None]) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(change, 0.05)


def test_a_change_goes_on_without_the_client_that_asked_for_it(small_onnx: Artifact) -> None:
    async def ask() -> None:
        host, _ = host_of(small_onnx)
        registry = HostRegistry([host], allow_load=True)
        await given_up(registry.load("small"))
        await until(lambda: host.state.ready)
        asked = [asyncio.ensure_future(host.infer(told(planted.SLOW))) for _ in range(4)]
        await asyncio.sleep(0.01)
        await given_up(registry.unload("small"))
        found = await asyncio.gather(*asked)
        assert all(agrees(one.outputs, told(planted.SLOW)) for one in found)
        await registry.close()  # waits for it
        assert not host.pids and host.state.reason == "it is not loaded"

    run(ask())


def test_closing_that_is_cancelled_ends_an_unloading(small_onnx: Artifact) -> None:
    async def ask() -> None:
        host, _ = host_of(small_onnx)
        registry = HostRegistry([host], allow_load=True)
        await registry.load("small")
        asked = asyncio.ensure_future(host.infer(told(planted.HANG)))
        await asyncio.sleep(0.1)
        await given_up(registry.unload("small"))
        await given_up(registry.close())
        assert host.pids == ()
        with pytest.raises((WorkerLostError, NotReadyError)):  # begun, or not yet
            await asked

    run(ask())


def test_a_model_can_be_loaded_again_where_that_is_allowed(small_onnx: Artifact) -> None:
    async def ask() -> None:
        host, _ = host_of(small_onnx)
        closed = HostRegistry([host])
        for change in (closed.load, closed.unload):
            with pytest.raises(NotAllowedError, match="--allow-load"):
                await change("small")
        registry = HostRegistry([host], allow_load=True)
        with pytest.raises(UnknownModelError, match="only small"):
            await registry.load("other")
        for _ in range(2):
            with pytest.raises(NotReadyError, match="not loaded"):
                await host.infer(told(1))
            await registry.load("small")
            await registry.load("small")
            assert agrees((await host.infer(told(1))).outputs, told(1))
            await registry.unload("small")
            await registry.unload("small")

    run(ask())


def test_it_is_not_ready_before_it_is_proven_nor_if_it_differs(small_onnx: Artifact) -> None:
    async def ask() -> None:
        seen: list[bool] = []

        async def prove(spec: Any, infer: Any) -> dict[str, str]:
            seen.append(host.state.ready)
            assert "compared" in host.state.reason
            with pytest.raises(NotReadyError, match="compared"):
                await host.infer(told(1))
            assert agrees((await infer(told(1))).outputs, told(1))
            return {"result": "agrees"}

        host, _ = host_of(small_onnx, prove=prove)
        async with loaded(host):
            assert seen == [False]
            assert host.state.proof == {"result": "agrees"}

        async def differ(spec: Any, infer: Any) -> dict[str, str]:
            raise NotReadyError("it differs by 3")

        host, _ = host_of(small_onnx, prove=differ)
        with pytest.raises(NotReadyError):
            await host.load()
        assert host.state.reason == "it differs by 3"
        assert host.pids == ()

    run(ask())


def test_a_model_that_is_refused_says_why_at_once(small_onnx: Artifact, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("refuse")

    async def ask() -> None:
        host, _ = host_of(small_onnx, extras={"broken": str(broken)}, backoff_s=100)
        with pytest.raises(ModelFileError, match="not taken"):
            await host.load()
        assert host.state.reason == "this model is not taken"
        broken.unlink()
        async with loaded(host):
            assert host.state.ready

    run(ask())


@pytest.mark.parametrize(
    "bad",
    [{"workers": 0}, {"max_batch": 0}, {"max_queue": 0}, {"timeout_s": 0}, {"max_delay_s": -1}],
)
def test_settings_that_cannot_be(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="is not possible"):
        HostSettings(**bad)


def test_a_model_of_texts_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    words = helper.make_tensor_value_info("words", TensorProto.STRING, ["N"])
    same = helper.make_tensor_value_info("same", TensorProto.STRING, ["N"])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["words"], ["same"])], "g", [words], [same]
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(proto, str(tmp_path / "words.onnx"))

    async def ask() -> None:
        host, _ = host_of(onnx_artifact(tmp_path / "words.onnx"))
        with pytest.raises(UsageError, match=r"words string .* can't be served"):
            await host.load()

    run(ask())
