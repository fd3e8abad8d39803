"""Resize, Upsample, GridSample and Pad in float64."""

from math import floor

import numpy as np

from paddleport.runners.float64.node import OperatorNode
from paddleport.tensors import Array


def resize(
    node: OperatorNode,
    x: Array,
    roi: Array | None = None,
    scales: Array | None = None,
    sizes: Array | None = None,
) -> Array:
    """Resize of opset 11 on, and of opset 10, whose second input is the scales."""
    if node.opset < 11:
        scales = roi
    if scales is not None and scales.size == 0:
        scales = None
    if node.text("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        raise NotImplementedError("Resize with tf_crop_and_resize")
    if node.integer("antialias", 0):
        raise NotImplementedError("Resize with antialias")
    axes = [axis % x.ndim for axis in node.integers("axes")] or list(range(x.ndim))
    plans = _plans(node, x, axes, scales, sizes)
    for axis, (count, scale) in zip(axes, plans, strict=True):
        if count != x.shape[axis] or scale != 1:
            x = _resize_axis(node, x, axis, count, scale)
    return x


def upsample(node: OperatorNode, x: Array, scales: Array | None = None) -> Array:
    """Upsample of opset 7 and 9: nearest is floor(x / scale), linear likewise not centred."""
    if scales is None:
        scales = np.array(node.get("scales"), np.float64)
    plain = OperatorNode(
        operator="Resize",
        opset=node.opset,
        outputs=1,
        attributes={"mode": node.text("mode", "nearest")},
    )
    return resize(plain, x, scales)


def grid_sample(node: OperatorNode, x: Array, grid: Array) -> Array:
    """GridSample: x [N, C, H, W], grid [N, H', W', 2] of (column, row) from -1 to 1."""
    mode, padding = node.text("mode", "linear"), node.text("padding_mode", "zeros")
    if x.ndim != 4 or mode not in ("linear", "bilinear", "nearest") or padding == "reflection":
        raise NotImplementedError(f"GridSample with {mode}, {padding} and rank {x.ndim}")
    corners = bool(node.integer("align_corners", 0))
    column, row = (
        (grid[..., index] + 1) / 2 * (size - 1)
        if corners
        else ((grid[..., index] + 1) * size - 1) / 2
        for index, size in enumerate((x.shape[3], x.shape[2]))
    )
    if padding == "border":
        column, row = np.clip(column, 0, x.shape[3] - 1), np.clip(row, 0, x.shape[2] - 1)
    if mode == "nearest":
        return _picked(x, np.rint(row), np.rint(column))
    top, left = np.floor(row), np.floor(column)
    result = np.zeros((*x.shape[:2], *row.shape[1:]))
    for down in (0, 1):
        for right in (0, 1):
            share = (1 - np.abs(row - top - down)) * (1 - np.abs(column - left - right))
            result += share[:, None] * _picked(x, top + down, left + right)
    return result


def _picked(x: Array, row: Array, column: Array) -> Array:
    """The value at each place [N, H', W'], 0 beyond the picture."""
    inside = (row >= 0) & (row < x.shape[2]) & (column >= 0) & (column < x.shape[3])
    rows = np.clip(row, 0, x.shape[2] - 1).astype(np.int64)
    columns = np.clip(column, 0, x.shape[3] - 1).astype(np.int64)
    sample = np.arange(len(x))[:, None, None]
    found = np.moveaxis(x[sample, :, rows, columns], -1, 1)
    return np.where(inside[:, None], found, 0.0)


def pad(
    node: OperatorNode,
    x: Array,
    pads: Array | None = None,
    value: Array | None = None,
    axes: Array | None = None,
) -> Array:
    """Pad in all its modes; negative pads cut. Pads and value were attributes before opset 11."""
    amounts = node.integers("pads") if pads is None else tuple(int(item) for item in pads)
    fill = node.number("value", 0.0) if value is None else value.reshape(()).item()
    chosen = range(x.ndim) if axes is None else [int(axis) % x.ndim for axis in axes]
    around = [(0, 0)] * x.ndim
    half = len(amounts) // 2
    for axis, before, after in zip(chosen, amounts[:half], amounts[half:], strict=True):
        around[axis] = (before, after)
    kept = tuple(
        slice(max(0, -before), size - max(0, -after))
        for (before, after), size in zip(around, x.shape, strict=True)
    )
    added = [(max(0, before), max(0, after)) for before, after in around]
    mode = node.text("mode", "constant")
    if mode == "constant":
        return np.pad(x[kept], added, constant_values=fill)
    if mode not in ("reflect", "edge", "wrap"):
        raise NotImplementedError(f"Pad with mode {mode}")
    return np.pad(x[kept], added, mode=mode)  # type: ignore[call-overload,no-any-return]  # 4 texts


def _plans(
    node: OperatorNode, x: Array, axes: list[int], scales: Array | None, sizes: Array | None
) -> list[tuple[int, float]]:
    """(output length, scale) of each axis."""
    if scales is not None:
        return [
            (floor(x.shape[axis] * float(scale)), float(scale))
            for axis, scale in zip(axes, scales, strict=True)
        ]
    if sizes is None:
        raise NotImplementedError("Resize without scales and sizes")
    if node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise NotImplementedError("Resize with keep_aspect_ratio_policy")
    return [(int(size), int(size) / x.shape[axis]) for axis, size in zip(axes, sizes, strict=True)]


def _resize_axis(node: OperatorNode, x: Array, axis: int, count: int, scale: float) -> Array:
    length = x.shape[axis]
    places = _source(node, count, length, scale)
    mode = node.text("mode", "nearest")
    if mode == "nearest":
        rule = node.text("nearest_mode", "round_prefer_floor")
        if node.opset < 11:  # unspecified there; this is what ONNX Runtime and OpenVINO do
            rule = "ceil" if scale < 1 else "floor"
        indices = _nearest(rule, places)
        return np.take(x, np.clip(indices, 0, length - 1), axis=axis)
    weights = _weights(node, mode, places, length)
    return np.moveaxis(np.tensordot(x, weights, axes=([axis], [1])), -1, axis)


def _source(node: OperatorNode, count: int, length: int, scale: float) -> Array:
    """Where each output place lies in the input; the specification's formulas."""
    rule = node.text("coordinate_transformation_mode", "half_pixel")
    if node.opset < 11:
        rule = "asymmetric"
    at = np.arange(count, dtype=np.float64)
    exact = count / length == scale  # then x * length / count has one rounding less
    if rule == "align_corners":
        return at * (length - 1) / (count - 1) if count > 1 else at * 0
    if rule == "asymmetric":
        return at * length / count if exact else at / scale
    if rule == "pytorch_half_pixel" and count == 1:
        return at * 0
    centred = (at + 0.5) * length / count - 0.5 if exact else (at + 0.5) / scale - 0.5
    if rule == "half_pixel_symmetric":
        wanted = scale * length
        return length / 2 * (1 - count / wanted) + (at + 0.5) / scale - 0.5
    if rule in ("half_pixel", "pytorch_half_pixel"):
        return np.asarray(centred)
    raise NotImplementedError(f"Resize with coordinates {rule}")


def _nearest(rule: str, places: Array) -> Array:
    rounded = {
        "round_prefer_floor": lambda: np.ceil(places - 0.5),
        "round_prefer_ceil": lambda: np.floor(places + 0.5),
        "floor": lambda: np.floor(places),
        "ceil": lambda: np.ceil(places),
    }[rule]()
    return np.asarray(rounded).astype(np.int64)


def _weights(node: OperatorNode, mode: str, places: Array, length: int) -> Array:
    """How much of each input place goes into each output place: [outputs, inputs]."""
    around = np.floor(places).astype(np.int64)[:, None] + np.arange(-1, 3)
    distance = np.abs(places[:, None] - around)
    shares = (
        np.maximum(0, 1 - distance)
        if mode == "linear"
        else _cubic(distance, node.number("cubic_coeff_a", -0.75))
    )
    if node.integer("exclude_outside", 0):
        shares = np.where((around >= 0) & (around < length), shares, 0)
        shares = shares / shares.sum(axis=1, keepdims=True)
    weights = np.zeros((len(places), length))
    rows = np.broadcast_to(np.arange(len(places))[:, None], around.shape)
    np.add.at(weights, (rows, np.clip(around, 0, length - 1)), shares)
    return weights


def _cubic(distance: Array, a: float) -> Array:
    """Keys' kernel, as the specification has it."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
