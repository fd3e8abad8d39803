"""Requests computed together: each answer is the one that it has alone, or it goes alone."""

import asyncio
from pathlib import Path

import numpy as np
import onnx
import planted_hosting as planted
import pytest
import small_network
from onnx import TensorProto, helper
from planted_hosting import agrees, host_of, loaded, run, told, until

from paddleport.errors import FeedError, PortError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.serve.hosting.model_host import Inferred, WorkerLostError
from paddleport.serve.hosting.process_host import ProcessHost


@pytest.fixture(autouse=True)
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.plant(tmp_path, monkeypatch)


async def tried(host: ProcessHost, seed: int = 0) -> None:
    """Have it found out whether batches give the same answers."""
    await host.infer(small_network.feed(1, seed=seed))
    await until(lambda: not host._check.is_trying)


def test_answers_of_a_batch_are_those_alone_and_never_mixed_up(small_onnx: Artifact) -> None:
    feeds = [small_network.feed(1 + place % 3, seed=place) for place in range(240)]

    async def ask() -> None:
        host, metrics = host_of(small_onnx, max_batch=8, max_delay_s=0.002)
        async with loaded(host):
            await tried(host)
            sizes: list[int] = []

            async def client(first: int) -> None:
                for place in range(first, len(feeds), 12):
                    found = await host.infer(feeds[place])
                    assert agrees(found.outputs, feeds[place])
                    sizes.append(found.batch)

            await asyncio.gather(*map(client, range(12)))
            assert len(sizes) == 240
            assert max(sizes) <= 8
            assert np.mean(sizes) > 4
            assert "paddleport_batch_size_count" in metrics.text().decode()

    run(ask())


def test_a_batch_waits_no_longer_than_it_may(small_onnx: Artifact) -> None:
    async def ask() -> None:
        async with loaded(host_of(small_onnx, max_batch=8, max_delay_s=0.1)[0]) as host:
            await tried(host)
            found = await host.infer(told(1))
            assert 0.09 < found.stages_s["queue"] < 5
            full = await asyncio.gather(*(host.infer(told(place)) for place in range(8)))
            assert {one.batch for one in full} == {8}
            assert max(one.stages_s["queue"] for one in full) < 0.09

    run(ask())


def test_a_bad_feed_in_a_batch_fails_only_itself(small_onnx: Artifact) -> None:
    async def ask() -> None:
        async with loaded(host_of(small_onnx, max_batch=4, max_delay_s=0.2)[0]) as host:
            await tried(host)
            numbers = [1, planted.REFUSE, 2, 3]
            asked = [host.infer(told(number)) for number in numbers]
            found = await asyncio.gather(*asked, return_exceptions=True)
            for number, one in zip(numbers, found, strict=True):
                if number == planted.REFUSE:
                    assert isinstance(one, FeedError)
                else:
                    assert isinstance(one, Inferred)
                    assert agrees(one.outputs, told(number))
            numbers[1] = planted.CRASH
            asked = [host.infer(told(number)) for number in numbers]
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(one, WorkerLostError) for one in found)

    run(ask())


def test_a_model_that_mixes_its_batch_is_never_batched(small_onnx: Artifact) -> None:
    async def ask() -> None:
        host, _ = host_of(small_onnx, extras={"mixes": "true"}, max_batch=4, max_delay_s=0.05)
        async with loaded(host):
            await tried(host)
            found = await asyncio.gather(*(host.infer(told(place)) for place in range(16)))
            assert {one.batch for one in found} == {1}
            assert all(agrees(one.outputs, told(place)) for place, one in enumerate(found))
            (why,) = host.not_batched
            assert "is another in a batch" in why

    run(ask())


def test_a_first_dimension_that_is_no_batch_is_not_taken_for_one(tmp_path: Path) -> None:
    """Boxes [N, 4] to those of positive first number: rows that come and go."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Sub", ["x", "top"], ["y"]),
            helper.make_node("ReduceMax", ["x"], ["top"], axes=[0], keepdims=1),
        ][::-1],
        "boxes",
        [value("x", TensorProto.FLOAT, ["N", 4])],
        [value("y", TensorProto.FLOAT, ["N", 4])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(proto, str(tmp_path / "boxes.onnx"))

    async def ask() -> None:
        model = onnx_artifact(tmp_path / "boxes.onnx")
        async with loaded(host_of(model, max_batch=4, max_delay_s=0.05)[0]) as host:
            random = np.random.default_rng(3)
            feeds = [{"x": random.normal(size=(1, 4)).astype(np.float32)} for _ in range(12)]
            for _ in range(2):
                found = await asyncio.gather(*(host.infer(feed) for feed in feeds))
                assert all((one.outputs["y"] == 0).all() for one in found)
                await until(lambda: not host._check.is_trying)
            assert host.not_batched

    run(ask())


def test_a_first_feed_that_fails_says_nothing_of_batches(small_onnx: Artifact) -> None:
    async def ask() -> None:
        async with loaded(host_of(small_onnx, max_batch=4, max_delay_s=0.05)[0]) as host:
            for number in (planted.REFUSE, planted.FAULT):
                with pytest.raises(PortError):
                    await host.infer(told(number))
            assert not host._check.is_trying
            await tried(host)
            found = await asyncio.gather(*(host.infer(told(place)) for place in range(8)))
            assert {one.batch for one in found} == {4}

    run(ask())
