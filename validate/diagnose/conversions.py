"""How the files under comparison were made: asked here, answered by ``convert``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from paddleport.errors import PortError
from paddleport.models.artifact import Artifact
from paddleport.runners.base import RunnerOptions
from paddleport.tensors import Array, Feed, ShapeRange
from paddleport.validate.parity.session import Session


@dataclass(frozen=True)
class Stage:
    """The ONNX file as it was after one step of its conversion.

    Attributes:
        step: ``Paddle2ONNX``, ``simplifier``, ``precision``, or what happened afterwards.
        onnx: the file.
    """

    step: str
    onnx: Artifact


class Conversions(Protocol):
    """What makes files for a validation, and can make them again step by step."""

    def loadable(self, formats: Sequence[str], shapes: Mapping[str, ShapeRange]) -> Artifact:
        """A file that a backend loads, out of the ONNX file.

        Raises:
            PortError: nothing makes such a file, or making it fails.
        """

    def stages(self) -> Sequence[Stage]:
        """The ONNX file after each step, the first step first; empty if nobody knows.

        Raises:
            PortError: it can't be made again.
        """

    def evaluate(self, artifact: Artifact, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
        """What a target's file says, computed without the runtime that it is made for.

        Raises:
            BackendUnavailableError: nothing but its runtime reads it.
        """

    def target_of(self, artifact: Artifact) -> str:
        """The name of the target that made a file."""


def evaluate_onnx(onnx: Artifact, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
    """What an ONNX file gives in float64.

    Raises:
        PortError: as the reference runner does.
    """
    session = Session("reference", onnx, RunnerOptions())
    try:
        return session.run_all(feeds)
    finally:
        session.close()


def explained_stages(
    conversions: Conversions, feeds: Sequence[Feed]
) -> list[tuple[str, list[dict[str, Array]]]]:
    """Every step with what its file gives in float64; empty where that is not to be had."""
    try:
        return [(stage.step, evaluate_onnx(stage.onnx, feeds)) for stage in conversions.stages()]
    except PortError:
        return []
