"""Another start, from the cache of compiled models: how long it takes, and if it is the same."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from paddleport import runners
from paddleport.errors import PortError
from paddleport.runners.compiled_cache import FROM_CACHE
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed
from paddleport.validate.benchmark.machine import settle
from paddleport.validate.compare.comparison import FeedName, Outputs, compare_outputs, overall
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.parity.backend_sessions import BackendSessions
from paddleport.validate.parity.parity_report import BackendRow, share_of_limit
from paddleport.validate.reports import figures
from paddleport.validate.session import Session

_logger = logging.getLogger(__name__)
_NOT_COMPARED = ("reference", "skipped", "failed")
_NEXT = "Next: run it with -o cache=false, and delete compiled/{name} in paddleport's cache."


@dataclass(frozen=True)
class WarmStart:
    """What a second start gave.

    Attributes:
        load_ms: importing and loading.
        from_cache: whether the runner says that its compiled model was kept.
        outputs: for the first feed.
    """

    load_ms: float
    from_cache: bool
    outputs: Mapping[str, Array]


class WarmLoads:
    """Opens every backend that keeps compiled models once more, and compares both starts."""

    def __init__(
        self, backends: BackendSessions, first: NamedFeed, outputs: Mapping[str, Outputs]
    ) -> None:
        """Nothing is started yet; ``outputs`` are the first answers to ``first``, by row."""
        self._backends, self._first, self._outputs = backends, first, outputs

    def measured(
        self, rows: Sequence[BackendRow], progress: Callable[[str], None]
    ) -> list[BackendRow]:
        """The rows with their warm loads; as they are in a quick or an untimed validation."""
        plan = self._backends.plan
        if plan.quick or not plan.seconds_each:
            return list(rows)
        return [self._row(row, progress) for row in rows]

    def _row(self, row: BackendRow, progress: Callable[[str], None]) -> BackendRow:
        options = None if row.verdict in _NOT_COMPARED else self._options(row.name)
        if options is None:
            return row
        progress(f"{row.name}: warm load")
        (feed,) = self._backends.tensors(row.name, [self._first])
        try:
            found = self._start(row.name, options, feed)
        except PortError as error:
            return _noted(row, f"no warm load: {error}")
        _logger.info("%s: warm load %.0f ms", row.name, found.load_ms)
        if not found.from_cache:
            return _noted(row, "no warm load: its compiled model did not come from the cache")
        return with_warm_start(row, found, self._outputs[row.name], self._first)

    def _options(self, name: str) -> RunnerOptions | None:
        """The row's, with the cache; ``None`` where it has none, or was asked for without."""
        kind = runners.runner_class(name)
        options = kind.with_extra(self._backends.options_for(name), "cache", "true")
        return options if getattr(kind.check_options(options).extras, "cache", False) else None

    def _start(self, name: str, options: RunnerOptions, feed: Feed) -> WarmStart:
        settle([session.facts.pid for session in self._backends.sessions.values()])
        session = self._backends.open(name, options)
        if not _is_warm(session):  # now the cache is filled
            session.close()
            session = self._backends.open(name, options)
        try:
            (outputs,) = session.run_all([feed])
            return WarmStart(session.facts.load_ms, _is_warm(session), outputs)
        finally:
            session.close()


def with_warm_start(
    row: BackendRow, found: WarmStart, cold: Outputs, first: NamedFeed
) -> BackendRow:
    """The row with its warm load, or with what makes it another model.

    Other bits are noted and not timed; beyond the limit they are the row's verdict, whose own
    cause is kept if it has one.
    """
    if any(same_bits(found.outputs, outputs) for outputs in cold):
        return replace(row, load=replace(row.load, warm_load_ms=found.load_ms))
    feed = FeedName(first.name, first.kind, first.batch)
    tolerance = TOLERANCES[row.computes_in]
    comparisons = compare_outputs(cold[:1], [found.outputs], tolerance, feeds=[feed])
    worst = max(comparisons, key=share_of_limit)
    advice = _NEXT.format(name=row.name)
    text = (
        f"started from the cache, {row.name} answers {first.name!r} otherwise than the start that "
        f"was judged: {worst.output}, {figures.error_of_limit(worst)}"
    )
    if overall(comparisons) != "differs" or row.verdict == "differs":
        return _noted(row, f"{text}. {advice}")
    explanation = f"{text[0].upper()}{text[1:]}. {advice}"
    return replace(row, verdict="differs", cause="runtime", reason=text, explanation=explanation)


def same_bits(one: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    """Whether names, types, shapes and every bit are the same; texts by what they say."""
    return list(one) == list(other) and all(
        array.dtype == other[name].dtype
        and array.shape == other[name].shape
        and _content(array) == _content(other[name])
        for name, array in one.items()
    )


def _content(array: Array) -> object:
    return array.tolist() if array.dtype.hasobject else np.ascontiguousarray(array).tobytes()


def _is_warm(session: Session) -> bool:
    return FROM_CACHE in session.facts.notes


def _noted(row: BackendRow, note: str) -> BackendRow:
    return replace(row, notes=(*row.notes, note))
