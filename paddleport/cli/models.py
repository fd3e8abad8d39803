"""``paddleport models``: the zoo."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddleport.cli.console import new_table, print_json, stdout
from paddleport.cli.options import JsonOption

if TYPE_CHECKING:
    from paddleport.models.preprocess import Preprocess
    from paddleport.models.zoo.model_card import ModelCard

_NOTHING = "–"
_FIGURES = ("top-1", "top-5", "GFLOP", "M params", "V100 TRT ms")
_LATENCIES = {"SD855 ms": "sd855_ms", "V100 ms": "v100_trt_fp32_ms"}


def models(
    name: Annotated[str | None, typer.Argument(help="Show one model's card.")] = None,
    json: JsonOption = False,
) -> None:
    """List the models of the zoo, or show one with all its published figures."""
    from paddleport.models.zoo import registry as zoo

    if name is not None:
        card = zoo.lookup(name)
        if json:
            print_json(_as_dict(card))
        else:
            _print_card(card)
    elif json:
        print_json([{"name": card.name, **card.published} for card in zoo.cards()])
    else:
        for family, cards in groupby(zoo.cards(), lambda card: card.family):
            _print_family(family, list(cards))


def _print_family(family: str, cards: Sequence["ModelCard"]) -> None:
    titles = cards[0].argument_titles
    numbers = (*titles.values(), *_FIGURES)
    table = new_table("model", *numbers, numbers=numbers)
    for card in cards:
        figures = card.published
        table.add_row(
            card.name,
            *(_number(card.arguments.get(key)) for key in titles),
            _percent(figures.get("top1")),
            _percent(figures.get("top5")),
            _number(figures.get("gflops")),
            _number(figures.get("mparams")),
            _number((figures.get("v100_trt_fp32_ms") or {}).get("batch1"), ".2f"),
        )
    console = stdout()
    console.print(table)
    source = cards[0].published.get("source")
    example = family if any(card.name == family for card in cards) else cards[0].name
    console.print()
    if source:
        console.print(f"[dim]{source}; V100 TensorRT FP32 at batch 1.[/]")
    console.print(f"[dim]One card: paddleport models {example}[/]")


def _print_card(card: "ModelCard") -> None:
    figures, labels = card.published, card.labels
    rows = {
        "input": str(card.input),
        **_feeding(card.preprocess),
        "labels": f"{len(labels)}: {labels[0]} … {labels[-1]}" if labels else _NOTHING,
        **{title: _number(card.arguments.get(key)) for key, title in card.argument_titles.items()},
        "published": f"{_accuracies(figures.get('top1'), figures.get('top5'))}, "
        f"{_number(figures.get('gflops'))} GFLOP, {_number(figures.get('mparams'))} M parameters, "
        f"{_number(figures.get('storage_mb'))} MB",
        "reference": "none published"
        if figures.get("reference_top1") is None
        else _accuracies(figures["reference_top1"], figures.get("reference_top5")),
        **{title: _latency(figures, key) for title, key in _LATENCIES.items()},
        "inference": "\n".join(archive.url for archive in card.archives) or _NOTHING,
        "checkpoint": card.checkpoint_url or _NOTHING,
    }
    table = new_table(card.name, "")
    table.columns[0].style = "dim"
    table.columns[1].overflow = "fold"
    for key, value in rows.items():
        table.add_row(key, value)
    stdout().print(table)
    if "source" in figures:
        stdout().print(f"\n[dim]{figures['source']}.[/]")


def _as_dict(card: "ModelCard") -> dict[str, Any]:
    """The card for a script; of several archives ``inference_url`` and ``sha256`` are the first."""
    from dataclasses import asdict

    values = asdict(card)
    arguments, archives = values.pop("arguments"), values.pop("archives")
    first = archives[0] if archives else {"url": None, "sha256": None}
    shown = ("input", "preprocess", "labels", "published")
    return {
        "name": card.name,
        **arguments,
        **{key: values[key] for key in shown},
        "inference_url": first["url"],
        "pretrained_url": values.pop("checkpoint_url"),
        "sha256": first["sha256"],
        **{key: value for key, value in values.items() if key not in ("name", *shown)},
        "archives": archives,
    }


def _feeding(steps: "Preprocess | None") -> dict[str, str]:
    if steps is None:
        return {"preprocess": _NOTHING, "normalise": _NOTHING}
    sizes = []
    resampling = f"{steps.interpolation}{', Pillow' if steps.resize_backend == 'pil' else ''}"
    if steps.resize_short:
        sizes.append(f"short side {steps.resize_short} ({resampling})")
    if steps.resize:
        sizes.append(f"resize {_size(steps.resize)} ({resampling})")
    if steps.crop:
        sizes.append(f"crop {_size(steps.crop)}")
    if steps.channel_num == 4:
        sizes.append("a fourth channel of zeros")
    return {
        "preprocess": ", ".join((*sizes, steps.channels)),
        "normalise": f"(pixel × {steps.scale:g} − {_three(steps.mean)}) / {_three(steps.std)}",
    }


def _size(sides: tuple[int, int]) -> str:
    return f"{sides[0]}×{sides[1]}"


def _three(values: tuple[float, ...]) -> str:
    return f"[{', '.join(f'{value:g}' for value in values)}]".replace("[", r"\[")


def _accuracies(top1: float | None, top5: float | None) -> str:
    return f"top-1 {_percent(top1)}, top-5 {_percent(top5)}"


def _percent(share: float | None) -> str:
    return _NOTHING if share is None else f"{share * 100:.2f} %"


def _number(value: Any, digits: str = "g") -> str:
    if value is None:
        return _NOTHING
    return f"{value:{digits}}" if isinstance(value, int | float) else str(value)


def _latency(figures: Mapping[str, Any], key: str) -> str:
    """The figures of one device, and in brackets how they were measured."""
    measured = figures.get(key) or {}
    if not measured:
        return _NOTHING
    times = ", ".join(
        f"{name.replace('threads', 'threads ').replace('batch', 'batch ')}: {_number(value)}"
        for name, value in measured.items()
    )
    method = figures.get("methodology", {}).get(key)
    return f"{times}  ({method})" if method else times
