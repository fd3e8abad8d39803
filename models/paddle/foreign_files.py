"""Files that are taken for a Paddle program and are something else: what, and what to type."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from paddleport.errors import PortError
from paddleport.models.paddle.params import looks_like_params
from paddleport.models.recognize import format_of

_HEAD_BYTES = 4096
_NOT_WEIGHTS = {
    ".pdopt": "the state of an optimizer",
    ".pdstates": "a training's notes of itself (epoch, metrics)",
    ".info": "what Paddle notes beside a parameter file",
}
_LITE = re.compile(rb"[\0-\2]\0v\d[\w.\-]*\0", re.ASCII)  # meta version, then opt's version
_IR_VERSIONS = [bytes([version]) for version in range(3, 21)]
_AFTER_IR_VERSION = [bytes([field << 3 | 2]) for field in (2, 3, 4, 6, 7, 8)] + [b"\x28"]
_MAGIC = {
    (0, b"PK\x03\x04"): ("a zip archive", "unpack it, and give the folder"),
    (0, b"\x89HDF"): ("a file of HDF5, as Keras writes it", "give a Paddle model"),
    (4, b"TFL3"): ("a TensorFlow Lite model", "give a Paddle model"),
}  # offset and what stands there: what it is, and what to do


@dataclass(frozen=True)
class ForeignFile:
    """A file that is no Paddle program.

    Attributes:
        path: the file.
        what: it is, with its article.
        next_step: what to do or type.
    """

    path: Path
    what: str
    next_step: str


def foreign_file(files: Iterable[Path]) -> ForeignFile | None:
    """The one of some files that says most about what was meant; ``None`` where none is known."""
    heads = [(file, _head(file)) for file in files]
    for kind in _KINDS:
        for file, head in heads:
            found = kind(file, head)
            if found:
                return ForeignFile(file, *found)
    return None


def describe_folder(folder: Path) -> str:
    """What a folder without a program has, and what to do with its most telling file."""
    listing = f"it has {_listing(folder)}"
    found = foreign_file(sorted(item for item in folder.iterdir() if item.is_file()))
    if found:
        return f"{listing}. {found.path.name} is {found.what}. Next: {found.next_step}"
    return (
        f"{listing}. A model is a .json or .pdmodel with its .pdiparams: name them with "
        "--model FILE --params FILE"
    )


def is_checkpoint(path: Path) -> bool:
    """Whether a file is a training checkpoint: by its name, or a pickle without another one."""
    return path.suffix == ".pdparams" or _is_pickle(path, _head(path))


_Kind = Callable[[Path, bytes], tuple[str, str] | None]


def _checkpoint(path: Path, head: bytes) -> tuple[str, str] | None:
    if path.suffix != ".pdparams" and not _is_pickle(path, head):
        return None
    return (
        "a training checkpoint, which is weights without a network",
        f"for a model of the zoo: paddleport convert NAME --weights {path}; any other is exported "
        "first, with tools/export_model.py of PaddleClas, PaddleOCR or PaddleDetection, and the "
        "folder that it writes is given",
    )


def _beside_a_checkpoint(path: Path, head: bytes) -> tuple[str, str] | None:
    what = _NOT_WEIGHTS.get(path.suffix)
    if what is None:
        return None
    weights = path.with_suffix(".pdparams")
    if path.suffix == ".info" or not weights.is_file():
        return what, "give the folder or file of an inference model"
    return what, f"the weights are in {weights.name}, for a model of the zoo: --weights {weights}"


def _parameters(path: Path, head: bytes) -> tuple[str, str] | None:
    if not looks_like_params(head):
        return None
    return (
        "a parameter file",
        f"its program, a .json or .pdmodel, is needed too: --model FILE --params {path}",
    )


def _converted(path: Path, head: bytes) -> tuple[str, str] | None:
    is_onnx = _is_onnx(head)
    found = "onnx" if is_onnx else format_of(path)
    if not found:
        return None
    if found == "onnx":
        return (
            "an ONNX file",
            f"paddleport run {path} runs it, and paddleport validate {_made_of(path)} "
            f"--onnx {path} compares it with the Paddle model that it was made of",
        )
    return f"a model of the format {found}", f"paddleport run --backend {found} {path} runs it"


def _made_of(onnx: Path) -> str:
    """The name of the zoo that a file of ours was made of; else ``FOLDER``."""
    from paddleport.models.onnx.onnx_file import read_onnx_model
    from paddleport.models.zoo import registry as zoo

    try:
        name = read_onnx_model(onnx).provenance.get("source", {}).get("name")
    except PortError:  # it is damaged, which who reads it is told
        return "FOLDER"
    return str(name) if name in zoo.names() else "FOLDER"


def _lite(path: Path, head: bytes) -> tuple[str, str] | None:
    if path.suffix != ".nb" and not _LITE.match(head):
        return None
    return (
        "a model that Paddle Lite has optimised for a device",
        f"paddleport run --backend paddle-lite {path} runs one that is for x86; there is no way "
        "back from it, so give the Paddle model that it was made of",
    )


def _by_magic(path: Path, head: bytes) -> tuple[str, str] | None:
    for (offset, magic), found in _MAGIC.items():
        if head[offset:].startswith(magic):
            return found
    return None


def _description(path: Path, head: bytes) -> tuple[str, str] | None:
    if path.suffix in (".yml", ".yaml"):
        return "a description of a model", f"give the folder that the model is in: {path.parent}"
    if head.lstrip()[:1] in (b"{", b"[") and b'"base_code"' not in head:
        return (
            "a JSON file of something else",
            'a program of Paddle 3 begins with "base_code"; paddle.jit.save writes it as NAME.json '
            "beside NAME.pdiparams",
        )
    return None


_KINDS: tuple[_Kind, ...] = (
    _checkpoint,
    _lite,
    _converted,
    _parameters,
    _beside_a_checkpoint,
    _by_magic,
    _description,
)
"""What says most about what was meant comes first."""


def _is_pickle(path: Path, head: bytes) -> bool:
    """As ``paddle.save`` writes them: protocol 2 or later."""
    return path.suffix not in _NOT_WEIGHTS and head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5"


def _is_onnx(head: bytes) -> bool:
    """Whether it begins as ModelProto does: its ir_version, then another field of it."""
    return head[:1] == b"\x08" and head[1:2] in _IR_VERSIONS and head[2:3] in _AFTER_IR_VERSION


def _listing(folder: Path) -> str:
    names = sorted(item.name for item in folder.iterdir())
    shown = ", ".join(names[:6]) or "nothing"
    return shown + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD_BYTES)
    except OSError:
        return b""
