"""Pictures by path: a backend's own preprocessing against Python's, bit for bit."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddleport.errors import ImageError, PortError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.runners import runner_class
from paddleport.runners.picture_runner import PictureRunner
from paddleport.runners.preprocessing.prepare_image import (
    decode_image,
    fed_picture,
    opencv_version,
)
from paddleport.runners.tasks.classification import Classification
from paddleport.tensors import Array, TensorSpec
from paddleport.validate.compare.error_scale import output_error
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.input_diff.explain import explain_input
from paddleport.validate.own_preprocessing.picture_findings import PictureFindings
from paddleport.validate.own_preprocessing.sample_files import sample_files
from paddleport.validate.own_preprocessing.tensor_difference import tensor_difference
from paddleport.validate.session import Session

_ANSWERED = 3  # pictures whose answers are compared, those of one size or not


@dataclass(frozen=True)
class _Apart:
    """One file that both sides do not agree on.

    Attributes:
        file: it.
        how: in words.
        share: of its pixels that differ.
        theirs: its tensor there; ``None`` where one side alone reads it.
    """

    file: Path
    how: str
    share: float
    theirs: Array | None = None


def picture_input(backend: str, model: Artifact) -> TensorSpec | None:
    """The input that a backend with a preprocessing of its own feeds with pictures.

    ``None`` for other backends, and for models that are no classifiers, whose pictures neither
    it nor ``run`` takes.
    """
    if not issubclass(runner_class(backend), PictureRunner):
        return None
    try:
        return Classification().picture_input(model.inputs, model.outputs)
    except UsageError:
        return None


def check_pictures(
    backend: str,
    session: Session,
    spec: TensorSpec,
    preprocess: Preprocess,
    pictures: Sequence[Path] = (),
    *,
    quick: bool = False,
) -> PictureFindings:
    """Have a backend prepare files by their paths, and hold its tensors against Python's.

    Args:
        backend: its name, of a ``PictureRunner``.
        session: of the backend, open.
        spec: the model's input, as the backend's file has it.
        preprocess: how pictures are fed.
        pictures: files; by default ones that are drawn, of odd sizes, turned, and of all kinds.
        quick: fewer of those.

    Raises:
        PortError: the backend's process does not survive it.
    """
    if pictures:
        return _checked(backend, session, spec, preprocess, pictures)
    with tempfile.TemporaryDirectory(prefix="paddleport-") as name:
        files = sample_files(Path(name), preprocess, quick=quick)
        return _checked(backend, session, spec, preprocess, files)


def _checked(
    backend: str,
    session: Session,
    spec: TensorSpec,
    preprocess: Preprocess,
    files: Sequence[Path],
) -> PictureFindings:
    apart: list[_Apart] = []
    answers: list[str] = []
    answered = 0
    for file in files:
        ours, theirs = _prepared_here(file, preprocess, spec), _prepared_there(session, file)
        found = _compared(file, theirs, ours, preprocess)
        if found is not None:
            apart.append(found)
        elif not isinstance(theirs, str) and answered < _ANSWERED:
            answered += 1
            if not _is_its_tensors(session, spec.name, file, theirs):
                answers.append(file.name)
    apart.sort(key=lambda item: item.share, reverse=True)
    return PictureFindings(
        backend=backend,
        theirs=session.picture_library(),
        ours=f"OpenCV {opencv_version()}",
        pictures=len(files),
        apart=tuple((item.file.name, item.how) for item in apart),
        explained=_explained(apart, preprocess),
        answers=tuple(answers),
    )


def _prepared_here(file: Path, preprocess: Preprocess, spec: TensorSpec) -> Array | str:
    try:
        return fed_picture(decode_image(file), preprocess, spec, name=str(file))[None]
    except ImageError as error:
        return str(error)


def _prepared_there(session: Session, file: Path) -> Array | str:
    try:
        return session.prepared(file)
    except ImageError as error:
        return str(error)


def _compared(
    file: Path, theirs: Array | str, ours: Array | str, preprocess: Preprocess
) -> _Apart | None:
    if isinstance(theirs, str) and isinstance(ours, str):
        return None
    if isinstance(theirs, str):
        return _Apart(file, f"it is not read there: {theirs}", 1.0)
    if isinstance(ours, str):
        return _Apart(file, f"it is read there, and not here: {ours}", 1.0)
    found = tensor_difference(theirs, ours, preprocess)
    return None if found is None else _Apart(file, found.text, found.share, theirs)


def _is_its_tensors(session: Session, input_name: str, file: Path, tensor: Array) -> bool:
    """Whether the answer to a file is that to its tensor: within fp32's limit, and the same top."""
    (wanted,) = session.run_all([{input_name: tensor}])
    found = session.classified(file)
    return list(found) == list(wanted) and all(
        output_error(found[name], wanted[name]) <= TOLERANCES["fp32"].limit
        and np.array_equal(found[name].argmax(axis=-1), wanted[name].argmax(axis=-1))
        for name in wanted
    )


def _explained(apart: Sequence[_Apart], preprocess: Preprocess) -> str:
    """How the first tensor that can be explained was made, as ``explain-input`` says it."""
    for item in apart:
        if item.theirs is None:
            continue
        try:
            found = explain_input(item.file, item.theirs, preprocess)
        except PortError:
            continue
        return found.sentence.replace("Your tensor", f"Its tensor of {item.file.name}").replace(
            "your tensor", f"its tensor of {item.file.name}"
        )
    return f"{apart[0].file.name}: {apart[0].how}." if apart else ""
