"""Ending what a request's task awaits, without a second task for it."""

import asyncio
from types import TracebackType


class Interruption:
    """Cancels what the task that entered it awaits, once ``happen`` is called.

    ``asyncio.wait_for`` and ``asyncio.wait`` put what they watch into a task of its own, and each
    change of tasks is a turn of the event loop before the answer goes out.

    Attributes:
        happened: whether a ``CancelledError`` inside comes from here.
    """

    def __init__(self) -> None:
        self.happened = False
        self._task: asyncio.Task[object] | None = None

    def happen(self, *_: object) -> None:
        """End it; after the task has left, this does nothing."""
        if self._task is not None and not self.happened:
            self.happened = True
            self._task.cancel()

    def __enter__(self) -> "Interruption":
        self._task = asyncio.current_task()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._task = None
