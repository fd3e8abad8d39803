"""What a comparison needs of a parity report, read from a file or a mapping and checked."""

import json
import math
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NoReturn

from msgspec import Meta, Struct, ValidationError, convert

from paddleport.errors import ModelNotFoundError, OutputError
from paddleport.validate.parity.parity_report import RowVerdict
from paddleport.validate.report_diff.median import Median

SPEED_REFERENCE = "paddle"  # as validation_plan has it, which this must not import to read a file
MAX_BYTES = 64 << 20  # a report with all its pictures has less than one MB
READABLE_SCHEMAS = (2, 3)
EVALUATION = "evaluation"  # as evaluation_report has it
_EXPECTED = "give it a parity.json of paddleport validate"

Configuration = tuple[int, int, str]  # batch, threads, scope, as figures has it
Number = Annotated[float, Meta(ge=0, le=sys.float_info.max)]
Count = Annotated[int, Meta(ge=0, le=sys.maxsize)]
Milliseconds = Annotated[float, Meta(ge=1e-6, le=1e9)]


class RecordedLatency(Struct, frozen=True, kw_only=True):
    """One configuration's median and its 95 % interval, in milliseconds."""

    batch: Count
    threads: Count
    scope: str = ""
    p50_ms: Milliseconds
    interval_ms: tuple[Number, Number]

    @property
    def median(self) -> Median:
        """With an interval that holds it."""
        low, high = self.interval_ms
        return Median(self.p50_ms, min(low, self.p50_ms), max(high, self.p50_ms))


class RecordedDistance(Struct, frozen=True):
    """As ``Metrics``: the largest differences of two answers to the same feeds."""

    scaled: Number | None = None
    max_abs: Number | None = None


class RecordedTop1Change(Struct, frozen=True):
    """A feed's row whose largest class is another one, and the reference's margin there."""

    feed: str = ""
    row: Count = 0
    margin: Number | None = None


class RecordedRanking(Struct, frozen=True):
    """As ``Ranking``: rows with the same largest class, and all rows."""

    top1_agreeing: Count = 0
    total: Count = 0
    changes: tuple[RecordedTop1Change, ...] = ()


class RecordedWorstFeed(Struct, frozen=True):
    """The worst error of a kind of feed; ``None`` where values were incomparable."""

    kind: str = ""
    error: Number | None = None


class RecordedOutput(Struct, frozen=True, kw_only=True):
    """One output's comparison; the fields are those of ``OutputComparison``."""

    output: str = ""
    measure: str = ""
    limit: Number
    worst_error: Number | None = None
    worst_feeds: tuple[RecordedWorstFeed, ...] = ()
    against_reference: RecordedDistance | None = None
    reference_against_float64: RecordedDistance | None = None
    ranking: RecordedRanking | None = None

    @property
    def error(self) -> float:
        """The worst; infinite where values were incomparable."""
        return _or_infinite(self.worst_error)

    @property
    def typical_error(self) -> float:
        """The worst over all feeds but the extremes, likewise."""
        errors = [_or_infinite(item.error) for item in self.worst_feeds if item.kind != "extreme"]
        return max(errors, default=self.error)

    @property
    def is_above_at_extremes_alone(self) -> bool:
        """Whether the limit is kept on all feeds but the extremes."""
        extremes = [_or_infinite(item.error) for item in self.worst_feeds if item.kind == "extreme"]
        return self.typical_error <= self.limit < max(extremes, default=0.0)

    @property
    def max_abs(self) -> float | None:
        """The largest difference from the reference, in the output's own values."""
        return self.against_reference.max_abs if self.against_reference else None

    @property
    def reference_distance(self) -> float | None:
        """Of the reference from float64."""
        return self.reference_against_float64.scaled if self.reference_against_float64 else None

    @property
    def top1(self) -> tuple[int, int] | None:
        """Rows with the same largest class, and all rows; ``None`` for no classifier."""
        found = self.ranking
        return (found.top1_agreeing, found.total) if found and found.total else None

    @property
    def flips(self) -> dict[tuple[str, int], float]:
        """Feed and row of every changed top-1 to the reference's margin there."""
        changes = self.ranking.changes if self.ranking else ()
        return {(item.feed, item.row): item.margin or 0.0 for item in changes}


class RecordedLoad(Struct, frozen=True):
    """As ``Load``; ``None`` where it was not measured."""

    load_ms: Number | None = None
    warm_load_ms: Number | None = None
    peak_memory_bytes: Number | None = None


class RecordedLocation(Struct, frozen=True):
    """Where a backend parts from the reference."""

    side: str = ""
    node: str = ""


