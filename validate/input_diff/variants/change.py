"""One way of preparing an input wrongly, as something that can be done to any input."""

from collections.abc import Callable
from dataclasses import dataclass

from paddleport.tensors import Array

Make = Callable[[Array, Array | None], Array | None]
"""From an input [N, C, H, W] and the picture it was made from, if any, to another input."""


@dataclass(frozen=True)
class Change:
    """A mistake in the preprocessing.

    Attributes:
        name: what the input then is, to finish "on another input: ...".
        advice: what to do about it, to finish "Next: ...".
        make: does it; ``None`` where it cannot be done. A change to a picture's pixels leaves
            an input that was made from no picture as it is.
    """

    name: str
    advice: str
    make: Make

    def then(self, other: "Change") -> "Change":
        """This change and, on the tensor that it makes, another one that needs no picture."""

        def both(tensor: Array, picture: Array | None) -> Array | None:
            made = self.make(tensor, picture)
            return None if made is None else other.make(made, None)

        return Change(f"{self.name}, {other.name}", f"{self.advice}, and {other.advice}", both)
