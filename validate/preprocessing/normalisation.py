"""From gains and offsets to the scale, mean and std that somebody normalised with."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from paddleport.models.card import Preprocess
from paddleport.tensors import Array
from paddleport.validate.preprocessing.matching import Fit
from paddleport.validate.preprocessing.statistics import MEANS, SAME_SCALE, SCALES, STDS

_CLOSE = 0.02  # levels of 255: finer than any two known recipes differ, coarser than float16
_SHARP = 5e-5  # levels: a quarter of what 1/255 and 0.00392157 differ by
_ALIKE = 2e-3  # relative: statistics that were fitted, not recognised
Way = Literal["either", "position", "colour"]


@dataclass(frozen=True)
class Choice:
    """One value for the scale, or three for the mean or std by channel position.

    Attributes:
        text: what it is called.
        values: as applied, by position.
        differs: whether it is another than the model's.
        way: whether the model's values go by position or by colour; decides where channels are
            in another order than the model's.
    """

    text: str
    values: tuple[float, ...]
    differs: bool
    way: Way = "either"


@dataclass(frozen=True)
class Normalisation:
    """``(pixel * scale - mean) / std``, as found.

    Attributes:
        scale, mean, std: their texts and values.
        inverted: 255 - pixel was taken for the pixel.
        known: made of known values; else the numbers are fitted.
        scale_note: where only the spelling of the scale is another.
    """

    scale: Choice
    mean: Choice
    std: Choice
    inverted: bool = False
    known: bool = True
    scale_note: str = ""

    @property
    def mixed(self) -> bool:
        """Mean and std are each the model's, but in different orders of the channels."""
        ways = {self.mean.way, self.std.way} - {"either"}
        return len(ways) > 1


def name_normalisation(
    found: Fit,
    preprocess: Preprocess,
    order: tuple[int, ...],
    ours: tuple[int, ...],
    own: tuple[Array, Array],
) -> Normalisation:
    """The likeliest recipe behind a fit: the one that differs least from the model's.

    Args:
        found: gains and offsets.
        preprocess: the model's recipe.
        order: the colour of every channel, of theirs.
        ours: the same of the model's.
        own: mean and std of the picture's own pixels in levels, by position.
    """
    inverted = all(gain < 0 for gain in found.gains)
    if inverted:
        gains = tuple(-gain for gain in found.gains)
        flipped = zip(found.offsets, found.gains, strict=True)
        offsets = tuple(offset + 255 * gain for offset, gain in flipped)
        lows = tuple(255 - high for high in found.highs)
        highs = tuple(255 - low for low in found.lows)
        found = replace(found, gains=gains, offsets=offsets, lows=lows, highs=highs)
    close = max(_CLOSE, 0.2 * found.mean)
    best: tuple[int, float, Normalisation] | None = None
    for scale in _scales(preprocess):
        means = list(_means(preprocess, order, ours, own[0] * scale.values[0]))
        stds = list(_stds(preprocess, order, ours, own[1] * scale.values[0]))
        distances = _distances(found, scale.values[0], means, stds)
        for i, j in zip(*np.nonzero(distances <= close), strict=True):
            named = Normalisation(scale, means[i], stds[j], inverted)
            cost = scale.differs + means[i].differs + stds[j].differs + named.mixed
            key = (cost, float(distances[i, j]))
            if best is None or key < best[:2]:
                best = (*key, named)
    if best is None:
        return replace(_fitted(found, preprocess), inverted=inverted)
    _, distance, named = best
    return replace(named, scale_note=_scale_note(named, preprocess, found, distance))


def _distances(found: Fit, scale: float, means: list[Choice], stds: list[Choice]) -> Array:
    """[mean, std]: the largest distance from the fit in levels, over the pixels that there were."""
    m = np.array([choice.values for choice in means])[:, None]
    d = np.array([choice.values for choice in stds])[None]
    ends = np.array([found.lows, found.highs])[:, None, None]
    fitted = np.array(found.gains) * ends + np.array(found.offsets)
    apart = np.abs((ends * scale - m) / d - fitted) / np.abs(scale / d)
    worst: Array = apart.max(axis=(0, 3))
    return worst


def _scales(preprocess: Preprocess) -> Iterator[Choice]:
    ours = preprocess.scale
    yield Choice(scale_text(ours), (ours,), False)
    for text, value in SCALES.items():
        if value != ours:
            yield Choice(text, (value,), not same_scale(value, ours))
    if not same_scale(ours, 1.0):
        yield Choice(f"{scale_text(ours)} twice", (ours * ours,), True)


