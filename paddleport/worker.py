"""A child process that runs named functions: a crash, a hang or a leak in it is an answer here."""

import contextlib
import importlib
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, ParamSpec, TypeVar

from paddleport.errors import PortError, WorkerCrashed
from paddleport.files import full_disk

P = ParamSpec("P")
T = TypeVar("T")

LOG_TAIL_CHARACTERS = 4000
NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1"}  # else importing ONNX Runtime writes a session file
_SERVE = "from paddleport.worker import serve; serve()"  # not -m: that would make two modules


@dataclass(frozen=True)
class Handle:
    """Stands for an object that lives in the worker; pass it to ``call`` as an argument."""

    key: int


class RemoteError(RuntimeError):
    """An exception in the worker that is no ``PortError``: a bug, with its traceback as text."""


class Worker:
    """A child process that runs importable functions, one at a time, until closed.

    Arguments and results are pickled through a private pipe. What the child and its C++
    libraries print goes to a log, never to the terminal. Objects that can't travel stay
    there: ``hold`` keeps a result in the child and returns a ``Handle`` to it.
    """

    def __init__(
        self, *, preload: Sequence[str] = (), environ: Mapping[str, str] | None = None
    ) -> None:
        """Start the child; it imports the modules of ``preload`` while nobody waits for it."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the child
        self._last_log = ""
        self._closing = threading.Lock()
        requests_read, requests_write = os.pipe()
        answers_read, answers_write = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(requests_read), str(answers_write), *preload],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=(requests_read, answers_write),
            env={**os.environ, **NO_TELEMETRY, **_same_imports(), **(environ or {})},
            start_new_session=True,  # Ctrl-C reaches the parent, which ends the child
        )
        os.close(requests_read)
        os.close(answers_write)
        self._requests = os.fdopen(requests_write, "wb")
        self._answers = os.fdopen(answers_read, "rb")

    def call(
        self, function: Callable[P, T], timeout_s: float, /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``function`` in the child and return its result.

        Raises:
            WorkerCrashed: the child died, or gave no answer within ``timeout_s`` seconds and
                was killed. The worker is then closed.
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
        if self._log.closed:
            return self._last_log
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - LOG_TAIL_CHARACTERS))
        return self._log.read().decode(errors="replace")

    def kill(self) -> None:
        """Begin to end the child; ``close`` waits for it."""
        self._process.kill()  # does nothing once the child has been waited for

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
        expired = threading.Event()

        def kill() -> None:
            expired.set()
            self._process.kill()

        timer = threading.Timer(timeout_s, kill)
        timer.start()
        try:
            _send(self._requests, (function, args, kwargs, hold))
            outcome, value = pickle.loads(_receive(self._answers))  # from our own child
        except (EOFError, OSError, ValueError):  # ValueError: closed by another thread
            raise self._crashed(function, timeout_s if expired.is_set() else None) from None
        except BaseException:
            self.close()
            raise
        finally:
            timer.cancel()
        if outcome == "error":
            raise value
        return value

    def _crashed(self, function: Callable[..., Any], timeout_s: float | None) -> WorkerCrashed:
        code = self._process.wait()
        if timeout_s is not None:
            reason = f"no answer within {timeout_s:g} s"
        elif code < 0:
            reason = signal.Signals(-code).name
        else:
            reason = f"exit {code}"
        log = self.log().strip()
        self.close()
        last = log.splitlines()[-1].strip() if log else "it printed nothing"
        return WorkerCrashed(
            f"the process running {function.__name__} ended with {reason}: {last}",
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


def _send(stream: IO[bytes], message: Any) -> None:
    payload = pickle.dumps(message, protocol=5)
    stream.write(struct.pack("<Q", len(payload)))
    stream.write(payload)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes:
    header = stream.read(8)
    if len(header) < 8:
        raise EOFError
    (size,) = struct.unpack("<Q", header)
    payload = stream.read(size)
    if len(payload) < size:
        raise EOFError
    return payload


def serve() -> None:
    """The child's side: answer requests until the parent closes its end, then die at once."""
    requests = os.fdopen(int(sys.argv[1]), "rb")
    answers = os.fdopen(int(sys.argv[2]), "wb")
    pending: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                pending.put(_receive(requests))
        except EOFError:
            os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    for module in sys.argv[3:]:
        with contextlib.suppress(Exception):  # whoever needs it meets the error again
            importlib.import_module(module)
    held: dict[int, Any] = {}
    while True:
        payload = pending.get()
        answer: tuple[str, Any]
        try:
            function, args, kwargs, hold = pickle.loads(payload)  # from our own parent
            args = [held[arg.key] if isinstance(arg, Handle) else arg for arg in args]
            result = function(*args, **kwargs)
            if hold:
                held[len(held)] = result
                result = Handle(len(held) - 1)
            answer = ("done", result)
        except PortError as error:
            answer = ("error", error)
        except OSError as error:
            answer = ("error", full_disk(error) or RemoteError(traceback.format_exc()))
        except Exception:  # a bug: its traceback goes to the parent, which raises it
            answer = ("error", RemoteError(traceback.format_exc()))
        _send(answers, answer)
