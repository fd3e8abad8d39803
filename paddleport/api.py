"""The Python API: what ``import paddleport as pp`` offers, each function one question.

::

    import paddleport as pp

    done = pp.convert("MobileNetV2", opset=11)
    with pp.load(done.artifact, backend="openvino") as predictor:
        print(predictor.predict("photo.jpg"))
    report = pp.validate("MobileNetV2")  # shows itself as a table in a notebook
    table = pp.validate_all(["MobileNetV2", "MobileNetV2_x0_5"])  # and so does this
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from paddleport.arguments import PADDLE_MODEL, check_count, check_type
from paddleport.errors import UsageError
from paddleport.models.artifact import Artifact
from paddleport.progress import Progress, no_progress
from paddleport.tensors import GivenFeeds
from paddleport.wording import counted

if TYPE_CHECKING:
    from paddleport.models.zoo.model_card import ModelCard
    from paddleport.runners import Backend
    from paddleport.runners.predictor import Predictor
    from paddleport.runners.runner_options import Precision
    from paddleport.validate import ParityReport, Plan
    from paddleport.validate.evaluate.report.evaluation_report import EvaluationReport
    from paddleport.validate.overview.model_overview import ModelOverview

__all__ = ["backends", "evaluate", "load", "models", "validate", "validate_all"]


def backends() -> "tuple[Backend, ...]":
    """Every registered backend: version, formats, devices, precisions, usable or what to type.

    Read from package metadata; no vendor library is imported.
    """
    from paddleport.runners import describe_all

    return describe_all()


def models() -> "tuple[ModelCard, ...]":
    """The cards of every model that is known by name, with their published figures."""
    from paddleport.models.zoo.registry import cards

    return cards()


def load(
    model: str | Path | Artifact,
    backend: str = "onnxruntime",
    *,
    device: str | None = None,
    precision: "Precision | None" = None,
    threads: int | None = None,
    options: Mapping[str, str | bool | int | float] | None = None,
    batch_size: int | None = None,
    task: str | None = None,
    task_options: Mapping[str, Any] | None = None,
    opset: int | None = None,
    weights: str = "auto",
    progress: Progress = no_progress,
) -> "Predictor":
    """A model in a runtime, which answers pictures and tensors; ``with`` closes it.

    A format that the backend loads and that is not at hand is made, checked and kept in the
    cache. The model is opened at its first use.

    Args:
        model: a name of the zoo, a converted file, a folder, tar or program file with a Paddle
            model, or an artifact such as ``convert(...).artifact``.
        backend: one of ``backends()``.
        device: one that the backend lists; by default its first.
        precision: what the arithmetic is done in; by default the backend's first.
        threads: CPU threads inside one inference; by default all.
        options: the backend's own, as after ``-o`` on the command line, or as numbers and
            bools.
        batch_size: pictures in one inference of ``predict_many``, 1 by default. Where it is
            given, a backend that gains from it is compiled for that batch and takes no other.
        task: what the answers mean, ``classification`` or ``tensors``; by default the first where
            the model says how pictures are fed.
        task_options: the task's own, such as ``{"topk": 3}``.
        opset: of the ONNX file, where one is made; 17 by default. A file may have no other.
        weights: for a name of the zoo, as ``--weights`` takes it.
        progress: called with each step and the share done.

    Raises:
        BackendUnavailableError: the runtime, device or precision is not to be had.
        UsageError: an argument that cannot be, or of another type.
        PortError: as converting does.
    """
    from paddleport.convert.prepare import prepare_predictor
    from paddleport.models.resolve import warn_of
    from paddleport.runners.predictor import Predictor
    from paddleport.runners.runner_options import RunnerOptions, available_threads

    check_type("model", model, (str, Path, Artifact), "a name, a path or an artifact")
    check_type("backend", backend, str, "a name of backends()")
    for name, text in (("device", device), ("precision", precision), ("task", task)):
        check_type(name, text, (str, NoneType), "a name or None")
    for name, count in (("threads", threads), ("batch_size", batch_size)):
        check_count(name, count)
    check_type("opset", opset, (Integral, NoneType), "a whole number or None")
    for name, given in (("options", options), ("task_options", task_options)):
        check_type(name, given, (Mapping, NoneType), "a mapping or None")
    ready, spec = prepare_predictor(
        model if isinstance(model, Artifact) else str(model),
        backend,
        RunnerOptions(
            device=device,
            precision=precision,
            threads=available_threads() if threads is None else threads,
            extras=_as_typed(options or {}),
        ),
        task=task,
        batch_size=batch_size,
        opset=opset,
        weights=weights,
        progress=progress,
    )
    warn_of(ready.warning)
    return Predictor(replace(spec, task_options=dict(task_options or {})))


def validate(
    model: str | Path,
    *,
    onnx: Path | str | None = None,
    target_file: Path | str | None = None,
    backends: Sequence[str] | None = None,
    plan: "Plan | None" = None,
    pictures: Sequence[Path] = (),
    shapes: Mapping[str, Sequence[int]] | None = None,
    feed: GivenFeeds | None = None,
    opset: int | None = None,
    weights: str = "auto",
    progress: Progress = no_progress,
) -> "ParityReport":
    """Every backend against native Paddle on the same feeds: verdicts, causes and latency.

    Args:
        model: a name of the zoo, or a folder, tar or program file with a Paddle model.
        onnx: an ONNX file from elsewhere that should be the same model; by default our own.
        target_file: a file of one backend's own format, such as a .mnn, that should be, too.
        backends: names, each of which must then be available; by default all there are.
        plan: everything else that can be asked for: precision, threads, how long to measure.
        pictures: files to feed, instead of pictures that are drawn here.
        shapes: input name to shape, where the model leaves dimensions free.
        feed: input name to tensor, or a list of such mappings, instead of made-up feeds.
        opset: of our own ONNX file, where one is made; 17 by default. A file may have no other.
        weights: for a name of the zoo, as ``--weights`` takes it.
        progress: called with each step and the share done.

    Raises:
        BackendUnavailableError: a backend that was named is not available.
        UsageError: an argument that cannot be, or of another type.
        PortError: as converting does, and for what can't be fed.
    """
    from paddleport.convert.named_files import read_target_file
    from paddleport.convert.prepare import prepare_source
    from paddleport.convert.remaking import RemadeConversion
    from paddleport.models.resolve import warn_of
    from paddleport.validate import Plan
    from paddleport.validate.parity.validation import validate as validate_source

    wanted = PADDLE_MODEL
    if isinstance(model, Artifact):
        wanted += f", such as {model.path}" if model.format == "paddle" else "; onnx= takes a file"
    check_type("model", model, (str, Path), wanted)
    check_type("opset", opset, (Integral, NoneType), "a whole number or None")
    plan = plan or Plan()
    if backends is not None:
        plan = replace(plan, backends=tuple(backends))
    made = None if target_file is None else read_target_file(Path(target_file), plan.backends)
    source, file = prepare_source(
        str(model),
        onnx=Path(onnx) if onnx is not None else None,
        opset=opset,
        weights=weights,
        shapes=shapes,
        feed=feed,
        proven=False,
        progress=progress,
    )
    warn_of(source.warning)
    with RemadeConversion(source, file, made) as conversions:
        return validate_source(
            source,
            file,
            plan,
            pictures=pictures,
            shapes=shapes,
            feed=feed,
            conversions=conversions,
            progress=progress,
        )


def validate_all(
    models: Sequence[str | Path],
    *,
    out: str | Path = "out",
    plan: "Plan | None" = None,
    pictures: Sequence[Path] = (),
    shapes: Mapping[str, Sequence[int]] | None = None,
    opset: int = 17,
    weights: str = "auto",
    fresh: bool = False,
    progress: Progress = no_progress,
) -> "ModelOverview":
    """``validate`` on several models, one after another, in one table.

    A model that fails is a row and the rest go on. What an earlier call has measured in the same
    folder with the same options is taken from there.

    Args:
        models: as ``validate`` takes one; of a family:
            ``[card.name for card in pp.models() if card.family == "MobileNetV2"]``.
        out: a folder for the table, as ``index.html``, ``.md`` and ``.json``, and for each model's
            own reports.
        plan: as ``validate`` takes it.
        pictures: files to feed, instead of pictures that are drawn here.
        shapes: input name to shape, for the models that have such an input.
        opset: of our own ONNX files.
        weights: for names of the zoo.
        fresh: measure again what an earlier call has measured.
        progress: called with each step and the share done.

    Raises:
        UsageError: no models, or an argument of another type.
        OutputError: the folder cannot be written.
    """
    from paddleport.convert.model_tasks import validation_task
    from paddleport.models.resolve import warn_of
    from paddleport.validate import Plan
    from paddleport.validate.overview.model_by_model import ModelByModel

    if isinstance(models, str | Path) or not models:
        raise UsageError(f"models={models!r} is not possible: a list of names or paths is taken")
    for model in models:
        check_type("models", model, (str, Path), PADDLE_MODEL)
    task = validation_task(
        plan or Plan(), opset=opset, weights=weights, pictures=pictures, shapes=shapes
    )
    names = list(dict.fromkeys(map(str, models)))
    overview = ModelByModel(
        task=task,
        names=names,
        folder=Path(out),
        title=counted(len(names), "model"),
        fresh=fresh,
        progress=progress,
    ).run()
    for warning in dict.fromkeys(row.warning for row in overview.rows):
        warn_of(warning)
    return overview


def evaluate(
    model: str | Path,
    data: Path | str,
    *,
    backends: Sequence[str] | None = None,
    precisions: "Sequence[Precision]" = (),
    onnx: Sequence[Path | str] = (),
    list_file: Path | str | None = None,
    root: Path | str | None = None,
    class_map: Path | str | None = None,
    reference: bool = True,
    max_drop: float = 0.01,
    limit: int | None = None,
    batch_size: int = 1,
    workers: int | None = None,
    threads: int | None = None,
    device: str | None = None,
    resume: bool = False,
    out: Path | str | None = None,
    opset: int | None = None,
    weights: str = "auto",
    progress: Progress = no_progress,
) -> "EvaluationReport":
    """How accurate a model is on labelled pictures, in one pass through several backends.

    Args:
        model: a name of the zoo, or a folder, tar or program file with a Paddle model; an .onnx
            file without ``reference``.
        data: the pictures: a folder with a folder for each class, a list, a CSV or shards.
        backends: names, each of which must then be available; by default all there are, but for
            ``reference``, which is slow.
        precisions: each of them on every backend; by default each backend's own.
        onnx: ONNX files that should be the model, instead of our own conversion.
        list_file: a list or CSV of the pictures below ``data``.
        root: what the list's paths start from.
        class_map: a file that says which class each label stands for.
        reference: whether native Paddle is among them, which the others are held against.
        max_drop: how much lower than native Paddle's an accuracy may be, a share.
        limit: at most so many pictures, spread evenly over all.
        batch_size: pictures in one inference.
        workers: threads that decode; by default as many as CPUs.
        threads: CPU threads inside one inference; by default all.
        device: one that the backends list; by default each one's first.
        resume: go on with the interrupted pass in ``out``, if there is one.
        out: the folder of its state; by default ``out/NAME``. Reports are written by ``write``.
        opset: of our own ONNX file, where one is made; 17 by default. A file may have no other.
        weights: for a name of the zoo, as ``--weights`` takes it.
        progress: called with each step and the share done.

    Raises:
        BackendUnavailableError: a backend that was named is not available.
        UsageError: the model is no image classifier, the labels can't be its own, or an argument
            cannot be.
        PortError: as converting does.
    """
    from paddleport.convert.model_evaluation import (
        EvaluationRequest,
        LabelledFiles,
        prepare_evaluation,
    )
    from paddleport.convert.rows_asked import RowsAsked
    from paddleport.models.resolve import warn_of
    from paddleport.runners.picture_pipeline import default_workers
    from paddleport.runners.runner_options import available_threads

    check_type("model", model, (str, Path), PADDLE_MODEL)
    check_type("data", data, (str, Path), "a path")
    check_type("opset", opset, (Integral, NoneType), "a whole number or None")
    for name, count in (("threads", threads), ("batch_size", batch_size), ("limit", limit)):
        check_count(name, count)
    rows = RowsAsked(
        backends=None if backends is None else tuple(backends),
        precisions=tuple(precisions),
        files=tuple(map(Path, onnx)),
        reference=reference,
        device=device,
        threads=available_threads() if threads is None else threads,
        batch_size=batch_size,
        opset=opset,
    )
    request = EvaluationRequest(
        model=str(model),
        pictures=LabelledFiles(
            data=Path(data),
            list_file=_path(list_file),
            root=_path(root),
            class_map=_path(class_map),
        ),
        rows=rows,
        weights=weights,
        limit=limit,
        workers=default_workers() if workers is None else workers,
        resume=resume,
        out=_path(out),
        max_drop=max_drop,
    )
    evaluation = prepare_evaluation(request, progress)
    warn_of(evaluation.warning)
    return evaluation.run(progress)


def _path(given: Path | str | None) -> Path | None:
    return None if given is None else Path(given)


def _as_typed(options: Mapping[str, object]) -> dict[str, str]:
    """Options as they are typed after ``-o``."""
    typed = {}
    for key, value in options.items():
        if not isinstance(value, str | Real):
            kind = type(value).__name__
            raise UsageError(
                f"options[{key!r}] of type {kind} is not possible: a text, number or bool is taken"
            )
        typed[str(key)] = str(value).lower() if isinstance(value, bool) else str(value)
    return typed
