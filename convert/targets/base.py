"""The contract of a target: what ``convert --to NAME`` makes, out of what, with which options."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from paddleport.convert.targets.file_graph import evaluate_graph, shapes_of
from paddleport.errors import BackendUnavailableError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array, Feed, ShapeRange, TensorSpec

if TYPE_CHECKING:
    import onnx

    from paddleport.models.resolve import SourceModel


@dataclass(frozen=True, kw_only=True)
class TargetOptions:
    """What a file is asked to be; what a target cannot give it refuses.

    Attributes:
        precision: of the file; ``None`` is that of the ONNX file that it is made of.
        keep_fp32: names of the ONNX nodes that a lower precision leaves in fp32.
        activation_ranges: int8 activations have one range per ``tensor``, or one per
            ``channel`` where what they go into is depthwise.
        shapes: input name to its shapes, for targets that compile for shapes.
        compute_capabilities: of the GPUs to build for, for targets that can choose.
        tf32: whether float32 products may be rounded to TF32.
        lite_target: the device that Paddle Lite optimises for; empty is the target's default.
        lite_python: the interpreter that has Paddle Lite; empty is the environment's.
        engine: that a C++ bundle is built with; empty is the target's default.
    """

    precision: Precision | None = None
    keep_fp32: tuple[str, ...] = ()
    activation_ranges: Literal["tensor", "channel"] = "tensor"
    shapes: Mapping[str, ShapeRange] = field(default_factory=dict)
    compute_capabilities: tuple[tuple[int, int], ...] = ()
    tf32: bool = False
    lite_target: str = ""
    lite_python: str = ""
    engine: str = ""


@dataclass(frozen=True, kw_only=True)
class MadeFile:
    """What a target has written.

    Attributes:
        files: the main file, then what belongs to it.
        tools: versions of everything that had a say in it.
        settings: what the tools were given.
        kept_fp32: nodes that the conversion itself left in fp32, and why.
        facts: what the tools say of the file, plain values, for people and programs.
        inputs, outputs: what it takes and gives; empty where that is what the model says that it
            was made of.
    """

    files: tuple[Path, ...]
    tools: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    kept_fp32: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()


class Target(ABC):
    """One format that a proven ONNX file, or a Paddle program, is made into.

    A new target sets the class attributes and writes ``make``; with ``graph``, or ``evaluate``
    where the file is no graph of layers, a fault of its conversion can be told from one of its
    runtime. Its module imports no vendor library at the
    top. ``make`` runs in a process of its own, so it may crash, and takes what memory it likes.

    Attributes:
        name: the entry point's name, what ``--to`` takes.
        format: of the artifact that it makes; runners that load it check the file.
        made_of: what ``make`` is given: the ``onnx`` file, once that is proven, or the ``paddle``
            program itself, with no ONNX file on the way and in fp32 alone.
        suffix: of its main file, or of its folder.
        main_file: where it makes a folder, the name of the main file in it; else empty.
        fixed_suffix: whether files of this format are recognised by that suffix, so that no
            other will do; what else it is stands in a JSON file beside it.
        precisions: every precision that a file of this format can be asked for.
        lowers: those of them that ``make`` gets by itself; for the others it is given an ONNX
            file in that precision.
        choices: fields of ``TargetOptions`` beside the precision that mean something to it.
        distributions: the packages whose versions have a say in the file.
        parts: packages of ours, by their dotted names, whose code has a say in it beside the
            target's own module.
        timeout_s: for ``make``, in seconds, by default.
    """

    name: ClassVar[str]
    format: ClassVar[str]
    made_of: ClassVar[Literal["onnx", "paddle"]] = "onnx"
    suffix: ClassVar[str]
    main_file: ClassVar[str] = ""
    fixed_suffix: ClassVar[bool] = False
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32",)
    lowers: ClassVar[tuple[Precision, ...]] = ()
    choices: ClassVar[tuple[str, ...]] = ()
    distributions: ClassVar[tuple[str, ...]] = ()
    parts: ClassVar[tuple[str, ...]] = ()
    timeout_s: ClassVar[float] = 1800.0

    @abstractmethod
    def make(
        self, model: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        """Write ``model`` as ``path``, and beside it, or in it where it is a folder, all else.

        Raises:
            BackendUnavailableError: a library that it takes is not there.
            ConversionError, ModelFileError: the library refuses the model; says where and why.
            UsageError: an option that cannot be.
        """

    def graph(self, artifact: Artifact, shapes: Mapping[str, tuple[int, ...]]) -> "onnx.ModelProto":
        """What a file of this format says, read back out of it as an ONNX graph.

        Inputs and outputs have the artifact's names, and every tensor between the layers that
        the graph has is named as in the file, so that ``locate`` can hold a layer's value against
        the ONNX file that was converted, and against what the runtime computes.

        Args:
            artifact: the file.
            shapes: what each input will be fed, for formats whose layers do not say all sizes.

        Raises:
            BackendUnavailableError: nothing but its runtime reads this format, or this layer.
        """
        raise BackendUnavailableError(f"nothing but its runtime reads {self.format}")

    def evaluate(self, artifact: Artifact, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
        """What a file of this format says, computed without the runtime that it is made for.

        It divides a fault of the conversion from one of the runtime. As exact as can be: by
        default ``graph`` in float64, the rows of a batch one by one where the file takes one.

        Raises:
            BackendUnavailableError: as ``graph`` does.
        """
        return [evaluate_graph(self.graph(artifact, shapes_of(feed)), feed) for feed in feeds]

    @classmethod  # noqa: B027  # most can be made anywhere
    def check_here(cls, options: TargetOptions) -> None:
        """Refuse, before a conversion that may take long, what this machine can't make.

        Raises:
            BackendUnavailableError: a library or device that it needs is not there.
        """

    @classmethod
    def program_for(cls, source: "SourceModel") -> Artifact:
        """The Paddle program that it is made of, where that is another than the source's own.

        Raises:
            ConversionError: no program is to be had in a form that it takes.
        """
        return source.model

    @classmethod
    def options_here(cls, shapes: Mapping[str, ShapeRange]) -> TargetOptions:
        """What a file is asked to be that a backend here is to load, and nobody else.

        Args:
            shapes: what it will be fed.
        """
        return TargetOptions(shapes=dict(shapes) if "shapes" in cls.choices else {})

    @classmethod
    def runs_here(cls, options: TargetOptions) -> str:
        """Why no machine like this one loads a file made so; empty where some backend may."""
        return ""

    @classmethod
    def environ(cls, options: TargetOptions) -> Mapping[str, str]:
        """Variables for the processes that make a file so and check it."""
        return {}

    @classmethod
    def tool_versions(cls, options: TargetOptions) -> dict[str, str]:
        """The versions of what has a say in its files: of ``distributions`` that are there."""
        found = {}
        for name in cls.distributions:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
        return found

    def check(self, model: Artifact, options: TargetOptions) -> TargetOptions:
        """The options settled for one model, before anything is made.

        Raises:
            UsageError: an option that this target does not take.
            BackendUnavailableError: a library or device that it needs is not there.
        """
        return options

    @classmethod
    def file_name(cls, model: str, precision: Precision) -> str:
        """What a file of ``model`` is called where nobody says."""
        return f"{model}{'' if precision == 'fp32' else f'.{precision}'}{cls.suffix}"

    @classmethod
    def file_name_with(cls, model: str, options: TargetOptions) -> str:
        """The same, for a target whose files say more of their options by their names."""
        return cls.file_name(model, options.precision or "fp32")

    @classmethod
    def check_options(cls, options: TargetOptions) -> None:
        """Refuse options that mean nothing to this target, before any conversion.

        Raises:
            UsageError: which, and what takes it.
        """
        if options.precision is not None and options.precision not in cls.precisions:
            raise UsageError(
                f"no file holds {options.precision} as {cls.name}: --precision "
                f"{', '.join(cls.precisions)}"
            )
        if options.compute_capabilities and "compute_capabilities" not in cls.choices:
            raise UsageError("--compute-capability is of engines: --to tensorrt-rtx")
        if options.tf32 and "tf32" not in cls.choices:
            raise UsageError(f"TF32 is of engines, and {cls.name} is none: leave tf32 out")
        for name in ("lite_target", "lite_python"):
            if getattr(options, name) and name not in cls.choices:
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"{option} is of Paddle Lite's files: --to paddle-lite")
        if options.engine and "engine" not in cls.choices:
            raise UsageError("--engine is of C++ bundles: --to cpp")
        if options.keep_fp32 and options.precision in (None, "fp32"):
            raise UsageError("layers stay in fp32 only where the rest does not: give a precision")
