"""What a word on the command line is: a model, a picture, a file of one backend's own."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from paddleport.errors import ModelNotFoundError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.recognize import format_of, read_artifact
from paddleport.runners import default_names, describe_all
from paddleport.runners.preprocessing.picture_files import PICTURE_SUFFIXES

_GLOB_OR_ADDRESS = ("*", "?", "[", "://")


def split_model(names: Sequence[str], default: str) -> tuple[str, list[str]]:
    """Tell the model among the arguments of ``run`` from the pictures.

    The first argument is the model if it is a zoo name, an .onnx file, or a folder, tar or file
    with a Paddle program in it; otherwise ``default`` is the model.

    Raises:
        ModelNotFoundError: the first argument is no file, and looks like a mistyped name or file of
            a model: ``default`` is not run in its place.
        UsageError: it has an ncnn file's weights, which no picture has.
    """
    if not names:
        return default, []
    first, rest = names[0], list(names[1:])
    path = Path(first)
    if format_of(path):
        return first, rest
    if path.suffix.lower() == ".bin" and (beside := path.with_suffix(".param")).is_file():
        raise UsageError(f"{path} has the weights of an ncnn file: name {beside} as the model")
    from paddleport.models.paddle.source import holds_model
    from paddleport.models.zoo import registry as zoo

    if first in zoo.names() or holds_model(path):
        return first, rest
    may_be_pictures = (
        not first
        or path.exists()
        or path.suffix.lower() in PICTURE_SUFFIXES
        or any(sign in first for sign in _GLOB_OR_ADDRESS)
    )
    if may_be_pictures:
        return default, list(names)
    if not path.suffix and not set(first) & set("/\\"):
        raise ModelNotFoundError(
            f"{zoo.unknown_model(first)}; nor is there a file or folder {first}"
        )
    there = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, there, n=1)
    hint = (
        f". Did you mean {path.with_name(close[0])}?" if close else ": neither a model nor pictures"
    )
    raise ModelNotFoundError(f"{first} does not exist{hint}")


def only_backend(name: str) -> str:
    """The one backend that loads a file; empty where there are several, or it is no file."""
    found = format_of(Path(name))
    if found == "onnx":  # which several load; asking them all costs a start its time
        return ""
    loading = [item.name for item in describe_all() if found and found in item.formats]
    return loading[0] if len(loading) == 1 and Path(name).exists() else ""


def read_target_file(path: Path, backends: Sequence[str] | None) -> Artifact:
    """A file of a backend's own format that should be the same model as another.

    Args:
        path: the file.
        backends: those that are asked, one of which must load it; ``None`` for all.

    Raises:
        UsageError: it is an ONNX file, or nobody loads it.
        PortError: as ``read_artifact`` does.
    """
    found = read_artifact(path)
    if found.format == "onnx":
        raise UsageError(f"{path} is an ONNX file: --onnx {path}")
    loading = [item.name for item in describe_all() if found.format in item.formats]
    asked = default_names() if backends is None else backends
    if not set(loading).intersection(asked):
        said = (
            f"{' and '.join(backends)} does not load" if backends else "none of those asked loads"
        )
        raise UsageError(
            f"{path} is {found.format}, which {said}: --backend {' or '.join(loading) or 'NAME'}"
        )
    return found
