"""The opsets that can be asked for."""

from paddleport.errors import ConversionError

DEFAULT_OPSET = 17
LOWEST_OPSET, HIGHEST_OPSET = 7, 21  # what Paddle2ONNX 2.1.0 writes


def check_opset(opset: int) -> None:
    """Refuse an opset that Paddle2ONNX does not write.

    Raises:
        ConversionError: it is not among 7 to 21.
    """
    if not LOWEST_OPSET <= opset <= HIGHEST_OPSET:
        raise ConversionError(
            f"opset {opset} is not possible: Paddle2ONNX writes {LOWEST_OPSET} to "
            f"{HIGHEST_OPSET}. Try: --opset {11 if opset < LOWEST_OPSET else HIGHEST_OPSET}"
        )
