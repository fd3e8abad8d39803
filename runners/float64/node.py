"""One ONNX node as the float64 operators see it: attributes in Python's types, and the opset."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class OperatorNode:
    """What an operator needs to know besides its input arrays.

    Attributes:
        operator: ONNX's name of it.
        opset: of the default domain; the meaning of a few operators depends on it.
        outputs: how many results the node names.
        attributes: those that the node itself states, no defaults.
    """

    operator: str
    opset: int
    outputs: int
    attributes: Mapping[str, Any]

    def get(self, name: str) -> Any:
        """An attribute, or ``None``."""
        return self.attributes.get(name)

    def integer(self, name: str, default: int) -> int:
        """An integer attribute, or its default."""
        return int(self.attributes.get(name, default))

    def number(self, name: str, default: float) -> float:
        """A float attribute (a float32 in the file), or its default."""
        return float(self.attributes.get(name, default))

    def text(self, name: str, default: str) -> str:
        """A string attribute, or its default."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else str(value)

    def integers(self, name: str, length: int = 0, default: int = 0) -> tuple[int, ...]:
        """A list of integers, or ``length`` times its default."""
        return tuple(int(item) for item in self.attributes.get(name, [default] * length))
