"""What a runner gives besides where its runtime reads and prepares pictures itself."""

from abc import ABC, abstractmethod
from pathlib import Path

from paddleport.tensors import Array


class PictureRunner(ABC):
    """A second base of runners with a preprocessing of their own, which ``validate`` checks.

    Attributes:
        picture_library: what decodes and resizes there, with its version.
    """

    picture_library: str

    @abstractmethod
    def prepared(self, picture: Path) -> Array:
        """The input tensor that it makes of a picture, (1, channels, height, width).

        Raises:
            ImageError: it does not read the picture.
        """

    @abstractmethod
    def classified(self, picture: Path) -> dict[str, Array]:
        """The outputs by name that it computes of a picture, read and prepared there.

        Raises:
            ImageError: it does not read the picture.
        """
