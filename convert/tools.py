"""The two processes of a conversion, which import their tools while the caller is still busy."""

import threading
from types import TracebackType

from paddleport.worker import Worker, close_all

SAME_ORDER = {"PYTHONHASHSEED": "0"}
"""For a process with onnxslim, which goes through sets of names: equal models are equal bytes."""


class Tools:
    """One process that holds Paddle and Paddle2ONNX, one that holds the ONNX tools.

    Importing Paddle takes a second, more than all the rest of a conversion: make the tools
    first, then find out what is to be converted. The ONNX tools start when they are first asked
    for, since on two cores a third import would only delay Paddle's.
    """

    def __init__(self) -> None:
        self._renewing = threading.Lock()
        self._closed = False
        self._paddle = self._with_paddle()
        self._onnx: Worker | None = None

    @staticmethod
    def _with_paddle() -> Worker:
        return Worker(preload=("paddle", "paddleport.convert.paddle2onnx.export"))

    @property
    def paddle(self) -> Worker:
        """The process with Paddle and Paddle2ONNX."""
        return self._paddle

    @property
    def onnx(self) -> Worker:
        """The process with onnx, ONNX Runtime and onnxslim; after ``close`` a closed one."""
        with self._renewing:
            if self._onnx is None:
                self._onnx = Worker(preload=("onnx", "onnxruntime", "onnxslim"), environ=SAME_ORDER)
                if self._closed:
                    self._onnx.close()
            return self._onnx

    def start_onnx(self) -> None:
        """Start the ONNX tools, which import while Paddle2ONNX works."""
        _ = self.onnx

    def renew_paddle(self) -> None:
        """Start another process in the place of one that has died, unless all is over."""
        self._paddle.close()
        with self._renewing:
            if not self._closed:
                self._paddle = self._with_paddle()

    def renew_onnx(self) -> None:
        """End the process with the ONNX tools; another one starts when it is asked for."""
        with self._renewing:
            if self._onnx is not None and not self._closed:
                self._onnx.close()
                self._onnx = None

    def close(self) -> None:
        """End both processes; a second call does nothing."""
        with self._renewing:
            self._closed = True
            close_all([self._paddle, *([self._onnx] if self._onnx is not None else [])])

    def __enter__(self) -> "Tools":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
