"""From what a user names to a model that a backend can load, converting only once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleport.convert.converted_file import refuse_conversion_options
from paddleport.convert.loadable import loadable, loadable_of_paddle
from paddleport.convert.paddle2onnx.supported import DEFAULT_OPSET
from paddleport.errors import UsageError
from paddleport.models.artifact import SEEDED_WARNING, Artifact, title_of_weights
from paddleport.models.cpp.bundle_file import FORMAT as CPP
from paddleport.models.onnx.onnx_file import onnx_opset, onnx_tensors, read_onnx_model
from paddleport.models.preprocess import Preprocess
from paddleport.models.recognize import format_of, read_artifact
from paddleport.progress import Progress, no_progress
from paddleport.runners import describe_all, runner_class
from paddleport.runners.base import Runner
from paddleport.runners.predictor import MOST_STREAMS, PredictorSpec, extras_for_pictures
from paddleport.runners.preprocessing.prepare_image import takes_pixels
from paddleport.runners.runner_options import DEFAULT_BATCHES, RunnerOptions
from paddleport.runners.tasks.classification import Classification
from paddleport.runners.tasks.raw_tensors import Tensors, feed_tensors
from paddleport.tensors import GivenFeeds, ShapeRange, TensorSpec

if TYPE_CHECKING:
    from paddleport.models.resolve import SourceModel


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A model ready for a backend, and how pictures are fed to it.

    Attributes:
        title: name, opset and weights in one line.
        model: what the backend loads.
        inputs: what it takes.
        preprocess: how pictures are fed; ``None`` if unknown.
        labels: class names by index, if known.
        warning: what a user must not miss; may be empty.
    """

    title: str
    model: Artifact
    inputs: tuple[TensorSpec, ...]
    preprocess: Preprocess | None
    labels: tuple[str, ...] | None
    warning: str


def prepare(
    model: str | Artifact,
    formats: Sequence[str],
    *,
    opset: int | None = None,
    weights: str = "auto",
    pictures: bool = False,
    feed: GivenFeeds | None = None,
    progress: Progress = no_progress,
) -> Prepared:
    """Get ``model`` into a form that a backend loads; an artifact is made of its own files.

    Raises:
        UsageError: ``pictures`` are to be fed, and the model does not say how; or it is a converted
            file, and an ``opset`` or ``weights`` is given that it has not.
        PortError: as ``resolve`` and ``convert`` do.
    """
    if (converted := _converted(model)) is not None:
        refuse_conversion_options(converted, opset=opset, weights=weights)
        return _prepared_file(converted, formats, pictures)
    source = _source_of(model, weights, progress)
    file: Artifact = source.model
    inputs = source.program.inputs
    if pictures and source.preprocess is None:  # before a conversion that may take long
        raise UsageError(
            f"{source.name} does not say how pictures are fed: {source.preprocess_unknown}. "
            + feed_tensors(inputs, source.program.outputs)
        )
    title = f"{source.name} · weights {source.weights_title}"
    if "paddle" not in formats and (made := loadable_of_paddle(source, formats, progress=progress)):
        file, inputs = made, made.inputs
    elif "paddle" not in formats:
        from paddleport.convert.artifact_cache import cached_onnx  # no other file has a use for it

        opset = DEFAULT_OPSET if opset is None else opset
        onnx = cached_onnx(source, opset=opset, feed=feed, progress=progress)
        file, (inputs, _) = loadable(onnx, formats, progress=progress), onnx_tensors(onnx.path)
        title = f"{source.name} · opset {opset} · weights {source.weights_title}"
    return Prepared(
        title=title,
        model=file,
        inputs=inputs,
        preprocess=source.preprocess,
        labels=source.labels,
        warning=source.warning,
    )


def prepare_predictor(
    model: str | Artifact,
    backend: str,
    options: RunnerOptions,
    *,
    task: str | None = Classification.name,
    batch_size: int | None = 1,
    streams: int | None = 1,
    opset: int | None = None,
    weights: str = "auto",
    feed: GivenFeeds | None = None,
    progress: Progress = no_progress,
) -> tuple[Prepared, PredictorSpec]:
    """Get ``model`` into a form that a backend loads, and what opens a predictor of it.

    Args:
        model: what the user names, or has.
        backend: a runner's name.
        options: what was asked; what is good for pictures and was not asked is filled in.
        task: what the answers mean; ``None`` is classification where the model says how pictures
            are fed, and its tensors where it does not.
        batch_size: pictures per inference, for which backends are compiled that gain from it;
            ``None`` leaves the batch free.
        streams: inferences at a time, where the backend has streams; ``None`` is by the threads.
        opset: of a conversion, 17 by default.
        weights: of a zoo model.
        feed: for the check of a conversion, instead of made-up feeds.
        progress: called with each step and the share done.

    Raises:
        UsageError: the model does not say how pictures are fed, and is to classify them; or it is
            a converted file, and an ``opset`` or ``weights`` is given that it has not.
        PortError: as ``Runner.check_options`` and then ``prepare`` do.
    """
    kind = runner_class(backend)
    kind.check_options(options)  # before a conversion that may take long
    streams = min(options.threads, MOST_STREAMS) if streams is None else streams
    options = replace(options, extras=extras_for_pictures(kind, options, streams))
    ready = prepare(
        model,
        kind.formats,
        opset=opset,
        weights=weights,
        pictures=task not in (None, Tensors.name),
        feed=feed,
        progress=progress,
    )
    kind.make_ready(ready.model, options, progress)
    if task is None:
        task = Tensors.name if ready.preprocess is None else Classification.name
    spec = PredictorSpec(
        model=ready.model,
        backend=backend,
        options=replace(options, shapes=fed_shapes(ready, kind, batch_size)),
        preprocess=ready.preprocess,
        labels=ready.labels,
        task=task,
        batch_size=1 if batch_size is None else batch_size,
    )
    return ready, spec