class RecordedRow(Struct, frozen=True, kw_only=True, dict=True):
    """One backend; the fields are those of ``BackendRow``."""

    name: str = ""
    verdict: RowVerdict
    cause: str = ""
    reason: str = ""
    computes_in: str = ""
    comparisons: tuple[RecordedOutput, ...] = ()
    latencies: tuple[RecordedLatency, ...] = ()
    load: RecordedLoad = RecordedLoad()
    located: RecordedLocation | None = None
    counts: bool = True

    @cached_property
    def medians(self) -> dict[Configuration, Median]:
        """By configuration, in ms."""
        return {(item.batch, item.threads, item.scope): item.median for item in self.latencies}


class RecordedFeed(Struct, frozen=True):
    """As ``FeedRow``."""

    name: str = ""
    kind: str = ""
    batch: Count = 0


class RecordedEnvironment(Struct, frozen=True, kw_only=True):
    """The machine, empty where it is not known, and the version of each package."""

    cpu: str = ""
    platform: str = ""
    python: str = ""
    packages: dict[str, str] = {}


class RecordedBroughtIn(Struct, frozen=True, kw_only=True):
    """A latency of another machine; the fields are those of ``BroughtInLatency``."""

    device: str
    runtime: str
    precision: str = ""
    threads: Count = 0
    batch: Count = 0
    p50_ms: Milliseconds

    @property
    def title(self) -> str:
        """What was measured, in words."""
        what = f"{self.device}, {self.runtime} {self.precision}"
        return f"{what}, batch {self.batch}, threads {self.threads}"


class RecordedReport(Struct, frozen=True, kw_only=True, dict=True):
    """One report; the fields are those of ``ParityReport``."""

    model: dict[str, Any]
    rows: tuple[RecordedRow, ...]
    feeds: tuple[RecordedFeed, ...] = ()
    threads: Count = 0
    strict: bool = False
    reference: str = ""
    float64_reference: str = ""
    environment: RecordedEnvironment = RecordedEnvironment()
    peak_gflops: dict[str, Number] = {}
    command: str = ""
    created: str = ""
    brought_in: tuple[RecordedBroughtIn, ...] = ()

    @cached_property
    def backends(self) -> dict[str, RecordedRow]:
        """Rows by name; the second of one name is ``name (again)``."""
        named: dict[str, RecordedRow] = {}
        for row in self.rows:
            name = row.name
            while name in named:
                name += " (again)"
            named[name] = row
        return named


def read_report(value: Any, source: str) -> RecordedReport:
    """A report whose schema is known here.

    Args:
        value: what ``ParityReport.to_dict`` gives, or what a file holds instead.
        source: what to call it in an error.

    Raises:
        OutputError: it is no parity report of a schema that is known, or a value is missing or
            not of its type.
    """
    if not isinstance(value, Mapping) or not {"schema", "model", "rows"} <= set(value):
        raise OutputError(f"{source} is no parity report; {_EXPECTED}")
    schema = value["schema"]
    if schema not in READABLE_SCHEMAS or isinstance(schema, bool):
        known = ", ".join(map(str, READABLE_SCHEMAS))
        raise OutputError(
            f"{source} has schema {schema!r:.40}, and {known} is read here: validate again with "
            "this version of paddleport"
        )
    if schema == 2:  # which has another name for it
        value = {**value, "float64_reference": value.get("arbiter", "")}
    try:
        return convert(value, RecordedReport)
    except ValidationError as error:
        why, _, path = str(error).partition(" - at ")
        place = path.strip("`").removeprefix("$.")
        raise OutputError(f"{source} is no parity report: {place}: {why}; {_EXPECTED}") from None


def report_values(report: Mapping[str, Any] | str | Path, title: str) -> tuple[str, Any]:
    """What to call a report in an error, and its values as its file has them.

    Raises:
        ModelNotFoundError: there is no such file.
        OutputError: it cannot be read, or is no JSON.
    """
    if isinstance(report, Mapping):
        return title, report
    return str(report), _loaded(Path(report))


def is_evaluation(value: Any) -> bool:
    """Whether a report's values are an evaluation's."""
    return isinstance(value, Mapping) and value.get("kind") == EVALUATION


def _loaded(path: Path) -> Any:
    try:
        with path.open("rb") as stream:  # a pipe has no size to ask for before
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ModelNotFoundError(f"there is no report {path}; {_EXPECTED}") from None
    except IsADirectoryError:
        raise OutputError(f"{path} is a folder; name the parity.json in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{path} cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise OutputError(f"{path} is no parity report: more than {MAX_BYTES >> 20} MB")
    if not content.strip():
        raise OutputError(f"{path} is empty; {_EXPECTED}")
    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=_no_number)
    except RecursionError:
        raise OutputError(f"{path} is no parity report: too deep; {_EXPECTED}") from None
    except ValueError as error:
        raise OutputError(f"{path} is no whole JSON file ({error}); {_EXPECTED}") from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _or_infinite(error: float | None) -> float:
    return math.inf if error is None else error
