"""How a long task reports its progress."""

from collections.abc import Callable

Progress = Callable[[str, float | None], None]
"""Is given the step under way and the share of the work done, 0 to 1; ``None`` if unknown."""


def no_progress(step: str, share: float | None) -> None:
    """Ignore every report."""


def part_of(progress: Progress, start: float, end: float) -> Progress:
    """What a part of the work reports to: its shares are those from ``start`` to ``end``."""

    def report(step: str, share: float | None) -> None:
        progress(step, None if share is None else start + (end - start) * share)

    return report
