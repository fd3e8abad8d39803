"""The result of a search for the fastest configuration, and how it was come by."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from paddleport.validate.accuracy_gate.gate import GateResult
from paddleport.validate.tune.candidate import Goal, TuneCandidate

State = Literal["chosen", "equal", "slower", "dropped", "failed the gate", "not possible", "failed"]


@dataclass(frozen=True, kw_only=True)
class TunedRow:
    """One configuration.

    Attributes:
        candidate: what was tried.
        state: ``slower`` went to the end and lost; ``dropped`` lost before; ``not possible`` is
            what the backend does not offer here.
        reason: why it is out, where its time is not the reason.
        gate: what the gate says of its answers; ``None`` if it never answered.
        ms_per_picture: median; after the gate timed briefly only; ``None`` if it was not timed.
        interval_ms: 95 % interval of that median; ``None`` where it was timed briefly.
        runs: how many runs were timed.
    """

    candidate: TuneCandidate
    state: State
    reason: str = ""
    gate: GateResult | None = None
    ms_per_picture: float | None = None
    interval_ms: tuple[float, float] | None = None
    runs: int = 0

    @property
    def pictures_per_s(self) -> float | None:
        """By the median."""
        return 1e3 / self.ms_per_picture if self.ms_per_picture else None


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Which configuration is fastest here, and all that were tried.

    Attributes:
        model: title, name, weights and hashes.
        goal: what for.
        rows: the chosen one first, then by time; what is out comes last.
        judged_on: the pictures of the gate.
        judged_sha256: over them.
        threads: CPU threads that were shared out.
        seconds: what it took.
        environment: machine and versions.
        command: what was typed.
        created: when, as ISO 8601 in UTC.
        not_tried: backends that were not named and cannot be used here, and why.
    """

    model: Mapping[str, Any]
    goal: Goal
    rows: tuple[TunedRow, ...]
    judged_on: str
    judged_sha256: str
    threads: int
    seconds: float
    environment: Mapping[str, Any]
    command: str
    created: str
    not_tried: Mapping[str, str] = field(default_factory=dict)

    @property
    def chosen(self) -> TunedRow | None:
        """The fastest one that passed the gate, of equals the simplest; ``None`` if none did."""
        return next((row for row in self.rows if row.state == "chosen"), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        values = asdict(self)
        for row, plain in zip(self.rows, values["rows"], strict=True):
            plain["candidate"]["name"] = row.candidate.name
        return values
