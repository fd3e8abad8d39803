"""The two processes of a conversion, which import their tools while the caller is still busy."""

from types import TracebackType

from paddleport.worker import Worker


class Tools:
    """One process that holds Paddle and Paddle2ONNX, one that holds the ONNX tools.

    Importing Paddle takes a second, more than all the rest of a conversion: make the tools
    first, then find out what is to be converted.
    """

    def __init__(self) -> None:
        self.paddle = Worker(preload=("paddle",))
        self.onnx = Worker(preload=("onnx", "onnxruntime", "onnxslim"))

    def close(self) -> None:
        """End both processes; a second call does nothing."""
        self.paddle.close()
        self.onnx.close()

    def __enter__(self) -> "Tools":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
