"""Served models without a runtime, for what stands before them."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.runners.predictor import PredictorSpec
from paddleport.serve.hosting.host_registry import HostRegistry
from paddleport.serve.hosting.model_host import (
    HostState,
    Inferred,
    ModelHost,
    NotReadyError,
    OverloadedError,
    PictureAnswers,
)
from paddleport.serve.server import Addresses, ServerOptions, serve
from paddleport.serve.server_metrics import ServerMetrics
from paddleport.tensors import Feed, TensorSpec, check_feed

EVERY = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64",
)  # fmt: skip


class Identity(ModelHost):
    """Gives back what it is fed, an output for each input."""

    def __init__(
        self, name: str, dtypes: Sequence[str] = ("float32",), *, delay_s: float = 0
    ) -> None:
        self.name = name
        artifact = Artifact(format="onnx", files=(Path("identity.onnx"),))
        self.spec = PredictorSpec(model=artifact, backend="onnxruntime", labels=("cat", "dog"))
        self._specs = [TensorSpec(f"in_{each}", each, (None, None)) for each in dtypes]
        self.delay_s, self.cancelled, self.fed = delay_s, 0, 0
        self.error: Exception | None = None
        self.deadline_s: float | None = None
        self.full: OverloadedError | None = None
        self.reason = ""

    @property
    def state(self) -> HostState:
        return HostState(ready=not self.reason, reason=self.reason)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return tuple(self._specs)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(f"out_{s.name[3:]}", s.dtype, s.shape) for s in self._specs)

    def check_room(self) -> None:
        if self.full is not None:
            raise self.full

    async def infer(self, feed: Feed, *, deadline_s: float | None = None) -> Inferred:
        if self.reason:
            raise NotReadyError(f"{self.name} is not ready: {self.reason}")
        check_feed(self.inputs, feed)
        self.deadline_s = deadline_s
        if self.error is not None:
            raise self.error
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.fed += 1
        outputs = {f"out_{name[3:]}": item for name, item in feed.items()}
        return Inferred(outputs=outputs, stages_s={"compute": 0.001}, batch=1)

    async def predict(
        self, pictures: Sequence[bytes], *, deadline_s: float | None = None
    ) -> PictureAnswers:
        raise NotImplementedError

    def check_cancelled(self) -> None:
        """The only request is given up soon, and not computed."""
        for _ in range(100):
            if self.cancelled:
                break
            time.sleep(0.02)
        assert (self.cancelled, self.fed) == (1, 0)


class Pictures(Identity):
    """Says cat, and how many bytes a picture has; one that begins with ``bad`` can't be read."""

    def __init__(self, name: str, *, keeps: bool = False) -> None:
        super().__init__(name)
        self._kept: list[bytes] | None = [] if keeps else None
        self.spec = PredictorSpec(
            model=self.spec.model,
            backend="onnxruntime",
            labels=("cat", "dog"),
            preprocess=Preprocess(),
        )

    async def predict(
        self, pictures: Sequence[bytes], *, deadline_s: float | None = None
    ) -> PictureAnswers:
        if self._kept is not None:
            self._kept += pictures
        bad = [item.startswith(b"bad") for item in pictures]
        best = [
            None if wrong else {"predictions": [{"index": 0, "label": "cat", "score": 0.75}]}
            for wrong in bad
        ]
        sizes = [[len(item)] for item, wrong in zip(pictures, bad, strict=True) if not wrong]
        return PictureAnswers(
            answers=best,
            errors=["it is no picture" if wrong else "" for wrong in bad],
            outputs={"out_float32": np.array(sizes, np.float32)},
            stages_s={"decode": 0.002},
        )


@contextmanager
def serving(
    *hosts: ModelHost,
    metrics: ServerMetrics | None = None,
    pages: Any = None,
    run_loop: Callable[..., object] = asyncio.run,
    **options: Any,
) -> Iterator[Addresses]:
    """A server in a thread of its own, until the block ends."""
    bound: list[Addresses] = []
    ready = threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []
    failed: list[BaseException] = []

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        loops.append((asyncio.get_running_loop(), task))
        chosen = ServerOptions(http_port=0, **{"grpc_port": 0, "grace_s": 2.0, **options})

        def on_bound(found: Addresses) -> None:
            bound.append(found)
            ready.set()

        await serve(
            HostRegistry(hosts), metrics or ServerMetrics(), chosen, on_bound=on_bound, pages=pages
        )

    def target() -> None:
        try:
            run_loop(run())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=target)
    thread.start()
    try:
        assert ready.wait(20)
        if failed:
            raise failed[0]
        yield bound[0]
    finally:
        loop, task = loops[0]
        if thread.is_alive():
            loop.call_soon_threadsafe(task.cancel)
        thread.join(20)
        assert not thread.is_alive()