def fed_shapes(
    ready: Prepared, backend: type[Runner], batch_size: int | None
) -> dict[str, ShapeRange]:
    """What a backend that wants to know is fed with pictures, as far as that is known.

    One that takes long to compile for shapes is given a range, so that smaller batches share its
    engine; one that only gains from them the very shape.
    """
    size = ready.preprocess.size if ready.preprocess else None
    wanted = backend.compiles_for_shapes or backend.gains_from_shapes
    free = len(ready.inputs) == 1 and ready.inputs[0].shape[:1] == (None,)
    if size is None or not wanted or not free or batch_size is None or batch_size < 1:
        return {}
    batches = (batch_size,) * 3
    if backend.compiles_for_shapes:
        batches = 1, batch_size, max(batch_size, *DEFAULT_BATCHES)
    pixels = takes_pixels(ready.inputs[0])
    channels = ready.preprocess.channel_num if ready.preprocess else 3
    low, best, high = (
        (batch, *size, 3) if pixels else (batch, channels, *size) for batch in batches
    )
    return {ready.inputs[0].name: ShapeRange(low, best, high)}


def prepare_source(
    model: str | None,
    *,
    onnx: Path | None = None,
    opset: int | None = None,
    weights: str = "auto",
    program: Path | None = None,
    params: Path | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    feed: GivenFeeds | None = None,
    proven: bool = True,
    progress: Progress = no_progress,
) -> "tuple[SourceModel, Artifact]":
    """A Paddle model and the ONNX file to hold against it: ``onnx``, or our own conversion.

    Our own must be proven the same, unless ``proven`` is false.

    Raises:
        UsageError: an ``opset`` is given that ``onnx`` has not.
        PortError: as ``resolve``, ``read_onnx_model`` and ``convert`` do.
    """
    from paddleport.convert.artifact_cache import cached_onnx
    from paddleport.models.resolve import resolve

    source = resolve(model, weights=weights, program=program, params=params, progress=progress)
    if onnx is not None:
        file = read_onnx_model(onnx)
        refuse_conversion_options(file, opset=opset)
        return source, file
    opset = DEFAULT_OPSET if opset is None else opset
    return source, cached_onnx(
        source, opset=opset, shapes=shapes, feed=feed, proven=proven, progress=progress
    )


def _converted(model: str | Artifact) -> Artifact | None:
    """The file, where the model is no Paddle model; with what it says of itself."""
    if isinstance(model, Artifact):
        return None if model.format == "paddle" else _with_recorded(model)
    return read_artifact(Path(model)) if format_of(Path(model)) else None


def _source_of(model: str | Artifact, weights: str, progress: Progress) -> "SourceModel":
    """A Paddle model by name, or by an artifact's own files with what that says of itself."""
    from paddleport.models.resolve import resolve

    if not isinstance(model, Artifact):
        return resolve(model, weights=weights, progress=progress)
    if weights != "auto":
        raise UsageError(f"--weights goes with a name of the zoo, and {model.path} is none")
    source = resolve(None, program=model.path, params=model.weights_file)
    return replace(
        source,
        preprocess=model.preprocess or source.preprocess,
        preprocess_unknown="" if model.preprocess else source.preprocess_unknown,
        labels=model.labels or source.labels,
    )


def _with_recorded(artifact: Artifact) -> Artifact:
    """A converted file with what it says of itself, where the artifact does not."""
    if format_of(artifact.path) != artifact.format:
        return artifact  # a plug-in's, without a JSON file beside it
    recorded = read_artifact(artifact.path)
    fields = ("inputs", "outputs", "preprocess", "labels", "provenance", "input_format")
    own: dict[str, Any] = {
        name: getattr(artifact, name) or getattr(recorded, name) for name in fields
    }
    return replace(artifact, **own)


def _prepared_file(found: Artifact, formats: Sequence[str], pictures: bool) -> Prepared:
    path = found.path
    makeable = found.format == "onnx" and "paddle" not in formats
    if found.format not in formats and not makeable:
        others = [item.name for item in describe_all() if found.format in item.formats]
        raise UsageError(
            f"the backend loads {' or '.join(formats)} and {path} is {found.format}: name the "
            f"model's folder, or another backend: --backend {' or '.join(others) or 'NAME'}"
        )
    inputs = onnx_tensors(path)[0] if found.format == "onnx" else found.inputs
    if pictures and found.preprocess is None:
        raise UsageError(
            f"{path} does not say how pictures are fed: its metadata has no preprocessing, so it "
            f"was not written by paddleport from a model that says. {feed_tensors(inputs)}"
        )
    weights = found.provenance.get("source", {}).get("weights", "of unknown origin")
    name = path.name if found.format != CPP else path.absolute().parent.name
    opset = f" · opset {onnx_opset(path)}" if found.format == "onnx" else ""
    return Prepared(
        title=f"{name}{opset} · weights {title_of_weights(weights)}",
        model=loadable(found, formats) if makeable else found,
        inputs=inputs,
        preprocess=found.preprocess,
        labels=found.labels,
        warning=SEEDED_WARNING if weights == "seeded" else "",
    )
