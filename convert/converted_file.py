"""A model that is converted already, where options of a conversion were given."""

from paddleport.errors import UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_opset


def refuse_conversion_options(
    file: Artifact, *, opset: int | None = None, weights: str = "auto"
) -> None:
    """Refuse what no converted file can follow, so that nothing else runs than was asked for.

    Args:
        file: the model, in any format but Paddle's own.
        opset: the one that was given, which may be the file's own; ``None`` if none was.
        weights: ``auto`` if none were given.

    Raises:
        UsageError: there is something to refuse.
        ModelFileError: the file is damaged.
    """
    if weights != "auto":
        raise UsageError(
            f"--weights goes with a name of the zoo, and {file.path} has its own: leave it out"
        )
    if opset is None:
        return
    onnx = file.format == "onnx"
    own = onnx_opset(file.path) if onnx else file.provenance.get("opset")
    if opset != own:
        what = f"has opset {own}" if onnx else f"is {file.format}"
        raise UsageError(
            f"--opset {opset} is of a conversion, and {file.path} {what} already: leave it out"
        )
