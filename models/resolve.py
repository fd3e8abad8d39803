"""From what a user names (a zoo name, a folder, a tar, a file) to a model and all known of it."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddleport.errors import ModelNotFoundError, ModelWarning, UsageError
from paddleport.files import sha256
from paddleport.models.artifact import SEEDED_WARNING, Artifact, title_of_weights
from paddleport.models.paddle.paddle_program import Program, read_program
from paddleport.models.paddle.source import FoundModel, find_model
from paddleport.models.preprocess import Preprocess
from paddleport.models.recognize import format_of, read_artifact
from paddleport.models.weights.archive import is_archive
from paddleport.models.weights.obtain import obtain, open_source
from paddleport.models.zoo import registry as zoo
from paddleport.models.zoo.model_card import ModelCard
from paddleport.progress import Progress, no_progress

_NO_FILE = "there is no inference.yml beside the program"
_SAYS_NOTHING = "its inference.yml has no preprocessing"


@dataclass(frozen=True, kw_only=True)
class SourceModel:
    """A Paddle model and all that is known of it: what convert, run and validate start from.

    Attributes:
        name: the zoo name, or the folder's or file's name.
        model: program and parameters.
        program: what the program says of itself.
        weights: ``pretrained``, ``seeded``, ``checkpoint`` or ``own``.
        weights_from: where they came from, in a few words.
        sha256: over program and parameters.
        preprocess: how pictures are fed, if that is known.
        preprocess_unknown: why it is not; empty where it is.
        labels: class names by index, if known.
        card: the zoo's card, for a model of the zoo.
        warning: what a user must not miss, such as labels that mean nothing; may be empty.
    """

    name: str
    model: Artifact
    program: Program
    weights: str
    weights_from: str
    sha256: str
    preprocess: Preprocess | None
    preprocess_unknown: str
    labels: tuple[str, ...] | None = field(repr=False)
    card: ModelCard | None = None
    warning: str = ""

    @property
    def weights_title(self) -> str:
        """As ``title_of_weights`` has it."""
        return title_of_weights(self.weights)

    @property
    def unread_preprocess(self) -> str:
        """A warning where its inference.yml feeds pictures in a way that is not known; else empty.

        What a card says of its family is no news.
        """
        unknown = self.preprocess_unknown
        of_card = self.card is not None and unknown == self.card.preprocess_unknown
        if not unknown or of_card or unknown in (_NO_FILE, _SAYS_NOTHING):
            return ""
        return f"pictures can't be fed to the file, only tensors; by its inference.yml: {unknown}"

    @property
    def published(self) -> dict[str, Any]:
        """The card's figures; none where the model has other classes than the card's."""
        if self.card is None:
            return {}
        counted = [spec.shape[-1] for spec in self.program.outputs[:1] if spec.shape]
        others = self.card.classes is not None and counted not in ([self.card.classes], [None])
        return {} if others else dict(self.card.published)

    @property
    def classes(self) -> int:
        """How many classes it has names for; 0 where it has none."""
        return len(self.labels or ())


def resolve(
    name: str | Path | None,
    *,
    weights: str = "auto",
    program: Path | None = None,
    params: Path | None = None,
    progress: Progress = no_progress,
) -> SourceModel:
    """Find or make the model that a user names.

    Args:
        name: a name of the zoo, or a folder, tar or program file. A zoo name wins over a file of
            the same name; write ``./NAME`` for the file.
        weights: for a zoo name ``auto``, ``pretrained``, ``seeded`` or a path to a .pdparams,
            folder or tar.
        program: a program file, instead of ``name``.
        params: its parameter file, where it cannot be found beside it.
        progress: called with what is going on and the share done, from 0 to 1.

    Raises:
        ModelNotFoundError, ModelFileError, DownloadError, UsageError: as they say.
    """
    if program is not None:
        if name is not None:
            raise UsageError(f"name either {name} or --model {program}, not both")
        return _own_model(program.resolve().parent.name, find_model(program, params))
    if name is None:
        raise UsageError("no model is named: give a name of the zoo, a folder, or --model FILE")
    if str(name) in zoo.names():
        if params is not None:
            raise UsageError(f"--params goes with --model FILE, not with the zoo's {name}")
        return _zoo_model(zoo.lookup(str(name)), weights, progress)
    path = Path(name)
    if not path.exists():
        raise ModelNotFoundError(
            f"{zoo.unknown_model(str(name))}; nor is there a folder or file {name}"
        )
    if weights != "auto":
        raise UsageError(
            f"--weights goes with a name of the zoo, and {name} has its own: leave it out"
        )
    if path.is_file() and params is not None and not is_archive(path):
        return _own_model(path.stem, find_model(path, params))
    return _own_model(path.resolve().name.removesuffix(".tar"), open_source(path, params))


def resolve_with_warning(
    name: str | Path, weights: str, progress: Progress = no_progress
) -> SourceModel:
    """As ``resolve``, for Python callers: what a user must not miss is a Python warning."""
    source = resolve(name, weights=weights, progress=progress)
    warn_of(source.warning)
    return source


def warn_of(sentence: str) -> None:
    """What a user must not miss, as a ``ModelWarning``; an empty sentence is nothing."""
    if sentence:
        warnings.warn(sentence, ModelWarning, stacklevel=3)


def resolve_preprocess(model: str) -> Preprocess:
    """How pictures are fed: of a name of the zoo, an .onnx file of ours, or a Paddle model.

    A model of the zoo is neither loaded nor downloaded, unless its card says nothing of it.

    Raises:
        UsageError: it is not known.
        ModelNotFoundError, ModelFileError: as ``resolve`` and ``read_artifact`` do.
    """
    card = zoo.lookup(model) if model in zoo.names() else None
    if card is not None and not _says_nothing(card):
        preprocess, unknown = card.preprocess, card.preprocess_unknown
    elif format_of(Path(model)):
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


def _own_model(name: str, found: FoundModel) -> SourceModel:
    preprocess, unknown, labels = _config(found.config)
    files = [file for file in (found.model.path, found.model.weights_file) if file]
    return SourceModel(
        name=name,
        model=found.model,
        program=found.program,
        weights="own",
        weights_from="the files given",
        sha256=sha256(files),
        preprocess=preprocess,
        preprocess_unknown=unknown,
        labels=labels,
        warning=_unfitting_labels(labels, found.program),
    )


def _zoo_model(card: ModelCard, weights: str, progress: Progress) -> SourceModel:
    obtained = obtain(card, weights, progress=progress)
    program = read_program(obtained.model.path)
    preprocess: Preprocess | None = card.preprocess
    labels, unknown = card.labels, card.preprocess_unknown
    own_labels = None
    beside = obtained.model.path.with_name("inference.yml")
    config = beside if obtained.kind in ("own", "pretrained") and beside.is_file() else None
    if config is not None or _says_nothing(card):
        preprocess, unknown, own_labels = _config(config)  # the model's own word wins
        labels = own_labels or labels
    classes = program.outputs[0].shape[-1] if program.outputs[0].shape else None
    fits = bool(labels) and (classes == len(labels or ()) or _says_nothing(card))
    return SourceModel(
        name=card.name,
        model=obtained.model,
        program=program,
        weights=obtained.kind,
        weights_from=obtained.source,
        sha256=obtained.sha256,
        preprocess=preprocess,
        preprocess_unknown=unknown,
        labels=labels if fits else None,
        card=card,
        warning=obtained.warning
        or (SEEDED_WARNING if obtained.kind == "seeded" else "")
        or _unfitting_labels(own_labels, program),
    )


def _says_nothing(card: ModelCard) -> bool:
    """Whether a card has no more than name and address: the rest is in what is downloaded."""
    return card.input is None and card.preprocess is None and card.labels is None


def _unfitting_labels(labels: tuple[str, ...] | None, program: Program) -> str:
    """A warning where a model's own labels are not as many as its classes; else empty.

    Only of what is plainly a classifier: a detector has labels, too, and rows of boxes.
    """
    shapes = [spec.shape for spec in program.outputs]
    sizes = {shape[1] for shape in shapes if len(shape) == 2}
    finds_boxes = any("nms" in name for name in program.operators)
    if not labels or finds_boxes or len(sizes) != 1 or not all(len(shape) == 2 for shape in shapes):
        return ""
    classes = sizes.pop()
    if classes is None or classes == len(labels):
        return ""
    return (
        f"inference.yml has {len(labels)} labels and the model {classes} classes, which paddleport "
        f"run refuses: write its {classes} labels into inference.yml, or a file of them that it "
        "names, and convert again"
    )


def _config(path: Path | None) -> tuple[Preprocess | None, str, tuple[str, ...] | None]:
    """Preprocessing, why there is none, and labels, from an inference.yml."""
    if path is None:
        return None, _NO_FILE, None
    from paddleport.models.paddle.inference_yml import read_inference_yml  # it imports yaml

    config = read_inference_yml(path)
    unknown = config.unsupported or _SAYS_NOTHING
    return config.preprocess, "" if config.preprocess else unknown, config.labels
