"""Work that runs beside its consumer, a bounded amount ahead, answered in the order given."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Pending(Protocol[Result_co]):
    """Something that was started; ``concurrent.futures.Future`` is one."""

    def result(self) -> Result_co:
        """Wait for it, and give it or raise what it raised."""

    def cancel(self) -> object:
        """Nobody will ask for the result: end it if that is possible."""


class Done(Pending[Result]):
    """A result that is there already."""

    def __init__(self, value: Result) -> None:
        self._value = value

    def result(self) -> Result:
        """At once."""
        return self._value

    def cancel(self) -> None:
        """Nothing is left to end."""


def in_order(
    start: Callable[[Item], Pending[Result]], items: Iterable[Item], ahead: int
) -> Generator[Result, None, None]:
    """Start every item, at most ``ahead`` of them unanswered, and give their results in order.

    Items are asked for and started by whoever consumes the results, in that thread. What an
    item raises is raised in its place and ends the rest; what ``items`` itself raises comes after
    the results of the items before it. However it ends, what is still pending is cancelled.
    """
    pending: deque[Pending[Result]] = deque()
    source, ended = iter(items), False
    failure: Exception | None = None
    try:
        while True:
            while not ended and len(pending) < ahead:
                try:
                    pending.append(start(next(source)))
                except StopIteration:
                    ended = True
                except Exception as error:
                    failure, ended = error, True
            if not pending:
                break
            yield pending.popleft().result()
        if failure is not None:
            raise failure
    finally:
        for each in pending:
            each.cancel()
