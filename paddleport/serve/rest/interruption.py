"""Ending what a request's task awaits, without a second task for it."""

import asyncio
from types import TracebackType


class Interruption:
    """Ends the block that the task which entered it is in with an error, once ``happen`` is called.

    ``asyncio.wait_for`` and ``asyncio.wait`` put what they watch into a task of its own, and each
    change of tasks is a turn of the event loop before the answer goes out.
    """

    def __init__(self) -> None:
        self._error: Exception | None = None
        self._task: asyncio.Task[object] | None = None

    def happen(self, error: Exception) -> None:
        """End it; after the task has left, or for the second time, this does nothing."""
        if self._task is not None and self._error is None:
            self._error = error
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
        if self._error is not None and isinstance(error, asyncio.CancelledError):
            raise self._error from None
