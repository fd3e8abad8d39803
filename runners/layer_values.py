"""What a runner gives besides where its runtime hands out the values between the layers."""

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass

from paddleport.tensors import Array, Feed


@dataclass(frozen=True, kw_only=True)
class FileLayer:
    """One layer of a model file, as its runtime reads it.

    Attributes:
        name: in the file.
        operator: its type, such as ``Convolution``.
        inputs, outputs: names of tensors; constants left out.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class LayerValues(ABC):
    """A second base of runners whose files ``locate`` can search layer by layer."""

    @abstractmethod
    def layers(self) -> tuple[FileLayer, ...]:
        """Every layer of the loaded file, each after those whose outputs it takes."""

    @abstractmethod
    def layer_values(self, feed: Feed) -> Generator[tuple[str, Array], None, None]:
        """Run once, and give each tensor between the layers by its name.

        Every tensor that the runtime hands out comes once, in the model's layout (pictures are
        [N, C, H, W]), float32 or whole numbers; the arrays are the caller's. The settings are
        those that ``infer`` runs with.

        Raises:
            FeedError: the feed is not what the model takes.
        """
