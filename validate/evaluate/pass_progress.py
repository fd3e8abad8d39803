"""How far a pass over pictures is: pictures per second and the time left."""

import time

from paddleport.progress import Progress

_EVERY_S = 0.2
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class PassProgress:
    """Says so at most a few times a second."""

    def __init__(self, progress: Progress, start: int, count: int) -> None:
        """Begin to count.

        Args:
            progress: what is told.
            start: pictures that were through before.
            count: how many there are.
        """
        self._progress, self._first, self._count = progress, start, count
        self._started, self._last = time.monotonic(), 0.0

    def report(self, position: int) -> None:
        """So many pictures are through."""
        now = time.monotonic()
        if now - self._last < _EVERY_S and position < self._count:
            return
        self._last = now
        rate = (position - self._first) / max(now - self._started, 1e-9)
        left = (self._count - position) / rate if rate else 0.0
        step = f"{position:,} of {self._count:,} pictures · {rate:.0f}/s"
        share = position / self._count if self._count else None
        self._progress(f"{step} · {shown_duration(left)} left", share)


def shown_duration(seconds: float) -> str:
    """``75`` as ``1 min 15 s``: the two largest units."""
    rest = max(0, round(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        if rest >= size or (unit == "s" and not parts):
            parts.append(f"{rest // size} {unit}")
            rest %= size
        elif parts:
            break
    return " ".join(parts[:2])
