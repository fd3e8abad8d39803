"""From gains and offsets to the scale, mean and std that somebody normalised with."""

from dataclasses import dataclass, replace

import numpy as np

from paddleport.models.card import Preprocess
from paddleport.tensors import Array
from paddleport.validate.input_diff.matching import Fit, fit, with_grey
from paddleport.validate.input_diff.normalisation import (
    Choice,
    Colours,
    mean_choices,
    numbers,
    scale_choices,
    scale_text,
    std_choices,
)

_CLOSE = 0.02  # levels of 255: finer than any two known recipes differ
_CLOSEST = 0.5  # levels: the most that noise may blur a recipe
_SHARP = 5e-5  # levels: a quarter of what 1/255 and 0.00392157 differ by
_ALIKE = 2e-3  # relative: statistics that were fitted, not recognised


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

    @property
    def cost(self) -> int:
        """In how many parts it differs from the model's."""
        parts = (self.scale.differs, self.mean.differs, self.std.differs, self.mixed)
        return sum(parts) + self.inverted


def likeliest(
    theirs: Array,
    pixels: Array,
    orders: list[tuple[int, ...]],
    ours: tuple[int, ...],
    preprocess: Preprocess,
    *,
    floor: float,
) -> tuple[tuple[int, ...], Fit, Normalisation]:
    """Of orders of the channels that fit alike, the one with the likeliest normalisation.

    Args:
        theirs: [..., 3], their part of the tensor.
        pixels: [..., 3] BGR of the same places.
        orders: the colour of every channel, of each order; ours first if it is among them.
        ours: the model's.
        preprocess: the model's.
        floor: levels that the tensor's own precision blurs.
    """
    named = []
    coloured = with_grey(pixels)
    for order in orders:
        found = fit(theirs, pixels, order)
        placed = coloured[:, list(order)]
        colours = Colours(order, ours, placed.mean(axis=0), placed.std(axis=0))
        values = name_normalisation(found, preprocess, colours, floor)
        named.append((order, found, values))
    return min(named, key=lambda item: item[2].cost + (not item[2].known) + (item[0] != ours))


def name_normalisation(
    found: Fit, preprocess: Preprocess, colours: Colours, floor: float
) -> Normalisation:
    """The likeliest recipe behind a fit: the one that differs least from the model's.

    Args:
        found: gains and offsets.
        preprocess: the model's recipe.
        colours: of the channels.
        floor: levels that the tensor's own precision blurs.
    """
    inverted = all(gain < 0 for gain in found.gains)
    if inverted:
        found = _upright(found)
    close = min(max(_CLOSE, floor, found.mean), _CLOSEST)
    best: tuple[int, float, Normalisation] | None = None
    for scale in scale_choices(preprocess):
        means = mean_choices(preprocess, colours, scale.values[0])
        stds = std_choices(preprocess, colours, scale.values[0])
        distances = _distances(found, scale.values[0], means, stds)
        for i, j in zip(*np.nonzero(distances <= close), strict=True):
            named = Normalisation(scale, means[i], stds[j], inverted)
            key = (named.cost, float(distances[i, j]))
            if best is None or key < best[:2]:
                best = (*key, named)
    if best is None:
        return replace(_fitted(found, preprocess), inverted=inverted)
    _, distance, named = best
    return replace(named, scale_note=_scale_note(named, preprocess, found, distance))


def _upright(found: Fit) -> Fit:
    """The fit to 255 - pixel."""
    offsets = zip(found.offsets, found.gains, strict=True)
    return replace(
        found,
        gains=tuple(-gain for gain in found.gains),
        offsets=tuple(offset + 255 * gain for offset, gain in offsets),
        lows=tuple(255 - high for high in found.highs),
        highs=tuple(255 - low for low in found.lows),
    )


def _distances(found: Fit, scale: float, means: list[Choice], stds: list[Choice]) -> Array:
    """[mean, std]: the largest distance from the fit in levels, over the pixels that there were."""
    m = np.array([choice.values for choice in means])[:, None]
    d = np.array([choice.values for choice in stds])[None]
    ends = np.array([found.lows, found.highs])[:, None, None]
    fitted = np.array(found.gains) * ends + np.array(found.offsets)
    apart = np.abs((ends * scale - m) / d - fitted) / np.abs(scale / d)
    worst: Array = apart.max(axis=(0, 3))
    return worst


def _fitted(found: Fit, preprocess: Preprocess) -> Normalisation:
    """Numbers for what no known recipe explains, with as many of the model's as will do."""
    gains, offsets = np.array(found.gains), np.array(found.offsets)
    mean, std = np.array(preprocess.mean), np.array(preprocess.std)
    scale = Choice(scale_text(preprocess.scale), (preprocess.scale,), False)
    model_mean = Choice(numbers(preprocess.mean), preprocess.mean, False)
    model_std = Choice(numbers(preprocess.std), preprocess.std, False)
    scales = gains * std
    if np.ptp(scales) <= _ALIKE * abs(scales).max() and np.allclose(
        offsets, -mean / std, rtol=_ALIKE, atol=_ALIKE
    ):
        scale = Choice(f"{scales.mean():.6g}", (float(scales.mean()),), True)
        return Normalisation(scale, model_mean, model_std, known=False)
    fitted_std = std.copy()
    np.divide(preprocess.scale, gains, out=fitted_std, where=gains != 0)
    fitted_mean = -offsets * fitted_std
    if not np.allclose(fitted_std, std, rtol=_ALIKE, atol=0):
        model_std = Choice(numbers(tuple(fitted_std)), tuple(fitted_std), True)
    if not np.allclose(fitted_mean, mean, rtol=_ALIKE, atol=_ALIKE):
        model_mean = Choice(numbers(tuple(fitted_mean)), tuple(fitted_mean), True)
    return Normalisation(scale, model_mean, model_std, known=False)


def _scale_note(named: Normalisation, preprocess: Preprocess, found: Fit, distance: float) -> str:
    used = named.scale.values[0]
    if named.scale.differs or used == preprocess.scale:
        return ""
    with_ours = _distances(found, preprocess.scale, [named.mean], [named.std])
    if distance > _SHARP or float(with_ours[0, 0]) < 2 * distance:
        return ""  # rounding hides which of the two it was
    apart = abs(used / preprocess.scale - 1)
    return f"scale {named.scale.text} instead of {scale_text(preprocess.scale)} ({apart:.0e} apart)"
