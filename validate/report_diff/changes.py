"""The result of comparing two reports, for JSON and for a pull request."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from paddleport.validate.reports import figures

SCHEMA_VERSION = 1
COLUMNS = ("backend", "what", "old", "new", "change", "verdict")
MODEL = "(model)"  # in place of a backend's name
Kind = Literal["regression", "improvement", "change"]
_ORDER: tuple[Kind, ...] = ("regression", "improvement", "change")
_PLURALS = {"regression": "regressions", "improvement": "improvements", "change": "other changes"}


@dataclass(frozen=True, kw_only=True)
class ReportChange:
    """One thing that is not as it was.

    Attributes:
        backend: the row's name, or ``(model)``.
        what: changed.
        old, new: as OLD and NEW have it, in words; empty where it has none.
        change: how far, or why, in words.
        kind: ``change`` is worth a look and neither better nor worse for certain.
        ratio: new by old, where both are numbers and old is not 0.
        normalised: of a latency, the ratio by that of Paddle (its normaliser) in the same reports.
    """

    backend: str
    what: str
    old: str
    new: str
    change: str
    kind: Kind
    ratio: float | None = None
    normalised: float | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """Texts for ``COLUMNS``."""
        return (self.backend, self.what, self.old, self.new, self.change, self.kind)


@dataclass(frozen=True)
class ReportDiff:
    """What changed from OLD to NEW beyond noise.

    Attributes:
        changes: regressions first, then improvements, then the rest.
        notes: what differs between the two runs, and what could not be compared for it.
    """

    changes: tuple[ReportChange, ...]
    notes: tuple[str, ...]

    @property
    def regressed(self) -> bool:
        """Whether anything is worse."""
        return any(change.kind == "regression" for change in self.changes)

    @property
    def conclusion(self) -> str:
        """All of it in one line."""
        if not self.changes:
            return "nothing changed beyond noise"
        kinds = [change.kind for change in self.changes]
        counts = [(kind, kinds.count(kind)) for kind in _ORDER if kind in kinds]
        text = ", ".join(
            f"{count} {_PLURALS[kind] if count > 1 else _PLURALS[kind].removesuffix('s')}"
            for kind, count in counts
        )
        return text if self.regressed else f"no regression: {text}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "schema": SCHEMA_VERSION,
            "regressed": self.regressed,
            "conclusion": self.conclusion,
            **asdict(self),
        }

    def to_markdown(self) -> str:
        """A summary to paste into a pull request."""
        blocks = [f"**{self.conclusion}**"]
        if self.changes:
            lines = [COLUMNS, ("---",) * len(COLUMNS), *(item.cells for item in self.changes)]
            blocks.append("\n".join(f"| {' | '.join(map(_safe, line))} |" for line in lines))
        if self.notes:
            blocks.append("\n".join(f"- {_safe(note)}" for note in self.notes))
        return "\n\n".join(blocks) + "\n"

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


def in_order(changes: Sequence[ReportChange]) -> tuple[ReportChange, ...]:
    """Regressions first; otherwise as they were found."""
    return tuple(sorted(changes, key=lambda change: _ORDER.index(change.kind)))


def ratio(old: float, new: float) -> float | None:
    """New by old; ``None`` where that is no number."""
    found = new / old if old and math.isfinite(old) else math.inf
    return found if math.isfinite(found) else None


def times(factor: float | None) -> str:
    """A ratio in words, such as ``×1.31``; empty where there is none."""
    if factor is None:
        return ""
    return f"×{factor:.2f}" if factor < 10 else f"×{factor:.3g}"


def _safe(text: str) -> str:
    """One line that ends no table cell and opens no tag."""
    plain = figures.one_line(figures.printable(text))
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
