"""Which of the zoo's models somebody is looking for."""

from collections.abc import Iterable
from dataclasses import dataclass

from paddleport.errors import ModelNotFoundError, UsageError
from paddleport.models.zoo.model_card import ModelCard
from paddleport.models.zoo.similar_names import folded, unknown_of_many


@dataclass(frozen=True, kw_only=True)
class CardFilter:
    """What a card must be; ``None`` is anything.

    Attributes:
        text: is in its name or an alias; capitals, dashes and underscores make no difference.
        task: its task, or words of it.
        max_mparams: at most so many parameters, 10^6, as published.
        min_top1: at least this ImageNet top-1 accuracy, as published, a share of 1.
    """

    text: str | None = None
    task: str | None = None
    max_mparams: float | None = None
    min_top1: float | None = None

    def __post_init__(self) -> None:
        """Raises UsageError: what no model, or every one, would be."""
        for option, words in (("--search", self.text), ("--task", self.task)):
            if words is not None and not folded(words):
                raise UsageError(f"{option} {words!r} has no letter or digit to look for")
        if self.max_mparams is not None and not self.max_mparams > 0:
            raise UsageError(
                f"{self.max_mparams:g} is no number of parameters: write millions, such as 5"
            )

    @property
    def by_figures(self) -> bool:
        """Whether it asks for figures, which not every model has."""
        return self.max_mparams is not None or self.min_top1 is not None

    def select(self, cards: Iterable[ModelCard]) -> tuple[tuple[ModelCard, ...], int]:
        """The cards that fit, and how many more might, had their figures been published.

        By figures the most accurate come first.

        Raises:
            ModelNotFoundError: no card has such a task.
        """
        named = [card for card in self._of_task(list(cards)) if self._is_named(card)]
        known = [card for card in named if self._has_figures(card)]
        fitting = [card for card in known if self._fits(card)]
        if self.by_figures:
            fitting.sort(key=lambda card: -(card.published.get("top1") or 0))
        return tuple(fitting), len(named) - len(known)

    def _of_task(self, cards: list[ModelCard]) -> list[ModelCard]:
        """Those whose task is the one asked for; else those that have it among their words."""
        if self.task is None:
            return cards
        asked = folded(self.task)
        found = [card for card in cards if folded(card.task) == asked]
        found = found or [card for card in cards if asked in folded(card.task)]
        if not found:
            tasks = tuple(dict.fromkeys(card.task for card in cards))
            raise ModelNotFoundError(
                unknown_of_many("task", self.task, tasks, "paddleport models lists")
            )
        return found

    def _is_named(self, card: ModelCard) -> bool:
        if self.text is None:
            return True
        return any(folded(self.text) in folded(name) for name in (card.name, *card.aliases))

    def _has_figures(self, card: ModelCard) -> bool:
        wanted = (("mparams", self.max_mparams), ("top1", self.min_top1))
        return all(
            card.published.get(key) is not None for key, limit in wanted if limit is not None
        )

    def _fits(self, card: ModelCard) -> bool:
        small = self.max_mparams is None or card.published["mparams"] <= self.max_mparams
        return small and (self.min_top1 is None or card.published["top1"] >= self.min_top1)


def share_of(accuracy: float) -> float:
    """An accuracy as people type it, 0.75 or 75, as a share of 1.

    Raises:
        UsageError: it is no accuracy.
    """
    if not 0 <= accuracy <= 100:
        raise UsageError(f"{accuracy:g} is no accuracy: write a share such as 0.75, or 75")
    return accuracy if accuracy <= 1 else accuracy / 100
