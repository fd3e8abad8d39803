"""What the zoo knows of a model; ``card_reader`` reads it from its family's data file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paddleport.errors import UsageError
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import TensorSpec


@dataclass(frozen=True)
class Archive:
    """An official inference model to download; exactly one of ``url`` and ``huggingface`` is set.

    Attributes:
        url: of a tar, plain or gzipped.
        sha256: what the tar must have, where that is pinned; PaddleClas publishes none.
        huggingface: a repository of the Hugging Face hub that holds the model's files.
    """

    url: str | None = None
    sha256: str | None = None
    huggingface: str | None = None

    @property
    def address(self) -> str:
        """Where it is, for people and for caches."""
        return self.url or f"https://huggingface.co/{self.huggingface}"


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
        arguments: of the architecture; ``network`` names one of several that a module builds.
        argument_titles: argument to the title it is shown under.
        input: the input; batch, height and width may be free. ``None`` where only the program
            says it, once it is downloaded.
        preprocess: how pictures are fed, if it is fed with pictures and that is known.
        preprocess_unknown: why ``preprocess`` is ``None``; empty where it is not.
        classes: of the classifier; ``None`` for other tasks.
        labels: class names by index, if known.
        published: figures from the source, not measured here; any may be missing or ``None``.
            Units stand in the keys, accuracies are shares of 1; with them ``source`` and
            ``methodology``. What ``gflops`` counts differs: see ``zoo.published_figures``.
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
    input: TensorSpec | None = None
    preprocess: Preprocess | None = None
    preprocess_unknown: str = ""
    classes: int | None = None
    labels: tuple[str, ...] | None = None
    published: Mapping[str, Any] = field(default_factory=dict)
    archives: tuple[Archive, ...] = ()
    checkpoint_url: str | None = None

    def describe_architecture(self) -> str:
        """The network and its arguments, as in ``MobileNetV2 at scale 0.5``."""
        values = [
            f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in self.arguments.items()
            if key != "network"
        ]
        network = str(self.arguments.get("network", self.family))
        return f"{network} at {', '.join(values)}" if values else network

    def known_input(self) -> TensorSpec:
        """The input, for building the network.

        Raises:
            UsageError: the card names none.
        """
        if self.input is None:
            raise UsageError(
                f"{self.name} cannot be built here, since its card names no input: "
                "--weights pretrained, or your own inference model with --weights FOLDER"
            )
        return self.input
