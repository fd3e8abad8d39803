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
_BORDERS = {"ZEROS": "zeros", "CLAMP": "border", "REFLECTION": "reflection"}
_SAMPLES = {"BILINEAR": "linear", "NEAREST": "nearest"}  # so called since opset 20


def _interpolate(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    resize = op.parameters
    coordinates, mode = _coordinates(op), _MODES.get(resize["resizeType"])
    if mode is None:
        raise refused(op, f"kind {resize['resizeType']}")
    x, *given = op.inputs
    attributes = {
        "mode": mode,
        "coordinate_transformation_mode": coordinates,
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


def _coordinates(op: MnnOp) -> str:
    """ONNX's name of how places are mapped; old files have two switches for it."""
    stated = op.parameters["ctm"]
    if stated == "NotSet":
        if op.parameters["alignCorners"]:
            return "align_corners"
        return "half_pixel" if op.parameters["halfPixelCenters"] else "asymmetric"
    if stated not in _COORDINATES:
        raise refused(op, f"coordinates {stated}")
    return _COORDINATES[stated]


def _sample(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    sample = op.parameters
    border = _BORDERS.get(sample["paddingMode"])
    if border is None or sample["backward"] or len(op.inputs) > 2:
        raise refused(op, f"border {sample['paddingMode']}")
    return [
        builder.add(
            "GridSample",
            op.inputs,
            mode=_SAMPLES[sample["mode"]],
            padding_mode=border,
            align_corners=int(sample["alignCorners"]),
        )
    ]


TRANSLATORS = {"Interp": _interpolate, "GridSample": _sample}
