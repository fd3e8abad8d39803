"""Runs functions in child processes, a few at a time; one that crashes or hangs is a result."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from paddleport.errors import PortError, WorkerCrashed
from paddleport.progress import Progress, no_progress
from paddleport.worker import RemoteError, Worker, close_all

_LINE_CHARACTERS = 200  # of what a vendor writes


@dataclass(frozen=True)
class ChildTask:
    """A function for a child process.

    Attributes:
        function: what it runs.
        arguments: of the function.
        doing: what it does, as the start of a sentence: ``importing onnx``.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    doing: str


@dataclass(frozen=True)
class ChildFailure:
    """A task that ended without an answer.

    Attributes:
        text: what became of it, as one sentence.
        names_fix: whether the sentence itself ends with what to do.
    """

    text: str
    names_fix: bool = False


def run_all(
    tasks: Mapping[str, ChildTask],
    *,
    timeout_s: float,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """The answer of each task, or the ``ChildFailure`` that it came to.

    Args:
        tasks: by the name that the answer gets.
        timeout_s: for each.
        progress: called with the name of each task that is done, and the share of all that are.
    """
    workers: list[Worker] = []
    pool = ThreadPoolExecutor(max(2, min(8, os.cpu_count() or 1)))
    try:
        futures: dict[Future[Any], str] = {
            pool.submit(_answer, task, timeout_s, workers): name for name, task in tasks.items()
        }
        answers = {}
        for future in as_completed(futures):
            answers[futures[future]] = future.result()
            progress(futures[future], len(answers) / len(tasks))
        return answers
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        close_all(workers)  # on Ctrl-C some still run; their threads end with them


def _answer(task: ChildTask, timeout_s: float, workers: list[Worker]) -> Any:
    with Worker() as worker:
        workers.append(worker)
        try:
            return worker.call(task.function, timeout_s, *task.arguments)
        except WorkerCrashed as error:
            gave = "gave" if error.reason.startswith("no answer") else "ended with"
            said = _last_line(error.log)
            return ChildFailure(f"{task.doing} {gave} {error.reason}{said and f': {said}'}")
        except RemoteError as error:  # its text is the traceback
            return ChildFailure(f"{task.doing} fails: {_last_line(str(error))}")
        except PortError as error:
            return ChildFailure(str(error), names_fix=True)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_LINE_CHARACTERS] if lines else ""