def _means(
    preprocess: Preprocess, order: tuple[int, ...], ours: tuple[int, ...], own: Array
) -> Iterator[Choice]:
    yield from _statistics(preprocess.mean, MEANS, preprocess.scale, order, ours)
    yield Choice("the picture's own", tuple(own), True)
    yield Choice("the picture's own", (float(own.mean()),) * 3, True)


def _stds(
    preprocess: Preprocess, order: tuple[int, ...], ours: tuple[int, ...], own: Array
) -> Iterator[Choice]:
    yield from _statistics(preprocess.std, STDS, preprocess.scale, order, ours)
    if own.all():
        yield Choice("the picture's own", tuple(own), True)


def _statistics(
    model: tuple[float, ...],
    known: dict[str, tuple[float, float, float]],
    scale: float,
    order: tuple[int, ...],
    ours: tuple[int, ...],
) -> Iterator[Choice]:
    """The model's values, by position and by colour, then known ones likewise."""
    grey = len(set(order)) < 3
    by_colour = model if grey else tuple(model[ours.index(colour)] for colour in order)
    if by_colour == model:
        yield Choice(numbers(model), model, False)
    else:
        yield Choice(numbers(model), model, False, "position")
        yield Choice(numbers(by_colour), by_colour, False, "colour")
    if order == ours or grey:
        swapped = model[::-1]
        yield Choice(f"{numbers(swapped)}, in reverse order", swapped, True)
    raw = tuple(value / scale for value in model)
    yield Choice(f"{numbers(raw)}, of 255", raw, True)
    for name, values in known.items():
        for placed, reverse in ((values, "RGB"), (values[::-1], "BGR")):
            if placed != model and (reverse == "RGB" or placed != values):
                text = name if len(set(values)) == 1 else f"{name} {numbers(placed)}"
                yield Choice(text, placed, True)


def _fitted(found: Fit, preprocess: Preprocess) -> Normalisation:
    """Numbers for what no known recipe explains, with as many of the model's as will do."""
    gains, offsets = np.array(found.gains), np.array(found.offsets)
    mean, std = np.array(preprocess.mean), np.array(preprocess.std)
    ours = Choice(scale_text(preprocess.scale), (preprocess.scale,), False)
    model_mean = Choice(numbers(preprocess.mean), preprocess.mean, False)
    model_std = Choice(numbers(preprocess.std), preprocess.std, False)
    scales = gains * std
    if np.ptp(scales) <= _ALIKE * abs(scales).max() and np.allclose(
        offsets, -mean / std, rtol=_ALIKE, atol=_ALIKE
    ):
        scale = float(scales.mean())
        return Normalisation(
            Choice(f"{scale:.6g}", (scale,), True), model_mean, model_std, known=False
        )
    safe = np.where(gains == 0, np.nan, gains)
    fitted_std = np.where(gains == 0, std, preprocess.scale / safe)
    fitted_mean = -offsets * fitted_std
    if not np.allclose(fitted_std, std, rtol=_ALIKE, atol=0):
        model_std = Choice(numbers(tuple(fitted_std)), tuple(fitted_std), True)
    if not np.allclose(fitted_mean, mean, rtol=_ALIKE, atol=_ALIKE):
        model_mean = Choice(numbers(tuple(fitted_mean)), tuple(fitted_mean), True)
    return Normalisation(ours, model_mean, model_std, known=False)


def _scale_note(named: Normalisation, preprocess: Preprocess, found: Fit, distance: float) -> str:
    used = named.scale.values[0]
    if named.scale.differs or used == preprocess.scale:
        return ""
    with_ours = _distances(found, preprocess.scale, [named.mean], [named.std])
    if distance > _SHARP or float(with_ours[0, 0]) < 2 * distance:
        return ""  # rounding hides which of the two it was
    apart = abs(used / preprocess.scale - 1)
    return f"scale {named.scale.text} instead of {scale_text(preprocess.scale)} ({apart:.0e} apart)"


def same_scale(one: float, other: float) -> bool:
    """Whether two scales are spellings of one."""
    return abs(one - other) <= SAME_SCALE * abs(other)


def scale_text(value: float) -> str:
    """A scale as people write it."""
    for text, known in SCALES.items():
        if value == known:
            return text
    return f"{value:.9g}"


def numbers(values: tuple[float, ...]) -> str:
    """``0.5`` for three alike, else ``[0.485, 0.456, 0.406]``."""
    texts = [f"{value:.6g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else f"[{', '.join(texts)}]"
