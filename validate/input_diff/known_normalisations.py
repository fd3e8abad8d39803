"""Scales, means and standard deviations that people normalise with, right or by mistake.

``possible_scales`` and its sisters are what a tensor's normalisation is looked up in;
``NormalisationRecipe`` and below are what an input is normalised wrongly by.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array

RAW = "values from 0 to 255, not normalised"
UNIT = "values from 0 to 1, not normalised"
HALF = "values from −1 to 1 (mean and std of 0.5)"

_BYTE = 1 / 255
_IMAGENET = "ImageNet's mean and std"
_OWN = "the picture's own"

_Three = tuple[float, float, float]

# As published, in RGB order.
_MEANS: dict[str, _Three] = {
    "0 (none)": (0.0, 0.0, 0.0),
    "0.5": (0.5, 0.5, 0.5),
    "ImageNet's": (0.485, 0.456, 0.406),
    "ImageNet's, of 255": (123.675, 116.28, 103.53),
    "Caffe's": (123.68, 116.779, 103.939),  # of VGG; in BGR order there
    "127.5": (127.5, 127.5, 127.5),
    "128": (128.0, 128.0, 128.0),
    "1": (1.0, 1.0, 1.0),
    "CLIP's": (0.48145466, 0.4578275, 0.40821073),
}
_STDS: dict[str, _Three] = {
    "1 (none)": (1.0, 1.0, 1.0),
    "0.5": (0.5, 0.5, 0.5),
    "ImageNet's": (0.229, 0.224, 0.225),
    "ImageNet's, of 255": (58.395, 57.12, 57.375),
    "127.5": (127.5, 127.5, 127.5),
    "128": (128.0, 128.0, 128.0),
    "CLIP's": (0.26862954, 0.26130258, 0.27577711),
}
_SCALES: dict[str, float] = {
    "1/255": 1 / 255,
    "0.00392157": 0.00392157,  # as PaddleClas writes it
    "1 (not scaled)": 1.0,
    "1/256": 1 / 256,
    "1/127.5": 1 / 127.5,
    "1/128": 1 / 128,
}
_SAME_SCALE = 1e-5  # relative: two spellings of one scale, as 1/255 and 0.00392157 are

_Way = Literal["either", "position", "colour"]


@dataclass(frozen=True, kw_only=True)
class NamedStatistic:
    """One value for the scale, or three for the mean or std by channel position.

    Attributes:
        text: what it is called.
        values: as applied, by position.
        differs: whether it is another than the model's.
        way: whether the model's values go by position or by colour; decides where channels are
            in another order than the model's.
        manner: what was done to the model's values: ``twice`` or ``in reverse order``.
    """

    text: str
    values: tuple[float, ...]
    differs: bool = False
    way: _Way = "either"
    manner: str = ""


@dataclass(frozen=True, kw_only=True)
class ChannelColours:
    """The order of the channels on both sides, and the picture's own statistics.

    Attributes:
        theirs, ours: the colour of every channel.
        means, stds: of the picture's pixels in levels, by their position.
    """

    theirs: tuple[int, ...]
    ours: tuple[int, ...]
    means: Array
    stds: Array


def possible_scales(preprocess: Preprocess) -> Iterator[NamedStatistic]:
    """The model's scale, its other spellings, and others that people write."""
    ours = preprocess.scale
    yield NamedStatistic(text=scale_text(ours), values=(ours,))
    for text, value in _SCALES.items():
        if value != ours:
            differs = not _same_scale(value, ours)
            yield NamedStatistic(text=text, values=(value,), differs=differs)
    if not _same_scale(ours, 1.0):
        same = f"once with a mean and std that are {1 / ours:.3g} times too large"
        yield _another((ours * ours,), f"{scale_text(ours)} twice (or {same})")


