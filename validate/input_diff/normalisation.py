"""The scales, means and standard deviations that somebody may have normalised with."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from paddleport.models.card import Preprocess
from paddleport.tensors import Array
from paddleport.validate.input_diff.statistics import MEANS, SAME_SCALE, SCALES, STDS

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
        manner: what was done to the model's values: ``twice`` or ``in reverse order``.
    """

    text: str
    values: tuple[float, ...]
    differs: bool
    way: Way = "either"
    manner: str = ""


@dataclass(frozen=True)
class Colours:
    """The order of the channels on both sides, and the picture's own statistics.

    Attributes:
        theirs, ours: the colour of every channel.
        means, stds: of the picture's pixels in levels, by their position.
    """

    theirs: tuple[int, ...]
    ours: tuple[int, ...]
    means: Array
    stds: Array


def scale_choices(preprocess: Preprocess) -> Iterator[Choice]:
    """The model's scale, its other spellings, and others that people write."""
    ours = preprocess.scale
    yield Choice(scale_text(ours), (ours,), False)
    for text, value in SCALES.items():
        if value != ours:
            yield Choice(text, (value,), not same_scale(value, ours))
    if not same_scale(ours, 1.0):
        same = f"once with a mean and std that are {1 / ours:.3g} times too large"
        yield Choice(f"{scale_text(ours)} twice (or {same})", (ours * ours,), True)


def mean_choices(preprocess: Preprocess, colours: Colours, scale: float) -> list[Choice]:
    """The model's mean, what may have been done to it, and others that are published."""
    twice = tuple(m + m * s for m, s in zip(preprocess.mean, preprocess.std, strict=True))
    choices = list(_statistics(preprocess.mean, MEANS, preprocess.scale, colours, twice))
    own = colours.means * scale
    choices.append(Choice("the picture's own", tuple(own), True))
    choices.append(Choice("the picture's own", (float(own.mean()),) * 3, True))
    return choices


def std_choices(preprocess: Preprocess, colours: Colours, scale: float) -> list[Choice]:
    """The same of the std."""
    twice = tuple(s * s for s in preprocess.std)
    choices = list(_statistics(preprocess.std, STDS, preprocess.scale, colours, twice))
    if colours.stds.all():
        choices.append(Choice("the picture's own", tuple(colours.stds * scale), True))
    return choices


def _statistics(
    model: tuple[float, ...],
    known: dict[str, tuple[float, float, float]],
    scale: float,
    colours: Colours,
    twice: tuple[float, ...],
) -> Iterator[Choice]:
    """The model's values, by position and by colour, then known ones likewise."""
    order, ours = colours.theirs, colours.ours
    grey = len(set(order)) < 3
    by_colour = model if grey else tuple(model[ours.index(colour)] for colour in order)
    if by_colour == model:
        yield Choice(numbers(model), model, False)
    else:
        yield Choice(numbers(model), model, False, "position")
        yield Choice(numbers(by_colour), by_colour, False, "colour")
    if (order == ours or grey) and model != model[::-1]:
        yield Choice(numbers(model[::-1]), model[::-1], True, manner="in reverse order")
    yield Choice(numbers(twice), twice, True, manner="twice")
    raw = tuple(value / scale for value in model)
    yield Choice(f"{numbers(raw)} (of 255)", raw, True)
    for name, values in known.items():
        for placed in dict.fromkeys((values, values[::-1])):
            if placed != model:
                text = name if len(set(values)) == 1 else f"{name} {numbers(placed)}"
                yield Choice(text, placed, True)


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
