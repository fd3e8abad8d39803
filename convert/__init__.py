"""From a Paddle model to a file you can trust, in any format that a target makes."""

from typing import TYPE_CHECKING

from paddleport.lazy_names import lazy_names, make_callable

if TYPE_CHECKING:
    from paddleport.convert.artifact_cache import cached_onnx
    from paddleport.convert.conversion import Conversion
    from paddleport.convert.pipeline import convert
    from paddleport.convert.precision.gate_inputs import GateOptions

__all__ = ["Conversion", "GateOptions", "cached_onnx", "convert"]
__getattr__ = lazy_names(
    __name__,
    {
        "Conversion": "conversion",
        "GateOptions": "precision.gate_inputs",
        "cached_onnx": "artifact_cache",
        "convert": "pipeline",
    },
)
make_callable(__name__, "paddleport.convert.pipeline", "convert")
