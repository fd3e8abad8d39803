"""The three kinds of entries in the tables of what Paddle2ONNX 2.1.0 gets wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from paddleport.convert.paddle2onnx.fixups.pir_operations import Operation
from paddleport.convert.paddle2onnx.fixups.recipes import Recipe


@dataclass(frozen=True)
class Mend:
    """A rewrite of single operations.

    Attributes:
        operators: which it is about.
        sentence: what is wrong without it, for the report.
        rewrite: changes the operation if it needs it, and says whether it did.
    """

    operators: tuple[str, ...]
    sentence: str
    rewrite: Callable[[Operation], bool]


@dataclass(frozen=True)
class StandIn:
    """An operator that is written in ONNX here.

    Attributes:
        operators: which it is about.
        sentence: what is wrong without it, for the report.
        recipe: how to write it; ``None`` where Paddle2ONNX gets it right.
    """

    operators: tuple[str, ...]
    sentence: str
    recipe: Callable[[Operation], Recipe | None]


@dataclass(frozen=True)
class Refusal:
    """A setting of an operator that comes out wrong and has no mend.

    Attributes:
        operators: which it is about.
        setting: completes "Paddle2ONNX gets <operator> wrong <setting>".
        applies: told the operation and the opset.
    """

    operators: tuple[str, ...]
    setting: str
    applies: Callable[[Operation, int], bool]
