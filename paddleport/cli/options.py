"""Options that several commands share, each worded once."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddleport.errors import FeedError, UsageError, unknown_name

if TYPE_CHECKING:
    from paddleport.tensors import Array, ShapeRange

MAX_UNPACKED_BYTES = 4 << 30
"""The most that a .npz file given as a feed may unpack to."""

ModelArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="A name of the zoo (paddleport models), or a folder, .tar or program file.",
    ),
]
ProgramOption = Annotated[
    Path | None,
    typer.Option("--model", metavar="FILE", help="A program file: .json or .pdmodel, any name."),
]
ParamsOption = Annotated[
    Path | None, typer.Option("--params", metavar="FILE", help="Its parameter file.")
]
WeightsOption = Annotated[
    str,
    typer.Option(
        "--weights",
        "-w",
        metavar="auto|pretrained|seeded|PATH",
        help="For a zoo name. auto: cached, else pretrained (download), else seeded with a "
        "warning. PATH: a .pdparams checkpoint, or a folder or .tar of an inference model.",
    ),
]
OnnxOption = Annotated[
    Path | None,
    typer.Option("--onnx", metavar="FILE", help="An ONNX file that should be the same model."),
]
OpsetOption = Annotated[int, typer.Option("--opset", help="ONNX opset, 7 to 21.")]
ShapeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="NAME=1,3,48,192",
        help="An input's shape, or min:opt:max for runtimes that compile for shapes; repeatable.",
    ),
]
FeedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--feed",
        metavar="NAME=FILE.npy|FILE.npz",
        help="An input's tensor, or all of them in one .npz; repeatable.",
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device", help="cpu or cuda; by default each backend's first.", show_default=False
    ),
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", help="CPU threads; by default all there are.")
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--precision",
        help="What the arithmetic is done in; by default fp32 (reference: fp64).",
    ),
]
ExtraOption = Annotated[
    list[str] | None,
    typer.Option("-o", metavar="KEY=VALUE", help="A backend's own option; repeatable."),
]
ProfileOption = Annotated[
    Path | None,
    typer.Option(
        "--profile",
        metavar="FILE",
        help="A configuration that paddleport tune wrote; options typed beside it win.",
    ),
]
CapabilityOption = Annotated[
    list[str] | None,
    typer.Option(
        "--compute-capability",
        metavar="8.9",
        help="Of the GPUs that a tensorrt-rtx engine is for; repeatable.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def shapes_from(texts: list[str] | None) -> dict[str, tuple[int, ...]]:
    """``--shape`` texts as a mapping to the shape, of several the most likely one."""
    return {name: shapes.opt for name, shapes in map(parse_shape, texts or ())}


def ranges_from(texts: list[str] | None) -> dict[str, "ShapeRange"]:
    """``--shape`` texts as a mapping to all that they say; one shape is a range of one."""
    return dict(map(parse_shape, texts or ()))


def given_ranges_from(texts: list[str] | None) -> dict[str, "ShapeRange"]:
    """Those of ``--shape`` that were written as min:opt:max."""
    return ranges_from([text for text in texts or () if ":" in text])


def feed_from(texts: list[str] | None) -> dict[str, "Array"]:
    """``--feed`` texts as a mapping of loaded tensors."""
    tensors: dict[str, Array] = {}
    for text in texts or ():
        if text.endswith(".npz") and "=" not in text:
            tensors |= load_tensors(Path(text))
        else:
            name, tensor = load_tensor(text)
            tensors[name] = tensor
    return tensors


def parse_shape(text: str) -> tuple[str, "ShapeRange"]:
    """``x=1,3,48,192``, or ``x=1,3,48,32:1,3,48,192:8,3,48,640``, as a name and a range.

    Raises:
        UsageError: the text has another form.
    """
    from paddleport.tensors import ShapeRange

    shape = r"\d+(?:[,x]\d+)*"
    match = re.fullmatch(rf"(.+?)=({shape})(?::({shape}):({shape}))?", text.strip())
    if not match:
        raise UsageError(
            f"--shape {text} is not possible: write NAME=1,3,224,224, or min:opt:max as "
            "NAME=1,3,224,224:1,3,224,224:8,3,224,224"
        )
    first, *others = (
        tuple(int(size) for size in re.split("[,x]", part)) for part in match.groups()[1:] if part
    )
    opt, high = others or (first, first)
    return match[1], ShapeRange(first, opt, high)


def load_tensor(text: str) -> tuple[str, "Array"]:
    """``x=FILE.npy`` as a name and the array in the file.

    Raises:
        UsageError: the text has another form.
        FeedError: the file is not a .npy of numbers.
    """
    name, equals, file = text.partition("=")
    if not equals or not name or not file:
        raise UsageError(f"--feed {text} is not possible: write NAME=FILE.npy")
    return name, load_array(Path(file))


def load_array(path: Path) -> "Array":
    """The array in a .npy file, or the only one in a .npz.

    Raises:
        FeedError: the file is neither, or holds several.
    """
    import numpy as np

    if path.suffix == ".npz":
        arrays = load_tensors(path)
        if len(arrays) != 1:
            raise FeedError(f"{path} holds {len(arrays)} arrays, and one is wanted: save it alone")
        return next(iter(arrays.values()))
    try:
        with path.open("rb") as stream:
            tensor: Array = np.lib.format.read_array(stream, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise FeedError(f"{path} is not a .npy file of numbers ({error})") from None
    return tensor


def load_tensors(path: Path) -> dict[str, "Array"]:
    """All inputs from one .npz file, by name, as ``--save-worst`` writes them.

    Raises:
        FeedError: the file is not a .npz of numbers, or unpacks to more than
            ``MAX_UNPACKED_BYTES``.
    """
    import zipfile

    import numpy as np

    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(item.file_size for item in packed.infolist())
        if size > MAX_UNPACKED_BYTES:
            raise FeedError(f"{path} unpacks to {size >> 20} MB; at most 4096 MB are taken")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise FeedError(f"{path} is not a .npz file of numbers ({error})") from None


def capabilities_from(texts: list[str] | None) -> tuple[tuple[int, int], ...]:
    """``--compute-capability`` texts such as ``8.9`` as pairs."""
    found = []
    for text in texts or ():
        match = re.fullmatch(r"(\d+)\.(\d)", text)
        if not match:
            raise UsageError(f"--compute-capability {text} is not possible: write 8.9")
        found.append((int(match[1]), int(match[2])))
    return tuple(found)


def extras_from(texts: list[str] | None) -> dict[str, str]:
    """``-o`` texts as a mapping."""
    extras: dict[str, str] = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"-o {text} is not possible: write -o KEY=VALUE")
        extras[key] = value
    return extras


def precision_from(text: str | None) -> Any:
    """``--precision`` as one of the known ones; ``None`` leaves each backend its default."""
    if text is None:
        return None
    from paddleport.validate.compare.tolerance import TOLERANCES

    if text not in TOLERANCES:
        raise UsageError(unknown_name("precision", text, TOLERANCES))
    return text
