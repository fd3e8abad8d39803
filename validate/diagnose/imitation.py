"""Whether an answer is the reference's to another input: the mark of a wrong preprocessing."""

import time
from collections.abc import Iterator

import numpy as np

from paddleport.tensors import Array, Feed
from paddleport.validate.diagnose.validation_outputs import ComparedOutput, ReferenceOutputs
from paddleport.validate.input_diff.input_variants import InputVariant, input_variants
from paddleport.validate.input_diff.tensor_changes import InputChange

_FEEDS = 3  # that must all be explained by the same variant
_PICTURES = 2  # of these, where there are others
_KINDS = ("picture", "drawn", "noise", "given")
_SECONDS = 20.0  # for one candidate; each variant is a run of the reference or several
_REST = 0.1  # of the error: what a variant may leave unexplained, for a candidate that rounds more
_SETTLED = 1e-3  # of the error: no other variant will leave less
_CHANCE = 1e-5  # that a variant comes as near as it does by accident; some hundred are tried


def find_imitated_input(reference: ReferenceOutputs, output: ComparedOutput) -> tuple[str, str]:
    """The variant of the input that explains a candidate's answer, and the advice for it.

    Every variant is tried on the reference. It explains the answer if, on every feed looked at,
    the candidate is within its limit of the reference on the variant, and the variant leaves
    next to nothing of what the candidate is off by.

    Returns:
        Two empty texts where none does.
    """
    if output.scale.measure == "equality" or _contradicts_itself(output):
        return "", ""
    search = _VariantSearch(reference, output)
    if not search.looked_at:
        return "", ""
    best: tuple[float, InputVariant] | None = None
    for variant in search.variants():
        rest = search.unexplained(variant)
        if rest is not None and (best is None or rest < best[0]):
            best = rest, variant
            if rest <= _SETTLED:
                break
    return ("", "") if best is None else (best[1].name, best[1].sentence)


class _VariantSearch:
    """Variants of one feed, held against several.

    Attributes:
        looked_at: indices of the feeds: first one that differs, then others.
    """

    def __init__(self, reference: ReferenceOutputs, output: ComparedOutput) -> None:
        """Asks nothing yet."""
        self._reference, self._output = reference, output
        self._name = _picture_input(reference.feeds[0].tensors)
        self.looked_at = _looked_at(reference, output) if self._name else []
        failing = [index for index in self.looked_at if output.errors[index] > output.limit]
        values = sum(len(np.unique(output.candidate[index])) for index in failing)
        self._rest = min(_REST, _CHANCE ** (1 / max(values, 1)))

    def variants(self) -> Iterator[InputVariant]:
        """Of the first feed, those that hold on the feeds that were made from no picture.

        There other pixels change nothing, so that most are dropped before any is resized. None
        are left once time is up.
        """
        first, *others = self.looked_at
        feed = self._reference.feeds[first]
        bare = [index for index in others if self._reference.feeds[index].picture is None]
        deadline = time.monotonic() + _SECONDS

        def is_worth_it(change: InputChange) -> bool:
            shares = (self._share(index, self._changed(change, index)) for index in bare)
            return time.monotonic() < deadline and all(share is not None for share in shares)

        tensor = feed.tensors[self._name]
        return input_variants(tensor, self._reference.preprocess, feed.picture, only=is_worth_it)

    def unexplained(self, variant: InputVariant) -> float | None:
        """The share of the candidate's error that a variant leaves; ``None`` if it is too much."""
        answers, worst = [], 0.0
        for index in self.looked_at:
            is_first = index == self.looked_at[0]
            made = variant.tensor if is_first else self._changed(variant.change, index)
            share, answer = self._share(index, made), self._answer(index, made)
            if share is None or answer is None:
                return None
            worst = max(worst, share)
            answers.append(answer)
        return worst if self._is_telling(answers) else None

    def _changed(self, change: InputChange, index: int) -> Array | None:
        feed = self._reference.feeds[index]
        return change.make(feed.tensors[self._name], feed.picture)

    def _share(self, index: int, made: Array | None) -> float | None:
        """As ``unexplained``, on one feed; 0 where the candidate is right and must be."""
        output, answer = self._output, self._answer(index, made)
        if answer is None:
            return None
        rest, error = output.scale.error(output.candidate[index], answer), output.errors[index]
        if error <= output.limit:
            return 0.0 if rest <= output.limit else None
        return rest / error if rest <= min(output.limit, self._rest * error) else None

    def _answer(self, index: int, made: Array | None) -> Array | None:
        """The reference's to what was made of a feed; asked only where that is another input."""
        if made is None:
            return None
        if np.array_equal(made, self._reference.feeds[index].tensors[self._name]):
            return self._output.reference[index]
        outputs = self._reference.answer_to(index, self._name, made)
        return None if outputs is None else outputs[self._output.name]

    def _is_telling(self, answers: list[Array]) -> bool:
        """Whether the answers hold numbers, and not the same ones for every feed."""
        if not any(np.isfinite(answer).any() for answer in answers):
            return False
        first, *others = answers
        scale, limit = self._output.scale, self._output.limit
        return not others or any(scale.error(other, first) > limit for other in others)


def _looked_at(reference: ReferenceOutputs, output: ComparedOutput) -> list[int]:
    """Indices of the feeds that a variant must explain: those that differ, the worst first.

    Where there are both, some were made from a picture and some were not. Feeds that agree make
    up for what is missing: a variant must not change the reference's answer to them.
    """
    usable = [i for i, feed in enumerate(reference.feeds) if feed.kind in _KINDS]
    failing = [index for index in output.failing if output.errors[index] > output.limit]
    ordered = [index for index in failing if index in usable]
    if not ordered:
        return []
    ordered += [index for index in usable if index not in ordered]
    pictures = [index for index in ordered if reference.feeds[index].picture is not None]
    bare = [index for index in ordered if reference.feeds[index].picture is None]
    pictures = pictures[: _PICTURES if bare else _FEEDS]
    chosen = pictures + bare[: _FEEDS - len(pictures)]
    return sorted(chosen, key=lambda i: (output.errors[i] <= output.limit, ordered.index(i)))


def _contradicts_itself(output: ComparedOutput) -> bool:
    """Whether the candidate gives one feed two answers, so that none of them means anything."""
    pairs = zip(output.again, output.candidate, strict=False)
    return any(output.scale.error(again, given) > output.limit for again, given in pairs)


def _picture_input(tensors: Feed) -> str:
    """The likeliest input to be a picture, [N, C, H, W]; empty where there is none."""
    names = [name for name, tensor in tensors.items() if tensor.ndim == 4]
    coloured = [name for name in names if tensors[name].shape[1] == 3]
    return next(iter(coloured + names), "")
