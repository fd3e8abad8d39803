"""Tensors in float64 by the number of the feed, which may be known of some feeds only."""

from collections.abc import Collection, Mapping, Sequence

from paddleport.tensors import Array
from paddleport.validate.compare.error_scale import ErrorScale
from paddleport.validate.compare.metrics import Metrics, measure_error
from paddleport.validate.compare.row_order import OutputTensors
from paddleport.validate.compare.tied_rows import put_in_order

ExactTensors = Mapping[int, Array]


def distance(
    tensors: Sequence[Array], exact: ExactTensors, error_scale: ErrorScale
) -> Metrics | None:
    """From float64, over the feeds that it is known of; ``None`` where there are none.

    Args:
        tensors: one per feed.
        exact: of some.
        error_scale: the output's unit of error.
    """
    if not exact:
        return None
    return measure_error([tensors[index] for index in exact], [*exact.values()], error_scale)


def exact_in_order(
    exact: Sequence[ExactTensors],
    outputs: Sequence[OutputTensors],
    batches: Sequence[int],
    limit: float,
    typical: Collection[int],
) -> list[ExactTensors]:
    """Each output's, in the reference's order where equal scores allow it.

    Args:
        exact: one per output, of the same feeds each.
        outputs: the reference's and a candidate's, of all feeds.
        batches: how many examples each feed holds; 0 where that is not known.
        limit: of the tolerance.
        typical: the feeds that scales are taken from.
    """
    known = list(exact[0])
    if not known:
        return list(exact)
    tensors = [
        OutputTensors(item.name, [item.reference[index] for index in known], [*own.values()])
        for item, own in zip(outputs, exact, strict=True)
    ]
    ordered = put_in_order(
        tensors,
        [batches[index] for index in known],
        limit,
        [place for place, index in enumerate(known) if index in typical],
    )
    return [
        dict(zip(known, ordered[place][0].candidate, strict=True)) if place in ordered else own
        for place, own in enumerate(exact)
    ]
