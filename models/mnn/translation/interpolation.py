"""Resizing and sampling."""

import numpy as np

from paddleport.models.mnn.mnn_file import MnnOp
from paddleport.models.mnn.onnx_builder import OnnxBuilder
from paddleport.models.mnn.unknown_setting import refused

_NEAREST, _BILINEAR, _CUBIC, _NEAREST_ROUND = 1, 2, 3, 4
_MODES = {_NEAREST: "nearest", _BILINEAR: "linear", _CUBIC: "cubic", _NEAREST_ROUND: "nearest"}
_COORDINATES = {
    "AlignCorners": "align_corners",
    "HalfPixels": "half_pixel",
    "PytorchHalfPixels": "pytorch_half_pixel",
    "Asymmetric": "asymmetric",
}


def _interpolate(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    resize = op.parameters
    coordinates, mode = resize["ctm"], _MODES.get(resize["resizeType"])
    if coordinates not in _COORDINATES or mode is None:
        raise refused(op, f"coordinates {coordinates}, kind {resize['resizeType']}")
    x, *given = op.inputs
    attributes = {
        "mode": mode,
        "coordinate_transformation_mode": _COORDINATES[coordinates],
        "nearest_mode": "floor" if resize["resizeType"] == _NEAREST else "round_prefer_floor",
        "cubic_coeff_a": resize["cubicCoeffA"],
        "axes": [2, 3],
    }
    if not given:
        sizes = [resize["outputHeight"], resize["outputWidth"]]
        if all(sizes):
            return [builder.add("Resize", [x, "", "", builder.sizes(sizes)], **attributes)]
        scales = np.array([resize["heightScale"], resize["widthScale"]], np.float32)
        return [builder.add("Resize", [x, "", builder.constant(scales)], **attributes)]
    last = builder.sizes([-2]), builder.sizes([np.iinfo(np.int64).max])
    if given[0] in builder.integers:
        sizes_name = builder.add("Slice", [builder.int64(given[0]), *last])
        return [builder.add("Resize", [x, "", "", sizes_name], **attributes)]
    factors = builder.add("Slice", [given[0], *last])
    return [builder.add("Resize", [x, "", factors], **attributes)]


TRANSLATORS = {"Interp": _interpolate}