def possible_means(
    preprocess: Preprocess, colours: ChannelColours, scale: float
) -> list[NamedStatistic]:
    """The model's mean, what may have been done to it, and others that are published."""
    twice = tuple(m + m * s for m, s in zip(preprocess.mean, preprocess.std, strict=True))
    choices = list(_statistics(preprocess.mean, _MEANS, preprocess.scale, colours, twice))
    own = colours.means * scale
    alike = (float(own.mean()),) * 3
    return [*choices, _another(tuple(own), _OWN), _another(alike, _OWN)]


def possible_stds(
    preprocess: Preprocess, colours: ChannelColours, scale: float
) -> list[NamedStatistic]:
    """The same of the std."""
    twice = tuple(s * s for s in preprocess.std)
    choices = list(_statistics(preprocess.std, _STDS, preprocess.scale, colours, twice))
    own = [_another(tuple(colours.stds * scale), _OWN)] if colours.stds.all() else []
    return choices + own


def _statistics(
    model: tuple[float, ...],
    known: dict[str, _Three],
    scale: float,
    colours: ChannelColours,
    twice: tuple[float, ...],
) -> Iterator[NamedStatistic]:
    """The model's values, by position and by colour, then known ones likewise."""
    order, ours = colours.theirs, colours.ours
    grey = len(set(order)) < 3
    by_colour = model if grey else tuple(model[ours.index(colour)] for colour in order)
    if by_colour == model:
        yield NamedStatistic(text=numbers_text(model), values=model)
    else:
        yield NamedStatistic(text=numbers_text(model), values=model, way="position")
        yield NamedStatistic(text=numbers_text(by_colour), values=by_colour, way="colour")
    if (order == ours or grey) and model != model[::-1]:
        yield _another(model[::-1], manner="in reverse order")
    yield _another(twice, manner="twice")
    raw = tuple(value / scale for value in model)
    yield _another(raw, f"{numbers_text(raw)} (of 255)")
    for name, values in known.items():
        for placed in dict.fromkeys((values, values[::-1])):
            if placed != model:
                text = name if len(set(values)) == 1 else f"{name} {numbers_text(placed)}"
                yield _another(placed, text)


def _another(values: tuple[float, ...], text: str = "", *, manner: str = "") -> NamedStatistic:
    text = text or numbers_text(values)
    return NamedStatistic(text=text, values=values, differs=True, manner=manner)


def _same_scale(one: float, other: float) -> bool:
    """Whether two scales are spellings of one."""
    return abs(one - other) <= _SAME_SCALE * abs(other)


def scale_text(value: float) -> str:
    """A scale as people write it."""
    for text, known in _SCALES.items():
        if value == known:
            return text
    return f"{value:.9g}"


