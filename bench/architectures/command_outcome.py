"""A command of paddleport's, run as a user runs it, and what came of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMED_OUT = 124  # as timeout(1) says it
_KNOWN_CODES = (0, 1, 2)


@dataclass(frozen=True, kw_only=True)
class CommandOutcome:
    """How a command ended.

    Attributes:
        code: its exit code; ``TIMED_OUT`` where it was ended.
        seconds: on the clock.
        cpu_seconds: of the processor, its children's included, and those of whatever else ended
            meanwhile: to be read of one job at a time.
        answer: what ``--json`` printed; empty where it printed none.
        message: the last line on stderr, or a traceback's.
    """

    code: int
    seconds: float
    cpu_seconds: float
    answer: dict[str, Any]
    message: str

    @property
    def broken(self) -> bool:
        """It ended in a way that is no answer: a traceback, a signal, a timeout."""
        return self.code not in _KNOWN_CODES or self.message.startswith("Traceback")


def run_command(
    arguments: Sequence[object], timeout_s: float, *, folder: Path | None = None
) -> CommandOutcome:
    """Run ``paddleport`` with ``arguments`` and ``--json``, in a process group of its own."""
    start, before = time.monotonic(), os.times()
    command = [sys.executable, "-m", "paddleport", *map(str, arguments), "--json"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=folder,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)  # it ends its workers, each a session of its own
            stdout, stderr = _ended(process)
            code = TIMED_OUT
    after = os.times()
    return CommandOutcome(
        code=code,
        seconds=round(time.monotonic() - start, 1),
        cpu_seconds=round(
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system,
            1,
        ),
        answer=_parsed(stdout),
        message=_message(stderr),
    )


def _ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        return process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()


def _parsed(stdout: str) -> dict[str, Any]:
    try:
        answer = json.loads(stdout)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _message(stderr: str) -> str:
    lines = [line for line in stderr.strip().splitlines() if line.strip()]
    if not lines:
        return ""
    if any(line.startswith("Traceback") for line in lines):
        return f"Traceback: {lines[-1]}"
    return lines[-1]
