"""How a model is fed with pictures, found out without loading or downloading the model."""

from pathlib import Path

from paddleport.errors import UsageError
from paddleport.models.card import Preprocess
from paddleport.models.recognize import format_of, read_artifact
from paddleport.models.resolve import resolve
from paddleport.models.zoo import registry as zoo


def preprocess_of(model: str) -> Preprocess:
    """The preprocessing of a zoo's name, an .onnx file of ours, or a Paddle model's folder.

    Raises:
        UsageError: it is not known.
        ModelNotFoundError, ModelFileError: as ``resolve`` and ``read_onnx_model`` do.
    """
    if model in zoo.names():
        return zoo.lookup(model).preprocess
    if format_of(Path(model)):
        preprocess, unknown = read_artifact(Path(model)).preprocess, "its metadata say nothing"
    else:
        source = resolve(model)
        preprocess, unknown = source.preprocess, source.preprocess_unknown
    if preprocess is None:
        raise UsageError(
            f"it is not known how {model} is fed with pictures ({unknown}): name a model of the "
            "zoo, or a folder with an inference.yml"
        )
    return preprocess
