"""The scale, mean and std that somebody normalised with: fitted, then looked up among known ones.

What is fitted is a gain and an offset for each channel.
"""

from dataclasses import dataclass, replace

import numpy as np

from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array
from paddleport.validate.input_diff.known_normalisations import (
    ChannelColours,
    NamedStatistic,
    numbers_text,
    possible_means,
    possible_scales,
    possible_stds,
    scale_text,
)
from paddleport.validate.input_diff.pixel_match import with_grey

_CLOSE = 0.02  # levels of 255: finer than any two known recipes differ
_CLOSEST = 0.5  # levels: the most that noise may blur a recipe
_SHARP = 5e-5  # levels: a quarter of what 1/255 and 0.00392157 differ by
_ALIKE = 2e-3  # relative: statistics that were fitted, not recognised


@dataclass(frozen=True, kw_only=True)
class ChannelFit:
    """A tensor's channels as ``gain * pixel + offset``.

    Attributes:
        gains, offsets: one per channel, in tensor units; where the picture's colour does not vary
            the gain is 0 and the offset the channel's value.
        lows, highs: the range of the pixels that each channel was fitted on, in levels.
        worst: the largest distance in levels (of 255) that the pixels leave unexplained.
        mean: the mean of it.
        worst_in_units: the largest distance in tensor units.
    """

    gains: tuple[float, ...]
    offsets: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    worst: float
    mean: float
    worst_in_units: float


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """``(pixel * scale - mean) / std``, as found.

    Attributes:
        scale, mean, std: their texts and values.
        inverted: 255 - pixel was taken for the pixel.
        known: made of known values; else the numbers are fitted.
        scale_note: where only the spelling of the scale is another.
    """

    scale: NamedStatistic
    mean: NamedStatistic
    std: NamedStatistic
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


def likeliest_normalisation(
    theirs: Array,
    pixels: Array,
    orders: list[tuple[int, ...]],
    ours: tuple[int, ...],
    preprocess: Preprocess,
    *,
    floor: float,
) -> tuple[tuple[int, ...], ChannelFit, Normalisation]:
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
        found = _fit_channels(theirs, pixels, order)
        placed = coloured[:, list(order)]
        colours = ChannelColours(
            theirs=order, ours=ours, means=placed.mean(axis=0), stds=placed.std(axis=0)
        )
        values = _name_normalisation(found, preprocess, colours, floor)
        named.append((order, found, values))
    return min(named, key=lambda item: item[2].cost + (not item[2].known) + (item[0] != ours))


def _fit_channels(theirs: Array, pixels: Array, order: tuple[int, ...]) -> ChannelFit:
    """Least squares, channel by channel.

    Args:
        theirs: [..., 3], any numbers.
        pixels: [..., 3] BGR of the same places.
        order: the colour that each channel is made of.
    """
    t = np.asarray(theirs, np.float64).reshape(-1, 3)
    p = with_grey(pixels)[:, list(order)]
    t0, p0 = t.mean(axis=0), p.mean(axis=0)
    tc, pc = t - t0, p - p0
    tt, pp, tp = (tc * tc).sum(axis=0), (pc * pc).sum(axis=0), (tc * pc).sum(axis=0)
    gains = np.divide(tp, pp, out=np.zeros(3), where=pp > 0)
    offsets = t0 - gains * p0
    back = np.divide(tp, tt, out=np.zeros(3), where=tt > 0)
    levels = np.abs(pc - back * tc)
    units = np.abs(t - (gains * p + offsets))
    return ChannelFit(
        gains=_floats(gains),
        offsets=_floats(offsets),
        lows=_floats(p.min(axis=0)),
        highs=_floats(p.max(axis=0)),
        worst=float(levels.max()),
        mean=float(levels.mean()),
        worst_in_units=float(units.max()),
    )


