"""What a module must offer that builds the networks of a family, found through the card."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from paddleport.errors import ModelFileError, UsageError
from paddleport.models.zoo.model_card import ModelCard
from paddleport.models.zoo.seeding import SeededStream
from paddleport.progress import Progress
from paddleport.tensors import TensorSpec

if TYPE_CHECKING:
    from paddle import nn

Arguments = Mapping[str, Any]


class Architecture(Protocol):
    """The module that a card's ``architecture`` names.

    It imports paddle in ``build`` and ``seed`` alone, which run in a worker. It may offer
    ``prepare(progress)``, which runs before them in the caller's process: what they need is
    fetched there.

    Attributes:
        RECIPE: raise it when ``seed`` gives other weights: caches are named after it.
    """

    RECIPE: int

    def build(self, arguments: Arguments, classes: int | None) -> "nn.Layer":
        """The network as it is exported, with the state dict that its checkpoints have.

        Args:
            arguments: of the card.
            classes: of its classifier; ``None`` where the card's task is another one.
        """

    def seed(
        self,
        network: "nn.Layer",
        arguments: Arguments,
        classes: int | None,
        stream: SeededStream,
        fed: TensorSpec,
    ) -> None:
        """Set what ``build`` has built to weights that load it as trained ones do.

        ``zoo.seeding`` has what weights are made of that are the same on every machine;
        ``zoo.seeded_weights`` seeds any network of pictures, the same on one machine.

        Args:
            network: with the weights that its constructor gave it.
            arguments: as ``build`` had them.
            classes: as ``build`` had them.
            stream: where every number comes from.
            fed: the card's input.
        """


def prepare(card: ModelCard, progress: Progress) -> None:
    """Let the architecture fetch what it builds from.

    Raises:
        UsageError, ModelFileError: as ``load_architecture``.
        DownloadError: it cannot be had.
    """
    prepare_module = getattr(load_architecture(card), "prepare", None)
    if prepare_module is not None:
        prepare_module(progress)


def load_architecture(card: ModelCard) -> Architecture:
    """Import the module that a card names.

    Raises:
        UsageError: the card names none.
        ModelFileError: there is no such module, or it lacks something of ``Architecture``.
    """
    if card.architecture is None:
        raise UsageError(
            f"{card.name} cannot be built here, since its card names no architecture: "
            "--weights pretrained, or your own inference model with --weights FOLDER"
        )
    named = f"the card of {card.family} names the architecture {card.architecture}, which"
    try:
        module = importlib.import_module(card.architecture)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{card.architecture}.".startswith(f"{error.name}."):
            raise  # broken code, not a missing module: the traceback says where
        raise ModelFileError(f"{named} is not installed") from None
    for attribute in ("RECIPE", "build", "seed"):
        if not hasattr(module, attribute):
            raise ModelFileError(f"{named} has no {attribute}")
    return cast(Architecture, module)
