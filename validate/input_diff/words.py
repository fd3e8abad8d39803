"""What was found out about where the pixels come from, part by part, in plain words."""

from dataclasses import replace

import numpy as np

from paddleport.validate.input_diff.explanation import Row
from paddleport.validate.input_diff.geometry import crop_offsets, our_resize
from paddleport.validate.input_diff.kernels import Kernel, opencv_kernel
from paddleport.validate.input_diff.matching import COLOURS, GREY, Fit
from paddleport.validate.input_diff.normalisation import numbers
from paddleport.validate.input_diff.placement import Placement
from paddleport.validate.input_diff.trials import Trials
from paddleport.validate.input_diff.turns import SWAPPED

LEVEL = 1.0  # of 255: what rounding explains
SLACK = 1e-4  # levels, of float32


def describe_pixels(trials: Trials, best: Placement, found: Fit) -> list[Row]:
    """Every part from the picture to the tensor but its normalisation, in order."""
    rows = [_layout(trials, best), _turn(best), _resize(trials, best), _kernel(trials, best)]
    rows += [_crop(trials, best), _filling(trials, best, found), _order(best, trials.ours)]
    return [row for row in rows if row is not None]


def _layout(trials: Trials, best: Placement) -> Row:
    layout = trials.readings[best.view.reading]
    ours = "NCHW" if layout.name.startswith("N") else "CHW"
    name = layout.name
    if best.view.turn == SWAPPED:
        name = name.translate(str.maketrans("HW", "WH"))
    if layout.scrambled:
        real = "HWC" if layout.name.endswith("CHW") else "CHW"
        text = f"{real} reshaped to {layout.name[-3:]} without a transpose"
        return Row("layout", ours, text, True, f"{text}, where the model takes {ours}")
    if name == ours:
        return Row("layout", ours, ours)
    return Row("layout", ours, name, True, f"laid out as {name} where the model takes {ours}")


def _turn(best: Placement) -> Row | None:
    turn = best.view.turn
    return Row("turn", "none", turn, True, turn) if turn not in ("", SWAPPED) else None


def _resize(trials: Trials, best: Placement) -> Row:
    ours, theirs = our_resize(trials.frame(best.view), trials.preprocess), best.resize
    if (ours.size, ours.box) == (theirs.size, theirs.box) and theirs.kind != "fit":
        return Row("resize", ours.text, ours.text)
    done = "not resized" if theirs.kind == "none" else f"resized to {theirs.text}"
    instead = "not at all" if ours.kind == "none" else f"to {ours.text}"
    told = f"none: {theirs.text}" if theirs.kind == "none" else theirs.text
    return Row("resize", ours.text, told, True, f"{done} instead of {instead}")


def _kernel(trials: Trials, best: Placement) -> Row:
    ours, theirs = opencv_kernel(trials.preprocess.interpolation), best.kernel
    have = best.resize.box[2:] if best.resize.box else trials.frame(best.view)
    if tuple(have) == best.resize.size:
        return Row("interpolation", ours.title, "none: the picture has this size")
    if ours == theirs:
        return Row("interpolation", ours.title, ours.title)
    apart = _kernel_effect(trials, best, ours)
    clause = f"resized with {theirs.title} instead of {ours.title}"
    if apart <= LEVEL + SLACK:
        levels = "1 level" if apart > 0.995 else f"{apart:.2g} levels"
        return Row("interpolation", ours.title, theirs.title, note=f"{clause} ({levels})")
    return Row("interpolation", ours.title, theirs.title, True, clause)


def _kernel_effect(trials: Trials, best: Placement, kernel: Kernel) -> float:
    """The largest difference in levels that another kernel makes at the same place."""
    one = trials.regions(best)[1].astype(np.float64)
    other = trials.regions(replace(best, kernel=kernel))[1]
    return float(np.abs(one - other).max())


def _crop(trials: Trials, best: Placement) -> Row:
    theirs = trials.theirs(best.view).shape[:2]
    size = f"{theirs[0]}x{theirs[1]}"
    crop = trials.preprocess.crop
    ours = "none" if crop is None else f"centre {crop[0]}x{crop[1]}"
    wanted = crop or our_resize(trials.frame(best.view), trials.preprocess).size
    clause = "" if theirs == wanted else f"{size} where the model is fed {wanted[0]}x{wanted[1]}"
    if best.resize.kind in ("fit", "padded") or theirs == best.resize.size:
        return Row("crop", ours, "none", bool(clause), clause)
    rules = crop_offsets(best.resize.size, (theirs[0], theirs[1]))
    rule = next((name for name, offset in rules.items() if offset == best.offset), None)
    if rule == "centre":
        return Row("crop", ours, f"centre {size}", bool(clause), clause)
    at, centre = f"row {best.offset[0]}, column {best.offset[1]}", rules["centre"]
    named = f" ({rule})" if rule else ""
    moved = f"cropped from {at}{named} instead of row {centre[0]}, column {centre[1]}"
    both = f"{clause}, and {moved}" if clause else moved
    return Row("crop", ours, f"{size} from {at}{named}", True, both)


def _filling(trials: Trials, best: Placement, found: Fit) -> Row | None:
    if best.resize.kind not in ("fit", "padded"):
        return None
    theirs = trials.theirs(best.view)
    corner = (0, 0) if best.offset != (0, 0) or best.resize.kind == "padded" else (-1, -1)
    if best.resize.box and best.resize.box[:2] == (0, 0):
        corner = (-1, -1)
    gains = np.array(found.gains)
    levels = np.divide(
        theirs[corner] - np.array(found.offsets), gains, out=np.zeros(3), where=gains != 0
    )
    text = f"level {numbers(tuple(round(float(level), 1) + 0.0 for level in levels))}"
    at = f", picture from row {best.offset[0]}, column {best.offset[1]}"
    place = at if best.resize.kind == "fit" else ""
    return Row("filling", "none", text + place, True, f"filled around the picture with {text}")


def _order(best: Placement, ours: tuple[int, ...]) -> Row:
    model, theirs = order_text(ours), order_text(best.match.order)
    if best.match.order == ours:
        told = theirs + (
            " or the reverse: this picture cannot tell" if best.match.reversible else ""
        )
        return Row("channel order", model, told)
    return Row("channel order", model, theirs, True, f"{theirs} where the model takes {model}")


def order_text(order: tuple[int, ...]) -> str:
    """``RGB``, ``BGR``, ... or ``grey``."""
    return "grey" if order == GREY else "".join(COLOURS[colour] for colour in order)
