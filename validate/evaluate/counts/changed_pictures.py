"""The pictures whose answer changed: counted all, and the most telling ones kept."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from paddleport.validate.evaluate.counts.picture_thumbnail import data_uri
from paddleport.validate.evaluate.counts.scored_batch import ScoredBatch

ChangeKind = Literal["lost", "gained", "other"]
KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)
KEPT = {"lost": 12, "gained": 6, "other": 6}
"""How many of each kind are shown: 24 in all."""


@dataclass(frozen=True, kw_only=True)
class ChangedPicture:
    """A picture that native Paddle and a backend answer differently.

    Attributes:
        name: of the picture.
        kind: ``lost`` where Paddle is right, ``gained`` where the backend is, else ``other``.
        label: the true class.
        reference_answer, answer: Paddle's class and the backend's; -1 for none (not finite).
        reference_probability, probability: of its own answer, as each gives it.
        margin: how much likelier Paddle holds its own answer than the backend's, 0 to 1.
        thumbnail: a small JPEG of it as a data URI; empty where none could be made.
    """

    name: str
    kind: ChangeKind
    label: int
    reference_answer: int
    answer: int
    reference_probability: float | None
    probability: float | None
    margin: float
    thumbnail: str = ""


class ChangedPictures:
    """Counts of each kind of change, and of each kind the pictures with the largest margin.

    Where Paddle is nearly undecided rounding alone may decide; an answer that moved though Paddle
    was sure says more, so these are kept. Of equal margins the first stays.

    Attributes:
        lost, gained, other: how many pictures changed so.
        kept: those that are shown.
    """

    def __init__(self) -> None:
        self.counts: dict[ChangeKind, int] = dict.fromkeys(KINDS, 0)
        self.kept: list[ChangedPicture] = []

    def add(
        self,
        names: Sequence[str],
        labels: NDArray[np.int64],
        reference: ScoredBatch,
        candidate: ScoredBatch,
        thumbnails: Callable[[int], bytes | None] | None,
    ) -> None:
        """Count a batch, and ask for the thumbnails of what is kept."""
        for place in np.flatnonzero(reference.answers != candidate.answers).tolist():
            one, other = int(reference.answers[place]), int(candidate.answers[place])
            label = int(labels[place])
            kind: ChangeKind = "lost" if one == label else "gained" if other == label else "other"
            self.counts[kind] += 1
            own, new = reference.shown(place, [one, other])
            margin = own - new if np.isfinite(own - new) else 1.0
            if not self._makes_room(kind, margin):
                continue
            made = thumbnails(place) if thumbnails is not None else None
            self.kept.append(
                ChangedPicture(
                    name=names[place],
                    kind=kind,
                    label=label,
                    reference_answer=one,
                    answer=other,
                    reference_probability=_finite(own),
                    probability=_finite(candidate.shown(place, [other])[0]),
                    margin=margin,
                    thumbnail=data_uri(made) if made else "",
                )
            )

    @property
    def in_order(self) -> tuple[ChangedPicture, ...]:
        """What was kept: lost ones first, and of a kind those that Paddle was surest of."""
        return tuple(sorted(self.kept, key=lambda item: (KINDS.index(item.kind), -item.margin)))

    def state(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {"counts": dict(self.counts), "kept": [asdict(item) for item in self.kept]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "ChangedPictures":
        """What ``state`` gave."""
        made = cls()
        made.counts = {kind: int(state["counts"][kind]) for kind in KINDS}
        made.kept = [ChangedPicture(**item) for item in state["kept"]]
        return made

    def _makes_room(self, kind: ChangeKind, margin: float) -> bool:
        rivals = [item for item in self.kept if item.kind == kind]
        if len(rivals) < KEPT[kind]:
            return True
        least = min(reversed(rivals), key=lambda item: item.margin)
        if margin <= least.margin:
            return False
        self.kept.remove(least)
        return True


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
