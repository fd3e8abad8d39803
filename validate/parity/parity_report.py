"""The parity report: what was compared, with what result and why; plain values throughout."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from paddleport.validate.benchmark.latency import Latency
from paddleport.validate.bisect.divergence import Divergence
from paddleport.validate.compare.comparison import OutputComparison
from paddleport.validate.diagnose.causes import Cause
from paddleport.validate.reports.brought_in import BroughtInLatency
from paddleport.validate.reports.written_report import WrittenReport

SCHEMA_VERSION = 3
RowVerdict = Literal["reference", "agrees", "differs", "unproven", "skipped", "failed"]


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a backend costs before and beside its inferences.

    Attributes:
        load_ms: importing, loading and compiling.
        first_ms: the first inference.
        peak_memory_bytes: of its process, up to the end of the measurement.
        gflops_per_s: of the main latency, by the model's floating-point operations.
        share_of_peak: of what this machine reaches on a large matrix product, same threads.
        warm_load_ms: importing, and loading what was compiled at an earlier start and kept; only
            where that computes the same bits.
    """

    load_ms: float | None = None
    first_ms: float | None = None
    peak_memory_bytes: int | None = None
    gflops_per_s: float | None = None
    share_of_peak: float | None = None
    warm_load_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class BackendRow:
    """One backend's line of the report.

    Attributes:
        name: the row's name, such as ``onnxruntime`` or ``paddle plain``.
        verdict: ``skipped`` when the backend is not available here, or no file that it loads can
            be made of this model and nobody named it; ``failed`` when it broke.
        cause: who did it, where the verdict is ``differs``; ``undetermined`` where the evidence
            is missing, which the explanation says. ``ill-conditioned`` where nobody did: the error
            is above the limit and as exact as Paddle's own, so that the verdict is ``agrees``, or
            ``unproven`` where rounding alone makes another answer.
        step: of the conversion, where that is the cause and it was found: ``Paddle2ONNX``,
            ``simplifier``, ``precision``, or a target's name.
        explanation: one or two sentences on the cause, and what to do next; empty without one.
        reason: the bare finding; empty when it agrees within its limit.
        computes_in: the precision read back from the runtime; empty if it never loaded.
        comparisons: one per output; for the reference itself they hold its distance from float64.
        latencies: every configuration that was measured; the first is the main one (batch as
            the model's smallest, all threads, inference only).
        speed_up: how many times faster than the speed reference, by the median.
        load: its costs beside the inferences.
        located: where it parts, if that was looked for.
        log: the end of its process's output, if it failed.
        notes: what differs from the plain case.
        counts: whether the report's verdict depends on it; not where Paddle fails on its own
            file and was not named.
    """

    name: str
    verdict: RowVerdict
    cause: Cause = ""
    step: str = ""
    explanation: str = ""
    reason: str = ""
    computes_in: str = ""
    comparisons: tuple[OutputComparison, ...] = ()
    latencies: tuple[Latency, ...] = ()
    speed_up: float | None = None
    load: Load = field(default_factory=Load)
    located: Divergence | None = None
    log: str = ""
    notes: tuple[str, ...] = ()
    counts: bool = True

    @property
    def latency(self) -> Latency | None:
        """The main configuration's latency."""
        return self.latencies[0] if self.latencies else None

    @property
    def worst(self) -> OutputComparison | None:
        """The comparison with the largest share of its limit, or the first without a value."""
        if not self.comparisons:
            return None
        return max(self.comparisons, key=share_of_limit)


def share_of_limit(comparison: OutputComparison) -> float:
    """The worst error by its limit; infinite where values were incomparable or unequal."""
    if comparison.worst_error is None:
        return math.inf
    if not comparison.limit:
        return math.inf if comparison.worst_error else 0.0
    return comparison.worst_error / comparison.limit


@dataclass(frozen=True, kw_only=True)
class FeedRow:
    """One feed.

    Attributes:
        name: to tell it by.
        kind: ``picture``, ``drawn``, ``noise``, ``extreme``, ``batch`` or ``given``.
        batch: how many rows.
        thumbnail: a small picture of it as a data URI; empty where nobody needs one.
    """

    name: str
    kind: str
    batch: int
    thumbnail: str = ""


@dataclass(frozen=True, kw_only=True)
class ParityReport(WrittenReport):
    """Whether a model is still the same on every backend, and how fast it is there.

    In a notebook it shows itself as a table.

    Attributes:
        model: title, name, weights, opset, hashes, sizes, parameters, flops.
        reference: what the numbers are compared with.
        speed_reference: what the speed is compared with, or why there is none.
        float64_reference: the ONNX graph in float64, or why there is none.
        feeds: every feed, in order.
        threads: CPU threads of every backend in the main configuration.
        rows: one per backend, the reference first.
        published: the model's published figures as the zoo has them; empty for other models.
        peak_gflops: threads (as text) to this machine's measured GFLOP/s on a matrix product.
        environment: machine and versions.
        command: what was typed; empty where there was no command line.
        created: when, as ISO 8601 in UTC.
        strict: whether a skipped backend counts as a failure.
        reference_reason: why it is this reference; empty where it was named.
        brought_in: latencies of other machines, which no figure of this one is divided by.
    """

    model: Mapping[str, Any]
    reference: str
    speed_reference: str
    float64_reference: str
    feeds: tuple[FeedRow, ...]
    threads: int
    rows: tuple[BackendRow, ...]
    published: Mapping[str, Any]
    peak_gflops: Mapping[str, float]
    environment: Mapping[str, Any]
    command: str
    created: str
    strict: bool = False
    reference_reason: str = ""
    brought_in: tuple[BroughtInLatency, ...] = ()

    @property
    def verdict(self) -> Literal["agrees", "differs", "unproven"]:
        """``agrees`` when at least one backend was compared and every one of them agrees."""
        ignored = ("reference",) if self.strict else ("reference", "skipped")
        verdicts = [row.verdict for row in self.rows if row.counts and row.verdict not in ignored]
        if {"differs", "failed", "skipped"} & set(verdicts):
            return "differs"
        return "agrees" if verdicts and set(verdicts) == {"agrees"} else "unproven"

    @property
    def file_stem(self) -> str:
        """Of ``parity.html``, ``.md`` and ``.json``."""
        return "parity"

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, as ``reports/parity.schema.json`` describes them."""
        from paddleport.validate.reports.figures import json_value

        values: dict[str, Any] = json_value(
            {"schema": SCHEMA_VERSION, "verdict": self.verdict, **asdict(self)}
        )
        return values

    def to_markdown(self) -> str:
        """The report as Markdown, to paste into a pull request."""
        from paddleport.validate.reports.markdown import to_markdown

        return to_markdown(self)

    def to_html(self) -> str:
        """The report as one HTML page that needs nothing else."""
        from paddleport.validate.reports.html import to_html

        return to_html(self)

    def to_junit(self) -> str:
        """The report as JUnit XML, a test case per backend."""
        from paddleport.validate.reports.junit import to_junit

        return to_junit(self)
