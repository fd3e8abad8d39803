"""What changed in latencies, load times, memory and the model's size.

The machine's own drift is taken out of latencies.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from paddleport.validate.report_diff.changes import MODEL, Kind, ReportChange, ratio, times
from paddleport.validate.report_diff.median import Median, moved
from paddleport.validate.report_diff.recorded_report import (
    SPEED_REFERENCE,
    Configuration,
    RecordedReport,
    RecordedRow,
)
from paddleport.validate.reports import figures

# Assumed, not measured: runtimes differ in what they make of an instruction set, so on another
# CPU a backend's multiple of Paddle's latency is another one without anybody's fault.
OTHER_MACHINE = 1.5
# Loading is timed once: eight loads of one small model took 180 to 310 ms on ONNX Runtime and
# OpenVINO, and one of them 630 ms.
LOAD_GROWN, LOAD_GROWN_MS = 2.0, 100.0
MEMORY_GROWN = 1.2
_FILE_GROWN = 1.01  # the metadata inside names versions
_COUNTS = {"parameters": "parameters", "flops": "FLOP of one inference"}
_UNSURE = 0.25  # a ratio that a reader would want to know more of
MedianPair = tuple[Median, Median]  # in OLD and in NEW


@dataclass(kw_only=True)
class LatencyChanges:
    """Compares the latencies of two reports.

    The rule: a latency is slower or faster when its medians' 95 % intervals are disjoint and
    the ratio is beyond the threshold, and when both hold as well after dividing each median by
    Paddle's in the same report, batch and threads. What moves along with Paddle is the machine
    or its load. Paddle's own row is divided by that of the other backends which moved most
    like it. End to end is divided by the inference latency, so that slower preprocessing, which
    all backends share, is not taken for the machine. Without such a normaliser the medians alone
    count. On another CPU only the quotients count, as a regression from × 1.5 on. The plain
    reference is there to be exact: its speed is never better or worse.

    Attributes:
        old, new: the reports.
        threshold: smallest relative change that counts.
        drifted: ratios of those that moved along with their normaliser.
        unsure: how many moved far within intervals that overlap.
        alone: how many had no normaliser.
    """

    old: RecordedReport
    new: RecordedReport
    threshold: float
    drifted: list[float] = field(default_factory=list)
    unsure: int = 0
    alone: int = 0

    @property
    def same_machine(self) -> bool:
        """As far as the CPU's name shows."""
        return (
            bool(self.old.environment.cpu) and self.old.environment.cpu == self.new.environment.cpu
        )

    def changes(self, name: str) -> Iterable[ReportChange]:
        """What became of one row's latencies; both reports have the row."""
        before, after = self.old.backends[name].medians, self.new.backends[name].medians
        for key in before:
            if key in after:
                found = self._changed(name, key, (before[key], after[key]))
                if found is not None:
                    yield found
            elif after and any(key in row.medians for row in self.new.backends.values()):
                text = _text(before[key])
                yield ReportChange(
                    backend=name,
                    what=_title(key),
                    old=text,
                    new="",
                    change="not measured any more",
                    kind="change",
                )

    def notes(self) -> list[str]:
        """What a reader must know of the latencies, after all rows were compared."""
        texts = list(self._unmeasured())
        if self.drifted:
            ends = dict.fromkeys(map(times, (min(self.drifted), max(self.drifted))))
            texts.append(
                f"{len(self.drifted)} latencies moved ({' to '.join(ends)}), and divided by "
                f"{SPEED_REFERENCE}'s in the same report did not beyond noise: the machine or its "
                "load; not counted"
            )
        if self.alone and self.same_machine:
            texts.append(
                f"{self.alone} latencies stand alone: no {SPEED_REFERENCE} (for {SPEED_REFERENCE} "
                "itself: no other backend) to divide them by, so the machine's drift is in them"
            )
        if self.alone and not self.same_machine:
            texts.append(f"{self.alone} latencies had nothing to be divided by: not compared")
        if self.unsure:
            texts.append(
                f"{self.unsure} medians are more than {_UNSURE:.0%} apart within intervals that "
                "overlap: nothing can be said; measure with more --seconds"
            )
        return texts

    def _unmeasured(self) -> Iterator[str]:
        """Configurations, or all latencies, that only one report has."""
        reports = {"OLD": self.old, "NEW": self.new}
        found = {title: _configurations(report) for title, report in reports.items()}
        for title, keys in found.items():
            missing = sorted(set().union(*found.values()) - keys)
            texts = [figures.configuration_text(key) for key in missing]
            if texts:
                text = "; ".join(texts) if keys else "any latency"
                yield f"{title} did not measure {text}"

    def _changed(self, name: str, key: Configuration, pair: MedianPair) -> ReportChange | None:
        old, new = pair
        normaliser = self._normaliser(name, key, pair)
        plain = moved(old, new, self.threshold)
        factor = new.middle / old.middle
        if self.same_machine and not plain:
            self.unsure += abs(math.log(factor)) > math.log(1 + _UNSURE) and _overlap(old, new)
        if normaliser is None:
            self.alone += 1
            counts = plain and self.same_machine
            return self._change(name, key, pair, plain, None) if counts else None
        against = old.over(normaliser[0]), new.over(normaliser[1])
        direction = moved(*against, self.threshold)
        normalised = against[1].middle / against[0].middle
        if not self.same_machine:
            if not direction or name == SPEED_REFERENCE:
                return None
            far = max(normalised, 1 / normalised) >= OTHER_MACHINE
            return self._change(name, key, pair, direction if far else 0, normalised)
        if plain and plain != direction:
            self.drifted.append(factor)
            return None
        return self._change(name, key, pair, plain, normalised) if plain else None

    def _normaliser(self, name: str, key: Configuration, pair: MedianPair) -> MedianPair | None:
        """What shows the machine's own change in one configuration."""
        if self.same_machine:
            key = (*key[:2], "inference")
        if name != SPEED_REFERENCE:
            return self._pair(SPEED_REFERENCE, key)
        others = [
            found
            for other in self.old.backends
            if not other.startswith(SPEED_REFERENCE)
            and (found := self._pair(other, key)) is not None
        ]
        return min(others, key=lambda other: _apart(other, pair), default=None)

    def _pair(self, name: str, key: Configuration) -> MedianPair | None:
        rows: list[RecordedRow | None] = [self.old.backends.get(name), self.new.backends.get(name)]
        found = [row.medians[key] for row in rows if row is not None and key in row.medians]
        return (found[0], found[1]) if len(found) == 2 else None

    def _change(
        self,
        name: str,
        key: Configuration,
        pair: MedianPair,
        direction: int,
        normalised: float | None,
    ) -> ReportChange:
        if self.new.backends[name].verdict == "reference":
            direction = 0
        kinds: dict[int, Kind] = {1: "regression", -1: "improvement", 0: "change"}
        old, new = pair
        factor = new.middle / old.middle
        text = times(factor)
        if normalised is not None:
            whose = "the others" if name == SPEED_REFERENCE else SPEED_REFERENCE
            text += f"; ÷ {whose} {times(normalised)}"
        return ReportChange(
            backend=name,
            what=_title(key),
            old=_text(old),
            new=_text(new),
            change=text,
            kind=kinds[direction],
            ratio=factor,
            normalised=normalised,
        )


