"""``paddleport models``: the zoo."""

from typing import Annotated, Any

import typer

from paddleport.cli.console import new_table, print_json, stdout
from paddleport.cli.options import JsonOption


def models(
    name: Annotated[str | None, typer.Argument(help="Show one model's card.")] = None,
    json: JsonOption = False,
) -> None:
    """List the models of the zoo, or show one with all its published figures."""
    from paddleport.models.zoo import registry as zoo

    if name is None:
        cards = [zoo.lookup(known) for known in zoo.names()]
        if json:
            print_json([{"name": card.name, **card.published} for card in cards])
        else:
            _print_list(cards)
        return
    card = zoo.lookup(name)
    if json:
        print_json(_as_dict(card))
    else:
        _print_card(card)


def _print_list(cards: list[Any]) -> None:
    numbers = ("width", "top-1", "top-5", "GFLOP", "M params", "V100 TRT ms")
    table = new_table("model", *numbers, numbers=numbers)
    for card in cards:
        figures = card.published
        table.add_row(
            card.name,
            f"{card.scale:g}",
            _percent(figures["top1"]),
            _percent(figures["top5"]),
            f"{figures['gflops']:g}",
            f"{figures['mparams']:g}",
            f"{figures['v100_trt_fp32_ms']['batch1']:.2f}",
        )
    console = stdout()
    console.print(table)
    console.print(
        f"\n[dim]{cards[0].published['source']}; V100 TensorRT FP32 at batch 1.[/]"
        "\n[dim]One card: paddleport models MobileNetV2[/]"
    )


def _print_card(card: Any) -> None:
    steps, figures = card.preprocess, card.published
    rows = {
        "input": str(card.input),
        "preprocess": f"short side {steps.resize_short} ({steps.interpolation}), "
        f"crop {steps.crop[0]}×{steps.crop[1]}, {steps.channels}",
        "normalise": f"(pixel × {steps.scale:g} − {_numbers(steps.mean)}) / {_numbers(steps.std)}",
        "labels": f"{len(card.labels)}: {card.labels[0]} … {card.labels[-1]}",
        "width": f"{card.scale:g}",
        "published": f"top-1 {_percent(figures['top1'])}, top-5 {_percent(figures['top5'])}, "
        f"{figures['gflops']:g} GFLOP, {figures['mparams']:g} M parameters, "
        f"{figures['storage_mb']:g} MB",
        "reference": _reference(figures),
        "SD855 ms": _milliseconds(figures["sd855_ms"])
        + f"  ({figures['methodology']['sd855_ms']})",
        "V100 ms": _milliseconds(figures["v100_trt_fp32_ms"])
        + f"  ({figures['methodology']['v100_trt_fp32_ms']})",
        "inference": card.inference_url,
        "checkpoint": card.pretrained_url,
    }
    table = new_table(card.name, "")
    table.columns[0].style = "dim"
    table.columns[1].overflow = "fold"
    for key, value in rows.items():
        table.add_row(key, value)
    stdout().print(table)
    stdout().print(f"\n[dim]{figures['source']}.[/]")


def _as_dict(card: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(card)


def _reference(figures: Any) -> str:
    if figures["reference_top1"] is None:
        return "none published"
    return (
        f"top-1 {_percent(figures['reference_top1'])}, top-5 {_percent(figures['reference_top5'])}"
    )


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %"


def _numbers(values: tuple[float, ...]) -> str:
    return f"[{', '.join(f'{value:g}' for value in values)}]".replace("[", r"\[")


def _milliseconds(figures: dict[str, float]) -> str:
    return ", ".join(
        f"{key.replace('threads', 'threads ').replace('batch', 'batch ')}: {value:g}"
        for key, value in figures.items()
    )
