"""A backend that does what a feed's first number says, and hosts of it, for tests of hosting."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import small_network
from plugin import install

from paddleport.models.artifact import Artifact
from paddleport.runners.predictor import PredictorSpec
from paddleport.runners.runner_options import RunnerOptions
from paddleport.serve.hosting.host_settings import HostSettings
from paddleport.serve.hosting.process_host import ProcessHost
from paddleport.serve.server_metrics import ServerMetrics
from paddleport.tensors import Feed

T = TypeVar("T")
CRASH, EXIT, HANG, REFUSE, FAULT, SLOW, POISON = 1001, 1002, 1003, 1004, 1005, 1006, 1007
SLOW_S = 0.2
SOURCE = f'''
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from paddleport.errors import FeedError, ModelFileError
from paddleport.runners.onnxruntime.ort_runner import OnnxRuntimeExtras, OnnxRuntimeRunner


@dataclass(frozen=True)
class Told(OnnxRuntimeExtras):
    broken: str = ""
    mixes: bool = False


class Obeys(OnnxRuntimeRunner):
    """Does what the first number of any example says; its load crashes while a file is there."""

    name = "obeys"
    extras_type = Told

    def load(self, model):
        if self.extras.broken and Path(self.extras.broken).exists():
            if Path(self.extras.broken).read_text() == "refuse":
                raise ModelFileError("this model is not taken")
            if Path(self.extras.broken).read_text() == "bug":
                raise ValueError("nobody has thought of this")
            os.abort()
        super().load(model)

    def infer(self, feed):
        (x,) = feed.values()
        for told in x.reshape(len(x), -1)[:, 0].tolist():
            if told == {CRASH}:
                os.kill(os.getpid(), signal.SIGSEGV)
                time.sleep(1000)  # the thread that dies of it may be another
            if told == {EXIT}:
                os._exit(3)
            if told == {HANG}:
                time.sleep(1000)
            if told == {REFUSE}:
                raise FeedError("the told number is not taken")
            if told == {FAULT}:
                raise RuntimeError("a bug of the runtime's")
            if told == {SLOW}:
                time.sleep({SLOW_S})
        found = super().infer(feed)
        if self.extras.mixes and len(x) > 1:
            found = {{name: item + item.mean(axis=0) for name, item in found.items()}}
        return found
'''


def plant(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the backend ``obeys``."""
    install(folder / "plugin", monkeypatch, "obedient", SOURCE, ["Obeys"])


def run(coroutine: Coroutine[Any, Any, T], at_most_s: float = 60) -> T:
    """In a loop of its own."""

    async def limited() -> T:
        return await asyncio.wait_for(coroutine, at_most_s)

    return asyncio.run(limited())


def told(number: float, *, seed: int = 0) -> Feed:
    """A feed whose first number is an order."""
    feed = small_network.feed(1, seed=seed)
    feed["x"][0, 0, 0, 0] = number
    return feed


def agrees(outputs: Any, feed: Feed) -> bool:
    """Whether they are the small network's for this feed."""
    logits, scores = small_network.expected(feed["x"])
    return np.allclose(outputs["logits"], logits, atol=1e-4) and np.allclose(
        outputs["scores"], scores, atol=1e-4
    )


def host_of(
    model: Artifact, *, extras: dict[str, str] | None = None, prove: Any = None, **how: Any
) -> tuple[ProcessHost, ServerMetrics]:
    metrics = ServerMetrics()
    spec = PredictorSpec(
        model=model,
        backend="obeys",
        task="tensors",
        options=RunnerOptions(threads=1, extras=extras or {}),
    )
    settings = HostSettings(**{"timeout_s": 20.0, "backoff_s": 0.01, **how})
    return ProcessHost("small", spec, settings, metrics=metrics, prove=prove), metrics


@asynccontextmanager
async def loaded(host: ProcessHost) -> AsyncIterator[ProcessHost]:
    await host.load()
    try:
        yield host
    finally:
        await host.unload()


async def until(holds: Callable[[], object], at_most_s: float = 20) -> None:
    async def wait() -> None:
        while not holds():
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), at_most_s)
