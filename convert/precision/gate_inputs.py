"""The examples that a lower precision is made with and compared on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from paddleport.convert.targets.base import TargetOptions
from paddleport.errors import UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.models.resolve import SourceModel
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed, GivenFeeds, TensorSpec, listed_feeds
from paddleport.validate.accuracy_gate.gate import (
    DEFAULT_LIMITS,
    GateLimits,
    GateSet,
    example_set,
    gate_set,
    matched_inputs,
)
from paddleport.validate.accuracy_gate.picture_examples import is_picture
from paddleport.validate.feeds.make_feeds import concrete_inputs
from paddleport.validate.feeds.value_ranges import input_ranges
from paddleport.validate.session import PLAIN_PADDLE, Session

CALIBRATION_PICTURES = 100
_FIRST_CALIBRATION = 100_000  # drawn pictures from there on are none that the gate compares on


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """How a lower precision is checked.

    Attributes:
        labelled: the gate's pictures and their labels, as ``gate_set`` takes them.
        class_map: which class their labels stand for, where somebody wrote it down.
        images: pictures without labels, instead.
        calibrate: a folder of pictures for int8; by default some are drawn.
        feed: tensors to compare answers on instead, whose first axis counts the examples; a model
            that is not fed with one picture is given made-up ones by default.
        backends: what runs the file; by default all that load it and are usable here.
        limits: of the gate.
    """

    labelled: Path | None = None
    class_map: Path | None = None
    images: Sequence[Path] = ()
    calibrate: Path | None = None
    feed: GivenFeeds = ()
    backends: Sequence[str] = ()
    limits: GateLimits = field(default=DEFAULT_LIMITS)


@dataclass(frozen=True, kw_only=True)
class GateInputs:
    """What a lower precision is made with and compared on.

    Attributes:
        inputs: the model's, under the file's names, with all known but the batch.
        gate: the examples that the gate compares answers on.
        calibration: those that int8 takes its ranges from; ``None`` for the other precisions.
        reference: native Paddle's outputs for the gate's examples.
        limits: of the gate.
    """

    inputs: tuple[TensorSpec, ...]
    gate: GateSet
    calibration: GateSet | None
    reference: list[dict[str, Array]] = field(repr=False)
    limits: GateLimits = DEFAULT_LIMITS

    @property
    def calibration_feeds(self) -> list[Feed]:
        """What int8 takes its ranges from; empty for the other precisions."""
        return self.calibration.held_feeds(*self.inputs) if self.calibration else []


def gate_inputs(
    source: SourceModel,
    onnx: Artifact,
    options: TargetOptions,
    gate: GateOptions,
    shapes: Mapping[str, Sequence[int]],
) -> GateInputs:
    """Read, draw or make the examples, and have native Paddle answer them.

    Raises:
        UsageError: pictures for a model that takes none, or ``--calibrate`` means nothing.
        PortError: as ``example_set`` does.
    """
    ranges = input_ranges(source)
    inputs = sized_inputs(onnx, shapes, longest=ranges.longest, feeds=listed_feeds(gate.feed))
    own = matched_inputs(inputs, source.program.inputs)
    calibration = None
    if options.precision == "int8":
        calibration = calibration_pictures(source, inputs, gate.calibrate)
    elif gate.calibrate:
        raise UsageError("--calibrate is of --precision int8, the others have no ranges")
    examples = example_set(
        source.preprocess,
        inputs,
        labelled=gate.labelled,
        images=gate.images,
        classes=source.labels,
        class_map=gate.class_map,
        given=gate.feed,
        ranges=ranges.renamed(own, inputs),
    )
    return GateInputs(
        inputs=inputs,
        gate=examples,
        calibration=calibration,
        reference=native_answers(source, examples.feeds(*own)),
        limits=gate.limits,
    )


def sized_inputs(
    onnx: Artifact,
    shapes: Mapping[str, Sequence[int]],
    *,
    longest: int | None = None,
    feeds: Sequence[Feed] = (),
) -> tuple[TensorSpec, ...]:
    """The inputs, with every dimension known but the batch.

    Args:
        onnx: the file that has them.
        shapes: as they are given.
        longest: as ``concrete_inputs`` has it.
        feeds: what the file is fed, in whose shapes free dimensions are where none is given.
    """
    inputs, _ = onnx_tensors(onnx.path)
    fed = {
        spec.name: shape for spec in inputs for feed in feeds if (shape := _shape_in(feed, spec))
    }
    concrete = concrete_inputs(inputs, {**fed, **shapes}, longest)
    return tuple(
        replace(spec, shape=spec.shape[:1] and (spec.shape[0], *item.shape[1:]))
        for spec, item in zip(inputs, concrete, strict=True)
    )


def _shape_in(feed: Feed, spec: TensorSpec) -> tuple[int, ...]:
    """The shape that an input is fed in; empty where it can't be, which is said elsewhere."""
    shape = feed[spec.name].shape if spec.name in feed else ()
    pairs = zip(spec.shape[1:], shape[1:], strict=False)
    fits = len(shape) == len(spec.shape) and all(size in (None, given) for size, given in pairs)
    return (spec.shape[0] or shape[0], *shape[1:]) if shape and fits else ()


def calibration_pictures(
    source: SourceModel, inputs: Sequence[TensorSpec], calibrate: Path | None
) -> GateSet:
    """What int8 ranges are taken from: a folder's pictures, or drawn ones that no gate uses.

    Raises:
        UsageError: the model is not fed with one picture: ranges of made-up feeds would be those
            of nothing that it meets.
    """
    if len(inputs) != 1:
        raise UsageError(
            f"int8 takes its ranges from pictures, and this model takes {len(inputs)} inputs: "
            "--precision fp16 or bf16"
        )
    if source.preprocess is None and not is_picture(inputs[0]):
        raise UsageError(
            f"int8 takes its ranges from pictures, and this model takes {inputs[0]}: "
            "--precision fp16 works"
        )
    return gate_set(
        source.preprocess,
        inputs[0],
        labelled=None,
        images=[calibrate] if calibrate else [],
        samples=CALIBRATION_PICTURES,
        first=_FIRST_CALIBRATION,
    )


def native_answers(source: SourceModel, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
    """What native Paddle makes of the pictures: the reference, its plainest but for threads."""
    options = replace(PLAIN_PADDLE, threads=RunnerOptions().threads)
    session = Session("paddle", source.model, options)
    try:
        return session.run_all(feeds)
    finally:
        session.close()
