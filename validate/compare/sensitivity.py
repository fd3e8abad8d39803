"""The proof that a comparison could have failed: a disturbed reference must be distinguished."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.compare.error_scale import ErrorScale

REFUSED_AT = 4.0  # times the limit; of two classes, centring halves what one is moved by
ACCEPTED_AT = 0.25
_SEED = 20_261_124


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """The reference's own output, or float64's, disturbed, and compared as the candidate was.

    Attributes:
        refused_at: how many times the limit one element was moved by; must be refused.
        refused: whether it was.
        accepted_at: how many times the limit every element was moved by; must be accepted.
        accepted: whether it was.
    """

    refused_at: float
    refused: bool
    accepted_at: float
    accepted: bool

    @property
    def holds(self) -> bool:
        """Whether both came out as they must."""
        return self.refused and self.accepted


def prove_sensitivity(
    reference: Sequence[Array],
    error_scale: ErrorScale,
    limit: float,
    agrees: Callable[[list[Array]], bool],
) -> Sensitivity | None:
    """Disturb the reference by known shares of the limit, and ask whether they still agree.

    Whole numbers have one element changed by 1, and are accepted unchanged. An element that
    cannot be seen to move, such as one at the floor of native Paddle's softmax, is not the one.

    Args:
        reference: one tensor per feed.
        error_scale: the output's unit of error.
        limit: of the tolerance.
        agrees: compares a list of tensors as a candidate's.

    Returns:
        ``None`` where no element can be seen to move: no finite one, an output without scale, or
        one in which all classes but one are at that floor.
    """
    generator = np.random.Generator(np.random.PCG64(_SEED))
    places = [
        (index, np.flatnonzero(error_scale.shows(item))) for index, item in enumerate(reference)
    ]
    places = [(index, found) for index, found in places if found.size]
    if not places or (error_scale.measure != "equality" and not error_scale.scale):
        return None
    index, found = places[int(generator.integers(len(places)))]
    place = int(found[int(generator.integers(found.size))])
    one_moved = [tensor.copy() for tensor in reference]
    share = np.zeros(reference[index].shape)
    share.flat[place] = 1.0 if error_scale.measure == "equality" else REFUSED_AT * limit
    one_moved[index] = _moved(reference[index], share, error_scale)
    if error_scale.measure == "equality":
        return Sensitivity(
            refused_at=1.0,
            refused=not agrees(one_moved),
            accepted_at=0.0,
            accepted=agrees(list(reference)),
        )
    all_moved = [
        _moved(
            tensor, ACCEPTED_AT * limit * generator.choice((-1.0, 1.0), tensor.shape), error_scale
        )
        for tensor in reference
    ]
    return Sensitivity(
        refused_at=REFUSED_AT,
        refused=not agrees(one_moved),
        accepted_at=ACCEPTED_AT,
        accepted=agrees(all_moved),
    )


def _moved(tensor: Array, shares: Array, error_scale: ErrorScale) -> Array:
    """``tensor`` with each element moved by ``shares`` of its unit, in its own type if that can."""
    if error_scale.measure == "equality":
        changed = np.asarray(shares) != 0
        if tensor.dtype == np.bool_:
            return np.asarray(tensor ^ changed)
        return np.asarray(tensor + changed.astype(tensor.dtype))
    unit = np.asarray(error_scale.unit(error_scale.values(tensor)))
    moves = np.where(np.isfinite(unit), unit, 0) * shares
    exact = np.asarray(tensor, np.float64)
    if error_scale.measure == "log-probabilities":
        probabilities = exact * np.exp(moves)
        exact = probabilities / probabilities.sum(axis=-1, keepdims=True)
    else:
        exact = exact + moves
    # a step of float16 is more than the limit of float32, in which it may have been computed
    return np.asarray(exact, np.promote_types(tensor.dtype, np.float32))
