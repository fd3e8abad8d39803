"""What programs on devices get wrong around a model that is right: told from the answers alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from paddleport.runners.tasks.classification import is_softmax
from paddleport.tensors import Array
from paddleport.validate.compare.comparison import FeedName, Outputs, typical_feeds
from paddleport.validate.compare.error_scale import choose_error_scale
from paddleport.validate.compare.input_dependence import values_vary
from paddleport.validate.diagnose.causes import Cause

_NAMED = 3  # feeds in one sentence
_MOST_AXES = 4


@dataclass(frozen=True)
class AnswerMistake:
    """A mistake that turns every wrong answer into the right one, once it is undone.

    Attributes:
        cause: as a backend's row has it.
        explanation: what it is, and what to do next.
    """

    cause: Cause
    explanation: str


def find_mistake(
    expected: Outputs, answers: Outputs, feeds: Sequence[FeedName], limit: float
) -> AnswerMistake | None:
    """The mistake that explains all of a device's answers; ``None`` where none does.

    Args:
        expected: native Paddle's, one mapping per feed.
        answers: the device's, under the same names.
        feeds: what was fed.
        limit: of the tolerance.
    """
    held = _HeldAnswers(expected, answers, feeds, limit)
    for find in (_one_answer, _mixed_feeds, _mixed_outputs, _other_function):
        mistake = find(held)
        if mistake is not None:
            return mistake
    return None


class _HeldAnswers:
    """Answers and what can be asked of them."""

    def __init__(
        self, expected: Outputs, answers: Outputs, feeds: Sequence[FeedName], limit: float
    ) -> None:
        self.expected, self.answers, self.feeds, self.limit = expected, answers, feeds, limit
        self.names = list(expected[0])
        self.numbers = range(len(expected))

    def column(self, outputs: Outputs, name: str) -> list[Array]:
        return [item[name] for item in outputs]

    def fits(
        self,
        found: Sequence[Array],
        wanted: Sequence[Array],
        column: Sequence[Array] | None = None,
    ) -> bool:
        """Whether tensors are within the limit of others.

        Args:
            found: some tensors.
            wanted: what each is held against.
            column: all that stands in the place of an output, by which errors are measured; by
                default ``wanted``.
        """
        pairs = list(zip(found, wanted, strict=True))
        if any(one.shape != other.shape for one, other in pairs):
            return False
        column = wanted if column is None else column
        scale = choose_error_scale(column, found, typical_feeds(self.feeds))
        own = 0.0 if scale.measure == "equality" else self.limit
        return all(scale.error(one, other) <= own for one, other in pairs)

    def is_telling(self, wanted: Sequence[Array]) -> bool:
        """Whether tensors move with the feeds by more than the limit lets pass."""
        scale = choose_error_scale(wanted, wanted, typical_feeds(self.feeds))
        return scale.measure == "equality" or values_vary(wanted, scale, self.limit)

    def is_right(self, feed: int, of: int) -> bool:
        """Whether the answer to a feed is the reference's to the feed ``of``."""
        return all(
            self.fits(
                [self.answers[feed][name]],
                [self.expected[of][name]],
                self.column(self.expected, name),
            )
            for name in self.names
        )

    def title(self, feed: int) -> str:
        """Such as ``feed 2 (sample 2)``."""
        return f"feed {feed} ({self.feeds[feed].name})"


def _one_answer(held: _HeldAnswers) -> AnswerMistake | None:
    """One answer under every feed: the input was never replaced, or the output not copied."""
    first = held.answers[0]
    same = all(
        np.array_equal(first[name], other[name], equal_nan=other[name].dtype.kind == "f")
        for other in held.answers[1:]
        for name in held.names
    )
    if not same or len(held.answers) < 2:
        return None
    whose = next((number for number in held.numbers if held.is_right(0, number)), None)
    if whose is None and not any(np.isfinite(first[name]).any() for name in held.names):
        return AnswerMistake(
            "runtime",
            f"All {len(held.answers)} answers are NaN or infinite throughout. Next: see that the "
            "weights are those of the folder, and that every option that lowers precision is off.",
        )
    if whose is None:
        return AnswerMistake(
            "runtime",
            f"All {len(held.answers)} feeds have one and the same answer, which is native "
            "Paddle's to none of them. Next: see that the program reads each feed, gives it to "
            "the model, and copies the answer before the next run.",
        )
    last = whose == len(held.answers) - 1
    advice = "copies each answer before the next run" if last else "gives each feed to the model"
    return AnswerMistake(
        "runtime" if last else "preprocessing",
        f"All {len(held.answers)} feeds have one and the same answer: native Paddle's to "
        f"{held.title(whose)}. Next: see that the program {advice}.",
    )


