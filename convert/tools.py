"""The two processes of a conversion, which import their tools while the caller is still busy."""

from functools import cached_property
from types import TracebackType

from paddleport.worker import Worker, close_all


class Tools:
    """One process that holds Paddle and Paddle2ONNX, one that holds the ONNX tools.

    Importing Paddle takes a second, more than all the rest of a conversion: make the tools
    first, then find out what is to be converted. The ONNX tools start when they are first asked
    for, since on two cores a third import would only delay Paddle's.
    """

    def __init__(self) -> None:
        self.paddle = self._with_paddle()

    @staticmethod
    def _with_paddle() -> Worker:
        return Worker(preload=("paddle", "paddleport.convert.paddle2onnx.export"))

    def renew_paddle(self) -> None:
        """Start another process in the place of one that has died."""
        self.paddle.close()
        self.paddle = self._with_paddle()

    def renew_onnx(self) -> None:
        """Likewise for the ONNX tools."""
        if "onnx" in self.__dict__:
            self.onnx.close()
            del self.__dict__["onnx"]

    @cached_property
    def onnx(self) -> Worker:
        """The process with onnx, ONNX Runtime and onnxslim."""
        return Worker(preload=("onnx", "onnxruntime", "onnxslim"))

    def close(self) -> None:
        """End both processes; a second call does nothing."""
        close_all([self.paddle, *([self.onnx] if "onnx" in self.__dict__ else [])])

    def __enter__(self) -> "Tools":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
