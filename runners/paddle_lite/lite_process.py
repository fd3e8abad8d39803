"""A process of the user's interpreter with Paddle Lite in it, and what it is asked."""

import contextlib
import re
from pathlib import Path

from paddleport.runners.piped_process import PipedProcess

_SCRIPT = Path(__file__).with_name("lite_child.py")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Its Python interface to .nb files sets no other number, whatever these say: they say the same."""
_FATAL = re.compile(r"^\[F [^\]]*\] *")  # its log's lines on what ends it


class LiteProcess(PipedProcess):
    """The interpreter, running ``lite_child.py``, isolated from the user's own variables.

    What it is asked are the names of the methods of ``lite_child.Lite``.
    """

    def __init__(self, python: Path) -> None:
        """Start it.

        Raises:
            BackendUnavailableError: the file is nothing that can be started.
        """
        super().__init__([str(python), "-I", str(_SCRIPT)], environ=_ONE_THREAD, fatal=_FATAL)

    @property
    def threads(self) -> int | None:
        """How many threads it has, read back from the system; ``None`` where that does not say."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            status = Path(f"/proc/{self.pid}/status").read_text()
            return int(status.split("\nThreads:")[1].split()[0])
        return None
