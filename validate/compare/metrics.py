"""How far one output is from another, in every figure that people in this field read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paddleport.runners.tasks.classification import is_softmax, log_probabilities
from paddleport.tensors import Array
from paddleport.validate.compare.error_scale import ErrorScale

_TOP = 5


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """One output against another's, over all feeds.

    ``a`` is the candidate's, ``b`` the reference's, rms the root mean square of ``b``.

    Attributes:
        scaled: largest ``|a - b| / (|b| + scale)`` in the measure of the verdict (values or
            log-probabilities): the tolerance's unit.
        ulp: largest ``|a - b|`` in float32 spacings at ``max(|b|, rms)``.
        max_abs: largest ``|a - b|``.
        max_rel: largest ``|a - b| / max(|b|, rms)``: the floor keeps zeros from deciding.
        rmse: root of the mean ``(a - b)^2``.
        cosine: of the angle between all of ``a`` and all of ``b``; ``None`` if one is zero.
        snr_db: ``10 log10(sum b^2 / sum (a - b)^2)``; ``None`` where they are equal or b is zero.
        log_probability: largest difference of log-probabilities, as far down as native Paddle
            knows them; ``None`` unless both are softmax outputs.
        kl: largest Kullback-Leibler divergence of a row, KL(b || a), in nats; likewise.
    """

    scaled: float
    ulp: float
    max_abs: float
    max_rel: float
    rmse: float
    cosine: float | None
    snr_db: float | None
    log_probability: float | None
    kl: float | None


@dataclass(frozen=True, kw_only=True)
class Top1Change:
    """A row whose largest class changed.

    Attributes:
        feed: the feed's name.
        row: batch position.
        expected: the reference's class.
        found: the candidate's class.
        margin: how far the reference's first class is before its second, in the output's own
            values; a change within rounding of a margin of 0 means nothing.
    """

    feed: str
    row: int
    expected: int
    found: int
    margin: float


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Whether the classes come out in the same order.

    Attributes:
        top1_agreeing: rows whose largest class is the same.
        total: rows compared.
        top5_overlap: mean share of the reference's five largest classes among the candidate's.
        changes: every row whose largest class changed.
        smallest_margin: of the reference, over all rows.
    """

    top1_agreeing: int
    total: int
    top5_overlap: float
    changes: tuple[Top1Change, ...]
    smallest_margin: float


def measure_error(
    candidate: Sequence[Array], reference: Sequence[Array], error_scale: ErrorScale
) -> Metrics | None:
    """All metrics of one output; ``None`` where a feed's tensors cannot be compared by value.

    Args:
        candidate: one floating-point tensor per feed.
        reference: the same of what it is compared with.
        error_scale: the output's unit of error.
    """
    if error_scale.measure == "equality":
        return None
    if any(one.shape != other.shape for one, other in zip(candidate, reference, strict=True)):
        return None
    sums = _Sums()
    rms = _root_mean_square(reference)
    worst = log_probability = divergence = 0.0
    for one, other in zip(candidate, reference, strict=True):
        a, b = one.astype(np.float64), other.astype(np.float64)
        if not np.array_equal(np.isfinite(a), np.isfinite(b)):
            return None
        sums.add(a[np.isfinite(b)], b[np.isfinite(b)], rms)
        if error_scale.measure == "log-probabilities":
            found, wanted = log_probabilities(a), log_probabilities(b)
            log_probability = max(log_probability, float(np.abs(found - wanted).max(initial=0.0)))
            kl = (b * (wanted - found)).sum(axis=-1)
            divergence = max(divergence, float(kl.max(initial=0.0)))
        worst = max(worst, error_scale.error(one, other))
    if not math.isfinite(worst):
        return None
    probabilities = error_scale.measure == "log-probabilities"
    return Metrics(
        scaled=worst,
        ulp=sums.ulp,
        max_abs=sums.max_abs,
        max_rel=sums.max_rel,
        rmse=math.sqrt(sums.square_error / sums.count) if sums.count else 0.0,
        cosine=sums.cosine,
        snr_db=sums.snr_db,
        log_probability=log_probability if probabilities else None,
        kl=divergence if probabilities else None,
    )


