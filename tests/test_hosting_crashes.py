"""Workers that end: by a vendor's fault, by a signal, by hanging, when they start."""

import asyncio
import os
import shutil
import signal
import time
from functools import partial
from pathlib import Path

import onnx
import planted_hosting as planted
import psutil
import pytest
from onnx import numpy_helper
from planted_hosting import agrees, host_of, loaded, run, told, until

from paddleport.errors import WorkerCrashed
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.serve.hosting.model_host import HostError, Inferred, NotReadyError, WorkerLostError
from paddleport.serve.hosting.process_host import ProcessHost


@pytest.fixture(autouse=True)
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.plant(tmp_path, monkeypatch)


@pytest.mark.parametrize(("order", "how"), [(planted.CRASH, "SIGSEGV"), (planted.EXIT, "exit 3")])
def test_a_crash_fails_its_request_and_no_other(small_onnx: Artifact, order: int, how: str) -> None:
    async def ask() -> None:
        host, metrics = host_of(small_onnx)
        async with loaded(host):
            numbers = [1, order, 2, 3]
            asked = [host.infer(told(number)) for number in numbers]
            found = await asyncio.gather(*asked, return_exceptions=True)
            for number, one in zip(numbers, found, strict=True):
                if number == order:
                    assert isinstance(one, WorkerLostError)
                    assert how in str(one)
                else:
                    assert isinstance(one, Inferred)
                    assert agrees(one.outputs, told(number))
            await until(lambda: host.state.ready)
            assert 'worker_restarts_total{model="small"} 1.0' in metrics.text().decode()

    run(ask())


def test_a_hanging_inference_is_ended_after_its_time(small_onnx: Artifact) -> None:
    async def ask() -> None:
        host, metrics = host_of(small_onnx, timeout_s=0.6)
        async with loaded(host):
            asked = [host.infer(told(number)) for number in (planted.HANG, 1)]
            started = time.monotonic()
            hung, other = await asyncio.gather(*asked, return_exceptions=True)
            assert 0.6 <= time.monotonic() - started < 10
            assert isinstance(hung, WorkerLostError)
            assert "no answer within 0.6 s" in str(hung)
            assert isinstance(other, Inferred)
            assert agrees(other.outputs, told(1))
            assert "worker_restarts_total" in metrics.text().decode()

    run(ask())


def test_a_worker_that_is_stopped_is_ended_as_well(small_onnx: Artifact) -> None:
    async def ask() -> None:
        async with loaded(host_of(small_onnx, timeout_s=0.6)[0]) as host:
            os.kill(host.pids[0], signal.SIGSTOP)
            stopped = psutil.Process(host.pids[0])
            await until(lambda: stopped.status() == psutil.STATUS_STOPPED)
            assert agrees((await host.infer(told(1))).outputs, told(1))  # it had not begun

    run(ask())


def _is_gone(host: ProcessHost, pid: int) -> bool:
    return pid not in host.pids


def test_no_request_is_lost_without_an_error_while_workers_are_killed(
    small_onnx: Artifact,
) -> None:
    async def ask() -> None:
        host, metrics = host_of(small_onnx, workers=2, max_queue=64)
        async with loaded(host):
            stop, right, lost = False, 0, 0

            async def client(number: int) -> None:
                nonlocal right, lost
                while not stop:
                    feed = told(number, seed=right)
                    try:
                        found = await asyncio.wait_for(host.infer(feed), 20)
                    except WorkerLostError:
                        lost += 1
                        continue
                    assert agrees(found.outputs, feed)
                    right += 1

            clients = [asyncio.ensure_future(client(number)) for number in range(6)]
            for _ in range(6):
                await asyncio.sleep(0.15)
                await until(lambda: len(host._feeds.lines) == 2)
                killed = host.pids[0]
                os.kill(killed, signal.SIGKILL)
                await until(partial(_is_gone, host, killed))
            stop = True
            await asyncio.gather(*clients)
            await until(lambda: len(host._feeds.lines) == 2)
            assert right > 50
            assert lost <= 6 * 1  # what one worker computes at a time
            assert 'worker_restarts_total{model="small"} 6.0' in metrics.text().decode()

    run(ask())


def test_a_worker_that_cannot_start_again_leaves_the_model_not_ready_with_the_reason(
    small_onnx: Artifact, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"

    async def ask() -> None:
        host, _ = host_of(small_onnx, extras={"broken": str(broken)}, tries=3)
        async with loaded(host):
            broken.write_text("crash")
            crashed = asyncio.ensure_future(host.infer(told(planted.CRASH)))
            waiting = [asyncio.ensure_future(host.infer(told(1))) for _ in range(3)]
            found = await asyncio.gather(crashed, *waiting, return_exceptions=True)
            assert isinstance(found[0], WorkerLostError)
            assert all(isinstance(error, NotReadyError) for error in found[1:])  # none was begun
            assert all("SIGABRT" in str(error) for error in found[1:])
            assert "SIGABRT" in host.state.reason
            assert not host.state.ready
            with pytest.raises(NotReadyError, match="SIGABRT"):
                await host.infer(told(1))
            broken.unlink()  # it is tried for ever, with longer pauses
            await until(lambda: host.state.ready)
            assert agrees((await host.infer(told(1))).outputs, told(1))

    run(ask())


def test_a_worker_opens_no_file_but_the_one_that_was_proven(
    small_onnx: Artifact, tmp_path: Path
) -> None:
    path = tmp_path / "small.onnx"
    shutil.copyfile(small_onnx.path, path)

    async def ask() -> None:
        host, _ = host_of(onnx_artifact(path), tries=1)
        async with loaded(host):
            model = onnx.load(path)
            for item in model.graph.initializer:
                item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item) * 2, item.name))
            onnx.save(model, path)
            with pytest.raises(WorkerLostError):
                await host.infer(told(planted.CRASH))
            await until(lambda: "was replaced since it was loaded" in host.state.reason)
            assert str(tmp_path) not in host.state.reason
            with pytest.raises(NotReadyError, match="was replaced"):
                await host.infer(told(1))
            shutil.copyfile(small_onnx.path, path)
            await until(lambda: host.state.ready)
            assert agrees((await host.infer(told(1))).outputs, told(1))

    run(ask())


@pytest.mark.parametrize(
    ("does", "error", "why"),
    [
        ("crash", WorkerCrashed, "SIGABRT"),
        ("bug", HostError, "can't be opened: ValueError: nobody has thought"),
    ],
)
def test_a_model_that_fails_whenever_it_is_opened_is_given_up(
    small_onnx: Artifact, tmp_path: Path, does: str, error: type[Exception], why: str
) -> None:
    broken = tmp_path / "broken"
    broken.write_text(does)

    async def ask() -> None:
        host, _ = host_of(small_onnx, extras={"broken": str(broken)}, tries=2, workers=2)
        with pytest.raises(error, match=why):
            await asyncio.wait_for(host.load(), 60)
        assert why in host.state.reason
        assert host.pids == ()

    run(ask())
