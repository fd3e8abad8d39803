"""What was found out about a tensor, in plain words."""

from dataclasses import dataclass

import numpy as np

from paddleport.models.card import Preprocess
from paddleport.validate.preprocessing.geometry import (
    TURNS,
    Resize,
    crop_offsets,
    our_resize,
)
from paddleport.validate.preprocessing.kernels import Kernel, opencv_kernel
from paddleport.validate.preprocessing.matching import COLOURS, GREY, Fit
from paddleport.validate.preprocessing.normalisation import Normalisation, numbers, scale_text
from paddleport.validate.preprocessing.placement import Placement, Trials

LEVEL = 1.0  # of 255: what rounding explains
_SLACK = 1e-4  # levels, of float32


@dataclass(frozen=True)
class Row:
    """One part of the preprocessing, on both sides.

    Attributes:
        part: its name.
        ours, theirs: what is done.
        difference: the clause for a sentence that begins with "Your tensor is"; may be empty.
        note: a difference that does not matter, likewise.
    """

    part: str
    ours: str
    theirs: str
    difference: str = ""
    note: str = ""


def describe(
    trials: Trials, best: Placement, found: Fit, values: Normalisation, preprocess: Preprocess
) -> list[Row]:
    """Every part of the preprocessing, in the order of a pipeline."""
    rows = [_layout(trials, best), _turn(best)]
    rows += [_resize(trials, best, preprocess), _kernel(trials, best, preprocess)]
    rows += [_crop(trials, best, preprocess), _filling(trials, best, found)]
    rows += [_order(best, trials.ours), *_values(values, preprocess)]
    return [row for row in rows if row is not None]


def _order(best: Placement, ours: tuple[int, ...]) -> Row:
    model, theirs = order_text(ours), order_text(best.order)
    if best.order == ours:
        told = theirs + (" or the reverse: this picture cannot tell" if best.ambiguous else "")
        return Row("channel order", model, told)
    return Row("channel order", model, theirs, f"{theirs} where the model takes {model}")


def _layout(trials: Trials, best: Placement) -> Row:
    layout = trials.readings[best.reading][0]
    ours = "NCHW" if layout.name.startswith("N") else "CHW"
    if layout.text == ours:
        return Row("layout", ours, ours)
    said = "" if layout.scrambled else "laid out as "
    return Row("layout", ours, layout.text, f"{said}{layout.text} where the model takes {ours}")


def _turn(best: Placement) -> Row | None:
    return Row("turn", "none", best.turn, best.turn) if best.turn else None


def _frame(trials: Trials, best: Placement) -> tuple[int, int]:
    """The picture's size as it is resized."""
    height, width = trials.picture.shape[:2]
    upright = best.after or TURNS[best.turn][0] % 2 == 0
    return (height, width) if upright else (width, height)


def _resize(trials: Trials, best: Placement, preprocess: Preprocess) -> Row:
    ours, theirs = our_resize(_frame(trials, best), preprocess), best.resize
    if (ours.size, ours.box) == (theirs.size, theirs.box) and theirs.kind != "fit":
        return Row("resize", ours.text, ours.text)
    done = theirs.text if theirs.kind in ("none", "first") else f"resized {theirs.text}"
    return Row("resize", ours.text, theirs.text, f"{done}, instead of {ours.text}")


def _kernel(trials: Trials, best: Placement, preprocess: Preprocess) -> Row:
    ours, theirs = opencv_kernel(preprocess.interpolation), best.kernel
    if not _is_resized(trials, best):
        return Row("interpolation", ours.title, "none: the picture has this size")
    if ours == theirs:
        return Row("interpolation", ours.title, ours.title)
    apart = kernel_effect(trials, best, ours)
    clause = f"resized with {theirs.title} instead of {ours.title}"
    if apart <= LEVEL + _SLACK:
        return Row("interpolation", ours.title, theirs.title, note=f"{clause} ({apart:.2g} levels)")
    return Row("interpolation", ours.title, theirs.title, clause)


