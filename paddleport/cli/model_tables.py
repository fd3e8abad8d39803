"""The zoo's tables: its families, and the models that somebody filters."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from paddleport.cli.console import new_table
from paddleport.models.zoo.published_figures import MULTIPLY_ADDS, published_gflop
from paddleport.wording import counted

if TYPE_CHECKING:
    from rich.console import Console

    from paddleport.models.zoo.model_card import ModelCard

NOTHING = "–"
_EXAMPLE = "MobileNetV2"  # the family that the list of families shows as an example
_V100 = "V100 TRT ms"
_UNIT = "GFLOP: a multiply-add counts as two (in PaddleClas's list as one)."
_ROOM = {"top-5": 40, _V100: 54}  # columns beside the name, for all up to this one

_COLUMNS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "top-1": lambda figures: percent(figures.get("top1")),
    "top-5": lambda figures: percent(figures.get("top5")),
    "GFLOP": lambda figures: number(published_gflop(figures), ".4g"),
    "M params": lambda figures: number(figures.get("mparams"), ".4g"),
    _V100: lambda figures: number((figures.get("v100_trt_fp32_ms") or {}).get("batch1"), ".2f"),
}


def print_families(console: "Console", cards: Sequence["ModelCard"]) -> None:
    """One line a family, those with figures first, and the models of one as an example."""
    families = [list(group) for _, group in groupby(cards, lambda card: card.family)]
    numbers = ("models", "top-1 %", "GFLOP", "M params")
    measured = new_table("family", *numbers, numbers=numbers)
    others = new_table("family", "models", "for", numbers=("models",))
    for members in families:
        about = members[0].family, str(len(members))
        ranges = (
            _range((card.published.get("top1") for card in members), 100, ".1f"),
            _range(published_gflop(card.published) for card in members),
            _range(card.published.get("mparams") for card in members),
        )
        if set(ranges) == {NOTHING}:
            others.add_row(*about, ", ".join(dict.fromkeys(card.task for card in members)))
        else:
            measured.add_row(*about, *ranges)
    for table in (measured, others):
        table.columns[0].no_wrap = True
        if table.row_count:
            console.print(table)
            console.print()
    example = [card for card in cards if card.family == _EXAMPLE]
    if example:
        print_models(console, example)
    console.print(f"[dim]{_UNIT}[/]")
    console.print("[dim]One family: paddleport models --family ResNet[/]")
    console.print(
        "[dim]Search: --search swin · --min-top1 80 --max-params 30 · --task detection[/]"
    )
    names = sum(1 + len(card.aliases) for card in cards)
    console.print(f"[dim]{len(cards)} models by {names} names in {len(families)} families.[/]")


def print_models(
    console: "Console", cards: Sequence["ModelCard"], *, best_first: bool = False
) -> None:
    """One line a model, with as many of its figures as there is room for."""
    if not cards:
        console.print("No model of the zoo fits. All families: paddleport models")
        return
    titles = cards[0].argument_titles if len({card.family for card in cards}) == 1 else {}
    room = console.width - max(len(card.name) for card in cards) - 8 * len(titles)
    shown = [title for title in _COLUMNS if room >= _ROOM.get(title, 0)]
    if all(cell(card.published) == NOTHING for cell in _COLUMNS.values() for card in cards):
        shown = []  # known by address only
    tasks = {card.task for card in cards} != {"classification"}
    numbers = (*titles.values(), *shown)
    table = new_table("model", *numbers, *["task"] * tasks, numbers=numbers)
    table.columns[0].no_wrap = True
    for card in cards:
        table.add_row(
            card.name,
            *(number(card.arguments.get(key)) for key in titles),
            *(_COLUMNS[title](card.published) for title in shown),
            *[card.task] * tasks,
        )
    console.print(table)
    console.print()
    for note in _notes(cards, shown, best_first=best_first):
        console.print(f"[dim]{note}[/]")


def _notes(
    cards: Sequence["ModelCard"], shown: Sequence[str], *, best_first: bool
) -> Iterable[str]:
    """Where the figures are from, in which unit, and what to type next."""
    sources = dict.fromkeys(filter(None, (card.published.get("source") for card in cards)))
    if sources:
        latency = "; V100 TensorRT FP32 at batch 1" * (_V100 in shown)
        yield f"{'; '.join(sources)}{latency}."
    counts = {(card.published.get("methodology") or {}).get("gflops") for card in cards}
    if "GFLOP" in shown and MULTIPLY_ADDS in counts:
        yield _UNIT
    named = [card.name for card in cards if card.name == card.family]
    order = ", the most accurate first" * (best_first and len(cards) > 1)
    found = f"{counted(len(cards), 'model')}{order}"
    yield f"{found}. One card: paddleport models {(named or [cards[0].name])[0]}"


def _range(values: Iterable[float | None], scale: float = 1, digits: str = ".3g") -> str:
    """The smallest and the largest."""
    known = [value * scale for value in values if value is not None]
    if not known:
        return NOTHING
    low, high = f"{min(known):{digits}}", f"{max(known):{digits}}"
    return low if low == high else f"{low} – {high}"


def percent(share: float | None) -> str:
    """A share of 1 in percent."""
    return NOTHING if share is None else f"{share * 100:.2f} %"


def number(value: Any, digits: str = "g") -> str:
    """A figure, an argument, or a dash."""
    if value is None:
        return NOTHING
    return f"{value:{digits}}" if isinstance(value, int | float) else str(value)
