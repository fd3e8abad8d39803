"""Whether an answer is the reference's to another input: the mark of a wrong preprocessing."""

from paddleport.errors import FeedError
from paddleport.tensors import Array, Feed
from paddleport.validate.case import Case, OutputView
from paddleport.validate.variants import input_variants

_FEEDS = 3  # that must all be explained by the same variant
_KINDS = ("picture", "drawn", "noise", "given")


def imitated(case: Case, view: OutputView) -> tuple[str, str]:
    """The variant of the input that explains a candidate's answer, and the advice for it.

    Every variant is tried on the reference; it explains the answer if the reference gives it for
    the variant, and another one for the input itself, on every feed looked at.

    Returns:
        Two empty texts where none does.
    """
    chosen = [index for index in view.failing if case.feeds[index].kind in _KINDS][:_FEEDS]
    if not chosen or view.found.measure == "equality":
        return "", ""
    first, *others = chosen
    for variant, sentence, feed in _variants(case, first):
        answer = _answer(case, view, feed)
        if answer is None or view.found.error(view.given[first], answer) > view.limit:
            continue
        tells_apart = view.found.error(answer, view.wanted[first]) > view.limit
        if tells_apart and all(_explains(case, view, variant, index) for index in others):
            return variant, sentence
    return "", ""


def _explains(case: Case, view: OutputView, variant: str, index: int) -> bool:
    feed = next((feed for name, _, feed in _variants(case, index) if name == variant), None)
    answer = None if feed is None else _answer(case, view, feed)
    return answer is not None and view.found.error(view.given[index], answer) <= view.limit


def _variants(case: Case, index: int) -> list[tuple[str, str, Feed]]:
    """Name, advice and feed of what a wrong preprocessing would have made of a feed."""
    feed = case.feeds[index]
    picture_inputs = [name for name, tensor in feed.tensors.items() if tensor.ndim == 4]
    if not picture_inputs:
        return []
    name = picture_inputs[0]
    return [
        (variant.name, variant.sentence, {**feed.tensors, name: variant.tensor})
        for variant in input_variants(feed.tensors[name], case.preprocess, feed.picture)
    ]


def _answer(case: Case, view: OutputView, feed: Feed) -> Array | None:
    try:
        return case.ask(feed)[view.name]
    except FeedError:  # a variant of a shape that the model does not take
        return None
