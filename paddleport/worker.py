"""A child process that runs named functions: a crash, a hang or a leak in it is an error here."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from paddleport.errors import WorkerCrashed
from paddleport.process import resident_bytes
from paddleport.telemetry import NO_ONNXRUNTIME_TELEMETRY
from paddleport.worker_child import OUT_OF_MEMORY, receive, send, unpack
from paddleport.worker_child import Handle as Handle
from paddleport.worker_child import RemoteError as RemoteError

P = ParamSpec("P")
T = TypeVar("T")

LOG_TAIL_CHARACTERS = 4000
# Not -m: that makes two modules. And not from the current folder, which -c puts before the others:
# a user's numpy.py, or another version of this package, may lie there.
_SERVE = """
import sys
sys.path[:1] = filter(None, sys.path[:1])
from paddleport.worker_child import serve
serve()
"""
_WATCH_S = 0.05  # between two looks at the child


class Worker:
    """A child process that runs importable functions, one at a time, until closed.

    Arguments and results are pickled through a private pipe. What the child and its C++
    libraries print goes to a log, never to the terminal. Objects that can't travel stay
    there: ``hold`` keeps a result in the child and returns a ``Handle`` to it.
    """

    def __init__(
        self,
        *,
        preload: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        memory_limit_bytes: int | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start the child; it imports the modules of ``preload`` while nobody waits for it.

        Args:
            preload: names of modules.
            environ: variables that the child gets besides this process's.
            memory_limit_bytes: a child that holds more during a call is killed, where the
                platform reports how much it holds.
            pass_fds: open files that the child gets as well, under the same numbers.
        """
        self._memory_limit_bytes = memory_limit_bytes
        self._ended_because = ""  # known where we have killed it ourselves
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the child
        self._last_log = ""
        self._closing = threading.RLock()  # closing reads the log
        requests_read, requests_write = os.pipe()
        answers_read, answers_write = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SERVE, str(requests_read), str(answers_write), *preload],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(requests_read, answers_write, *pass_fds),
                env={
                    **os.environ,
                    **NO_ONNXRUNTIME_TELEMETRY,
                    **_same_imports(),
                    **(environ or {}),
                },
                start_new_session=True,  # Ctrl-C reaches the parent, which ends the child
            )
        except BaseException:  # no process to be had, or a file of pass_fds is closed by now
            for number in (requests_read, requests_write, answers_read, answers_write):
                os.close(number)
            self._log.close()
            raise
        os.close(requests_read)
        os.close(answers_write)
        self._requests = os.fdopen(requests_write, "wb")
        self._answers = os.fdopen(answers_read, "rb")

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def call(
        self, function: Callable[P, T], timeout_s: float, /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``function`` in the child and return its result.

        Raises:
            WorkerCrashed: the child died; or it gave no answer within ``timeout_s`` seconds, or
                held too much memory, and was killed: the worker is then closed. Or the function
                raised MemoryError, which the child outlives.
            PortError: as raised by the function.
            RemoteError: any other exception of the function.
        """
        result: T = self._ask(function, args, kwargs, hold=False, timeout_s=timeout_s)
        return result

    def hold(
        self, function: Callable[P, Any], timeout_s: float, /, *args: P.args, **kwargs: P.kwargs
    ) -> Any:
        """Run ``function`` in the child, keep its result there and return a handle to it."""
        return self._ask(function, args, kwargs, hold=True, timeout_s=timeout_s)

    def log(self) -> str:
        """The end of what the child has printed so far, or by the time it was closed."""
        with self._closing:  # another thread may be about to close it
            if self._log.closed:
                return self._last_log
            size = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, size - LOG_TAIL_CHARACTERS))
            return self._log.read().decode(errors="replace")

    def kill(self, because: str = "SIGKILL") -> None:
        """Begin to end the child; ``close`` waits for it."""
        self._end(because)

    def end_of(self, what: str) -> WorkerCrashed:
        """Close the child, which has ended or is being killed, and say how it ended.

        Args:
            what: it was doing.
        """
        self._kill()  # what it has started may outlive it
        return self._crashed(what)

    def close(self) -> None:
        """End the child; a second call does nothing."""
        self.kill()
        with self._closing:  # a call that waits in another thread closes as well
            if self._log.closed:
                return
            self._process.wait()
            self._last_log = self.log()
            self._log.close()
            with contextlib.suppress(OSError):
                self._requests.close()
            self._answers.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        hold: bool,
        timeout_s: float,
    ) -> Any:
        answered = threading.Event()
        deadline = time.monotonic() + timeout_s
        watch = threading.Thread(target=self._watch, args=(answered, deadline, timeout_s))
        watch.start()
        try:
            send(self._requests, (function, args, kwargs, hold))
            outcome, value = unpack(receive(self._answers))  # from our own child
        except (EOFError, OSError, ValueError):  # ValueError: closed by another thread
            raise self._crashed(function.__name__) from None
        except BaseException:
            self.close()
            raise
        finally:
            answered.set()
        if outcome == "error":
            raise value
        return value

    def _watch(self, answered: threading.Event, deadline: float, timeout_s: float) -> None:
        """Kill the child once its time is up or its memory too much, and what outlives it."""
        limit = self._memory_limit_bytes
        while not answered.wait(min(max(0.0, deadline - time.monotonic()), _WATCH_S)):
            if self._process.poll() is not None:
                return self._kill()  # what it has started may hold the pipe that we read from
            held = (resident_bytes(self._process.pid) or 0) if limit else 0
            if limit and held > limit:
                return self._end(f"{OUT_OF_MEMORY}: killed at {held / 1e9:.1f} GB")
            if time.monotonic() >= deadline:
                return self._end(f"no answer within {timeout_s:g} s")

    def _end(self, because: str) -> None:
        if self._process.returncode is None:
            self._ended_because = self._ended_because or because
            self._kill()

    def _kill(self) -> None:
        """The child, and the processes it has started."""
        with contextlib.suppress(OSError):  # all of them are gone
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()  # does nothing once the child has been waited for

    def _crashed(self, running: str) -> WorkerCrashed:
        code = self._process.wait()
        if self._ended_because:
            reason = self._ended_because
        elif code == -signal.SIGKILL:
            reason = f"SIGKILL (likely {OUT_OF_MEMORY})"  # the kernel's way to make room
        elif code < 0:
            reason = signal.Signals(-code).name
        else:
            reason = f"exit {code}"
        log = self.log().strip()
        self.close()
        last = log.splitlines()[-1].strip() if log else "it printed nothing"
        return WorkerCrashed(
            f"the process running {running} ended with {reason}: {last}",
            reason=reason,
            log=log,
        )


def close_all(workers: Iterable[Worker]) -> None:
    """End several children at once: a process with much memory takes its time to die."""
    workers = list(workers)
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.close()


def run_in_worker(
    function: Callable[P, T], timeout_s: float, /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run one function in a child process of its own; raises as ``Worker.call`` does."""
    with Worker() as worker:
        return worker.call(function, timeout_s, *args, **kwargs)


def _same_imports() -> dict[str, str]:
    """The child imports from where this process does, plug-ins and notebooks' folders too."""
    return {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
