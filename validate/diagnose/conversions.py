"""Which step of a conversion is to blame: how the files under comparison were made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from paddleport.errors import PortError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed, ShapeRange
from paddleport.validate.compare.comparison import output_pairs
from paddleport.validate.diagnose.causes import Evidence
from paddleport.validate.diagnose.validation_outputs import ComparedOutput, ReferenceOutputs
from paddleport.validate.session import Session

_FEEDS = 2  # that steps are compared on: the worst ones


@dataclass(frozen=True)
class Stage:
    """The ONNX file as it was after one step of its conversion.

    Attributes:
        step: ``Paddle2ONNX``, ``simplifier``, ``precision``, or what happened afterwards.
        onnx: the file.
        takes_paddle_feeds: it is fed as the Paddle model is, while the finished file normalises
            pictures itself.
    """

    step: str
    onnx: Artifact
    takes_paddle_feeds: bool = False


class Conversions(Protocol):
    """What makes files for a validation, and makes a conversion again step by step.

    Asked here and implemented by ``paddleport.convert.remaking``, since this room stands before
    that one.
    """

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
            PortError: nothing but its runtime reads it.
        """

    def target_of(self, artifact: Artifact) -> str:
        """The name of the target that made a file."""


@dataclass(frozen=True)
class ConversionEvidence:
    """What the making of one backend's file says about a difference.

    Attributes:
        conversions: who knows how it was made; ``None`` knows nothing.
        artifact: what the backend loads.
    """

    conversions: Conversions | None
    artifact: Artifact

    def added_to(
        self, evidence: Evidence, reference: ReferenceOutputs, output: ComparedOutput
    ) -> Evidence:
        """``evidence`` with the faulty step, and with what a target's own file says."""
        if self.conversions is None or self.artifact.format == "paddle":
            return evidence
        indices = output.failing[:_FEEDS]
        wrong = evidence.reference_from_float64
        if wrong is not None and wrong > evidence.limit:
            return replace(evidence, step=self._faulty_step(evidence, reference, output, indices))
        if self.artifact.format == "onnx":
            return evidence
        evidence = replace(evidence, target=self.conversions.target_of(self.artifact))
        try:
            feeds = [reference.float64.feed(index) for index in indices]
            said = self.conversions.evaluate(self.artifact, feeds)
        except PortError:
            return evidence
        tensors, exact = _of_output(said, reference, output), output.float64 or ()
        return replace(
            evidence,
            from_file=_worst(output, [output.candidate[index] for index in indices], tensors),
            file_from_float64=_worst(output, tensors, [exact[index] for index in indices]),
        )

    def _faulty_step(
        self,
        evidence: Evidence,
        reference: ReferenceOutputs,
        output: ComparedOutput,
        indices: Sequence[int],
    ) -> str:
        """The first step whose file, in float64, is not what native Paddle computes."""
        if self.conversions is None:
            return ""
        wanted = [output.reference[index] for index in indices]
        try:
            for stage in self.conversions.stages():
                found = evaluate_onnx(stage.onnx, _feeds_of(stage, reference, indices))
                if _worst(output, _of_output(found, reference, output), wanted) > evidence.limit:
                    return stage.step
        except PortError:  # it can't be made again here, or float64 lacks an operator
            return ""
        return ""


def evaluate_onnx(onnx: Artifact, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
    """What an ONNX file gives in float64, in a process of its own.

    Raises:
        PortError: as the reference runner does.
    """
    session = Session("reference", onnx, RunnerOptions())
    try:
        return session.run_all(feeds)
    finally:
        session.close()


def _feeds_of(stage: Stage, reference: ReferenceOutputs, indices: Sequence[int]) -> list[Feed]:
    if not stage.takes_paddle_feeds:
        return [reference.float64.feed(index) for index in indices]
    names = [spec.name for spec in onnx_tensors(stage.onnx.path)[0]]
    given = [reference.feeds[index].tensors for index in indices]
    return [dict(zip(names, feed.values(), strict=True)) for feed in given]


def _of_output(
    outputs: Sequence[Mapping[str, Array]], reference: ReferenceOutputs, output: ComparedOutput
) -> list[Array]:
    name = output_pairs(reference.outputs[0], outputs[0])[output.position][1]
    return [item[name] for item in outputs]


def _worst(output: ComparedOutput, one: Sequence[Array], other: Sequence[Array]) -> float:
    error: Callable[[Array, Array], float] = output.scale.error
    return max(error(mine, theirs) for mine, theirs in zip(one, other, strict=True))
