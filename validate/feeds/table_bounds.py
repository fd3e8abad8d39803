"""The widest range of each input for which all tables have rows."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from paddleport.models.paddle.program_graph import ProgramGraph
from paddleport.validate.feeds.table_lookups import RowUse, row_uses
from paddleport.validate.feeds.value_intervals import Interval, intervals

MOST = 2**31 - 1
"""An input that may be this large is not bounded by any table."""

_LEAST_LOW = 16  # the largest value that is tried as an input's smallest
_HALVINGS = 64  # of the ranges of inputs that are added to each other


def table_bounds(graph: ProgramGraph, names: Sequence[str], length: int) -> dict[str, Interval]:
    """The bounds of inputs by name; one that no small value fits is left out.

    Args:
        graph: the program, of which only lookups and what leads to them is needed.
        names: of inputs.
        length: elements of a sequence, as ``intervals`` has it.
    """

    def broken(given: Mapping[str, Interval]) -> list[RowUse]:
        uses = row_uses(graph, intervals(graph, given, length))
        return [use for use in uses if use.index.sources & set(given) and not use.fits]

    def fits(name: str, low: int, high: int) -> bool:
        return not broken({name: Interval(low, high)})

    bounds = {}
    for name in names:
        lows = range(_LEAST_LOW + 1)
        low = next((value for value in lows if fits(name, value, value)), None)
        if low is not None:
            bounds[name] = Interval(low, _highest(partial(fits, name, low), low))
    for _ in range(_HALVINGS):  # inputs that are added to each other share one table
        for name in {name for use in broken(bounds) for name in use.index.sources & set(bounds)}:
            least, most = bounds[name].low, bounds[name].high
            bounds[name] = Interval(least, least + (most - least) // 2)
    return bounds


def _highest(fits: Callable[[int], bool], low: int) -> int:
    """The largest that fits, by halving: a larger value never fits where a smaller does not."""
    if fits(MOST):
        return MOST
    good, bad = low, MOST
    while bad - good > 1:
        middle = (good + bad) // 2
        if fits(middle):
            good = middle
        else:
            bad = middle
    return good
