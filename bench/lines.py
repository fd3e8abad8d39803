"""What the bench claims: a measured value against a limit, and how the table shows it."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

NO_LIMIT = math.inf
_HEAD = "| what | measured | limit | medians and middle halves |\n| --- | ---: | ---: | --- |"


@dataclass(frozen=True)
class Line:
    """One measured claim: ``value`` against ``limit``, with what it was made of.

    Attributes:
        value: ``None`` if it was not measured; ``reason`` then says why.
        limit: most that ``value`` may be, ``NO_LIMIT`` where it is shown for its own sake.
        at_least: the limit is the least instead.
        reason: why the limit is missed, found by a profile.
    """

    what: str
    value: float | None
    limit: float
    unit: str
    detail: str
    at_least: bool = False
    reason: str = ""

    @property
    def missed(self) -> bool:
        """Whether the value is on the wrong side of the limit."""
        if self.value is None or self.limit == NO_LIMIT:
            return False
        # nan is on neither side, and must not pass
        return not (self.value >= self.limit if self.at_least else self.value <= self.limit)

    def row(self) -> str:
        """As Markdown."""
        value = "not measured" if self.value is None else f"{self.value:.3f} {self.unit}".strip()
        limit = "" if self.limit == NO_LIMIT else f"{'≥ ' if self.at_least else ''}{self.limit:g}"
        if self.missed:
            value = f"**{value}**"
        told = ". ".join(text for text in (self.detail, self.reason) if text)
        cells = (text.replace("|", "/") for text in (self.what, value, limit, told))
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class Found:
    """What one part of the bench found: lines, plots by name, and the series they show."""

    lines: Sequence[Line]
    plots: Mapping[str, str]
    series: Mapping[str, object]

    @classmethod
    def together(cls, parts: Sequence["Found"]) -> "Found":
        """What several parts found, in their order."""
        plots: dict[str, str] = {}
        series: dict[str, object] = {}
        for part in parts:
            plots |= part.plots
            series |= part.series
        return cls([line for part in parts for line in part.lines], plots, series)


def spread(values: Sequence[float]) -> str:
    """Median and the middle half."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def ratio_detail(first: Sequence[float], second: Sequence[float], unit: str) -> str:
    """The middle half of the pairs' ratios, and both sides."""
    ratios = [one / other for one, other in zip(first, second, strict=True)]
    sides = f"{spread(first)} against {spread(second)} {unit}"
    return f"ratio {spread(ratios)}; {sides}, {len(ratios)} pairs"


def table(lines: Sequence[Line]) -> str:
    """All lines as one Markdown table."""
    return "\n".join((_HEAD, *(line.row() for line in lines))) + "\n"


def write(folder: Path, found: Found) -> None:
    """``bench.json``, ``bench.md`` and a ``bench-NAME.svg`` for each plot."""
    folder.mkdir(exist_ok=True)
    lines = [asdict(line) | {"missed": line.missed} for line in found.lines]
    for line in lines:
        if line["limit"] == NO_LIMIT:  # which JSON cannot say
            line["limit"] = None
    told = {"lines": lines, "series": found.series}
    (folder / "bench.json").write_text(json.dumps(told, indent=2) + "\n")
    pictures = ""
    for name, svg in found.plots.items():
        (folder / f"bench-{name}.svg").write_text(svg)
        pictures += f"\n![{name}](bench-{name}.svg)\n"
    (folder / "bench.md").write_text(f"# Bench\n\n{table(found.lines)}{pictures}")
