"""What the zoo knows of one model: where it is, how it is fed, what was published of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paddleport.models.card import Preprocess
from paddleport.tensors import TensorSpec


@dataclass(frozen=True)
class Archive:
    """An official inference model to download.

    Attributes:
        url: of a tar, plain or gzipped.
        sha256: what it must have, where that is pinned; PaddleClas publishes none.
    """

    url: str
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Everything needed to get, feed and judge a model of the zoo.

    Attributes:
        name: name in the zoo, as its source has it.
        aliases: other names of the same model.
        family: the family whose data file holds the card.
        task: what the model does, for example ``classification``.
        licence: of weights and figures, in a few words.
        architecture: dotted name of the module that builds the network (see
            ``zoo.architecture``); ``None`` where the model can only be downloaded.
        arguments: of the architecture.
        argument_titles: argument to the title it is shown under.
        input: the input; batch, height and width may be free.
        preprocess: how pictures are fed, if it is fed with pictures and that is known.
        classes: of the classifier; ``None`` for other tasks.
        labels: class names by index, if known.
        published: figures from the source, not measured here; any may be missing or ``None``.
            Units stand in the keys, accuracies are shares of 1; with them ``source`` and
            ``methodology``.
        archives: official inference models, in the order in which they are tried.
        checkpoint_url: the official training checkpoint.
    """

    name: str
    aliases: tuple[str, ...] = ()
    family: str
    task: str
    licence: str = ""
    architecture: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    argument_titles: Mapping[str, str] = field(default_factory=dict)
    input: TensorSpec
    preprocess: Preprocess | None = None
    classes: int | None = None
    labels: tuple[str, ...] | None = None
    published: Mapping[str, Any] = field(default_factory=dict)
    archives: tuple[Archive, ...] = ()
    checkpoint_url: str | None = None

    def describe_architecture(self) -> str:
        """The family and the arguments, as in ``MobileNetV2 at scale 0.5``."""
        values = [
            f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in self.arguments.items()
        ]
        return f"{self.family} at {', '.join(values)}" if values else self.family
