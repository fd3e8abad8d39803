"""What a backend loads: the ONNX file itself, or what a target makes of a model for it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from paddleport.errors import UsageError
from paddleport.models.artifact import Artifact
from paddleport.progress import Progress, no_progress
from paddleport.tensors import ShapeRange

if TYPE_CHECKING:
    from paddleport.models.resolve import SourceModel


def loadable(
    onnx: Artifact,
    formats: Sequence[str],
    *,
    source: "SourceModel | None" = None,
    shapes: Mapping[str, ShapeRange] | None = None,
    progress: Progress = no_progress,
) -> Artifact:
    """A file that a backend loads: the ONNX file itself, or what a target makes, kept.

    Args:
        onnx: the file that it is made of.
        formats: those that the backend loads.
        source: the Paddle model behind the ONNX file, for targets that are made of that.
        shapes: what it will be fed, for targets that compile for shapes.
        progress: called where something is made.

    Raises:
        UsageError: no target makes a format that the backend loads, or one that does is made of
            a Paddle program, and there is none.
        PortError: as the target does.
    """
    if onnx.format in formats:
        return onnx
    if source is not None and (made := loadable_of_paddle(source, formats, progress=progress)):
        return made
    from paddleport.convert.artifact_cache import cached_artifact
    from paddleport.convert.making import Making
    from paddleport.convert.targets import target_for

    target = target_for(tuple(formats))
    if target.made_of == "paddle":
        raise UsageError(
            f"{target.name} is made of a Paddle program, and {onnx.path} is an ONNX file: name "
            "the model that it was converted from"
        )
    progress(f"make {target.name}", None)
    options = target().check(onnx, target.options_here(shapes or {}))
    return cached_artifact(Making(target=target, model=onnx, options=options))


def loadable_of_paddle(
    source: "SourceModel", formats: Sequence[str], *, progress: Progress = no_progress
) -> Artifact | None:
    """A file that a backend loads and a target makes of the Paddle program, kept.

    Args:
        source: the model.
        formats: those that the backend loads.
        progress: called where something is made.

    Returns:
        The file; ``None`` where what is loaded is, or is made of, an ONNX file.

    Raises:
        PortError: as the target does.
    """
    if {"onnx", "paddle"}.intersection(formats):
        return None
    from paddleport.convert.artifact_cache import cached_artifact
    from paddleport.convert.making import Making, paddle_model
    from paddleport.convert.targets import target_for

    target = target_for(tuple(formats))
    if target.made_of != "paddle":
        return None
    progress(f"make {target.name}", None)
    model = paddle_model(target, source)
    options = target().check(model, target.options_here({}))
    return cached_artifact(Making(target=target, model=model, options=options))
