"""Latencies of two reports, with the machine's own drift taken out."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from paddleport.validate.report_diff.changes import Change, Kind, times
from paddleport.validate.report_diff.median import Median, moved
from paddleport.validate.report_diff.snapshot import (
    SPEED_REFERENCE,
    Configuration,
    Row,
    Snapshot,
)
from paddleport.validate.reports import figures

# Assumed, not measured: runtimes differ in what they make of an instruction set, so on another
# CPU a backend's multiple of Paddle's latency is another one without anybody's fault.
OTHER_MACHINE = 1.5
_UNSURE = 0.25  # a ratio that a reader would want to know more of
Pair = tuple[Median, Median]  # in OLD and in NEW


@dataclass
class Speed:
    """Compares the latencies of two reports.

    The rule: a latency is slower or faster when its medians' 95 % intervals are disjoint and
    the ratio is beyond the threshold, and when both hold as well after dividing each median by
    Paddle's in the same report, batch and threads. What moves along with Paddle is the machine
    or its load. Paddle's own row is divided by that of the other backends which moved most
    like it. End to end is divided by the inference latency, so that slower preprocessing, which
    all backends share, is not taken for the machine. Without such a yardstick the medians alone
    count. On another CPU only the quotients count, as a regression from × 1.5 on. The plain
    reference is there to be exact: its speed is never better or worse.

    Attributes:
        old, new: the reports.
        threshold: smallest relative change that counts.
        drifted: ratios of those that moved along with their yardstick.
        unsure: how many moved far within intervals that overlap.
        bare: how many had no yardstick.
    """

    old: Snapshot
    new: Snapshot
    threshold: float
    drifted: list[float] = field(default_factory=list)
    unsure: int = 0
    bare: int = 0

    @property
    def same_machine(self) -> bool:
        """As far as the CPU's name tells."""
        return bool(self.old.cpu) and self.old.cpu == self.new.cpu

    def changes(self, name: str) -> Iterable[Change]:
        """What became of one row's latencies; both reports have the row."""
        before, after = self.old.rows[name].medians, self.new.rows[name].medians
        for key in before:
            if key in after:
                found = self._judged(name, key, (before[key], after[key]))
                if found is not None:
                    yield found
            elif after and any(key in row.medians for row in self.new.rows.values()):
                text = _text(before[key])
                yield Change(name, _title(key), text, "", "not measured any more", "change")

    def notes(self) -> list[str]:
        """What a reader must know of the latencies, after all rows were compared."""
        told = list(self._unmeasured())
        if self.drifted:
            ends = dict.fromkeys(map(times, (min(self.drifted), max(self.drifted))))
            told.append(
                f"{len(self.drifted)} latencies moved ({' to '.join(ends)}), and divided by "
                f"{SPEED_REFERENCE}'s in the same report did not beyond noise: the machine or its "
                "load; not counted"
            )
        if self.bare and self.same_machine:
            told.append(
                f"{self.bare} latencies stand alone: no {SPEED_REFERENCE} (for {SPEED_REFERENCE} "
                "itself: no other backend) to divide them by, so the machine's drift is in them"
            )
        if self.bare and not self.same_machine:
            told.append(f"{self.bare} latencies had nothing to be divided by: not compared")
        if self.unsure:
            told.append(
                f"{self.unsure} medians are more than {_UNSURE:.0%} apart within intervals that "
                "overlap: nothing can be said; measure with more --seconds"
            )
        return told

    def _unmeasured(self) -> Iterator[str]:
        """Configurations, or all latencies, that only one report has."""
        reports = {"OLD": self.old, "NEW": self.new}
        found = {title: _configurations(report) for title, report in reports.items()}
        for title, keys in found.items():
            missing = sorted(set().union(*found.values()) - keys)
            texts = [figures.configuration_text(key) for key in missing]
            if texts:
                told = "; ".join(texts) if keys else "any latency"
                yield f"{title} did not measure {told}"

    def _judged(self, name: str, key: Configuration, pair: Pair) -> Change | None:
        old, new = pair
        yardstick = self._yardstick(name, key, pair)
        plain = moved(old, new, self.threshold)
        factor = new.middle / old.middle
        if self.same_machine and not plain:
            self.unsure += abs(math.log(factor)) > math.log(1 + _UNSURE) and _overlap(old, new)
        if yardstick is None:
            self.bare += 1
            counts = plain and self.same_machine
            return self._change(name, key, pair, plain, None) if counts else None
        against = old.over(yardstick[0]), new.over(yardstick[1])
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

    def _yardstick(self, name: str, key: Configuration, pair: Pair) -> Pair | None:
        """What shows the machine's own change in one configuration."""
        if self.same_machine:
            key = (*key[:2], "inference")
        if name != SPEED_REFERENCE:
            return self._pair(SPEED_REFERENCE, key)
        others = [
            found
            for other in self.old.rows
            if not other.startswith(SPEED_REFERENCE)
            and (found := self._pair(other, key)) is not None
        ]
        return min(others, key=lambda other: _apart(other, pair), default=None)

    def _pair(self, name: str, key: Configuration) -> Pair | None:
        rows: list[Row | None] = [self.old.rows.get(name), self.new.rows.get(name)]
        found = [row.medians[key] for row in rows if row is not None and key in row.medians]
        return (found[0], found[1]) if len(found) == 2 else None

    def _change(
        self,
        name: str,
        key: Configuration,
        pair: Pair,
        direction: int,
        normalised: float | None,
    ) -> Change:
        if self.new.rows[name].verdict == "reference":
            direction = 0
        kinds: dict[int, Kind] = {1: "regression", -1: "improvement", 0: "change"}
        old, new = pair
        factor = new.middle / old.middle
        told = times(factor)
        if normalised is not None:
            whose = "the others" if name == SPEED_REFERENCE else SPEED_REFERENCE
            told += f"; ÷ {whose} {times(normalised)}"
        texts = _text(old), _text(new)
        return Change(name, _title(key), *texts, told, kinds[direction], factor, normalised)


def _configurations(report: Snapshot) -> set[Configuration]:
    return {key for row in report.rows.values() for key in row.medians}


def _apart(one: Pair, other: Pair) -> float:
    ratios = [math.log(new.middle) - math.log(old.middle) for old, new in (one, other)]
    return abs(ratios[0] - ratios[1])


def _overlap(old: Median, new: Median) -> bool:
    return new.low <= old.high and old.low <= new.high


def _title(key: Configuration) -> str:
    return f"p50 ms, {figures.configuration_text(key)}"


def _text(median: Median) -> str:
    digits = ".2f" if median.middle >= 1 else ".3g"
    return f"{median.middle:{digits}} ({median.low:{digits}} to {median.high:{digits}})"
