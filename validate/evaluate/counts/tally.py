"""The answers of several backends to labelled pictures, counted in constant memory."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paddleport.errors import OutputError, UsageError
from paddleport.tensors import Array, format_shape
from paddleport.validate.evaluate.counts.row_tally import RowTally
from paddleport.validate.evaluate.counts.scored_batch import ScoredBatch, score_batch

_STATE_VERSION = 1
_LISTED = 50  # unreadable pictures


class Tally:
    """Counts of right, wrong and changed answers; the memory is that of the classes alone.

    Every sum is one of whole numbers: pictures may come in batches of any size, and a pass that
    goes on from ``state`` ends with the same tally as one that was never interrupted.

    Attributes:
        rows: the backends' names to their counts.
        reference: the row that the others' answers are held against; ``None`` without one.
        classes: of the model.
        pictures: read and answered so far.
        unreadable_count: pictures that could not be read.
        unreadable_listed: the first of these, with the reason.
        totals: pictures of each class.
    """

    def __init__(self, rows: Sequence[str], reference: str | None, classes: int) -> None:
        if reference is not None and reference not in rows:
            raise ValueError(f"the reference {reference!r} is none of the rows")
        if len(set(rows)) != len(rows) or classes < 2:
            raise ValueError("rows have names of their own, and a classifier has 2 classes or more")
        self.rows = {name: RowTally(classes) for name in rows}
        self.reference = reference
        self.classes = classes
        self.pictures = 0
        self.unreadable_count = 0
        self.unreadable_listed: list[tuple[str, str]] = []
        self.totals = np.zeros(classes, np.int64)

    def add(
        self,
        names: Sequence[str],
        labels: NDArray[np.int64],
        outputs: Mapping[str, Array],
        thumbnails: Callable[[int], bytes | None] | None = None,
    ) -> None:
        """Count a batch.

        Args:
            names: of the n pictures.
            labels: the true class of each, [n].
            outputs: each row's scores [n, classes], probabilities or logits; of every row but
                those that ``stop`` was called for.
            thumbnails: makes a small JPEG of the picture at a place in the batch; only asked for
                what is kept.

        Raises:
            OutputError: a row's scores are not of that shape.
            UsageError: a label is no class of the model.
        """
        labels = np.asarray(labels, np.int64)
        if len(labels) and not 0 <= labels.min() <= labels.max() < self.classes:
            wrong = labels[(labels < 0) | (labels >= self.classes)][0]
            raise UsageError(
                f"label {wrong} is no class: the model has {self.classes} classes, 0 to "
                f"{self.classes - 1}"
            )
        scored: dict[str, ScoredBatch] = {}
        for name, row in self.rows.items():
            if row.failure:
                continue
            found = outputs[name]
            if found.shape != (len(labels), self.classes):
                raise OutputError(
                    f"{name} gives [{format_shape(found.shape)}] for {len(labels)} pictures of a "
                    f"model with {self.classes} classes"
                )
            scored[name] = score_batch(found, labels)
        reference = None if self.reference is None else scored.get(self.reference)
        for name, batch in scored.items():
            against = None if name == self.reference else reference
            self.rows[name].add(names, labels, batch, against, thumbnails)
        np.add.at(self.totals, labels, 1)
        self.pictures += len(labels)

    def unreadable(self, name: str, reason: str) -> None:
        """Count a picture that nobody could be given."""
        self.unreadable_count += 1
        if len(self.unreadable_listed) < _LISTED:
            self.unreadable_listed.append((name, reason))

    def stop(self, row: str, reason: str) -> None:
        """A backend gives no more answers: its row has failed, and the others go on."""
        self.rows[row].failure = reason

    def top1(self, row: str) -> float:
        """The accuracy so far; 0 before the first picture."""
        return self.rows[row].counts["top1"] / max(self.pictures, 1)

    def state(self) -> dict[str, Any]:
        """All of it: plain values that JSON can hold under ``plain``, and arrays of numbers."""
        plain = {
            "version": _STATE_VERSION,
            "rows": {name: row.plain_state() for name, row in self.rows.items()},
            "reference": self.reference,
            "classes": self.classes,
            "pictures": self.pictures,
            "unreadable_count": self.unreadable_count,
            "unreadable_listed": [list(pair) for pair in self.unreadable_listed],
        }
        arrays = {
            f"{place}.{key}": item
            for place, row in enumerate(self.rows.values())
            for key, item in row.arrays().items()
        }
        return {"plain": plain, "totals": self.totals.copy(), **arrays}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Tally":
        """What ``state`` gave, also after its plain values went through JSON.

        Raises:
            OutputError: another version of paddleport wrote it.
        """
        plain = state["plain"]
        if plain["version"] != _STATE_VERSION:
            raise OutputError(
                "the interrupted evaluation was written by another version of paddleport: start "
                "it again without --resume"
            )
        made = cls(list(plain["rows"]), plain["reference"], int(plain["classes"]))
        made.pictures = int(plain["pictures"])
        made.unreadable_count = int(plain["unreadable_count"])
        made.unreadable_listed = [(name, reason) for name, reason in plain["unreadable_listed"]]
        made.totals = np.array(state["totals"], np.int64)
        for place, (name, row) in enumerate(plain["rows"].items()):
            start = f"{place}."
            arrays = {key.removeprefix(start): state[key] for key in state if key.startswith(start)}
            made.rows[name] = RowTally.from_state(made.classes, row, arrays)
        return made
