"""Where each backend that differs parts from the reference, for the rows of a report."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from paddleport import runners
from paddleport.errors import PortError
from paddleport.validate.feeds import NamedFeed
from paddleport.validate.judge import Judge
from paddleport.validate.locate import Located, locate_converter, locate_runtime
from paddleport.validate.report import BackendRow
from paddleport.validate.tolerance import TOLERANCES

Progress = Callable[[str, float], None]
_ELSEWHERE = {
    "preprocessing": "its input is another",
    "nondeterminism": "it is another one at each run",
    "batching": "it depends on the batch",
}


class Search:
    """Looks for the node of every row that differs; the conversion's is looked for once."""

    def __init__(self, judge: Judge, progress: Progress) -> None:
        """Nothing is searched yet."""
        self._judge, self._progress = judge, progress
        self._in_conversion: dict[str, Located | None] = {}

    def rows(self, rows: Sequence[BackendRow]) -> list[BackendRow]:
        """The rows, with the first node where they part wherever one was found."""
        return [self._row(row) if row.verdict == "differs" else row for row in rows]

    def _row(self, row: BackendRow) -> BackendRow:
        if row.cause in _ELSEWHERE:
            return _noted(row, f"no node was looked for: {_ELSEWHERE[row.cause]}")
        feed = self._worst_feed(row)
        self._progress(f"{row.name}: where it parts", 0.0)
        try:
            located = self._located(row, feed)
        except PortError as error:
            return _noted(row, f"no node was found: {error}")
        if located is None:
            return _noted(row, f"no node was found: nothing parts on {feed.name} alone")
        return replace(row, located=located)

    def _located(self, row: BackendRow, feed: NamedFeed) -> Located | None:
        judge, seconds = self._judge, self._judge.plan.locate_seconds
        (onnx_feed,) = judge.onnx_feeds.of([feed])
        reads_paddle = runners.runner_class(row.name).consumes == "paddle"
        if row.cause != "converter" and not reads_paddle:
            return locate_runtime(
                judge.onnx,
                row.name,
                judge.options_for(row.name),
                replace(feed, tensors=onnx_feed),
                limit=TOLERANCES[row.computes_in].limit,
                seconds=seconds,
                progress=self._progress,
            )
        if reads_paddle:
            return None
        if feed.name not in self._in_conversion:
            self._in_conversion[feed.name] = locate_converter(
                judge.source.model,
                judge.onnx,
                feed,
                onnx_feed,
                limit=TOLERANCES["fp32"].limit,
                seconds=seconds,
                progress=self._progress,
            )
        return self._in_conversion[feed.name]

    def _worst_feed(self, row: BackendRow) -> NamedFeed:
        """The worst single feed of the worst output; a batch only where nothing else differs."""
        feeds = {feed.name: feed for feed in self._judge.feeds}
        worst = row.worst
        found = [] if worst is None else [feeds[item.feed] for item in worst.worst_feeds]
        single = [feed for feed in found if not feed.parts]
        return (single or found or list(feeds.values()))[0]


def _noted(row: BackendRow, note: str) -> BackendRow:
    return replace(row, notes=(*row.notes, note))
