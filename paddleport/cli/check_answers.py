"""``paddleport check-answers``: tensors that came back from a device, against native Paddle's."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddleport.cli import options
from paddleport.cli.console import print_json, progress_bar
from paddleport.cli.several_models import typed_command
from paddleport.cli.validate import EXIT_CODES, print_report

if TYPE_CHECKING:
    from paddleport.progress import Progress
    from paddleport.validate.device.folder import DeviceFolder
    from paddleport.validate.device.native_answers import NativeAnswers


def check_answers(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="What device-folder wrote, unchanged.")
    ],
    answers: Annotated[
        Path,
        typer.Argument(
            metavar="ANSWERS",
            help="answers.npz with the keys OUTPUT.FEED, or a folder with OUTPUT.FEED.bin files.",
        ),
    ],
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            help="What the device was told to compute in; by default that of the file.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="What to call the device in the report."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="The Paddle model, for the cause of a difference; by default what device-folder "
            "was given, if it is here.",
        ),
    ] = None,
    latency: Annotated[
        list[Path] | None,
        typer.Option(
            "--latency", metavar="FILE.json", help="Latencies measured there; repeatable."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where reports go; by default none is written."),
    ] = None,
    json: options.JsonOption = False,
) -> None:
    """Hold what came back from a device against native Paddle, as validate holds a backend.

    [bold]paddleport check-answers MobileNetV2.ncnn.device answers.npz[/]

    [bold]paddleport check-answers MobileNetV2.ncnn.device answers --precision fp16 --out out[/]
    """
    from paddleport.validate.device.answer_check import AnswerCheck
    from paddleport.validate.device.folder import read_folder
    from paddleport.validate.device.returned_answers import read_answers
    from paddleport.validate.reports.brought_in import read_brought_in

    asked = options.precision_from(precision)
    given = read_folder(folder)
    manifest = given.manifest
    digest = manifest.files[manifest.model_file]
    title = str(manifest.model["name"])
    measured = [item for path in latency or () for item in read_brought_in(path, title, digest)]
    with progress_bar() as progress:
        check = AnswerCheck(
            folder=given,
            answers=read_answers(answers, given),
            precision=asked,
            row=name or "",
            open_model=lambda: _native(given, model, progress),
            insists=model is not None,
            latencies=tuple(measured),
            command=typed_command(),
        )
        report = check.report()
    files = report.write(out) if out is not None else []
    if json:
        print_json(report.to_dict())
    else:
        print_report(report, files)
    raise typer.Exit(EXIT_CODES[report.verdict])


@contextmanager
def _native(
    folder: "DeviceFolder", model: str | None, progress: "Progress"
) -> Iterator["NativeAnswers"]:
    """The Paddle model that a folder was made of, on its feeds.

    Raises:
        ModelFileError: it is another one.
        PortError: it is not there, or can't run.
    """
    from paddleport.convert.prepare import prepare_source
    from paddleport.convert.remaking import RemadeConversion
    from paddleport.errors import ModelFileError
    from paddleport.models.recognize import read_artifact
    from paddleport.validate.device.native_answers import NativeAnswers

    manifest = folder.manifest
    source, onnx = prepare_source(
        model or manifest.asked,
        opset=int(manifest.model["opset"]),
        weights=manifest.weights if model in (None, manifest.asked) else "auto",
        proven=False,
        progress=progress,
    )
    if source.sha256 != manifest.model["paddle sha256"]:
        raise ModelFileError(
            f"{model or manifest.asked} is another model than {folder.path} was made of"
        )
    made = read_artifact(folder.model_path)
    with (
        RemadeConversion(source, onnx, made) as conversions,
        NativeAnswers(
            source, onnx, folder.feeds, conversions=conversions, progress=progress
        ) as native,
    ):
        yield native
