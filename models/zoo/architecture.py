"""What a module must offer that builds the networks of a family, found through the card."""

import importlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from paddleport.errors import ModelFileError, UsageError
from paddleport.models.zoo.model_card import ModelCard
from paddleport.models.zoo.seeding import SeededStream
from paddleport.tensors import Array

if TYPE_CHECKING:
    from paddle import nn

State = Mapping[str, Array]
Arguments = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class StateEntry:
    """One tensor of a state dict: its key, its name in a program, its shape."""

    key: str
    name: str
    shape: tuple[int, ...]
    trainable: bool = True

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


class Architecture(Protocol):
    """The module that a card's ``architecture`` names.

    It imports paddle in ``build`` alone, which runs in a worker.

    Attributes:
        RECIPE: raise it when ``seeded_state`` gives other weights: caches are named after it.
        CLASSES_KEY: the key of the state's tensor whose last dimension counts the classes.
    """

    RECIPE: int
    CLASSES_KEY: str

    def state_entries(self, arguments: Arguments, classes: int) -> Iterable[StateEntry]:
        """Every float32 tensor of the state dict, in its order.

        A checkpoint may have the entries' keys or their names.
        """

    def build(self, arguments: Arguments, classes: int) -> "nn.Layer":
        """The network as it is exported, with the state dict that ``state_entries`` lists."""

    def seeded_state(
        self, arguments: Arguments, classes: int, stream: SeededStream
    ) -> dict[str, Array]:
        """Weights from ``stream`` alone, the same on every machine (see ``zoo.seeding``)."""


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
    for attribute in ("RECIPE", "CLASSES_KEY", "state_entries", "build", "seeded_state"):
        if not hasattr(module, attribute):
            raise ModelFileError(f"{named} has no {attribute}")
    return cast(Architecture, module)
