"""Whether the labels can be those of the model: not near chance, not moved, not in another order.

Decided on one row, native Paddle's: what it makes of most pictures is what the model was taught.
"""

import numpy as np
from numpy.typing import NDArray

from paddleport.validate.evaluate.accuracy.proportions import wilson_interval
from paddleport.validate.evaluate.counts.confusion_counts import ConfusionCounts

_TELLING = 10  # times what is let pass, as in the accuracy gate, up to 10 points
_SURE = 4.0  # standard errors: one false alarm in 30,000
_MOVED_CLASSES = 3  # one class with one answer is no moved list
_PICTURES = 5  # of a class, before its commonest answer means anything
_MAPPED = 0.6  # of a class's pictures that have one other answer
_NEARLY_ALL = 0.9  # of such answers are different ones


def wrong_labels(confusion: ConfusionCounts, totals: NDArray[np.int64]) -> str:
    """What is wrong with the labels, in a sentence; empty where they may be right."""
    # an order of texts has runs that are moved, and a list that is moved is another order
    return _reordered(confusion, totals) or _moved(confusion, totals)


def near_chance(right: int, totals: NDArray[np.int64], max_drop: float, who: str) -> str:
    """That one constant answer would be as good, or nearly; empty where it would be seen."""
    count = int(totals.sum())
    constant, share = float(totals.max()) / count, right / count
    if share >= constant + min(_TELLING * max_drop, max(0.1, 2 * max_drop)):
        return ""
    return (
        f"{who} itself is right on {share:.1%}, and one constant answer on {constant:.1%}: are "
        "these the labels of this model?"
    )


def _moved(confusion: ConfusionCounts, totals: NDArray[np.int64]) -> str:
    labels, answers, counts = confusion.wrong_answers()
    if not len(labels):
        return ""
    size, total = confusion.classes, int(totals.sum())
    by_distance = np.bincount(answers - labels + size, counts, minlength=2 * size)
    distance = int(by_distance.argmax()) - size
    found = int(by_distance.max())
    classes = int((answers - labels == distance).sum())
    right = int(confusion.right.sum())
    clear = wilson_interval(found, total, _SURE)[0] > wilson_interval(right, total, _SURE)[1]
    if not clear or classes < min(_MOVED_CLASSES, size - 1) or size < 3:
        return ""
    if distance == -1 and not totals[0]:
        why = "they count from 1 and the model from 0: subtract 1 from each"
    else:
        why = f"add {distance} to each" if distance > 0 else f"subtract {-distance} from each"
    return (
        f"the labels look moved by {-distance:+d}: as they are {right / total:.1%} of the answers "
        f"are right, moved back {found / total:.1%}; {why}"
    )


def _reordered(confusion: ConfusionCounts, totals: NDArray[np.int64]) -> str:
    """Where nearly every class has one other answer, and each its own."""
    labels, answers, counts = confusion.wrong_answers()
    order = np.lexsort((-counts, labels))
    first = order[np.unique(labels[order], return_index=True)[1]] if len(order) else order
    labels, answers, counts = labels[first], answers[first], counts[first]
    mapped = (totals[labels] >= _PICTURES) & (counts > _MAPPED * totals[labels])
    labels, answers, counts = labels[mapped], answers[mapped], counts[mapped]
    total, right = int(totals.sum()), int(confusion.right.sum())
    if len(labels) < 2 or 2 * int(counts.sum()) < total or right > int(counts.sum()) / 2:
        return ""
    if len(np.unique(answers)) < _NEARLY_ALL * len(answers):
        return ""
    alike = np.unique(answers - labels, return_counts=True)[1].max()
    if len(labels) >= _MOVED_CLASSES and alike >= _NEARLY_ALL * len(labels):
        return ""
    pairs = ", ".join(
        f"{label} as {answer}" for label, answer in list(zip(labels, answers, strict=True))[:3]
    )
    return (
        f"the labels look like another order of the classes: {len(labels)} classes are each "
        f"answered as one other ({pairs}, ...), which would make "
        f"{(right + counts.sum()) / total:.1%} right instead of {right / total:.1%}"
    )
