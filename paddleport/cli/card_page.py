"""One model of the zoo with all that is known of it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paddleport.cli.console import new_table
from paddleport.cli.model_tables import NOTHING, number, percent
from paddleport.models.zoo.published_figures import MULTIPLY_ADDS, published_gflop

if TYPE_CHECKING:
    from rich.console import Console

    from paddleport.models.zoo.model_card import ModelCard

_LATENCIES = {"SD855 ms": "sd855_ms", "V100 ms": "v100_trt_fp32_ms", "Xeon 6148 ms": "xeon_6148_ms"}
_FIGURES = ("top1", "top5", "gflops", "mparams", "storage_mb")


def print_card(console: "Console", card: "ModelCard") -> None:
    """Print a card as a table."""
    table = new_table(card.name, "")
    table.columns[0].style = "dim"
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    for key, value in (*_about(card).items(), *_figures(card.published).items()):
        table.add_row(key, value)
    table.add_row("inference", "\n".join(archive.address for archive in card.archives) or NOTHING)
    table.add_row("checkpoint", card.checkpoint_url or NOTHING)
    if card.licence:
        table.add_row("licence", card.licence)
    console.print(table)
    if "source" in card.published:
        console.print(f"\n[dim]{card.published['source']}.[/]")


def _about(card: "ModelCard") -> dict[str, str]:
    labels = card.labels
    rows = {"also called": ", ".join(card.aliases)} if card.aliases else {}
    rows |= {"family": card.family, "task": card.task}
    if "network" in card.arguments and card.describe_architecture() != card.name:
        rows["network"] = card.describe_architecture()
    rows["input"] = str(card.input) if card.input else "as the downloaded program says"
    rows |= describe_feeding(card)
    rows["labels"] = f"{len(labels)}: {labels[0]} … {labels[-1]}" if labels else NOTHING
    titles = card.argument_titles.items()
    return rows | {title: number(card.arguments.get(key)) for key, title in titles}


def _figures(figures: Mapping[str, Any]) -> dict[str, str]:
    if not any(figures.get(key) is not None for key in (*_FIGURES, *_LATENCIES.values())):
        return {"published": NOTHING}
    gflop = f"{number(published_gflop(figures))} GFLOP"
    if (figures.get("methodology") or {}).get("gflops") == MULTIPLY_ADDS:
        gflop += f" (as published: {number(figures.get('gflops'))} G multiply-adds)"
    storage = figures.get("storage_mb")
    known_size = [f"{number(storage)} MB"] if storage is not None or "source" not in figures else []
    parameters = f"{number(figures.get('mparams'))} M parameters"
    accuracies = _accuracies(figures.get("top1"), figures.get("top5"))
    rows = {"published": ", ".join((accuracies, gflop, parameters, *known_size))}
    if "reference_top1" in figures:
        rows["reference"] = (
            "none published"
            if figures["reference_top1"] is None
            else _accuracies(figures["reference_top1"], figures.get("reference_top5"))
        )
    latencies = {title: _latency(figures, key) for title, key in _LATENCIES.items()}
    return rows | {title: text for title, text in latencies.items() if text != NOTHING}


def describe_feeding(card: "ModelCard") -> dict[str, str]:
    """How pictures are fed, or why that is not known."""
    steps = card.preprocess
    if steps is None:
        unknown = "as its inference.yml says" if card.input is None else card.preprocess_unknown
        return {"preprocess": unknown}
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
    return f"top-1 {percent(top1)}, top-5 {percent(top5)}"


def _latency(figures: Mapping[str, Any], key: str) -> str:
    """The figures of one device, and in brackets how they were measured."""
    measured = figures.get(key)
    if not measured:
        return NOTHING
    if isinstance(measured, Mapping):
        times = ", ".join(
            f"{name.replace('threads', 'threads ').replace('batch', 'batch ')}: {number(value)}"
            for name, value in measured.items()
        )
    else:
        times = number(measured)
    method = figures.get("methodology", {}).get(key)
    return f"{times}  ({method})" if method else times