def compare_rankings(
    reference: Sequence[Array],
    candidate: Sequence[Array],
    feeds: Sequence[str],
    *,
    batches: Sequence[int] = (),
    classes: int = 0,
) -> Ranking | None:
    """How far two classifiers agree on the order of classes; ``None`` for no classifier.

    One has probabilities for its output, or as many numbers a row as the model has names of
    classes. An embedding has neither, nor has a list of boxes.

    Args:
        reference: [N, classes] of floats for each feed.
        candidate: the same.
        feeds: the feeds' names.
        batches: how many examples each feed holds; 0 where that is not known.
        classes: how many classes the model has names for; 0 where it has none.
    """
    if any(
        tensor.ndim != 2 or tensor.shape[-1] < 2 or not np.issubdtype(tensor.dtype, np.floating)
        for tensor in (*reference, *candidate)
    ):
        return None
    if any(one.shape != other.shape for one, other in zip(reference, candidate, strict=True)):
        return None
    lengths = zip(reference, batches, strict=bool(batches))
    if any(batch and len(tensor) != batch for tensor, batch in lengths):
        return None
    named = all(tensor.shape[-1] == classes for tensor in reference)
    if not named and not all(is_softmax(tensor) for tensor in reference if tensor.size):
        return None
    agreeing = total = 0
    overlaps: list[float] = []
    changes: list[Top1Change] = []
    smallest = math.inf
    for wanted, found, feed in zip(reference, candidate, feeds, strict=True):
        for row, (expected, given) in enumerate(zip(wanted, found, strict=True)):
            if not np.isfinite(expected).all():
                continue
            order, other = np.argsort(-expected, kind="stable"), np.argsort(-given, kind="stable")
            margin = float(expected[order[0]] - expected[order[1]])
            smallest = min(smallest, margin) if math.isfinite(margin) else smallest
            total += 1
            agreeing += int(order[0] == other[0])
            top = min(_TOP, len(order))
            overlaps.append(len(set(order[:top]) & set(other[:top])) / top)
            if order[0] != other[0]:
                shown = margin if math.isfinite(margin) else 0.0
                changes.append(
                    Top1Change(
                        feed=feed,
                        row=row,
                        expected=int(order[0]),
                        found=int(other[0]),
                        margin=shown,
                    )
                )
    if not total:
        return None
    margin = smallest if math.isfinite(smallest) else 0.0
    return Ranking(
        top1_agreeing=agreeing,
        total=total,
        top5_overlap=float(np.mean(overlaps)),
        changes=tuple(changes),
        smallest_margin=margin,
    )


class _Sums:
    """What is added up over the feeds, one at a time, so that memory stays that of one."""

    def __init__(self) -> None:
        self.count = 0
        self.ulp = self.max_abs = self.max_rel = 0.0
        self.square_error = self._candidate = self._reference = self._product = 0.0

    def add(self, a: NDArray[np.float64], b: NDArray[np.float64], rms: float) -> None:
        if not a.size:
            return
        difference = np.abs(a - b)
        size = np.maximum(np.abs(b), rms)
        self.count += a.size
        self.max_abs = max(self.max_abs, float(difference.max()))
        self.square_error += float(np.sum(difference**2))
        self._candidate += float(np.sum(a**2))
        self._reference += float(np.sum(b**2))
        self._product += float(np.sum(a * b))
        if difference.any():
            smallest = float(np.finfo(np.float32).tiny)
            relative = difference / np.maximum(size, smallest)
            self.max_rel = max(self.max_rel, float(relative.max()))
            largest = float(np.finfo(np.float32).max)
            spacing = np.spacing(np.clip(size, smallest, largest).astype(np.float32))
            self.ulp = max(self.ulp, float((difference / spacing.astype(np.float64)).max()))

    @property
    def cosine(self) -> float | None:
        length = math.sqrt(self._candidate) * math.sqrt(self._reference)
        return max(-1.0, min(1.0, self._product / length)) if length else None

    @property
    def snr_db(self) -> float | None:
        if not self.square_error or not self._reference:
            return None
        return 10 * (math.log10(self._reference) - math.log10(self.square_error))


def _root_mean_square(tensors: Sequence[Array]) -> float:
    total, count = 0.0, 0
    for tensor in tensors:
        finite = tensor[np.isfinite(tensor)].astype(np.float64)
        total += float(np.sum(finite**2))
        count += finite.size
    return math.sqrt(total / count) if count else 0.0
