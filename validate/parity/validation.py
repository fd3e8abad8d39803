"""Every backend against native Paddle: the same feeds, a verdict and a cause each, and latency."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress, no_progress, part_of
from paddleport.tensors import Array
from paddleport.validate.benchmark.timing import Timing
from paddleport.validate.benchmark.warm_load import WarmLoads
from paddleport.validate.feeds.make_feeds import NamedFeed, batch_feeds, extreme_feeds, make_feeds
from paddleport.validate.feeds.onnx_feeds import OnnxFeeds
from paddleport.validate.parity.describe import describe_environment, describe_model
from paddleport.validate.parity.extras import deal
from paddleport.validate.parity.float64_reference import Arbiter
from paddleport.validate.parity.judge import Judge
from paddleport.validate.parity.lineup import Lineup
from paddleport.validate.parity.plan import Plan
from paddleport.validate.parity.reference_choice import choose_reference
from paddleport.validate.parity.report import BackendRow, FeedRow, ParityReport
from paddleport.validate.parity.search import Search
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
    feed: Mapping[str, Array] | None = None,
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
        feed: input name to tensor, instead of made-up feeds.
        command: what was typed, for the report.
        progress: told each step and the share done.

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
    feed: Mapping[str, Array] | None = None,
    command: str = "",
    progress: Progress = no_progress,
) -> Validation:
    """As ``validate``, with the feeds, so that the worst of them can be saved."""
    plan = plan or Plan()
    deal(plan)  # refuses what cannot be before anything is run
    choice = choose_reference(plan.reference, source.model)
    plan = replace(plan, reference=choice.backend)
    onnx_feeds = OnnxFeeds(source, onnx)
    feeds = _all_feeds(source, onnx_feeds, plan, pictures, shapes, feed)
    lineup = Lineup(source, onnx, plan, onnx_feeds)
    lineup.will_feed(feeds)
    judge = Judge(lineup, part_of(progress, 0.0, _COMPARED))
    end = _MEASURED if plan.locate else 1.0
    try:
        rows = judge.rows(feeds)
        feeds = judge.reference.feeds
        rows = WarmLoads(lineup, feeds[0], judge.first_answers).measured(
            rows, lambda step: progress(step, _COMPARED)
        )
        timing = Timing(lineup, feeds)
        rows = timing.measured(
            rows, lambda share: progress("latency", _COMPARED + (end - _COMPARED) * share)
        )
    finally:
        lineup.close()
        judge.arbiter.close()
    if plan.locate:
        rows = Search(lineup, feeds, progress).rows(rows)
    report = ParityReport(
        {**describe_model(source, onnx), **timing.model_figures},
        judge.reference.title,
        timing.speed_reference,
        _describe_arbiter(judge.arbiter),
        _feed_rows(feeds, rows, source),
        plan.threads,
        tuple(rows),
        dict(source.card.published) if source.card else {},
        timing.peak_gflops,
        describe_environment(),
        command,
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        plan.strict,
        choice.reason,
    )
    return Validation(report, tuple(feeds))


def _all_feeds(
    source: SourceModel,
    onnx_feeds: OnnxFeeds,
    plan: Plan,
    pictures: Sequence[Path],
    shapes: Mapping[str, Sequence[int]] | None,
    given: Mapping[str, Array] | None,
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
    )
    feeds += extreme_feeds(feeds, inputs, source.preprocess, onnx_feeds.pixels)
    if onnx_feeds.free_batch and not given:
        feeds += batch_feeds(feeds, inputs, plan.batch_sizes)
    return feeds


def _describe_arbiter(arbiter: Arbiter) -> str:
    if arbiter.unavailable:
        return f"none: {arbiter.unavailable}"
    return "the ONNX graph in float64"


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
        batch = len(next(iter(feed.tensors.values()), ())) if feed.tensors else 0
        made.append(FeedRow(feed.name, feed.kind, batch, picture))
    return tuple(made)
