"""``paddleport models``: the zoo."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddleport.cli.console import print_json, stdout
from paddleport.cli.options import JsonOption
from paddleport.errors import UsageError

if TYPE_CHECKING:
    from paddleport.models.zoo.model_card import ModelCard


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Show all that is known of one.")
    ] = None,
    family: Annotated[
        str | None, typer.Option(metavar="FAMILY", help="List the models of one family.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="List those with TEXT in a name.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="List those that do it, such as 'text detection'."),
    ] = None,
    max_params: Annotated[
        float | None,
        typer.Option(metavar="MILLIONS", help="At most so many parameters, as published."),
    ] = None,
    min_top1: Annotated[
        float | None,
        typer.Option(metavar="PERCENT", help="At least this ImageNet top-1, as published."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the families of the zoo, the models that you filter, or one with all its figures.

    [bold]paddleport models --family ResNet[/]

    [bold]paddleport models --min-top1 80 --max-params 30[/]

    [bold]paddleport models ResNet50[/]
    """
    from paddleport.models.zoo import registry as zoo
    from paddleport.models.zoo.card_filter import CardFilter, share_of

    given = (family, search, task, max_params, min_top1)
    filtered = any(value is not None for value in given)
    if name is not None:
        if filtered:
            raise UsageError(f"{name} is one model: name it, or filter, not both")
        _show(zoo.lookup(name), json=json)
        return
    wanted = CardFilter(
        text=search,
        task=task,
        max_mparams=max_params,
        min_top1=None if min_top1 is None else share_of(min_top1),
    )
    found, unpublished = wanted.select(zoo.cards() if family is None else zoo.family_cards(family))
    if json:
        print_json([_row(card) for card in found])
        return
    from paddleport.cli import model_tables

    if not filtered:
        model_tables.print_families(stdout(), found)
        return
    model_tables.print_models(stdout(), found, best_first=wanted.by_figures)
    if unpublished:
        noun = "model has" if unpublished == 1 else "models have"
        stdout().print(f"[dim]{unpublished} more {noun} no published figure to go by.[/]")


def _show(card: "ModelCard", *, json: bool) -> None:
    if json:
        print_json(_as_dict(card))
        return
    from paddleport.cli.card_page import print_card

    print_card(stdout(), card)


def _row(card: "ModelCard") -> dict[str, Any]:
    """A card's line for a script: its figures as published, and ``gflop`` as in the table."""
    from paddleport.models.zoo.published_figures import published_gflop

    about = {"family": card.family, "task": card.task, "aliases": card.aliases}
    return {"name": card.name, **card.published, "gflop": published_gflop(card.published), **about}


def _as_dict(card: "ModelCard") -> dict[str, Any]:
    """The card for a script; of several archives ``inference_url`` and ``sha256`` are the first."""
    from dataclasses import asdict

    values = asdict(card)
    arguments, archives = values.pop("arguments"), values.pop("archives")
    if card.preprocess is not None:
        values["preprocess"] = card.preprocess.to_dict()
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