def numbers_text(values: tuple[float, ...]) -> str:
    """``0.5`` for three alike, else ``[0.485, 0.456, 0.406]``."""
    texts = [f"{value:.6g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else f"[{', '.join(texts)}]"


@dataclass(frozen=True, kw_only=True)
class NormalisationRecipe:
    """``(level * scale - mean) / std`` of levels from 0 to 255, by channel position.

    Attributes:
        name: what an input made by it is.
        scale, mean, std: of the formula.
        given: how to say that an input was taken to be made by it; empty where that is known.
    """

    name: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    given: str = ""

    @property
    def reverse(self) -> "NormalisationRecipe":
        """The same with mean and std in reverse order of the channels."""
        return replace(self, mean=self.mean[::-1], std=self.std[::-1])

    @property
    def text(self) -> str:
        """Its numbers in words."""
        mean, std = numbers_text(self.mean), numbers_text(self.std)
        return f"scale {scale_text(self.scale)}, mean {mean} and std {std}"


def own_recipe(preprocess: Preprocess | None, channels: int) -> NormalisationRecipe | None:
    """The model's; ``None`` where it is not known for so many channels."""
    if preprocess is None or not preprocess.scale or len(preprocess.mean) != channels:
        return None
    return NormalisationRecipe(
        name="as the model's", scale=preprocess.scale, mean=preprocess.mean, std=preprocess.std
    )


def assumed_recipes(channels: int) -> list[NormalisationRecipe]:
    """What an input was probably made by where the model's recipe is not known."""
    half = _uniform("mean and std of 0.5", _BYTE, 0.5, 0.5, channels)
    made = [*_by_colour(_IMAGENET, "ImageNet's", "RGB", channels), half]
    return [replace(item, given=f" (if {item.name} are the reference's)") for item in made]


def instead_of(own: NormalisationRecipe, order: str) -> list[NormalisationRecipe]:
    """What is fed in the place of ``own``, the likeliest first.

    Args:
        own: with 1 or 3 channels.
        order: of the channels; RGB unless it is BGR.
    """
    channels = len(own.mean)
    none, ones = (0.0,) * channels, (1.0,) * channels
    made = [
        _uniform(RAW, 1.0, 0.0, 1.0, channels),
        _uniform(UNIT, _BYTE, 0.0, 1.0, channels),
        _uniform(HALF, _BYTE, 0.5, 0.5, channels),
        *_by_colour(_IMAGENET, "ImageNet's", order, channels),
        replace(own, name="the mean not subtracted", mean=none),
        replace(own, name="not divided by the std", std=ones),
        replace(own, name="pixels not scaled before mean and std", scale=1.0),
        replace(own, name="pixels scaled twice before mean and std", scale=own.scale**2),
    ]
    if channels == 3:
        raw = _uniform("Caffe's mean subtracted from 0 to 255", 1.0, 0.0, 1.0, channels)
        made.append(replace(raw, mean=_in_order(_MEANS["Caffe's"], order)))
    return made


def rarely_instead_of(own: NormalisationRecipe, order: str) -> list[NormalisationRecipe]:
    """As ``instead_of``, what is less common."""
    channels = len(own.mean)
    inverted = tuple(mean - 255 * own.scale for mean in own.mean)
    none = (0.0,) * channels
    return [
        _uniform("values of (pixel − 127.5) / 128", 1.0, 127.5, 128.0, channels),
        _uniform("values of pixel / 256", 1 / 256, 0.0, 1.0, channels),
        _uniform("values of pixel / 128 − 1", 1 / 128, 1.0, 1.0, channels),
        replace(own, name="inverted (255 − pixel)", scale=-own.scale, mean=inverted),
        replace(own, name="pixels neither scaled nor less the mean", scale=1.0, mean=none),
        *_by_colour("CLIP's mean and std", "CLIP's", order, channels),
    ]


def on_top_of(
    own: NormalisationRecipe | None, order: str, channels: int
) -> list[NormalisationRecipe]:
    """What is done to an input that is normalised already, as by a file that does it itself."""
    half = _uniform("mean and std of 0.5", _BYTE, 0.5, 0.5, channels)
    recipes = [*_by_colour(_IMAGENET, "ImageNet's", order, channels), half]
    if own is not None:
        recipes.insert(0, own)
    made = []
    for recipe in recipes:
        by = "" if recipe is own else f", the second time with {recipe.name}"
        made.append(replace(recipe, name=f"normalised twice{by}", scale=1.0))
        made.append(replace(recipe, name=f"scaled and normalised twice{by}"))
    made.append(_uniform("divided by 255 once more", _BYTE, 0.0, 1.0, channels))
    made.append(_uniform("multiplied by 255", 255.0, 0.0, 1.0, channels))
    return made


def _in_order(values: tuple[float, ...], order: str) -> tuple[float, ...]:
    """Statistics in RGB order by channel position; RGB unless ``order`` is BGR."""
    return values[::-1] if order == "BGR" else values


def _uniform(
    name: str, scale: float, mean: float, std: float, channels: int
) -> NormalisationRecipe:
    return NormalisationRecipe(
        name=name, scale=scale, mean=(mean,) * channels, std=(std,) * channels
    )


def _by_colour(name: str, whose: str, order: str, channels: int) -> list[NormalisationRecipe]:
    if channels != 3:
        return []
    mean, std = _in_order(_MEANS[whose], order), _in_order(_STDS[whose], order)
    return [NormalisationRecipe(name=name, scale=_BYTE, mean=mean, std=std)]
