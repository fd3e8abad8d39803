"""The sentence that answers, and what to do next."""

from collections.abc import Sequence

from paddleport.validate.input_diff.explanation import Residual, Row
from paddleport.validate.input_diff.matching import Fit

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


def explained_sentence(subject: str, rows: Sequence[Row], notes: Sequence[str]) -> str:
    """For a tensor whose differences were found."""
    clauses = [row.clause for row in rows if row.clause]
    if not clauses:  # its differences are each within rounding and together are not
        return f"{subject} differs by little more than rounding{_not_mattering(notes)}."
    return f"{subject} is {listed(clauses)}{_not_mattering(notes)}."


def unexplained_sentence(subject: str, rows: Sequence[Row], found: Fit) -> str:
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
    nearest = listed(clauses) if clauses else "made as the model is fed"
    return f"{asked}; the nearest is {nearest}, {off}."


def listed(clauses: Sequence[str]) -> str:
    """``a, b, and c``."""
    if len(clauses) < 3:
        return " and ".join(clauses)
    return f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def _not_mattering(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return f"; {listed(notes)} {'does' if len(notes) == 1 else 'do'} not matter"
