"""A program that answers requests over its standard streams: asked, watched, and ended.

A request is a line of JSON, ``{"do": NAME, "arrays": [[dtype, shape, bytes], ...], ...}``, and
then the raw bytes of its arrays, little-endian and in C order; so is an answer, which says
``"from": "paddleport"``, and ``"error"`` where the request came to nothing.
"""

import contextlib
import json
import os
import re
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import IO, Any, cast

import numpy as np

from paddleport.errors import BackendUnavailableError, WorkerCrashed
from paddleport.runners.vendor_message import MESSAGE_CHARACTERS
from paddleport.tensors import Array

_MOST_LINE_BYTES = 1 << 20
_LOOK_S = 0.1  # between two looks at the clock


class PipedDeath(WorkerCrashed):
    """The process died, hung or gave no answer.

    Attributes:
        said: how it ended, and the line that says why.
    """

    said: str = ""


class PipedRefusal(Exception):
    """It answers that what was asked cannot be, and lives on."""


class PipedProcess:
    """A program, a child in the group of its parent, that ends with it: its requests end then."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str] | None = None,
        fatal: "re.Pattern[str] | None" = None,
    ) -> None:
        """Start it.

        Args:
            command: the file and its arguments.
            environ: variables beside those of this process.
            fatal: what a line of its log begins with that says why it ended; by default that is
                the last line.

        Raises:
            BackendUnavailableError: the file is nothing that can be started.
        """
        self._name, self._fatal = command[0], fatal
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        try:
            self._process = subprocess.Popen(
                [*command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**os.environ, **(environ or {})},
            )
        except (OSError, ValueError) as error:
            self._log.close()
            reason = getattr(error, "strerror", None) or error
            raise BackendUnavailableError(f"{self._name} can't be started: {reason}") from None
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout)
        streams = (self._requests, self._answers, self._log)
        self._watch = _Watch(self._process)
        self._end = weakref.finalize(self, _end, self._process, streams, self._watch)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ask(
        self, what: str, timeout_s: float, arrays: Sequence[Array] = (), **values: str
    ) -> tuple[dict[str, Any], list[Array]]:
        """Have it do one thing.

        Args:
            what: the name of what is to be done.
            timeout_s: when it is killed.
            arrays: what goes with it.
            values: what else it is told.

        Returns:
            The answer, and its arrays, which are the caller's.

        Raises:
            PipedRefusal: it answers with an error.
            PipedDeath: it died, hung and was killed, or answers what is no answer.
        """
        given = [np.ascontiguousarray(item) for item in arrays]
        heads = [(item.dtype.name, item.shape, item.nbytes) for item in given]
        request = json.dumps({"do": what, "arrays": heads, **values}).encode() + b"\n"
        with self._watch.killing_after(timeout_s):
            try:
                self._requests.write(request)
                for item in given:
                    self._requests.write(item.reshape(-1).view(np.uint8).data)
                self._requests.flush()
                answer = self._answer()
            except (OSError, EOFError, ValueError, TypeError, KeyError):
                raise self._crashed(what) from None
        if "error" in answer[0]:
            raise PipedRefusal(str(answer[0]["error"]))
        return answer

    def close(self) -> None:
        """End it; a second call does nothing. It is done, too, when nobody has it any more."""
        self._end()

    def __enter__(self) -> "PipedProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _answer(self) -> tuple[dict[str, Any], list[Array]]:
        head = json.loads(self._answers.readline(_MOST_LINE_BYTES))
        if head["from"] != "paddleport":
            raise ValueError
        arrays = []
        for dtype, shape, size in head["arrays"]:
            data = bytearray(size)
            if self._answers.readinto(data) < size:  # type: ignore[attr-defined]  # a binary file
                raise EOFError
            arrays.append(np.frombuffer(data, dtype).reshape(shape))
        return head, arrays

    def _crashed(self, what: str) -> PipedDeath:
        """What became of it; it is ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)  # it may be about to die of itself
        code = self._process.poll()
        self._process.kill()
        self._process.wait()
        self._log.seek(0)
        log = self._log.read().decode(errors="replace")
        if self._watch.killed_after:
            reason = f"no answer within {self._watch.killed_after:g} s"
        elif code is None:
            reason = "what it answers is no answer"
        else:
            reason = f"signal {-code}" if code < 0 else f"exit {code}"
        self.close()
        said = ": ".join(filter(None, (reason, self._last_words(log))))
        death = PipedDeath(f"{self._name} ended at {what} with {said}", reason=reason, log=log)
        death.said = said
        return death

    def _last_words(self, log: str) -> str:
        """The line that says why it died: the last fatal one, else the last of all."""
        lines = [line.strip() for line in log.splitlines() if line.strip()]
        fatal = []
        if self._fatal is not None:
            fatal = [self._fatal.sub("", line) for line in lines if self._fatal.match(line)]
        return next(iter([*fatal[-1:], *lines[-1:]]), "")[:MESSAGE_CHARACTERS]


class _Watch:
    """Kills a process once its time is over, which ends whatever waits for it.

    One thread looks at the clock now and then: a timer for each request would cost as much as a
    small inference. It holds the process alone, so that nothing else lives on with it.

    Attributes:
        killed_after: seconds after which it was killed; 0 where it was not.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.killed_after = 0.0
        self._process = process
        self._limit: tuple[float, float] | None = None  # when, and after how many seconds that is
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def killing_after(self, timeout_s: float) -> Iterator[None]:
        """Have it killed unless the block ends in time."""
        self._limit = time.monotonic() + timeout_s, timeout_s
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, daemon=True)
            self._thread.start()
        try:
            yield
        finally:
            self._limit = None

    def end(self) -> None:
        """Look no longer."""
        self._over.set()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_S):
            limit = self._limit
            if limit is not None and time.monotonic() >= limit[0]:
                self.killed_after = limit[1]
                self._process.kill()
                return


def _end(process: "subprocess.Popen[bytes]", streams: Sequence[IO[bytes]], watch: _Watch) -> None:
    watch.end()
    process.kill()
    process.wait()
    for stream in streams:
        with contextlib.suppress(OSError):
            stream.close()
