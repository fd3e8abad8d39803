"""Every backend against native Paddle: the same feeds, a verdict and a cause each, and latency."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from paddleport.files import write_atomically
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress, no_progress, part_of
from paddleport.tensors import GivenFeeds
from paddleport.validate.benchmark.timing import Timing
from paddleport.validate.benchmark.warm_load import WarmLoads
from paddleport.validate.diagnose.conversions import Conversions
from paddleport.validate.feeds.make_feeds import batch_feeds, extreme_feeds, make_feeds
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.feeds.onnx_feeds import OnnxFeeds
from paddleport.validate.feeds.value_ranges import input_ranges
from paddleport.validate.parity.backend_comparison import BackendComparison
from paddleport.validate.parity.backend_sessions import BackendSessions
from paddleport.validate.parity.describe import describe_environment, describe_model
from paddleport.validate.parity.divergence_search import DivergenceSearch
from paddleport.validate.parity.parity_report import BackendRow, FeedRow, ParityReport
from paddleport.validate.parity.reference_backend import without_own_failures
from paddleport.validate.parity.validation_plan import Plan, assign_extras, choose_reference
from paddleport.validate.reports.thumbnails import thumbnail

_COMPARED = 0.4  # share of the progress bar that comparing takes
_MEASURED = 0.9  # and by when measuring is done, where something is to be located


@dataclass(frozen=True)
class Validation:
    """A report, and the feeds that it speaks of.

    Attributes:
        report: the result.
        feeds: in the report's order.
    """

    report: ParityReport
    feeds: tuple[NamedFeed, ...]


def validate(
    source: SourceModel,
    onnx: Artifact,
    plan: Plan | None = None,
    *,
    pictures: Sequence[Path] = (),
    shapes: Mapping[str, Sequence[int]] | None = None,
    feed: GivenFeeds | None = None,
    conversions: Conversions | None = None,
    command: str = "",
    progress: Progress = no_progress,
) -> ParityReport:
    """Hold every backend against native Paddle on the same feeds.

    Args:
        source: the Paddle model, from ``paddleport.models.resolve.resolve``.
        onnx: the ONNX file that should be the same model, from here or from elsewhere.
        plan: which backends, which options, how long; all backends by default.
        pictures: files to feed, instead of the samples that the package draws.
        shapes: input name to shape, where the model leaves dimensions free.
        feed: input name to tensor, or several such mappings, instead of made-up feeds.
        conversions: makes what backends load that take neither file, and makes the conversion
            again step by step where it is to blame; without it those backends are skipped.
        command: what was typed, for the report.
        progress: called with each step and the share done.

    Raises:
        BackendUnavailableError: a named backend, or the reference, is not available.
        WorkerCrashed: the reference crashed; a candidate that does is a row of the report.
        FeedError, ImageError: what was given cannot be fed.
    """
    return validate_on_feeds(
        source,
        onnx,
        plan,
        pictures=pictures,
        shapes=shapes,
        feed=feed,
        conversions=conversions,
        command=command,
        progress=progress,
    ).report


def validate_on_feeds(
    source: SourceModel,
    onnx: Artifact,
    plan: Plan | None = None,
    *,
    pictures: Sequence[Path] = (),
    shapes: Mapping[str, Sequence[int]] | None = None,
    feed: GivenFeeds | None = None,
    conversions: Conversions | None = None,
    command: str = "",
    progress: Progress = no_progress,
) -> Validation:
    """As ``validate``, with the feeds, so that the worst of them can be saved."""
    plan = plan or Plan()
    assign_extras(plan)  # refuses what cannot be before anything is run
    choice = choose_reference(plan.reference, source.model)
    plan = replace(plan, reference=choice.backend)
    onnx_feeds = OnnxFeeds(source, onnx)
    feeds = _all_feeds(source, onnx_feeds, plan, pictures, shapes, feed)
    backends = BackendSessions(source, onnx, plan, onnx_feeds, conversions)
    backends.will_feed(feeds)
    comparison = BackendComparison(backends, part_of(progress, 0.0, _COMPARED), pictures)
    end = _MEASURED if plan.locate else 1.0
    try:
        rows = comparison.rows(feeds)
        feeds = comparison.reference.feeds
        rows = WarmLoads(backends, feeds[0], comparison.first_outputs).measured(
            rows, lambda step: progress(step, _COMPARED)
        )
        timing = Timing(backends, feeds)
        rows = timing.measured(
            rows, lambda share: progress("latency", _COMPARED + (end - _COMPARED) * share)
        )
    finally:
        backends.close()
        comparison.float64.close()
    rows = without_own_failures(rows, backends)
    if plan.locate:
        rows = DivergenceSearch(backends, feeds, progress).rows(rows)
    report = ParityReport(
        model={**describe_model(source, onnx), **timing.model_figures},
        reference=comparison.reference.title,
        speed_reference=timing.speed_reference,
        float64_reference=comparison.float64.description,
        feeds=_feed_rows(feeds, rows, source),
        threads=plan.threads,
        rows=tuple(rows),
        published=source.published,
        peak_gflops=timing.peak_gflops,
        environment=describe_environment(),
        command=command,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        strict=plan.strict,
        reference_reason=choice.reason,
    )
    return Validation(report, tuple(feeds))


def _all_feeds(
    source: SourceModel,
    onnx_feeds: OnnxFeeds,
    plan: Plan,
    pictures: Sequence[Path],
    shapes: Mapping[str, Sequence[int]] | None,
    given: GivenFeeds | None,
) -> list[NamedFeed]:
    inputs = source.program.inputs
    feeds = make_feeds(
        inputs,
        preprocess=source.preprocess,
        pictures=pictures,
        samples=plan.samples,
        shapes=shapes,
        given=given,
        pixels=onnx_feeds.pixels,
        ranges=input_ranges(source),
    )
    feeds += extreme_feeds(feeds, inputs, source.preprocess, onnx_feeds.pixels)
    if onnx_feeds.free_batch and feeds[0].kind != "given":
        feeds += batch_feeds(feeds, inputs, plan.batch_sizes)
    return feeds


def _feed_rows(
    feeds: Sequence[NamedFeed], rows: Sequence[BackendRow], source: SourceModel
) -> tuple[FeedRow, ...]:
    """Every feed, with a small picture of those that are a backend's worst of their kind."""
    worst = {item.feed for row in rows for output in row.comparisons for item in output.worst_feeds}
    made = []
    for feed in feeds:
        tensor = next((item for item in feed.tensors.values() if item.ndim == 4), None)
        picture = ""
        if tensor is not None and feed.name in worst:
            picture = thumbnail(tensor, preprocess=source.preprocess)
        made.append(FeedRow(name=feed.name, kind=feed.kind, batch=feed.batch, thumbnail=picture))
    return tuple(made)


def save_worst(validation: Validation, folder: Path) -> list[Path]:
    """Write the worst feed of each kind for each backend, and return the files.

    Each is ``BACKEND-KIND.npz`` with the Paddle model's input names as keys, as ``--feed FILE.npz``
    takes it; 8-bit pixels where the ONNX file normalises pictures itself.
    """
    feeds = {feed.name: feed for feed in validation.feeds}
    written = []
    for row in validation.report.rows:
        worst = row.worst
        if worst is None or row.verdict == "reference":
            continue
        for item in worst.worst_feeds:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, allow_pickle=False, **dict(feeds[item.feed].to_file))
            path = folder / f"{row.name.replace(' ', '-')}-{item.kind}.npz"
            write_atomically(path, buffer.getvalue())
            written.append(path)
    return written
