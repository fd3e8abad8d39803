"""The float64 reference: the ONNX graph in float64, exactly and with rounding imitated."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

from paddleport.errors import PortError
from paddleport.models.artifact import Artifact
from paddleport.progress import Progress, no_progress
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed
from paddleport.validate.parity.on_demand import OnDemand
from paddleport.validate.parity.time_budget import TimeBudget
from paddleport.validate.session import Session

_RUNNER = "reference"
# Of imitated rounding, over all feeds that are looked at. Where it is as likely as not that
# rounding makes another answer, as by a TopK, that many will show it.
_SAMPLES = 8
_LEAST_OF_EACH = 2


class Float64Reference:
    """What the ONNX graph means; it may be unable to say, and then says why.

    Feeds are computed in their order until their time is up. One that is left out is computed
    when somebody asks for its outputs: those who look for a cause do, within a time of their
    own.

    Attributes:
        computed: outputs by the feed's number, of the feeds that were computed at first, so
            that every backend is compared with it on the same ones; ``None`` where it is
            unavailable.
        error: what kept it from answering.
        session: its process, while it lives.
        runner: the name of the backend that it is.
    """

    runner = _RUNNER

    def __init__(self, onnx: Artifact) -> None:
        """Nothing is loaded yet."""
        self._onnx = onnx
        self._feeds: Sequence[Feed] = ()
        self._exact: dict[int, dict[str, Array]] = {}
        self._samples: dict[tuple[float, int, int], Mapping[str, Array]] = {}
        self._left_out: set[tuple[float, int, int]] = set()  # samples, for want of time
        self._imitating: dict[float, Session] = {}
        self._first, self._asked = TimeBudget(math.inf), TimeBudget(math.inf)
        self._progress: Progress = no_progress
        self.computed: dict[int, dict[str, Array]] | None = None
        self.error: PortError | None = None
        self.session: Session | None = None

    @property
    def unavailable(self) -> str:
        """Why there is no exact answer; empty where there is one."""
        return "" if self.error is None else str(self.error)

    @property
    def outputs(self) -> Sequence[Mapping[str, Array]] | None:
        """Exact ones for every feed, in order, computed when asked for; raises ``PortError`` then.

        ``None`` where it is unavailable.
        """
        return None if self.computed is None else OnDemand(len(self._feeds), self._output)

    @property
    def is_complete(self) -> bool:
        """Whether every feed was computed at first."""
        return self.computed is not None and len(self.computed) == len(self._feeds)

    def compute(
        self,
        feeds: Sequence[Feed],
        seconds: float = math.inf,
        progress: Progress = no_progress,
    ) -> None:
        """Compute feeds exactly, in order, as long as there is time, and keep the outputs.

        Args:
            feeds: under the ONNX file's names.
            seconds: for all of them; the first is computed in any case. What is asked for later
                gets as many once more.
            progress: told which feed is computed and how long the others will take.
        """
        self._feeds = feeds
        self._first, self._asked = TimeBudget(seconds), TimeBudget(seconds)
        rows = [_rows(feed) for feed in feeds]
        try:
            self.session = Session(_RUNNER, self._onnx, RunnerOptions())
            for index, size in enumerate(rows):
                if index and not self._first.allows(size):
                    break
                left = self._first.left(sum(rows[index:]))
                step = f"float64: feed {index + 1} of {len(feeds)}{left}"
                progress(step, sum(rows[:index]) / max(1, sum(rows)))
                with self._first.spending(size):
                    self._output(index)
            self.computed = dict(self._exact)
        except PortError as error:
            self.error = error
            self.close()
        self._progress = lambda step, _: progress(step, 1.0)

    def feed(self, index: int) -> Feed:
        """One of the feeds, under the ONNX file's names."""
        return self._feeds[index]

    def affordable(self, indices: Sequence[int], at_least: int = 1) -> Collection[int]:
        """Those of some feeds whose exact outputs there are now, or there is time for.

        Args:
            indices: of the feeds, the most wanted first.
            at_least: how many are computed whatever the time; fewer only where that fails.
        """
        known = []
        for number, index in enumerate(indices):
            size = _rows(self._feeds[index])
            if index not in self._exact:
                if number >= at_least and not self._asked.allows(size):
                    continue
                self._progress(f"float64: feed {index + 1} of {len(self._feeds)}", None)
                try:
                    with self._asked.spending(size):
                        self._output(index)
                except PortError:
                    continue
            known.append(index)
        return known

    def rounded(
        self, unit_roundoff: float, indices: Sequence[int]
    ) -> Iterator[tuple[int, Mapping[str, Array]]]:
        """Outputs with rounding of a narrower format imitated, one sample at a time.

        Every feed once, then again, as long as there is time, the first in any case; whoever
        has seen enough stops asking.

        Args:
            unit_roundoff: of the format.
            indices: which of the feeds, the most wanted first.

        Returns:
            The feed's number and its outputs.

        Raises:
            PortError: the process ended.
        """
        times = max(_LEAST_OF_EACH, math.ceil(_SAMPLES / max(1, len(indices))))
        wanted = [(unit_roundoff, time, index) for time in range(times) for index in indices]
        for number, key in enumerate(wanted):
            sizes = [_rows(self._feeds[index]) for _, _, index in wanted[number:]]
            if key not in self._samples:
                if number and not self._asked.allows(sizes[0]):
                    self._left_out.add(key)
                    continue
                left = self._asked.left(sum(sizes))
                self._progress(f"rounding: sample {number + 1} of {len(wanted)}{left}", None)
                with self._asked.spending(sizes[0]):
                    self._samples[key] = self._sample(unit_roundoff, key[2])
            yield key[2], self._samples[key]

    @property
    def description(self) -> str:
        """For the report: what it is, and what there was no time for."""
        if self.unavailable:
            return f"none: {self.unavailable}"
        left_out = []
        if not self.is_complete:
            left_out.append(f"on {len(self.computed or ())} of {len(self._feeds)} feeds")
        if missing := self._left_out - self._samples.keys():
            done = len(self._samples)
            left_out.append(f"rounding imitated {done} of {done + len(missing)} times")
        if not left_out:
            return "the ONNX graph in float64"
        why = f"the {self._first.seconds:.0f} s for it were over"
        return f"the ONNX graph in float64, {', '.join(left_out)}: {why}"

    def close(self) -> None:
        """End its processes."""
        if self.session is not None:
            self.session.close()
            self.session = None
        for session in self._imitating.values():
            session.close()
        self._imitating.clear()

    def _output(self, index: int) -> dict[str, Array]:
        if index not in self._exact:
            if self.session is None:
                self.session = Session(_RUNNER, self._onnx, RunnerOptions())
            (self._exact[index],) = self.session.run_all([self._feeds[index]])
        return self._exact[index]

    def _sample(self, unit_roundoff: float, index: int) -> Mapping[str, Array]:
        """Another one each time."""
        if unit_roundoff not in self._imitating:
            options = RunnerOptions(extras={"rounding": repr(unit_roundoff), "seed": "1"})
            self._imitating[unit_roundoff] = Session(_RUNNER, self._onnx, options)
        try:
            return self._imitating[unit_roundoff].run_all([self._feeds[index]])[0]
        except PortError:
            self._imitating.pop(unit_roundoff).close()
            raise


def _rows(feed: Feed) -> int:
    """How much there is to compute, in examples."""
    return max((len(tensor) for tensor in feed.values() if tensor.ndim), default=1)
