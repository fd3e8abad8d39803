"""The overview: one row a model, with its verdict, speed, size and published figures."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from paddleport.validate.diagnose.causes import Cause
from paddleport.validate.parity.parity_report import BackendRow, ParityReport, share_of_limit
from paddleport.validate.reports import figures
from paddleport.validate.reports.summary import explained
from paddleport.validate.reports.written_report import WrittenReport

SCHEMA_VERSION = 1
ModelVerdict = Literal["agrees", "differs", "unproven", "passed", "failed", "not run"]
EXIT_CODES: Mapping[ModelVerdict, int] = {
    **{"agrees": 0, "passed": 0, "not run": 0},
    **{"differs": 1, "failed": 1, "unproven": 2},
}
_BY_GRAVITY = ("differs", "failed", "unproven", "skipped", "agrees", "reference")


@dataclass(frozen=True, kw_only=True)
class ModelBackend:
    """One backend's figures for one model.

    Attributes:
        name: the row's name in the model's own report.
        computes_in: the precision read back from the runtime.
        verdict: as in the model's own report.
        p50_ms: median of the main configuration; ``None`` where nothing was measured.
        speed_up: how many times faster than native Paddle, by the median.
    """

    name: str
    computes_in: str
    verdict: str
    p50_ms: float | None = None
    speed_up: float | None = None


@dataclass(frozen=True, kw_only=True)
class OverviewRow:
    """One model's line.

    Attributes:
        name: of the zoo, or the folder's.
        verdict: of the model's own report or conversion; ``failed`` where it has none.
        exit_code: what the command for this model alone would have ended with.
        cause: of the gravest backend's verdict; where all agree, of the largest error.
        reason: why it does not agree, on one line; empty where it does.
        warning: what nobody may miss of its weights.
        weights: ``pretrained``, ``seeded``, ``checkpoint`` or ``own``; empty if it was not found.
        source_sha256: over program and parameters.
        opset: of the ONNX file.
        worst_error: the largest as a share of its limit, of all backends; ``None`` where nothing
            was compared, or not by value.
        limit: what is allowed there.
        worst_backend: whose it is.
        size_bytes: of the converted file.
        parameters: how many the graph holds.
        flops: operations of one inference, two a multiply-add, counted here.
        speed_reference: what the speeds are against.
        backends: in the report's order, without the reference itself.
        published: figures of the model's source; accuracies are shares of 1.
        page: the model's own report or file, as seen from the overview; empty where none is.
        seconds: that it took.
        measured: when, as ISO 8601 in UTC.
        from_before: whether an earlier run measured it.
    """

    name: str
    verdict: ModelVerdict
    exit_code: int
    cause: Cause = ""
    reason: str = ""
    warning: str = ""
    weights: str = ""
    source_sha256: str = ""
    opset: int | None = None
    worst_error: float | None = None
    limit: float | None = None
    worst_backend: str = ""
    size_bytes: int | None = None
    parameters: int | None = None
    flops: int | None = None
    speed_reference: str = ""
    backends: tuple[ModelBackend, ...] = ()
    published: Mapping[str, Any] = field(default_factory=dict)
    page: str = ""
    seconds: float = 0.0
    measured: str = ""
    from_before: bool = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "OverviewRow":
        """A row from its plain values.

        Raises:
            TypeError: they are another version's.
        """
        backends = tuple(ModelBackend(**item) for item in values["backends"])
        return cls(**{**values, "backends": backends})

    def backend(self, name: str) -> ModelBackend | None:
        """One backend's figures."""
        return next((item for item in self.backends if item.name == name), None)


@dataclass(frozen=True, kw_only=True)
class ModelOverview(WrittenReport):
    """Several models in one table. In a notebook it shows itself as one.

    Attributes:
        task: ``validate`` or ``convert``.
        title: what was asked for, such as ``MobileNetV2: 7 models``.
        rows: one a model, in the order asked for.
        total: how many models were asked for; more than ``rows`` while it is not complete.
        environment: machine and versions.
        command: what was typed; empty where there was no command line.
        created: when, as ISO 8601 in UTC.
    """

    task: Literal["validate", "convert"]
    title: str
    rows: tuple[OverviewRow, ...]
    total: int
    environment: Mapping[str, Any]
    command: str
    created: str

    @property
    def complete(self) -> bool:
        """Whether every model that was asked for has its row."""
        return len(self.rows) == self.total

    @property
    def exit_code(self) -> int:
        """The highest of its models'."""
        return max((row.exit_code for row in self.rows), default=0)

    @property
    def file_stem(self) -> str:
        """``index``, or ``conversions`` where nothing was validated."""
        return "index" if self.task == "validate" else "conversions"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as ``overview.schema.json`` describes them."""
        head = {"schema": SCHEMA_VERSION, "complete": self.complete, "exit_code": self.exit_code}
        values: dict[str, Any] = figures.json_value({**head, **asdict(self)})
        return values

    def to_markdown(self) -> str:
        """As Markdown, to paste into a pull request."""
        from paddleport.validate.overview.overview_table import to_markdown

        return to_markdown(self)

    def to_html(self) -> str:
        """As one HTML page, whose rows link to the models' own reports."""
        from paddleport.validate.overview.overview_page import to_html

        return to_html(self)


def row_of_report(report: ParityReport, *, page: str) -> OverviewRow:
    """What the overview says of a model that was validated."""
    model, judged = report.model, [row for row in report.rows if row.verdict != "reference"]
    counted = [row for row in judged if row.counts]
    worst = _worst(counted)
    gravest = min(counted, key=lambda row: _BY_GRAVITY.index(row.verdict), default=None)
    troubled = gravest is not None and report.verdict != "agrees"
    found = worst.worst if worst else None
    named = gravest if troubled else worst
    return OverviewRow(
        name=str(model["name"]),
        verdict=report.verdict,
        exit_code=EXIT_CODES[report.verdict],
        cause=named.cause if named else "",
        reason=f"{gravest.name}: {explained(gravest)}" if gravest and troubled else "",
        weights=str(model.get("weights", "")),
        source_sha256=str(model.get("paddle sha256", "")),
        opset=model.get("opset"),
        worst_error=found.worst_error if found and found.measure != "equality" else None,
        limit=found.limit if found and found.measure != "equality" else None,
        worst_backend=worst.name if worst else "",
        size_bytes=model.get("onnx bytes"),
        parameters=model.get("parameters"),
        flops=model.get("flops"),
        speed_reference=report.speed_reference,
        backends=tuple(map(_backend, judged)),
        published=report.published,
        page=page,
        measured=report.created,
    )


def _worst(rows: list[BackendRow]) -> BackendRow | None:
    """The row whose error is the largest share of its limit."""
    compared = [(share_of_limit(row.worst), row) for row in rows if row.worst]
    return max(compared, key=lambda pair: pair[0])[1] if compared else None


def _backend(row: BackendRow) -> ModelBackend:
    return ModelBackend(
        name=row.name,
        computes_in=row.computes_in,
        verdict=row.verdict,
        p50_ms=row.latency.p50_ms if row.latency else None,
        speed_up=row.speed_up,
    )
