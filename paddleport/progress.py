"""How long work reports how far it is."""

from collections.abc import Callable

Progress = Callable[[str, float | None], None]
"""Is given the step under way and the share of the work done, 0 to 1; ``None`` if unknown."""


def no_progress(step: str, share: float | None) -> None:
    """Nobody wants to know."""


def part_of(progress: Progress, start: float, end: float) -> Progress:
    """What a part of the work reports to: its shares are those from ``start`` to ``end``."""

    def report(step: str, share: float | None) -> None:
        progress(step, None if share is None else start + (end - start) * share)

    return report