def _is_resized(trials: Trials, best: Placement) -> bool:
    resize: Resize = best.resize
    have = resize.box[2:] if resize.box else _frame(trials, best)
    return tuple(have) != resize.size


def kernel_effect(trials: Trials, best: Placement, kernel: Kernel) -> float:
    """The largest difference in levels that another kernel makes at the same place."""
    one = trials.pixels(best.turn, best.after, best.resize, best.kernel).astype(np.float64)
    other = trials.pixels(best.turn, best.after, best.resize, kernel)
    if best.resize.kind != "fit":
        size = trials.theirs(best.reading, best.turn, best.after).shape[:2]
        window = tuple(slice(o, o + s) for o, s in zip(best.offset, size, strict=True))
        one, other = one[window], other[window]
    return float(np.abs(one - other).max())


def _crop(trials: Trials, best: Placement, preprocess: Preprocess) -> Row:
    theirs = trials.theirs(best.reading, best.turn, best.after).shape[:2]
    size = f"{theirs[0]}x{theirs[1]}"
    crop = preprocess.crop
    ours = "none" if crop is None else f"centre {crop[0]}x{crop[1]}"
    wanted = crop or our_resize(_frame(trials, best), preprocess).size
    clause = "" if theirs == wanted else f"{size} where the model is fed {wanted[0]}x{wanted[1]}"
    if best.resize.kind == "fit" or theirs == best.resize.size:
        return Row("crop", ours, "none", clause)
    rules = crop_offsets(best.resize.size, (theirs[0], theirs[1]))
    rule = next((name for name, offset in rules.items() if offset == best.offset), None)
    if rule == "centre":
        return Row("crop", ours, f"centre {size}", clause)
    at = f"from row {best.offset[0]}, column {best.offset[1]}"
    centre = rules["centre"]
    clauses = [clause] if clause else []
    named = f"cropped at the {rule}" if rule in ("top left", "bottom right") else "cropped"
    rounded = f" ({rule})" if rule and rule.startswith("centre,") else ""
    clauses.append(f"{named} {at}{rounded} instead of row {centre[0]}, column {centre[1]}")
    return Row("crop", ours, f"{size} {at}{rounded}", ", ".join(clauses))


def _filling(trials: Trials, best: Placement, found: Fit) -> Row | None:
    if best.resize.kind != "fit":
        return None
    theirs = trials.theirs(best.reading, best.turn, best.after)
    corner = (0, 0) if best.offset != (0, 0) else (-1, -1)
    gains = np.array(found.gains)
    with np.errstate(divide="ignore", invalid="ignore"):
        levels = (theirs[corner] - np.array(found.offsets)) / gains
    text = numbers(tuple(round(float(level), 2) + 0.0 for level in levels))
    at = f"from row {best.offset[0]}, column {best.offset[1]}"
    clause = f"filled around the picture with level {text}"
    return Row("filling", "none", f"level {text}, picture {at}", clause)


def _values(values: Normalisation, preprocess: Preprocess) -> list[Row]:
    rows = [
        Row(
            "scale",
            scale_text(preprocess.scale),
            values.scale.text,
            _scale_clause(values, preprocess),
            values.scale_note,
        )
    ]
    texts = {"mean": numbers(preprocess.mean), "std": numbers(preprocess.std)}
    for part, choice in (("mean", values.mean), ("std", values.std)):
        clause = ""
        if choice.differs:
            clause = f"normalised with {part} {choice.text} instead of {texts[part]}"
        elif part == "std" and values.mixed:
            clause = "normalised with mean and std in different orders of the channels"
        rows.append(Row(part, texts[part], choice.text, clause))
    if values.inverted:
        rows.append(Row("sign", "upright", "inverted", "inverted (255 − pixel)"))
    return rows


def _scale_clause(values: Normalisation, preprocess: Preprocess) -> str:
    if not values.scale.differs:
        return ""
    return f"scaled by {values.scale.text} instead of {scale_text(preprocess.scale)}"


def order_text(order: tuple[int, ...]) -> str:
    """``RGB``, ``BGR``, ... or ``grey``."""
    return "grey" if order == GREY else "".join(COLOURS[colour] for colour in order)
