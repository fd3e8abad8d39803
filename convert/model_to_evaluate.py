"""A model as an evaluation needs it: how pictures are fed, and how many classes it tells apart."""

from collections.abc import Sequence
from pathlib import Path

from paddleport.convert.converted_file import refuse_conversion_options
from paddleport.errors import UsageError
from paddleport.files import sha256
from paddleport.models.artifact import SEEDED_WARNING, Artifact
from paddleport.models.onnx.onnx_file import external_files, onnx_opset, onnx_tensors
from paddleport.models.recognize import format_of, read_artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.progress import Progress, no_progress
from paddleport.runners.tasks.classification import Classification
from paddleport.tensors import TensorSpec
from paddleport.validate.evaluate.rows.row_request import EvaluatedModel


def model_to_evaluate(
    name: str | None,
    *,
    reference: bool,
    weights: str = "auto",
    program: Path | None = None,
    params: Path | None = None,
    progress: Progress = no_progress,
) -> tuple[EvaluatedModel, SourceModel | None, str]:
    """The model, its Paddle program, and what a user must not miss.

    Args:
        name: as ``resolve`` takes it, or an .onnx file of ours, which has no program.
        reference: whether native Paddle is to be held beside it.
        weights: as ``resolve`` takes it; so are ``program``, ``params`` and ``progress``.
        program: a program file.
        params: its parameter file.
        progress: called with each step and the share done.

    Raises:
        UsageError: it is no image classifier, it is not known how it is fed, or an .onnx file
            that is to be held against native Paddle.
        PortError: as ``resolve`` and ``read_artifact`` do.
    """
    if name is not None and program is None and format_of(Path(name)) == "onnx":
        file = read_artifact(Path(name))
        refuse_conversion_options(file, weights=weights)
        return _file_alone(file, reference=reference)
    source = resolve(name, weights=weights, program=program, params=params, progress=progress)
    outputs = source.program.outputs
    classes = _classes(source.name, source.program.inputs, outputs, source.labels)
    if source.preprocess is None:
        raise UsageError(
            f"{source.name} does not say how pictures are fed: {source.preprocess_unknown}. Put an "
            "inference.yml with its preprocessing beside the program; or, for a model of the zoo "
            "with your files: paddleport evaluate NAME DATA -w FOLDER"
        )
    model = EvaluatedModel(
        name=source.name,
        title=f"{source.name} · weights {source.weights_title}",
        weights=source.weights,
        sha256=source.sha256,
        preprocess=source.preprocess,
        classes=classes,
        labels=source.labels if source.classes == classes else None,
        published=source.published,
    )
    return model, source, source.warning


def _file_alone(
    onnx: Artifact, *, reference: bool
) -> tuple[EvaluatedModel, SourceModel | None, str]:
    """An .onnx file as the model: there is no Paddle program beside it to hold it against."""
    path, made_of = onnx.path, onnx.provenance.get("source", {})
    if reference:
        model = made_of.get("name", "MODEL")
        raise UsageError(
            f"{path} holds no Paddle program, so native Paddle can't be held beside it: "
            f"paddleport evaluate {model} DATA --onnx {path}, or --no-reference"
        )
    inputs, outputs = onnx_tensors(path)
    classes = _classes(str(path), inputs, outputs, onnx.labels)
    if onnx.preprocess is None:
        raise UsageError(
            f"{path} does not say how pictures are fed: its metadata has no preprocessing, so it "
            "was not written by paddleport from a model that says. Name the model, and this file "
            f"beside it: paddleport evaluate MODEL DATA --onnx {path}"
        )
    weights = str(made_of.get("weights", "of unknown origin"))
    model = EvaluatedModel(
        name=path.stem,
        title=f"{path.name} · opset {onnx_opset(path)} · weights {weights}",
        weights=weights,
        sha256=sha256([path, *external_files(path)]),
        preprocess=onnx.preprocess,
        classes=classes,
        labels=onnx.labels if len(onnx.labels or ()) == classes else None,
    )
    return model, None, SEEDED_WARNING if weights == "seeded" else ""


def _classes(
    name: str,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    labels: tuple[str, ...] | None,
) -> int:
    """How many the first output tells apart.

    Raises:
        UsageError: the model is no image classifier, or nobody says.
    """
    batch = inputs[0].shape[:1] if inputs else ()
    shapes = [
        (None, *spec.shape[1:]) if spec.shape[:1] == batch else spec.shape for spec in outputs
    ]
    if not Classification.fits(inputs, shapes):
        shown = ", ".join(map(str, [*inputs, *outputs]))
        raise UsageError(
            f"{name} is no image classifier (one 4-D input, a row of class scores first), so its "
            f"answers can't be counted: {shown}. paddleport validate compares its tensors"
        )
    classes = shapes[0][1] or len(labels or ())
    if classes < 2:
        raise UsageError(
            f"{name} does not say how many classes it has: name them in its inference.yml"
        )
    return classes