def _configurations(report: RecordedReport) -> set[Configuration]:
    return {key for row in report.backends.values() for key in row.medians}


def _apart(one: MedianPair, other: MedianPair) -> float:
    ratios = [math.log(new.middle) - math.log(old.middle) for old, new in (one, other)]
    return abs(ratios[0] - ratios[1])


def _overlap(old: Median, new: Median) -> bool:
    return new.low <= old.high and old.low <= new.high


def _title(key: Configuration) -> str:
    return f"p50 ms, {figures.configuration_text(key)}"


def _text(median: Median) -> str:
    digits = ".2f" if median.middle >= 1 else ".3g"
    return f"{median.middle:{digits}} ({median.low:{digits}} to {median.high:{digits}})"


def compare_costs(name: str, old: RecordedRow, new: RecordedRow) -> Iterator[ReportChange]:
    """A backend's load times and peak memory, on one machine."""
    yield from _loads(name, "load ms", old.load.load_ms, new.load.load_ms)
    yield from _loads(name, "warm load ms", old.load.warm_load_ms, new.load.warm_load_ms)
    before, after = old.load.peak_memory_bytes, new.load.peak_memory_bytes
    if before and after and max(before, after) > MEMORY_GROWN * min(before, after):
        texts = figures.size(int(before)), figures.size(int(after))
        yield _change(name, "peak memory", before, after, *texts)


def compare_models(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[ReportChange]:
    """The size of the file and what is counted in it."""
    before, after = _count(old, "onnx bytes"), _count(new, "onnx bytes")
    if before and after and max(before, after) > _FILE_GROWN * min(before, after):
        yield _change(MODEL, "ONNX file", before, after, figures.size(before), figures.size(after))
    for key, what in _COUNTS.items():
        before, after = _count(old, key), _count(new, key)
        if before is not None and after is not None and before != after:
            yield _change(MODEL, what, before, after, f"{before:,}", f"{after:,}")


def _loads(
    name: str, what: str, before: float | None, after: float | None
) -> Iterator[ReportChange]:
    if (
        before is not None
        and after is not None
        and abs(after - before) >= LOAD_GROWN_MS
        and max(before, after) >= LOAD_GROWN * min(before, after)
    ):
        yield _change(name, what, before, after, f"{before:.0f}", f"{after:.0f}")


def _count(model: Mapping[str, Any], key: str) -> int | None:
    found = model.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _change(
    backend: str, what: str, before: float, after: float, old: str, new: str
) -> ReportChange:
    factor = ratio(before, after)
    return ReportChange(
        backend=backend,
        what=what,
        old=old,
        new=new,
        change=times(factor),
        kind="change",
        ratio=factor,
    )
