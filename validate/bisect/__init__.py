"""Where two computations part: the first node whose value is no longer the same.

``locate_difference`` asks both sides: ``converter_side`` (the ONNX graph in float64 against
Paddle) with ``lost_operator`` and ``value_lookup``, and ``runtime_side`` (a backend against
float64) with ``edge_search`` and ``graph_cuts``. ``target_side`` asks of a target's file: with
``lost_layer`` and ``file_conversion`` where it leaves the ONNX graph, with ``file_runtime`` where
its runtime leaves it. Their values come from ``paddle_values``, ``float64_values``,
``layer_record`` and ``backend_process``, as a ``computation``; the answer is a ``divergence``.
"""

from typing import TYPE_CHECKING

from paddleport.lazy_names import lazy_names

if TYPE_CHECKING:
    from paddleport.validate.bisect.computation import TensorRange
    from paddleport.validate.bisect.converter_side import locate_converter
    from paddleport.validate.bisect.divergence import Divergence
    from paddleport.validate.bisect.locate_difference import check_backend, locate, sides_of
    from paddleport.validate.bisect.runtime_side import locate_runtime
    from paddleport.validate.bisect.target_side import TargetFile, locate_target

__all__ = [
    "Divergence",
    "TargetFile",
    "TensorRange",
    "check_backend",
    "locate",
    "locate_converter",
    "locate_runtime",
    "locate_target",
    "sides_of",
]
__getattr__ = lazy_names(
    __name__,
    {
        "Divergence": "divergence",
        "TargetFile": "target_side",
        "TensorRange": "computation",
        "check_backend": "locate_difference",
        "locate": "locate_difference",
        "locate_converter": "converter_side",
        "locate_runtime": "runtime_side",
        "locate_target": "target_side",
        "sides_of": "locate_difference",
    },
)
