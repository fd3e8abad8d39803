"""An explanation in words: the answer in a sentence, and part by part beside the model's."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from paddleport.models.preprocess import Preprocess
from paddleport.validate.input_diff.explanation import PartComparison, Residual
from paddleport.validate.input_diff.known_normalisations import numbers_text, scale_text
from paddleport.validate.input_diff.normalisation_fit import ChannelFit, Normalisation
from paddleport.validate.input_diff.pixel_match import COLOURS, GREY
from paddleport.validate.input_diff.placement import Placement, PlacementTrials
from paddleport.validate.input_diff.resampling import Kernel, own_kernel
from paddleport.validate.input_diff.resize_and_crop import crop_offsets, our_resize
from paddleport.validate.input_diff.tensor_axes import SIDES_SWAPPED

LEVEL = 1.0  # of 255: what rounding explains
SLACK = 1e-4  # levels, of float32
_SAME = 1e-5  # of the largest value: what float32 makes of one recipe written in two ways

AGAIN = "change that, save the tensor again and repeat this command"
NOT_THE_INPUT = "the input is not to blame: compare the models (paddleport validate MODEL)"
OTHER_PICTURE = "give a picture with detail, such as a photo"
CHECK_FILE = "check that the tensor was made of this file"
CHECK_TRAINING = (
    "check for steps that only training has (random crops, jitter) and for a resize by "
    "another library than OpenCV, Pillow, PyTorch or TensorFlow"
)


def same_sentence(
    subject: str, exact: bool, residual: Residual, largest: float, notes: Sequence[str]
) -> str:
    """For a tensor that is ours up to rounding.

    Args:
        subject: what it is called.
        exact: bit for bit.
        residual: how far it is off.
        largest: of our tensor's values, by size.
        notes: differences that do not matter.
    """
    if exact:
        return f"{subject} is the same, bit for bit."
    units, levels = residual.before_units or 0.0, residual.before_levels or 0.0
    said = f"{subject} is the same up to rounding: no pixel is more than {levels:.2g} of 255 levels"
    if units <= _SAME * largest:
        said = f"{subject} is the same: no value is more than {units:.1e}"
    return f"{said} off{_not_mattering(notes)}."


def explained_sentence(subject: str, rows: Sequence[PartComparison], notes: Sequence[str]) -> str:
    """For a tensor whose differences were found."""
    clauses = [row.clause for row in rows if row.clause]
    if not clauses:  # its differences are each within rounding and together are not
        return f"{subject} differs by little more than rounding{_not_mattering(notes)}."
    return f"{subject} is {_listed(clauses)}{_not_mattering(notes)}."


def unexplained_sentence(subject: str, rows: Sequence[PartComparison], found: ChannelFit) -> str:
    """For a tensor that nothing reproduces.

    Args:
        subject: what it is called.
        rows: the nearest pipeline; none where that does not look like the tensor.
        found: how it fits.
    """
    off = f"off by {found.mean:.3g} of 255 levels on average and {found.worst:.3g} at most"
    asked = f"No combination reproduces {subject[0].lower()}{subject[1:]}"
    if not rows:
        return f"{asked}, and nothing in this picture looks like it: the nearest is {off}."
    clauses = [row.clause for row in rows if row.clause]
    nearest = _listed(clauses) if clauses else "made as the model is fed"
    return f"{asked}; the nearest is {nearest}, {off}."


def _listed(clauses: Sequence[str]) -> str:
    """``a, b, and c``."""
    if len(clauses) < 3:
        return " and ".join(clauses)
    return f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def _not_mattering(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return f"; {_listed(notes)} {'does' if len(notes) == 1 else 'do'} not matter"


def describe_pixels(
    trials: PlacementTrials, best: Placement, found: ChannelFit
) -> list[PartComparison]:
    """Every part from the picture to the tensor but its normalisation, in order."""
    rows = [_layout(trials, best), _turn(best), _resize(trials, best), _kernel(trials, best)]
    rows += [_crop(trials, best), _filling(trials, best, found), _order(best, trials.ours)]
    return [row for row in rows if row is not None]


def _layout(trials: PlacementTrials, best: Placement) -> PartComparison:
    layout = trials.readings[best.view.reading]
    ours = "NCHW" if layout.name.startswith("N") else "CHW"
    name = layout.name
    if best.view.turn == SIDES_SWAPPED:
        name = name.translate(str.maketrans("HW", "WH"))
    if layout.scrambled:
        real = "HWC" if layout.name.endswith("CHW") else "CHW"
        text = f"{real} reshaped to {layout.name[-3:]} without a transpose"
        return _compared("layout", ours, text, f"{text}, where the model takes {ours}")
    if name == ours:
        return _compared("layout", ours, ours)
    return _compared("layout", ours, name, f"laid out as {name} where the model takes {ours}")


def _turn(best: Placement) -> PartComparison | None:
    turn = best.view.turn
    return _compared("turn", "none", turn, turn) if turn not in ("", SIDES_SWAPPED) else None


def _resize(trials: PlacementTrials, best: Placement) -> PartComparison:
    ours, theirs = our_resize(trials.frame(best.view), trials.preprocess), best.resize
    if (ours.size, ours.box) == (theirs.size, theirs.box) and theirs.kind != "fit":
        return _compared("resize", ours.text, ours.text)
    done = "not resized" if theirs.kind == "none" else f"resized to {theirs.text}"
    instead = "not at all" if ours.kind == "none" else f"to {ours.text}"
    text = f"none: {theirs.text}" if theirs.kind == "none" else theirs.text
    return _compared("resize", ours.text, text, f"{done} instead of {instead}")


def _kernel(trials: PlacementTrials, best: Placement) -> PartComparison:
    ours, theirs = own_kernel(trials.preprocess), best.kernel
    have = best.resize.box[2:] if best.resize.box else trials.frame(best.view)
    if tuple(have) == best.resize.size:
        return _compared("interpolation", ours.title, "none: the picture has this size")
    if ours == theirs:
        return _compared("interpolation", ours.title, ours.title)
    apart = _kernel_effect(trials, best, ours)
    clause = f"resized with {theirs.title} instead of {ours.title}"
    if apart <= LEVEL + SLACK:
        levels = "1 level" if apart > 0.995 else f"{apart:.2g} levels"
        return _compared("interpolation", ours.title, theirs.title, note=f"{clause} ({levels})")
    return _compared("interpolation", ours.title, theirs.title, clause)


def _kernel_effect(trials: PlacementTrials, best: Placement, kernel: Kernel) -> float:
    """The largest difference in levels that another kernel makes at the same place."""
    one = trials.regions(best)[1].astype(np.float64)
    other = trials.regions(replace(best, kernel=kernel))[1]
    return float(np.abs(one - other).max())


def _crop(trials: PlacementTrials, best: Placement) -> PartComparison:
    theirs = trials.theirs(best.view).shape[:2]
    size = f"{theirs[0]}x{theirs[1]}"
    crop = trials.preprocess.crop
    ours = "none" if crop is None else f"centre {crop[0]}x{crop[1]}"
    wanted = crop or our_resize(trials.frame(best.view), trials.preprocess).size
    clause = "" if theirs == wanted else f"{size} where the model is fed {wanted[0]}x{wanted[1]}"
    if best.resize.kind in ("fit", "padded") or theirs == best.resize.size:
        return _compared("crop", ours, "none", clause)
    rules = crop_offsets(best.resize.size, (theirs[0], theirs[1]))
    rule = next((name for name, offset in rules.items() if offset == best.offset), None)
    if rule == "centre":
        return _compared("crop", ours, f"centre {size}", clause)
    at, centre = f"row {best.offset[0]}, column {best.offset[1]}", rules["centre"]
    named = f" ({rule})" if rule else ""
    moved = f"cropped from {at}{named} instead of row {centre[0]}, column {centre[1]}"
    both = f"{clause}, and {moved}" if clause else moved
    return _compared("crop", ours, f"{size} from {at}{named}", both)


def _filling(trials: PlacementTrials, best: Placement, found: ChannelFit) -> PartComparison | None:
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
    text = f"level {numbers_text(tuple(round(float(level), 1) + 0.0 for level in levels))}"
    at = f", picture from row {best.offset[0]}, column {best.offset[1]}"
    place = at if best.resize.kind == "fit" else ""
    return _compared("filling", "none", text + place, f"filled around the picture with {text}")


def _order(best: Placement, ours: tuple[int, ...]) -> PartComparison:
    model, theirs = _order_text(ours), _order_text(best.match.order)
    if best.match.order == ours:
        reverse = " or the reverse: this picture cannot tell" if best.match.reversible else ""
        return _compared("channel order", model, theirs + reverse)
    return _compared("channel order", model, theirs, f"{theirs} where the model takes {model}")


def _order_text(order: tuple[int, ...]) -> str:
    """``RGB``, ``BGR``, ... or ``grey``."""
    return "grey" if order == GREY else "".join(COLOURS[colour] for colour in order)


def describe_values(values: Normalisation, preprocess: Preprocess) -> list[PartComparison]:
    """Scale, mean and std, and the sign where it is inverted."""
    ours, theirs = scale_text(preprocess.scale), values.scale.text
    clause = f"scaled by {theirs} instead of {ours}" if values.scale.differs else ""
    scale = _compared("scale", ours, theirs, clause, values.scale_note)
    rows = [scale, *_mean_and_std(values, preprocess)]
    if values.inverted:
        rows.append(_compared("sign", "upright", "inverted", "inverted (255 − pixel)"))
    return rows


def _mean_and_std(
    values: Normalisation, preprocess: Preprocess
) -> tuple[PartComparison, PartComparison]:
    ours = (numbers_text(preprocess.mean), numbers_text(preprocess.std))
    theirs = (
        _with_manner(values.mean.text, values.mean.manner),
        _with_manner(values.std.text, values.std.manner),
    )
    differ = (values.mean.differs, values.std.differs or values.mixed)
    clauses = [
        f"normalised with {part} {text} instead of {own}" if differs else ""
        for part, text, own, differs in zip(("mean", "std"), theirs, ours, differ, strict=True)
    ]
    if values.mixed:
        clauses[1] = "normalised with mean and std in different orders of the channels"
    elif all(differ) and values.mean.manner and values.mean.manner == values.std.manner:
        clauses = [f"normalised {_both_changed(values.mean.manner)}", ""]
    elif all(differ):
        both = f"mean {theirs[0]} and std {theirs[1]} instead of {ours[0]} and {ours[1]}"
        clauses = [f"normalised with {both}", ""]
    mean, std = (
        PartComparison(part=part, ours=own, theirs=text, differs=differs, clause=clause)
        for part, own, text, differs, clause in zip(
            ("mean", "std"), ours, theirs, differ, clauses, strict=True
        )
    )
    return mean, std


def _with_manner(text: str, manner: str) -> str:
    return f"{text} ({'as if ' if manner == 'twice' else ''}{manner})" if manner else text


def _both_changed(manner: str) -> str:
    return "twice" if manner == "twice" else f"with mean and std {manner}"


def _compared(
    part: str, ours: str, theirs: str, clause: str = "", note: str = ""
) -> PartComparison:
    """A part that differs if there is a clause for it."""
    return PartComparison(
        part=part, ours=ours, theirs=theirs, differs=bool(clause), clause=clause, note=note
    )
