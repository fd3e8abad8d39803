"""An interrupt leaves no lock behind, wherever it falls."""

import signal
import subprocess
import sys

import pytest

INTERRUPTED_OFTEN = """
import signal, sys, threading
from paddleport.cli.interrupts import end_by_signals

if sys.argv[1] == "ours":
    end_by_signals()
signal.signal(signal.SIGVTALRM, signal.getsignal(signal.SIGINT))
condition, leaks = threading.Condition(), 0
for _ in range(60):
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.001)
        while True:
            with condition:
                pass
    except KeyboardInterrupt:
        while condition._is_owned():
            leaks += 1
            condition._lock.release()
print(leaks)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
def test_no_lock_is_left_taken() -> None:
    assert _locks_left("python") > 10  # else this shows nothing
    assert _locks_left("ours") <= 1  # Python 3.10 has places that nobody can see


def _locks_left(handler: str) -> int:
    command = [sys.executable, "-c", INTERRUPTED_OFTEN, handler]
    return int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


ENDED = """
import atexit, ctypes, sys
from paddleport.cli.interrupts import end_without_teardown

library = ctypes.CDLL(None)
# A vendor's threads that crash in the process's end:
library.__cxa_atexit(library.abort, None, None)
atexit.register(print, "what was registered is done")
end_without_teardown(130) if sys.argv[1] == "ours" else sys.exit(130)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="takes the C library's atexit")
def test_a_crash_in_the_end_of_the_process_is_not_met() -> None:
    command = [sys.executable, "-c", ENDED]
    plain, ours = (
        subprocess.run([*command, way], capture_output=True, timeout=60, check=False)
        for way in ("python", "ours")
    )
    assert plain.returncode == -signal.SIGABRT  # else this shows nothing
    assert ours.returncode == 130 and b"is done" in ours.stdout
