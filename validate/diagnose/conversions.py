"""Which step of a conversion is to blame: how the files under comparison were made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Protocol, cast

import numpy as np

from paddleport.errors import BackendUnavailableError, PortError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.runners.runner_options import RunnerOptions
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Array, Feed, ShapeRange
from paddleport.validate.compare.comparison import output_pairs
from paddleport.validate.compare.error_scale import structural_difference
from paddleport.validate.diagnose.amplified_rounding import is_beyond_rounding
from paddleport.validate.diagnose.difference_evidence import Evidence
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

    def made_of_paddle(self, formats: Sequence[str]) -> bool:
        """Whether what makes one of these formats takes the Paddle program, not the ONNX file."""

    def given(self, formats: Sequence[str]) -> Artifact | None:
        """The file of one of these formats that is in question and was made already, if any."""

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

    def graph(self, artifact: Artifact, shapes: Mapping[str, tuple[int, ...]]) -> Artifact:
        """What a target's file says as an ONNX file, its tensors named as in the file.

        Args:
            artifact: the file.
            shapes: what each of its inputs will be fed.

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
        if is_beyond_rounding(evidence, evidence.reference_from_float64):
            indices = output.failing[:_FEEDS]
            return replace(evidence, step=self._faulty_step(evidence, reference, output, indices))
        if self.artifact.format == "onnx":
            return evidence
        return self._with_file(
            replace(evidence, target=self.conversions.target_of(self.artifact)),
            self.conversions,
            reference,
            output,
        )

    def _with_file(
        self,
        evidence: Evidence,
        conversions: Conversions,
        reference: ReferenceOutputs,
        output: ComparedOutput,
    ) -> Evidence:
        """``evidence`` with what the file says without its runtime, or why that is not known."""
        # One example before a batch, which not every file takes; the worst of each first.
        ordered = sorted(output.failing, key=lambda index: reference.feeds[index].batch)
        indices = ordered[:_FEEDS]
        feeds = [reference.float64.feed(index) for index in indices]
        try:
            said: object = conversions.evaluate(self.artifact, feeds)
        except BackendUnavailableError as error:
            return replace(evidence, no_file=one_line(error))
        except Exception as error:  # a target's evaluate raises what it likes
            kind = "" if isinstance(error, PortError) else f"{type(error).__name__}: "
            reason = f"{evidence.target}'s evaluate fails ({kind}{one_line(error)})"
            return replace(evidence, no_file=reason)
        exact = reference.float64.outputs or ()
        fault = _fault_of(said, [exact[index] for index in indices], reference)
        if fault:
            return replace(evidence, no_file=f"{evidence.target}'s evaluate gives {fault}")
        tensors = _of_output(cast("list[dict[str, Array]]", said), reference, output)
        right = [(output.float64 or ())[index] for index in indices]
        own = _worst(output, [output.candidate[index] for index in indices], tensors)
        distance = _worst(output, tensors, right)
        # What can't be compared is the file's only where its runtime says the very same.
        if not isfinite(distance) and not own <= evidence.limit:
            pairs = zip(right, tensors, strict=True)
            odd = next(filter(None, (structural_difference(*pair) for pair in pairs)), "")
            reason = f"{evidence.target}'s evaluate can't be compared ({odd or 'infinitely far'})"
            return replace(evidence, no_file=reason)
        return replace(evidence, from_file=own, file_from_float64=distance)

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

        def is_wrong(found: list[dict[str, Array]]) -> bool:
            if len(found[0]) != len(reference.outputs[0]):
                return True
            error = _worst(output, _of_output(found, reference, output), wanted)
            return is_beyond_rounding(evidence, error)

        return first_faulty_step(
            self.conversions,
            [reference.float64.feed(index) for index in indices],
            [reference.feeds[index].tensors for index in indices],
            is_wrong,
        )


def first_faulty_step(
    conversions: Conversions,
    onnx_feeds: Sequence[Feed],
    paddle_feeds: Sequence[Feed],
    is_wrong: Callable[[list[dict[str, Array]]], bool],
) -> str:
    """The first step whose file, in float64, is not what native Paddle computes.

    Args:
        conversions: makes the files again.
        onnx_feeds: what they are fed.
        paddle_feeds: the same as the Paddle model is fed.
        is_wrong: whether a file's outputs, one mapping per feed, are not Paddle's.

    Returns:
        Its name; empty where nobody knows.
    """
    try:
        for stage in conversions.stages():
            feeds = _feeds_of(stage, onnx_feeds, paddle_feeds)
            if is_wrong(evaluate_onnx(stage.onnx, feeds)):
                return stage.step
    except Exception:  # it can't be made again here, or float64 lacks an operator, or what
        return ""  # the provenance says is of somebody else's making
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


def _feeds_of(
    stage: Stage, onnx_feeds: Sequence[Feed], paddle_feeds: Sequence[Feed]
) -> Sequence[Feed]:
    if not stage.takes_paddle_feeds:
        return onnx_feeds
    names = [spec.name for spec in onnx_tensors(stage.onnx.path)[0]]
    return [dict(zip(names, feed.values(), strict=True)) for feed in paddle_feeds]


def _fault_of(said: object, exact: Sequence[Feed], reference: ReferenceOutputs) -> str:
    """Why what a target's ``evaluate`` gave are no outputs of the graph; empty where they are."""
    if not isinstance(said, list | tuple):
        return f"{type(said).__name__}, not a list of outputs per feed"
    if len(said) != len(exact):
        return f"outputs of {len(said)} feeds for {len(exact)}"
    names = [set(exact[0]), set(reference.outputs[0])]
    for outputs in said:
        if not isinstance(outputs, Mapping):
            return f"{type(outputs).__name__} for a feed, not outputs by name"
        if len(outputs) != len(exact[0]):
            return f"{len(outputs)} outputs, the ONNX graph has {len(exact[0])}"
        if set(outputs) != set(said[0]) or (len(outputs) > 1 and set(outputs) not in names):
            return f"outputs of other names: {', '.join(map(str, outputs))}"
        for name, tensor in outputs.items():
            if not (isinstance(tensor, np.ndarray) and tensor.dtype.kind in "biuf"):
                return f"{type(tensor).__name__} for {name}, not an array of numbers"
    return ""


def _of_output(
    outputs: Sequence[Mapping[str, Array]], reference: ReferenceOutputs, output: ComparedOutput
) -> list[Array]:
    name = output_pairs(reference.outputs[0], outputs[0])[output.position][1]
    return [item[name] for item in outputs]


def _worst(output: ComparedOutput, one: Sequence[Array], other: Sequence[Array]) -> float:
    error: Callable[[Array, Array], float] = output.scale.error
    return max(error(mine, theirs) for mine, theirs in zip(one, other, strict=True))
