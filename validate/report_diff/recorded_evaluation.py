"""What a comparison needs of an evaluation, read from its values and checked."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from msgspec import Struct, ValidationError, convert

from paddleport.errors import OutputError
from paddleport.validate.evaluate.accuracy.evaluated_row import EvaluatedVerdict
from paddleport.validate.report_diff.recorded_report import Count, Number, RecordedEnvironment

READABLE_EVALUATIONS = (1,)


class RecordedShare(Struct, frozen=True, kw_only=True):
    """Pictures that count, of how many."""

    right: Count
    count: Count

    def __post_init__(self) -> None:
        if self.right > self.count:
            raise ValueError(f"{self.right} right of {self.count}")

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.right / max(self.count, 1)


class RecordedChanges(Struct, frozen=True, kw_only=True):
    """Answers that are not native Paddle's."""

    lost: Count
    gained: Count
    other: Count

    @property
    def total(self) -> int:
        """All of them."""
        return self.lost + self.gained + self.other


class RecordedEvaluatedRow(Struct, frozen=True, kw_only=True):
    """One backend; the fields are those of ``EvaluatedRow``."""

    name: str
    verdict: EvaluatedVerdict
    reason: str = ""
    precision: str = ""
    top1: RecordedShare
    topk: RecordedShare | None = None
    loss: Number | None = None
    changes: RecordedChanges | None = None
    not_finite: Count = 0
    pictures_per_second: Number | None = None

    def __post_init__(self) -> None:
        if self.changes and self.changes.total > self.top1.count:
            raise ValueError(f"{self.changes.total} changed of {self.top1.count}")


class RecordedData(Struct, frozen=True, kw_only=True):
    """The pictures; the fields are those of ``EvaluatedData``."""

    source: str = ""
    sha256: str = ""
    pictures: Count
    unreadable: Count = 0
    limit: Count | None = None


class RecordedEvaluation(Struct, frozen=True, kw_only=True, dict=True):
    """One evaluation; the fields are those of ``EvaluationReport``."""

    model: dict[str, Any]
    data: RecordedData
    rows: tuple[RecordedEvaluatedRow, ...]
    reference: str | None = None
    k: Count = 5
    max_drop: Number
    environment: RecordedEnvironment = RecordedEnvironment()
    command: str = ""
    created: str = ""

    @cached_property
    def backends(self) -> dict[str, RecordedEvaluatedRow]:
        """Rows by name."""
        return {row.name: row for row in self.rows}


def read_evaluation(values: Mapping[str, Any], source: str) -> RecordedEvaluation:
    """An evaluation whose schema is known here.

    Args:
        values: as ``EvaluationReport.to_dict`` gives them.
        source: what to call it in an error.

    Raises:
        OutputError: the schema is not known, or a value is missing or not of its type.
    """
    schema = values.get("schema")
    if schema not in READABLE_EVALUATIONS or isinstance(schema, bool):
        known = ", ".join(map(str, READABLE_EVALUATIONS))
        raise OutputError(
            f"{source} has schema {schema!r:.40}, and {known} is read here: evaluate again with "
            "this version of paddleport"
        )
    try:
        return convert(values, RecordedEvaluation)
    except ValidationError as error:
        why, _, path = str(error).partition(" - at ")
        place = path.strip("`").removeprefix("$.")
        raise OutputError(
            f"{source} is no report of evaluate: {place}: {why}; give it an evaluate.json of "
            "paddleport evaluate"
        ) from None