def _name_normalisation(
    found: ChannelFit, preprocess: Preprocess, colours: ChannelColours, floor: float
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
    for scale in possible_scales(preprocess):
        means = possible_means(preprocess, colours, scale.values[0])
        stds = possible_stds(preprocess, colours, scale.values[0])
        distances = _distances(found, scale.values[0], means, stds)
        for i, j in zip(*np.nonzero(distances <= close), strict=True):
            named = Normalisation(scale=scale, mean=means[i], std=stds[j], inverted=inverted)
            key = (named.cost, float(distances[i, j]))
            if best is None or key < best[:2]:
                best = (*key, named)
    if best is None:
        return replace(_fitted(found, preprocess), inverted=inverted)
    _, distance, named = best
    return replace(named, scale_note=_scale_note(named, preprocess, found, distance))


def _upright(found: ChannelFit) -> ChannelFit:
    """The fit to 255 - pixel."""
    offsets = zip(found.offsets, found.gains, strict=True)
    return replace(
        found,
        gains=tuple(-gain for gain in found.gains),
        offsets=tuple(offset + 255 * gain for offset, gain in offsets),
        lows=tuple(255 - high for high in found.highs),
        highs=tuple(255 - low for low in found.lows),
    )


def _distances(
    found: ChannelFit, scale: float, means: list[NamedStatistic], stds: list[NamedStatistic]
) -> Array:
    """[mean, std]: the largest distance from the fit in levels, over the pixels that there were."""
    m = np.array([choice.values for choice in means])[:, None]
    d = np.array([choice.values for choice in stds])[None]
    ends = np.array([found.lows, found.highs])[:, None, None]
    fitted = np.array(found.gains) * ends + np.array(found.offsets)
    apart = np.abs((ends * scale - m) / d - fitted) / np.abs(scale / d)
    worst: Array = apart.max(axis=(0, 3))
    return worst


def _fitted(found: ChannelFit, preprocess: Preprocess) -> Normalisation:
    """Numbers for what no known recipe explains, with as many of the model's as will do."""
    gains, offsets = np.array(found.gains), np.array(found.offsets)
    mean, std = np.array(preprocess.mean), np.array(preprocess.std)
    made = Normalisation(
        scale=NamedStatistic(text=scale_text(preprocess.scale), values=(preprocess.scale,)),
        mean=NamedStatistic(text=numbers_text(preprocess.mean), values=preprocess.mean),
        std=NamedStatistic(text=numbers_text(preprocess.std), values=preprocess.std),
        known=False,
    )
    scales = gains * std
    if np.ptp(scales) <= _ALIKE * abs(scales).max() and np.allclose(
        offsets, -mean / std, rtol=_ALIKE, atol=_ALIKE
    ):
        scale = float(scales.mean())
        return replace(
            made, scale=NamedStatistic(text=f"{scale:.6g}", values=(scale,), differs=True)
        )
    fitted_std = std.copy()
    np.divide(preprocess.scale, gains, out=fitted_std, where=gains != 0)
    fitted_mean = -offsets * fitted_std
    if not np.allclose(fitted_std, std, rtol=_ALIKE, atol=0):
        made = replace(made, std=_fitted_numbers(fitted_std))
    if not np.allclose(fitted_mean, mean, rtol=_ALIKE, atol=_ALIKE):
        made = replace(made, mean=_fitted_numbers(fitted_mean))
    return made


def _fitted_numbers(values: Array) -> NamedStatistic:
    numbers = _floats(values)
    return NamedStatistic(text=numbers_text(numbers), values=numbers, differs=True)


def _scale_note(
    named: Normalisation, preprocess: Preprocess, found: ChannelFit, distance: float
) -> str:
    used = named.scale.values[0]
    if named.scale.differs or used == preprocess.scale:
        return ""
    with_ours = _distances(found, preprocess.scale, [named.mean], [named.std])
    if distance > _SHARP or float(with_ours[0, 0]) < 2 * distance:
        return ""  # rounding hides which of the two it was
    apart = abs(used / preprocess.scale - 1)
    return f"scale {named.scale.text} instead of {scale_text(preprocess.scale)} ({apart:.0e} apart)"


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
