"""What differs between two runs of any kind: their order, and the versions they ran with."""

from collections.abc import Iterator
from datetime import datetime

from paddleport.validate.report_diff.changes import times
from paddleport.validate.report_diff.recorded_report import RecordedEnvironment, RecordedReport


def order_notes(old: str, new: str) -> Iterator[str]:
    """That OLD is the later one, by the times that they were created at."""
    try:
        swapped = datetime.fromisoformat(new) < datetime.fromisoformat(old)
    except (ValueError, TypeError):  # no time, or one without a zone
        return
    if swapped:
        yield f"OLD ({old}) was made after NEW ({new}): are they swapped?"


def version_notes(one: RecordedEnvironment, two: RecordedEnvironment) -> Iterator[str]:
    """Versions that are not the same."""
    pairs = {"python": (one.python, two.python), "platform": (one.platform, two.platform)}
    pairs |= {
        name: (one.packages.get(name, ""), two.packages.get(name, ""))
        for name in dict.fromkeys((*one.packages, *two.packages))
    }
    texts = [
        f"{name} {before or 'none'} → {after or 'none'}"
        for name, (before, after) in pairs.items()
        if before != after
    ]
    if texts:
        yield f"versions: {', '.join(texts)}"


def brought_in_notes(old: RecordedReport, new: RecordedReport) -> Iterator[str]:
    """What became of latencies of other machines; they are never counted."""
    before, after = ({item.title: item.p50_ms for item in one.brought_in} for one in (old, new))
    for title in dict.fromkeys((*before, *after)):
        one, two = before.get(title), after.get(title)
        if one is None or two is None:
            whose = "NEW" if one is None else "OLD"
            yield f"brought in, not counted: only {whose} has {title}"
        elif one != two:
            moved = f"p50 {one:.4g} → {two:.4g} ms ({times(two / one)})"
            yield f"brought in, not counted: {title}: {moved}"
