"""A sequence whose items are made when they are asked for."""

from collections.abc import Callable, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class OnDemand(Sequence[T]):
    """``count`` items, each made by its index; whoever makes them remembers them."""

    def __init__(self, count: int, make: Callable[[int], T]) -> None:
        """Nothing is made yet."""
        self._indices, self._make = range(count), make

    def __len__(self) -> int:
        """Without making any."""
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        """Raises what making an item does."""
        if isinstance(index, slice):
            return [self._make(one) for one in self._indices[index]]
        return self._make(self._indices[index])
