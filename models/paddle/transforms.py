"""PaddleClas's preprocessing operators, as its YAML files name them, as one ``Preprocess``."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paddleport.models.paddle.yaml_values import (
    as_texts,
    is_null,
    parse_number,
    shown,
    text,
    whole_number,
)
from paddleport.models.preprocess import Interpolation, Preprocess

logger = logging.getLogger(__name__)

Operator = tuple[str, Mapping[str, Any]]
"""A name and its arguments, whose values are texts, lists and mappings."""

_INTERPOLATIONS: dict[str, dict[str, Interpolation]] = {
    "cv2": {  # the names of PaddleClas and PaddleX, and the numbers of OpenCV, which both pass on
        **{"nearest": "nearest", "0": "nearest"},
        **{"bilinear": "linear", "linear": "linear", "1": "linear"},
        **{"bicubic": "cubic", "cubic": "cubic", "2": "cubic"},
        **{"area": "area", "3": "area"},
        **{"lanczos": "lanczos4", "lanczos4": "lanczos4", "4": "lanczos4"},
    },
    "pil": {  # and the numbers of Pillow, which are others
        **{"nearest": "nearest", "0": "nearest"},
        **{"lanczos": "lanczos", "1": "lanczos"},
        **{"bilinear": "bilinear", "2": "bilinear"},
        **{"bicubic": "bicubic", "3": "bicubic"},
        **{"box": "box", "4": "box"},
        **{"hamming": "hamming", "5": "hamming"},
    },
}
_DEFAULTS: dict[str, Interpolation] = {"cv2": "linear", "pil": "bilinear"}


class UnsupportedTransform(Exception):
    """A preprocessing that is real and that ``Preprocess`` cannot express; says why in short."""


def read_eval_transforms(transforms: Sequence[Mapping[str, Any]]) -> Preprocess:
    """Turn a list as PaddleClas's YAML has it, of values of any plain type, into a ``Preprocess``.

    Args:
        transforms: one mapping an operator, ``{"ResizeImage": {"resize_short": 256}}``. Decoding
            and ToCHWImage go without saying and may be left out.

    Raises:
        UnsupportedTransform: as ``read_transforms`` does.
        ValueError: no such list, or an argument that cannot be.
        UsageError: as ``Preprocess`` raises it.
    """
    operators = named_operators(as_texts(transforms))
    if all(name != "ToCHWImage" for name, _ in operators):
        operators.append(("ToCHWImage", {}))
    return read_transforms(operators)


def named_operators(listed: Any) -> list[Operator]:
    """The operators of a list in a YAML file, ``- NAME: arguments`` or with ``type: NAME``.

    Raises:
        ValueError: anything else.
    """
    if not isinstance(listed, list):
        raise ValueError("the preprocessing operators are no list")
    operators: list[Operator] = []
    for item in listed:
        if not isinstance(item, dict) or not item:
            raise ValueError("a preprocessing operator is not a name with its arguments")
        name = item["type"] if "type" in item else next(iter(item))
        if ("type" not in item and len(item) != 1) or not isinstance(name, str):
            raise ValueError("a preprocessing operator has not exactly one name")
        arguments = item if "type" in item else item[name]
        if not is_null(arguments) and not isinstance(arguments, dict):
            raise ValueError(f"{shown(name)} holds no named values")
        named = {} if is_null(arguments) else arguments
        operators.append((name, {k: v for k, v in named.items() if k != "type"}))
    return operators


def read_transforms(operators: Sequence[Operator]) -> Preprocess:
    """Turn PaddleClas's list of preprocessing operators into one ``Preprocess``.

    Raises:
        UnsupportedTransform: the list is real and says something that ``Preprocess`` cannot.
        ValueError: an argument that cannot be.
        UsageError: as ``Preprocess`` raises it.
    """
    steps: dict[str, Mapping[str, Any]] = {}
    for name, arguments in operators:
        if name not in _STEPS:
            raise UnsupportedTransform(f"unknown preprocessing operator {shown(name)}")
        if name in steps:
            raise UnsupportedTransform(f"the preprocessing operator {name} stands twice")
        steps[name] = arguments
    found = [name for name in steps if name in ("ResizeImage", "CropImage", "NormalizeImage")]
    if found != sorted(found, key=list(_STEPS).index):
        raise UnsupportedTransform(f"its preprocessing has the order {', '.join(found)}")
    for needed in ("NormalizeImage", "ToCHWImage"):
        if needed not in steps:
            raise UnsupportedTransform(f"its preprocessing has no {needed}")
    values: dict[str, Any] = {"resize_short": None, "crop": None}
    for name, arguments in steps.items():
        values.update(_STEPS[name](arguments))
    return Preprocess(**values)


def _decode_image(arguments: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_unknown(
        "DecodeImage", arguments, "to_rgb", "img_mode", "channel_first", "to_np", "backend"
    )
    backend = text(arguments.get("backend", "cv2"), "backend")
    if backend.lower() != "cv2":
        raise UnsupportedTransform(f"DecodeImage asks for the backend {shown(backend)}, not cv2")
    if _flag(arguments, "channel_first", False):
        raise UnsupportedTransform("DecodeImage asks for channel_first")
    mode = text(arguments.get("img_mode", "RGB"), "img_mode").upper()
    if mode not in ("RGB", "BGR"):
        raise UnsupportedTransform(f"DecodeImage asks for img_mode {shown(mode)}")
    rgb = _flag(arguments, "to_rgb", mode == "RGB")
    return {"channels": "RGB" if rgb else "BGR"}


def _resize_image(arguments: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_unknown(
        "ResizeImage",
        arguments,
        *("size", "resize_short", "interpolation", "backend", "return_numpy"),
    )
    values = _resampling(arguments)
    short = arguments.get("resize_short")
    if not is_null(short) and (side := whole_number(short, "resize_short")) > 0:
        return {**values, "resize_short": side}
    if is_null(arguments.get("size")):
        raise ValueError("ResizeImage has neither resize_short nor size")
    return {**values, "resize": _size(arguments["size"], "ResizeImage size")}


def _resampling(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Library and interpolation, by the rules of PaddleClas's ``UnifiedResize``."""
    given = arguments.get("backend")
    backend = "cv2" if is_null(given) else text(given, "backend").lower()
    if backend not in _INTERPOLATIONS:
        logger.warning(
            "ResizeImage asks for the backend %s, which PaddleClas has not: like PaddleClas, "
            "OpenCV resizes bilinearly instead",
            shown(backend),
        )
        return {}
    values: dict[str, Any] = {"resize_backend": backend, "interpolation": _DEFAULTS[backend]}
    asked = arguments.get("interpolation")
    if not is_null(asked):
        name = text(asked, "interpolation").lower()
        if name == "random":
            raise UnsupportedTransform(
                "ResizeImage asks for the interpolation random, which is another every time"
            )
        if name not in _INTERPOLATIONS[backend]:
            raise UnsupportedTransform(
                f"ResizeImage asks for the interpolation {shown(name)}, which {backend} has not"
            )
        values["interpolation"] = _INTERPOLATIONS[backend][name]
    return values


