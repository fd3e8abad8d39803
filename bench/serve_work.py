"""What the server is asked in the bench, with the right answers, and the clients that ask."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from serve_clients import Asked, ClientProcess, Tally, merged
from served import MODEL, BareCalls, Served, served

from paddleport.models.artifact import Artifact
from paddleport.runners.runner_options import RunnerOptions
from paddleport.worker import Worker

BACKEND = "openvino"
SHAPE = (1, 3, 224, 224)
TENSORS = 6  # different ones, so that an answer to another is wrong
THREADS = 2
WINDOWS, WINDOW_S = 9, 2.0
CLIENTS, PROCESSES = 8, 2
TIMEOUT_S = 1800.0


@dataclass(frozen=True, kw_only=True)
class Work:
    """The model, and what is asked of it."""

    model: Artifact
    tensors: list[Any]
    answers: list[Any]
    input: str

    def asked(self, server: Served, *, grpc: bool, model: str = MODEL) -> Asked:
        """For the clients of one server."""
        return Asked(
            address=server.grpc if grpc else server.rest,
            model=model,
            input=self.input,
            tensors=self.tensors,
            answers=self.answers,
            grpc=grpc,
        )

    def served(self, *words: str, threads: int = THREADS) -> AbstractContextManager[Served]:
        """By ``paddleport serve``."""
        words = ("--threads", str(threads), "--precision", "fp32", *words)
        return served(Path(self.model.path), BACKEND, *words)


def prepare(model: Artifact) -> Work:
    """Tensors, and the right answers by the bare predictor; raises where they are all alike."""
    random = np.random.default_rng(0)
    tensors = [random.standard_normal(SHAPE, np.float32) for _ in range(TENSORS)]
    with Worker() as worker:
        bare = worker.hold(BareCalls, TIMEOUT_S, model, BACKEND, options())
        answers = worker.call(BareCalls.answers, TIMEOUT_S, bare, tensors)
        name = worker.call(BareCalls.input_name, TIMEOUT_S, bare)
    nearest = min(np.abs(a - b).max() for a, b in itertools.combinations(answers, 2))
    if nearest < 1e-4:
        raise RuntimeError("the model's answers are alike: a swapped one would not be seen")
    return Work(model=model, tensors=tensors, answers=answers, input=name)


def options(streams: int = 1) -> RunnerOptions:
    """What the bare predictor is opened with, as the server is."""
    extras = {"streams": str(streams)} if streams > 1 else {}
    return RunnerOptions(precision="fp32", threads=THREADS, extras=extras)


class Crowd:
    """Clients in several processes, at the same time."""

    def __init__(self, stack: ExitStack, asked: Asked, clients: int) -> None:
        self._workers = [stack.enter_context(Worker()) for _ in range(PROCESSES)]
        self._clients = [
            worker.hold(ClientProcess, TIMEOUT_S, asked, clients // PROCESSES)
            for worker in self._workers
        ]

    @property
    def pids(self) -> list[int]:
        """Of the processes."""
        return [worker.pid for worker in self._workers]

    def ask(self, seconds: float) -> Tally:
        """All of them, without pause."""
        with ThreadPoolExecutor(PROCESSES) as pool:
            futures = [
                pool.submit(worker.call, ClientProcess.all_at_once, TIMEOUT_S, client, seconds)
                for worker, client in zip(self._workers, self._clients, strict=True)
            ]
            return merged([future.result() for future in futures])


def check_all_right(tally: Tally) -> None:
    """Raise unless every request was answered, and rightly."""
    if tally.wrong or tally.lost or tally.failed or tally.refused:
        raise RuntimeError(f"not every request was answered rightly: {replace(tally, times_ms=[])}")
