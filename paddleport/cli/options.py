"""Options that several commands share, each worded once."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddleport.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from paddleport.tensors import ShapeRange

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
    Path | None,
    typer.Option(
        "--params", metavar="FILE", help="Its parameter file, or the folder with one file each."
    ),
]
WeightsOption = Annotated[
    str,
    typer.Option(
        "--weights",
        "-w",
        metavar="NAME|PATH",
        help="For a zoo name: auto (cached, else pretrained, else seeded with a warning), "
        "pretrained (download), seeded, or the PATH of a .pdparams checkpoint, or of a folder or "
        ".tar of an inference model.",
    ),
]
ClassMapOption = Annotated[
    Path | None,
    typer.Option(
        "--class-map",
        metavar="FILE",
        help="Which class the labels of the data stand for: 'name index' per line, JSON or CSV.",
    ),
]
OnnxOption = Annotated[
    Path | None,
    typer.Option("--onnx", metavar="FILE", help="An ONNX file that should be the same model."),
]
TargetFileOption = Annotated[
    Path | None,
    typer.Option(
        "--target-file",
        metavar="FILE",
        help="A file of a backend's own format that should be the same model, instead of one "
        "made here.",
    ),
]
OpsetOption = Annotated[int, typer.Option("--opset", help="ONNX opset, 7 to 21.")]
OpsetIfConvertedOption = Annotated[
    int | None, typer.Option("--opset", help="ONNX opset, 7 to 21.", show_default="17")
]
ShapeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="NAME=1,3,48,192",
        help="An input's shape, or min:opt:max for runtimes that compile for shapes; repeatable.",
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
        help="What the arithmetic is done in: fp32, fp16, bf16 or int8; by default fp32 "
        "(reference: fp64).",
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
LiteTargetOption = Annotated[
    str | None,
    typer.Option(
        "--lite-target",
        metavar="arm|x86",
        help="The CPU that Paddle Lite optimises for; by default arm. x86 is compared here.",
        show_default=False,
    ),
]
LitePythonOption = Annotated[
    Path | None,
    typer.Option(
        "--lite-python",
        metavar="PATH",
        help="The Python 3.8 to 3.10 that has paddlelite; by default PADDLEPORT_LITE_PYTHON.",
        show_default=False,
    ),
]
CppEngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="openvino|onnxruntime",
        help="What the C++ of --to cpp computes with; by default openvino.",
        show_default=False,
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
