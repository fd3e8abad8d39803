"""How long work may take, measured while it is done, and how long what is left of it will."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class TimeBudget:
    """Seconds for work in pieces of known relative size, such as the rows of a batch.

    Attributes:
        seconds: what there is for all of it.
    """

    def __init__(self, seconds: float) -> None:
        """Nothing is spent yet."""
        self.seconds = seconds
        self._spent_s = self._done = 0.0

    @contextmanager
    def spending(self, size: float) -> Iterator[None]:
        """A piece of the work."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._spent_s += time.monotonic() - started
            self._done += size

    def expected_s(self, size: float) -> float:
        """How long a piece is likely to take; 0 as long as nothing was measured."""
        return self._spent_s / self._done * size if self._done else 0.0

    def allows(self, size: float) -> bool:
        """Whether a piece is likely to be done in time."""
        return self._spent_s + self.expected_s(size) <= self.seconds

    def left(self, size: float) -> str:
        """To follow a step's name: how long all that is left will take, where that is known."""
        expected_s = min(self.expected_s(size), max(0.0, self.seconds - self._spent_s))
        return f", about {expected_s:.0f} s left" if expected_s >= 1 else ""