def _crop_image(arguments: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_unknown("CropImage", arguments, "size")
    return {"crop": _size(arguments.get("size", "224"), "CropImage size")}


def _normalize_image(arguments: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_unknown(
        "NormalizeImage",
        arguments,
        *("scale", "mean", "std", "order", "output_fp16", "channel_num"),
    )
    if _flag(arguments, "output_fp16", False):
        raise UnsupportedTransform("NormalizeImage asks for output_fp16")
    if (channels := arguments.get("channel_num", "3")) not in ("3", "4"):
        raise UnsupportedTransform(
            f"NormalizeImage asks for {shown(channels)} channels, not 3 or 4"
        )
    # PaddleClas's default scale, not that of Preprocess
    values: dict[str, Any] = {"scale": 1.0 / 255.0, "channel_num": int(channels)}
    if not is_null(arguments.get("scale")):
        values["scale"] = parse_number(text(arguments["scale"], "scale"))
    for name in ("mean", "std"):
        if not is_null(given := arguments.get(name)):
            if not isinstance(given, list):
                given = [given] * 3  # PaddleX takes one number for all channels
            if len(given) != 3:
                raise ValueError(f"{name} has {len(given)} numbers, not one for each channel")
            values[name] = tuple(parse_number(text(value, name)) for value in given)
    return values


def _nothing(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {}


_STEPS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "DecodeImage": _decode_image,
    "ResizeImage": _resize_image,
    "CropImage": _crop_image,
    "NormalizeImage": _normalize_image,
    "ToCHWImage": _nothing,
}


def _size(value: Any, name: str) -> tuple[int, int]:
    """One side, or [width, height] as PaddleClas has it, as (height, width)."""
    sides = value if isinstance(value, list) else [value, value]
    if len(sides) != 2:
        raise ValueError(f"{name} is not one side or [width, height]")
    return whole_number(sides[1], name), whole_number(sides[0], name)


def _flag(arguments: Mapping[str, Any], name: str, default: bool) -> bool:
    value = arguments.get(name)
    if is_null(value):
        return default
    word = text(value, name).lower()
    if word not in ("true", "false"):
        raise ValueError(f"{name} is '{shown(word)}', not true or false")
    return word == "true"


def _refuse_unknown(operator: str, arguments: Mapping[str, Any], *known: str) -> None:
    for name in arguments:
        if name not in known:
            raise UnsupportedTransform(f"{operator} asks for {shown(name)}")
