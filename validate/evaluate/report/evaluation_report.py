"""The evaluation's report: how accurate each backend is, and whether that is lower than Paddle."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from paddleport.validate.evaluate.accuracy.evaluated_row import EvaluatedRow, EvaluationVerdict
from paddleport.validate.evaluate.counts.tally import Tally
from paddleport.validate.labelled.listing import shown
from paddleport.validate.reports.written_report import WrittenReport

if TYPE_CHECKING:
    from paddleport.validate.reports.tables import Table

SCHEMA_VERSION = 1
KIND = "evaluation"  # which no parity report has
MAX_DROP = 0.01
_EXIT_CODES: dict[EvaluationVerdict, int] = {"passed": 0, "lower": 1, "unproven": 2}


@dataclass(frozen=True, kw_only=True)
class RowFacts:
    """What the pass knows of a row beside its answers.

    Attributes:
        name: as the tally has it.
        backend: what ran.
        precision: read back from the runtime; empty where it is not known.
        version: of the runtime.
        pictures_per_second: of this row alone, if that was measured.
        notes: what differs from the plain case.
    """

    name: str
    backend: str
    precision: str = ""
    version: str = ""
    pictures_per_second: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EvaluationFacts:
    """What the pass knows beside the answers.

    Attributes:
        title: the model's, as reports show it.
        name: of the model.
        weights: where they are from.
        data: what was read, such as ``folders val``.
        rows: what is known of each row; in any order.
        published_top1, published_top5: shares, 0 to 1; ``None`` where nobody published any.
        published_source: where these are from.
        data_sha256: over the data's listing.
        count: pictures that the data has; ``None`` where that is not known.
        limit: the most that were wanted; ``None`` for all.
        labels: class names by index.
        max_drop: how much lower than native Paddle's an accuracy may be, a share.
        seconds: that the pass took, in all its parts where it was interrupted.
        pictures_per_second: of the whole pass.
        command: what was typed; empty where there was no command line.
        created: when, as ISO 8601 in UTC.
        environment: machine and versions, as a parity report has it.
        model: more of it: hashes, opset, sizes.
        notes: what else there is to know of the whole pass.
    """

    title: str
    name: str
    weights: str
    data: str
    rows: tuple[RowFacts, ...]
    published_top1: float | None = None
    published_top5: float | None = None
    published_source: str = ""
    data_sha256: str = ""
    count: int | None = None
    limit: int | None = None
    labels: tuple[str, ...] | None = field(default=None, repr=False)
    max_drop: float = MAX_DROP
    seconds: float | None = None
    pictures_per_second: float | None = None
    command: str = ""
    created: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UnreadablePicture:
    """A picture that no backend was given, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class EvaluatedData:
    """The pictures.

    Attributes:
        source: what was read.
        sha256: over its listing.
        count: pictures that it has; ``None`` where that is not known.
        limit: the most that were wanted; ``None`` for all.
        classes: of the model.
        classes_seen: of these, those that have pictures.
        pictures: read and answered.
        unreadable: pictures that could not be read; they are in none of the shares.
        unreadable_listed: the first of them.
    """

    source: str
    sha256: str
    count: int | None
    limit: int | None
    classes: int
    classes_seen: int
    pictures: int
    unreadable: int
    unreadable_listed: tuple[UnreadablePicture, ...]


@dataclass(frozen=True, kw_only=True)
class PublishedAccuracy:
    """As published, not measured here: shares, ``None`` where there are none, and their source."""

    top1: float | None
    top5: float | None
    source: str


@dataclass(frozen=True, kw_only=True)
class EvaluationReport(WrittenReport):
    """How accurate a model is on each backend, on labelled pictures.

    In a notebook it shows itself as a table.

    Attributes:
        model: title, name, weights, and what else is known of it.
        data: the pictures.
        published: the model's published accuracy.
        reference: the row that the others are held against; ``None`` without one.
        k: of top-k, mostly 5.
        max_drop: how much lower an accuracy may be, a share.
        rows: one per backend, in the order of the pass.
        label_problem: why the labels may not be this model's; empty where they may be.
        labels: the names of the classes that the report mentions, by index as text.
        seconds: that the pass took.
        pictures_per_second: of the whole pass.
        environment: machine and versions.
        command: what was typed.
        created: when, as ISO 8601 in UTC.
        notes: what else there is to know.
    """

    model: Mapping[str, Any]
    data: EvaluatedData
    published: PublishedAccuracy
    reference: str | None
    k: int
    max_drop: float
    rows: tuple[EvaluatedRow, ...]
    label_problem: str
    labels: Mapping[str, str]
    seconds: float | None
    pictures_per_second: float | None
    environment: Mapping[str, Any]
    command: str
    created: str
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> EvaluationVerdict:
        """``lower`` if any row is; ``passed`` if at least one was judged and all of them pass."""
        verdicts = {row.verdict for row in self.rows if row.verdict != "reference"}
        if "lower" in verdicts:
            return "lower"
        return "passed" if verdicts == {"passed"} else "unproven"

    @property
    def exit_code(self) -> int:
        """0 passed, 1 lower, 2 unproven; 1 too where all pass and pictures could not be read."""
        if self.verdict == "passed" and self.data.unreadable:
            return 1
        return _EXIT_CODES[self.verdict]

    def class_name(self, label: int) -> str:
        """A class as a reader knows it: its index, and the first of its names, if it has any."""
        if label < 0:
            return "no answer"
        name = shown(self.labels.get(str(label), "").partition(", ")[0])
        return f"{label} {name}" if name else f"class {label}"

    def table(self) -> "Table":
        """A line per backend, for the terminal."""
        from paddleport.validate.evaluate.report.evaluation_tables import evaluated_rows

        return evaluated_rows(self)

    @property
    def file_stem(self) -> str:
        """Of ``evaluate.html``, ``.md`` and ``.json``."""
        return "evaluate"

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, as ``evaluate.schema.json`` describes them."""
        from paddleport.validate.reports.figures import json_value

        head = {"schema": SCHEMA_VERSION, "kind": KIND, "verdict": self.verdict}
        values: dict[str, Any] = json_value({**head, **asdict(self)})
        return values

    def to_markdown(self) -> str:
        """The report as Markdown, to paste into a pull request."""
        from paddleport.validate.evaluate.report.evaluation_markdown import evaluation_markdown

        return evaluation_markdown(self)

    def to_html(self) -> str:
        """The report as one HTML page that needs nothing else."""
        from paddleport.validate.evaluate.report.evaluation_html import evaluation_html

        return evaluation_html(self)


def evaluation_report(tally: Tally, facts: EvaluationFacts) -> EvaluationReport:
    """What a pass found, with the verdict on every row.

    Raises:
        UsageError: ``max_drop`` is no share above 0 and below 1.
    """
    from paddleport.validate.evaluate.report.report_assembly import assembled_report

    return assembled_report(tally, facts)
