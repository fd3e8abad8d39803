"""A page's commands, run one after the other in one folder, its servers beside them."""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

SERVES = "Ctrl-C ends"
"""In the last line that a server prints before it answers."""
TIMEOUT_S = 600.0
_MOST_BYTES = 1 << 20
_CLIENTS = re.compile(r"^\s*(import|from) (kserve|tritonclient)\b", re.MULTILINE)


class PageCommands:
    """Runs ``paddleport``, ``curl`` and ``python`` as a reader would who follows one page.

    A command that ends with ``&`` goes on until the page's end; it has printed what there is up to
    the line with ``SERVES``. Scripts that import KServe's or Triton's clients are run by the
    Python that ``PADDLEPORT_CLIENTS_PYTHON`` names.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "PageCommands":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.send_signal(signal.SIGINT)
        for server in self._servers:
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()

    def write(self, name: str, text: str) -> None:
        """Lay a file that the page shows where its commands find it."""
        (self._folder / name).write_text(text)

    def printed(self, command: str) -> str:
        """What a command prints, stdout then stderr."""
        words = shlex.split(command)
        if words[-1] == "&":
            lines = self._started(words[:-1])
        else:
            done = subprocess.run(
                self._arguments(words),
                cwd=self._folder,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
            )
            lines = (done.stdout + done.stderr).strip().splitlines()
        return "".join(f"{line.rstrip()}\n" for line in lines)

    def _started(self, words: list[str]) -> list[str]:
        end = time.monotonic() + TIMEOUT_S
        with tempfile.TemporaryFile() as printed:  # the server goes on to write into its own
            arguments = self._arguments(words)
            server = subprocess.Popen(arguments, cwd=self._folder, stdout=printed, stderr=printed)
            self._servers.append(server)
            while True:
                ended = server.poll() is not None or time.monotonic() > end
                text = os.pread(printed.fileno(), _MOST_BYTES, 0).decode()
                if SERVES in text:
                    return text.splitlines()
                if ended:
                    raise SystemExit(f"{shlex.join(words)} ended before it served:\n{text}")
                time.sleep(0.1)

    def _arguments(self, words: list[str]) -> list[str]:
        program, *rest = words
        if program == "paddleport":
            return [sys.executable, "-m", "paddleport", *rest]
        if program == "python":
            return [self._python((self._folder / rest[0]).read_text()), *rest]
        if program == "curl":
            return words
        raise SystemExit(f"a page runs paddleport, python or curl, not {program}")

    @staticmethod
    def _python(script: str) -> str:
        if not _CLIENTS.search(script):
            return sys.executable
        named = os.environ.get("PADDLEPORT_CLIENTS_PYTHON")
        if not named:
            raise SystemExit("a page's script needs PADDLEPORT_CLIENTS_PYTHON: make clients")
        return named
