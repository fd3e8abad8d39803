"""Where each backend that differs parts from the reference, for the rows of a report."""

from collections.abc import Sequence
from dataclasses import replace

from paddleport import runners
from paddleport.errors import PortError
from paddleport.models.onnx.onnx_file import weights_precision
from paddleport.progress import Progress
from paddleport.validate.bisect import (
    Divergence,
    TargetFile,
    locate_converter,
    locate_runtime,
    locate_target,
    sides_of,
)
from paddleport.validate.bisect.divergence import Side
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.diagnose.causes import NEXT_LOCATE
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.parity.backend_sessions import BackendSessions
from paddleport.validate.parity.parity_report import BackendRow

_SHARE = 0.9  # of the validation's progress bar, that the rest has taken
_READS_PADDLE = "it reads Paddle's own file, and its runtime cannot be cut open"
_ELSEWHERE = {
    "preprocessing": "its input is another",
    "nondeterminism": "it is another one at each run",
    "batching": "it depends on the batch",
    "row-order": "its rows are right, in another order",
}


class DivergenceSearch:
    """Looks for the node of every row that differs; the conversion's is looked for once."""

    def __init__(
        self, backends: BackendSessions, feeds: Sequence[NamedFeed], progress: Progress
    ) -> None:
        """Nothing is searched yet."""
        self._backends, self._feeds, self._progress = backends, feeds, progress
        self._in_conversion: dict[str, Divergence | None] = {}
        self._searches, self._done = 1, 0

    def rows(self, rows: Sequence[BackendRow]) -> list[BackendRow]:
        """The rows, with the first node where they part wherever one was found."""
        self._searches = max(1, sum(row.verdict == "differs" for row in rows))
        return [self._row(row) if row.verdict == "differs" else row for row in rows]

    def _row(self, row: BackendRow) -> BackendRow:
        elsewhere = self._cannot_be_cut(row) or _ELSEWHERE.get(row.cause, "")
        if elsewhere:
            return _noted(row, f"no node was looked for: {elsewhere}")
        feed = self._worst_feed(row)
        self._report_progress(f"{row.name}: where it parts", 0.0)
        try:
            located = self._located(row, feed)
        except PortError as error:
            return _noted(row, f"no node was found: {error}")
        finally:
            self._done += 1
        if located is None:
            return _noted(row, f"no node was found: nothing parts on {feed.name} alone")
        explanation = row.explanation.removesuffix(NEXT_LOCATE).rstrip()
        return replace(row, located=located, explanation=explanation)

    def _located(self, row: BackendRow, feed: NamedFeed) -> Divergence | None:
        backends, sides = self._backends, self._sides(row)
        (tensors,) = backends.onnx_feeds.of([feed])
        if "target" in sides and backends.conversions is not None:
            artifact = backends.artifact(row.name)
            target = backends.conversions.target_of(artifact)
            if row.cause != "converter" or row.step == target:
                file = TargetFile(artifact, target, backends.conversions)
                return self._of_file(row, file, replace(feed, tensors=tensors))
        if row.cause == "converter":
            return self._of_conversion(feed)
        return locate_runtime(
            backends.onnx,
            row.name,
            backends.options_for(row.name),
            replace(feed, tensors=tensors),
            limit=TOLERANCES[row.computes_in].limit,
            seconds=backends.plan.locate_seconds,
            progress=self._report_progress,
        )

    def _of_file(self, row: BackendRow, file: TargetFile, feed: NamedFeed) -> Divergence | None:
        """The layer of a target's file: on the side that is to blame, where both are found."""
        found = locate_target(
            file,
            self._backends.onnx,
            row.name,
            self._backends.options_for(row.name),
            feed,
            limit=TOLERANCES[row.computes_in].limit,
            seconds=self._backends.plan.locate_seconds,
            progress=self._report_progress,
        )
        wanted = "runtime" if row.cause == "runtime" else "target"
        return next((item for item in found if item.side == wanted), next(iter(found), None))

    def _sides(self, row: BackendRow) -> tuple[Side, ...]:
        return sides_of(runners.runner_class(row.name), self._backends.conversions)

    def _cannot_be_cut(self, row: BackendRow) -> str:
        """Why a backend's own file has no nodes to look at; empty where they can be."""
        formats = runners.runner_class(row.name).formats
        if "paddle" in formats:
            return _READS_PADDLE
        if {"runtime", "target"}.intersection(self._sides(row)):
            return ""
        return f"it loads {' or '.join(formats)}, not the ONNX file"

    def _of_conversion(self, feed: NamedFeed) -> Divergence | None:
        if feed.name not in self._in_conversion:
            backends = self._backends
            (tensors,) = backends.onnx_feeds.of([feed])
            self._in_conversion[feed.name] = locate_converter(
                backends.source.model,
                backends.onnx,
                feed,
                tensors,
                limit=TOLERANCES[weights_precision(backends.onnx.path)].limit,
                seconds=backends.plan.locate_seconds,
                progress=self._report_progress,
            )
        return self._in_conversion[feed.name]

    def _report_progress(self, step: str, share: float | None) -> None:
        """The last part of the validation's bar, all searches together."""
        done = min(1.0, (self._done + (share or 0.0)) / self._searches)
        self._progress(step, _SHARE + (1 - _SHARE) * done)

    def _worst_feed(self, row: BackendRow) -> NamedFeed:
        """The worst single feed of the worst output; a batch only where nothing else differs."""
        feeds = {feed.name: feed for feed in self._feeds}
        worst = row.worst
        found = [] if worst is None else [feeds[item.feed] for item in worst.worst_feeds]
        single = [feed for feed in found if not feed.parts]
        return (single or found or list(feeds.values()))[0]


def _noted(row: BackendRow, note: str) -> BackendRow:
    return replace(row, notes=(*row.notes, note))
