"""Ways of normalising pixels that are taken for one another."""

from dataclasses import dataclass, replace

from paddleport.models.card import Preprocess
from paddleport.validate.input_diff.normalisation import numbers, scale_text
from paddleport.validate.input_diff.statistics import IMAGENET_MEAN, IMAGENET_STD, MEANS, STDS

RAW = "values from 0 to 255, not normalised"
UNIT = "values from 0 to 1, not normalised"
HALF = "values from −1 to 1 (mean and std of 0.5)"
_BYTE = 1 / 255
_IMAGENET = "ImageNet's mean and std"


@dataclass(frozen=True)
class Recipe:
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
    def reverse(self) -> "Recipe":
        """The same with mean and std in reverse order of the channels."""
        return replace(self, mean=self.mean[::-1], std=self.std[::-1])

    @property
    def text(self) -> str:
        """Its numbers in words."""
        mean, std = numbers(self.mean), numbers(self.std)
        return f"scale {scale_text(self.scale)}, mean {mean} and std {std}"


def own_recipe(preprocess: Preprocess | None, channels: int) -> Recipe | None:
    """The model's; ``None`` where it is not known for so many channels."""
    if preprocess is None or not preprocess.scale or len(preprocess.mean) != channels:
        return None
    return Recipe("as the model's", preprocess.scale, preprocess.mean, preprocess.std)


def assumed_recipes(channels: int) -> list[Recipe]:
    """What an input was probably made by where the model's recipe is not known."""
    half = _uniform("mean and std of 0.5", _BYTE, 0.5, 0.5, channels)
    imagenet = Recipe(_IMAGENET, _BYTE, IMAGENET_MEAN, IMAGENET_STD)
    made = [imagenet, half] if channels == 3 else [half]
    return [replace(item, given=f" (if {item.name} are the reference's)") for item in made]


def instead_of(own: Recipe, order: str) -> list[Recipe]:
    """What is fed in the place of ``own``, the likeliest first.

    Args:
        own: with 1 or 3 channels.
        order: of the channels; RGB unless it is BGR.
    """
    channels = len(own.mean)
    none, ones = (0.0,) * channels, (1.0,) * channels
    made = [
        Recipe(RAW, 1.0, none, ones),
        Recipe(UNIT, _BYTE, none, ones),
        _uniform(HALF, _BYTE, 0.5, 0.5, channels),
        *_by_colour(_IMAGENET, "ImageNet's", order, channels),
        replace(own, name="the mean not subtracted", mean=none),
        replace(own, name="not divided by the std", std=ones),
        replace(own, name="pixels not scaled before mean and std", scale=1.0),
        replace(own, name="pixels scaled twice before mean and std", scale=own.scale**2),
    ]
    if channels == 3:
        caffe = in_order(MEANS["Caffe's"], order)
        made.append(Recipe("Caffe's mean subtracted from 0 to 255", 1.0, caffe, ones))
    return made


def rarely_instead_of(own: Recipe, order: str) -> list[Recipe]:
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


def on_top_of(own: Recipe | None, order: str, channels: int) -> list[Recipe]:
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


def in_order(values: tuple[float, ...], order: str) -> tuple[float, ...]:
    """Statistics in RGB order by channel position; RGB unless ``order`` is BGR."""
    return values[::-1] if order == "BGR" else values


def _uniform(name: str, scale: float, mean: float, std: float, channels: int) -> Recipe:
    return Recipe(name, scale, (mean,) * channels, (std,) * channels)


def _by_colour(name: str, whose: str, order: str, channels: int) -> list[Recipe]:
    if channels != 3:
        return []
    return [Recipe(name, _BYTE, in_order(MEANS[whose], order), in_order(STDS[whose], order))]