def _mixed_feeds(held: _HeldAnswers) -> AnswerMistake | None:
    """Answers that are right and stand under other feeds."""
    found = {}
    for number in held.numbers:
        if held.is_right(number, number):
            continue
        others = (other for other in held.numbers if other != number)
        whose = next((other for other in others if held.is_right(number, other)), None)
        if whose is None:
            return None
        found[number] = whose
    if not found:
        return None
    pairs = [
        f"under {held.title(number)} stands the answer to {held.title(whose)}"
        for number, whose in found.items()
    ]
    rest = f", and so on, {len(pairs)} in all" if len(pairs) > _NAMED else ""
    return AnswerMistake(
        "preprocessing",
        f"The answers are right and stand under other feeds: {', '.join(pairs[:_NAMED])}{rest}. "
        "Next: name each answer by the number of its feed, as manifest.json counts them from 0.",
    )


def _mixed_outputs(held: _HeldAnswers) -> AnswerMistake | None:
    """Outputs under each other's names."""
    found = {}
    for name in held.names:
        answers = held.column(held.answers, name)
        if held.fits(answers, held.column(held.expected, name)):
            continue
        others = (other for other in held.names if other != name)
        whose = next(
            (other for other in others if held.fits(answers, held.column(held.expected, other))),
            None,
        )
        if whose is None:
            return None
        found[name] = whose
    if not found:
        return None
    pairs = ", ".join(f"under {name} stands {whose}" for name, whose in found.items())
    return AnswerMistake(
        "runtime",
        f"The answers are right and stand under other outputs: {pairs}. Next: ask the runtime for "
        "each output by its name.",
    )


def _other_function(held: _HeldAnswers) -> AnswerMistake | None:
    """Something more or less was done to every output that is wrong: softmax, or its layout."""
    said = []
    for name in held.names:
        answers, wanted = held.column(held.answers, name), held.column(held.expected, name)
        if held.fits(answers, wanted):
            continue
        sentence = next(
            (
                text
                for text, found, expected in _functions(name, answers, wanted)
                if held.is_telling(expected) and held.fits(found, expected)
            ),
            None,
        )
        if sentence is None:
            return None
        said.append(sentence)
    return AnswerMistake("runtime", " ".join(dict.fromkeys(said))) if said else None


def _functions(
    name: str, answers: list[Array], wanted: list[Array]
) -> Iterator[tuple[str, list[Array], list[Array]]]:
    """What may have been done: in words, and what then is held against what."""
    if all(item.dtype.kind == "f" and item.ndim and item.size for item in (*answers, *wanted)):
        more = [_softmax(item, -1) for item in wanted]
        twice = "once more" if all(map(is_softmax, wanted)) else "though the model has none"
        yield (
            f"{name} is the softmax of native Paddle's: the program or runtime applies one "
            f"{twice}. Next: leave it out.",
            answers,
            more,
        )
        for axis in {-1, min(1, answers[0].ndim - 1)}:
            yield (
                f"The softmax of {name} is native Paddle's: the model's last softmax was not run. "
                "Next: take the output behind it.",
                [_softmax(item, axis) for item in answers],
                wanted,
            )
    yield from _layouts(name, answers, wanted)


def _layouts(
    name: str, answers: list[Array], wanted: list[Array]
) -> Iterator[tuple[str, list[Array], list[Array]]]:
    """Values that were written in another order of axes than the shape says."""
    rank = wanted[0].ndim
    alike = all(item.ndim == rank for item in wanted)
    fits = all(one.size == other.size for one, other in zip(answers, wanted, strict=True))
    if not (alike and fits and rank <= _MOST_AXES):
        return
    for axes in list(permutations(range(rank)))[1:]:
        turned = [
            one.reshape([other.shape[axis] for axis in axes]).transpose(np.argsort(axes))
            for one, other in zip(answers, wanted, strict=True)
        ]
        yield (
            f"{name} has its values in the order of the axes {list(axes)}, such as channels last "
            "for first. Next: write it in the order that manifest.json's shapes have.",
            turned,
            wanted,
        )


def _softmax(tensor: Array, axis: int) -> Array:
    exact = np.asarray(tensor, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        powers = np.exp(exact - exact.max(axis=axis, keepdims=True))
        made: Array = powers / powers.sum(axis=axis, keepdims=True)
    return made.astype(tensor.dtype)
