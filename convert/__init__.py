"""From a Paddle model to a file you can trust, in any format that a target makes.

- pipeline.py: ``convert``; onnx_conversion.py: the ONNX file in fp32, in tools.py's processes;
  target_conversion.py: other targets and precisions, made of it
- paddle2onnx/: Paddle2ONNX and what is fixed around it; embed.py: normalisation in the graph
- precision/: a lower precision and its check by the gate; targets/: the other formats
- cpp/, device/: folders of files
- making.py: one target's file; proof.py: fp32 against native Paddle; conversion.py: the result
- provenance.py: how a file was made; remaking.py: its steps made again for ``validate``
- artifact_cache.py: made once and kept; prepare.py, variants.py: for ``run`` and ``tune``
"""

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
