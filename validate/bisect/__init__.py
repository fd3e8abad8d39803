"""Where two computations part: the first node whose value is no longer the same.

``locate_difference`` asks both sides: ``converter_side`` (the ONNX graph in float64 against
Paddle) with ``lost_operator`` and ``value_lookup``, and ``runtime_side`` (a backend against
float64) with ``edge_search`` and ``graph_cuts``. Their values come from ``paddle_values``,
``float64_values`` and ``backend_process``, as a ``computation``; the answer is a ``divergence``.
"""

from typing import TYPE_CHECKING

from paddleport.lazy_names import lazy_names

if TYPE_CHECKING:
    from paddleport.validate.bisect.computation import TensorRange
    from paddleport.validate.bisect.converter_side import locate_converter
    from paddleport.validate.bisect.divergence import Divergence
    from paddleport.validate.bisect.locate_difference import check_backend, locate
    from paddleport.validate.bisect.runtime_side import locate_runtime

__all__ = [
    "Divergence",
    "TensorRange",
    "check_backend",
    "locate",
    "locate_converter",
    "locate_runtime",
]
__getattr__ = lazy_names(
    __name__,
    {
        "Divergence": "divergence",
        "TensorRange": "computation",
        "check_backend": "locate_difference",
        "locate": "locate_difference",
        "locate_converter": "converter_side",
        "locate_runtime": "runtime_side",
    },
)
