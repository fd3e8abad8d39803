"""Times whole processes, in turn."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

RUNS = 9
BINARIES = Path(sys.executable).parent


def seconds(
    command: Sequence[object], folder: Path, environ: Mapping[str, str] | None = None
) -> float:
    """Wall-clock seconds of one whole process that must succeed."""
    started = time.perf_counter()
    subprocess.run([*map(str, command)], check=True, capture_output=True, cwd=folder, env=environ)
    return time.perf_counter() - started


def in_turn(
    first: Callable[[], float], second: Callable[[], float], runs: int
) -> tuple[list[float], list[float]]:
    """Times of two calls, A B A B, after one run of each that is not counted."""
    first(), second()
    pairs = [(first(), second()) for _ in range(runs)]
    return [a for a, _ in pairs], [b for _, b in pairs]
