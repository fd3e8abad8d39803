"""When an error has grown by more than rounding explains."""

from paddleport.validate.report_diff.changes import Kind

# Another order of the same sums: the worst errors of 12 made-up networks of 20 layers, each
# summed in 24 orders in fp32, were never more than a factor of 2.9 apart (6624 pairs).
GROWN = 3.0
FLOOR_ROUNDOFFS = 10.0  # what a handful of roundings makes may come and go
# One more step like it would cross the limit by far.
GROWN_MUCH = 10.0
MUCH_OF_LIMIT = 0.5


def grown(old: float, new: float, *, floor: float, limit: float) -> Kind | None:
    """What a changed error means, while the verdict is as it was.

    Below a factor of 3, or of some ten roundings in size, it is noise. From 3 on it is a
    change, or an improvement. It is a regression from a factor of 10 on, if it then takes more
    than half of the limit.

    Args:
        old: the worst error before; infinite where values were incomparable.
        new: the worst error after, likewise.
        floor: below it, an error is a few roundings.
        limit: of NEW's tolerance.
    """
    if new == old:
        return None
    if new > old:
        if new < GROWN * old or new <= floor:
            return None
        return "regression" if new >= GROWN_MUCH * old and new > MUCH_OF_LIMIT * limit else "change"
    return "improvement" if old >= GROWN * new and old > floor else None
