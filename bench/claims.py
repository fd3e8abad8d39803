"""Measured values against their limits, and the tables and files that show them."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

NO_LIMIT = math.inf
_HEAD = "| what | measured | limit | medians and middle halves |\n| --- | ---: | ---: | --- |"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One measured value against its limit; a row of the table.

    Attributes:
        what: what is measured, the name of the row.
        value: ``None`` if it was not measured; ``reason`` then says why.
        limit: the most that ``value`` may be; ``NO_LIMIT`` where it is only shown.
        unit: of ``value``.
        detail: the medians and middle halves behind it.
        at_least: whether ``limit`` is the least that ``value`` may be instead.
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
        explanation = ". ".join(text for text in (self.detail, self.reason) if text)
        cells = (text.replace("|", "/") for text in (self.what, value, limit, explanation))
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class Results:
    """What one part of the bench measured: claims, plots by name, and the series they show."""

    claims: Sequence[Claim]
    plots: Mapping[str, str]
    series: Mapping[str, object]

    @classmethod
    def merged(cls, parts: Sequence["Results"]) -> "Results":
        """The results of several parts, in their order."""
        plots: dict[str, str] = {}
        series: dict[str, object] = {}
        for part in parts:
            plots |= part.plots
            series |= part.series
        return cls([claim for part in parts for claim in part.claims], plots, series)


def spread(values: Sequence[float]) -> str:
    """Median and the middle half."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def ratio_detail(first: Sequence[float], second: Sequence[float], unit: str) -> str:
    """The middle half of the pairs' ratios, and both sides."""
    ratios = [one / other for one, other in zip(first, second, strict=True)]
    sides = f"{spread(first)} against {spread(second)} {unit}"
    return f"ratio {spread(ratios)}; {sides}, {len(ratios)} pairs"


def table(claims: Sequence[Claim]) -> str:
    """All claims as one Markdown table."""
    return "\n".join((_HEAD, *(claim.row() for claim in claims))) + "\n"


def write(folder: Path, results: Results) -> None:
    """``bench.json``, ``bench.md`` and a ``bench-NAME.svg`` for each plot."""
    folder.mkdir(exist_ok=True)
    rows = [asdict(claim) | {"missed": claim.missed} for claim in results.claims]
    for row in rows:
        if row["limit"] == NO_LIMIT:  # which JSON cannot say
            row["limit"] = None
    report = {"lines": rows, "series": results.series}
    (folder / "bench.json").write_text(json.dumps(report, indent=2) + "\n")
    pictures = ""
    for name, svg in results.plots.items():
        (folder / f"bench-{name}.svg").write_text(svg)
        pictures += f"\n![{name}](bench-{name}.svg)\n"
    (folder / "bench.md").write_text(f"# Bench\n\n{table(results.claims)}{pictures}")
