"""The model zoo: one card for each model of the MobileNetV2 series, published figures included."""

import json
from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any

from paddleport.errors import ModelNotFoundError, unknown_name
from paddleport.models.card import ModelCard, Preprocess
from paddleport.models.labels import imagenet_labels
from paddleport.tensors import TensorSpec

_NOT_FIGURES = ("name", "scale", "inference_url", "pretrained_url")


def names() -> tuple[str, ...]:
    """Every name that ``lookup`` knows, in the order of the series page."""
    return tuple(model["name"] for model in _series()["models"])


def lookup(name: str) -> ModelCard:
    """The card of one model.

    Its ``published`` holds the figures of the series page under the page's own keys (units in
    the names, accuracies as fractions of 1), and with them ``source`` and ``methodology``.

    Raises:
        ModelNotFoundError: no model has this name; names are case-sensitive.
    """
    series = _series()
    for model in series["models"]:
        if model["name"] == name:
            return _card(series, model)
    raise ModelNotFoundError(
        f"{unknown_name('model', name, names())}; or give a folder with a Paddle model in it"
    )


def _card(series: dict[str, Any], model: dict[str, Any]) -> ModelCard:
    steps = series["preprocess"]
    side = steps["crop"]
    figures = {key: value for key, value in model.items() if key not in _NOT_FIGURES}
    figures |= {key: series[key] for key in ("source", "methodology")}
    return ModelCard(
        name=model["name"],
        scale=model["scale"],
        input=TensorSpec("x", "float32", (None, 3, side, side)),
        preprocess=Preprocess(
            resize_short=steps["resize_short"],
            crop=(side, side),
            scale=steps["scale"],
            mean=tuple(steps["mean"]),
            std=tuple(steps["std"]),
        ),
        labels=imagenet_labels(),
        published=deepcopy(figures),  # the series is shared by every card
        inference_url=model["inference_url"],
        pretrained_url=model["pretrained_url"],
    )


@cache
def _series() -> dict[str, Any]:
    data = files("paddleport.models.zoo").joinpath("mobilenetv2_series.json").read_text("utf-8")
    series: dict[str, Any] = json.loads(data)
    return series
