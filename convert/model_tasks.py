"""What is done with each of several models: validate it, or convert it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from paddleport.convert.artifact_cache import cached_onnx
from paddleport.convert.conversion import Conversion
from paddleport.convert.remaking import RemadeConversion
from paddleport.files import make_folder, sha256
from paddleport.models.resolve import SourceModel, resolve
from paddleport.progress import Progress, part_of
from paddleport.validate.overview.model_by_model import ModelTask
from paddleport.validate.overview.model_overview import EXIT_CODES, OverviewRow, row_of_report
from paddleport.validate.parity.parity_report import share_of_limit
from paddleport.validate.parity.validation import save_worst, validate_on_feeds
from paddleport.validate.parity.validation_plan import Plan

_CONVERTED = 0.3  # share of a model's progress by when its ONNX file is there


def validation_task(
    plan: Plan,
    *,
    opset: int,
    weights: str = "auto",
    pictures: Sequence[Path] = (),
    shapes: Mapping[str, Sequence[int]] | None = None,
    worst: bool = False,
    command: str = "",
) -> ModelTask:
    """Validate each model on every backend, with a report in a folder of its own.

    Args:
        plan: as ``validate`` takes it.
        opset: of our own ONNX files.
        weights: for names of the zoo.
        pictures: files to feed.
        shapes: input name to shape, for models that have such an input.
        worst: whether to save each backend's worst feeds.
        command: what was typed, for the reports.
    """
    asked = {
        "plan": asdict(plan),
        "opset": opset,
        "pictures": [sha256([file]) for file in pictures if file.is_file()],
        "shapes": {name: list(shape) for name, shape in (shapes or {}).items()},
        "worst": worst,
    }

    def measure(source: SourceModel, root: Path, own: Path, progress: Progress) -> OverviewRow:
        given = _of_this_model(source, shapes)
        converting = part_of(progress, 0.0, _CONVERTED)
        file = cached_onnx(source, opset=opset, shapes=given, proven=False, progress=converting)
        with RemadeConversion(source, file) as conversions:
            found = validate_on_feeds(
                source,
                file,
                plan,
                pictures=pictures,
                shapes=given,
                conversions=conversions,
                command=command,
                progress=part_of(progress, _CONVERTED, 1.0),
            )
        page, *_ = found.report.write(own)
        if worst:
            save_worst(found, own / "worst")
        return row_of_report(found.report, page=page.relative_to(root).as_posix())

    return ModelTask(name="validate", asked=asked, resolve=_resolving(weights), measure=measure)


def conversion_task(
    options: Mapping[str, Any], *, asked: Mapping[str, Any], weights: str = "auto"
) -> ModelTask:
    """Convert each model into a folder of its own.

    Args:
        options: as ``convert`` takes them, but for model, output and progress.
        asked: the same, and what the files have in them that they name, of JSON's types.
        weights: for names of the zoo.

    Raises:
        PortError: the options go with no model.
    """
    from paddleport.convert.pipeline import check_options, convert, file_name

    target, wanted = check_options(
        **{key: value for key, value in options.items() if key != "feed"}
    )
    pixels = options["embed_preprocess"]

    def measure(source: SourceModel, root: Path, own: Path, progress: Progress) -> OverviewRow:
        make_folder(own)
        path = own / file_name(source.name, target, wanted, embed_preprocess=pixels)
        return _row_of_conversion(convert(source, path, progress=progress, **options), root)

    return ModelTask(name="convert", asked=asked, resolve=_resolving(weights), measure=measure)


def _resolving(weights: str) -> Callable[[str, Progress], SourceModel]:
    """Finds models; among several, weights are of those that are names of the zoo."""
    from paddleport.models.zoo import registry as zoo

    def find(name: str, progress: Progress) -> SourceModel:
        return resolve(name, weights=weights if name in zoo.names() else "auto", progress=progress)

    return find


def _of_this_model(
    source: SourceModel, shapes: Mapping[str, Sequence[int]] | None
) -> dict[str, Sequence[int]]:
    """The shapes of those inputs that a model has: another one's has other names."""
    names = {spec.name for spec in source.program.inputs}
    return {name: shape for name, shape in (shapes or {}).items() if name in names}


def _row_of_conversion(done: Conversion, root: Path) -> OverviewRow:
    worst = max(done.comparisons, key=share_of_limit, default=None)
    by_value = worst is not None and worst.measure != "equality"
    specs = done.source.program.parameters.values()
    return OverviewRow(
        name=done.source.name,
        verdict=done.verdict,
        exit_code=EXIT_CODES[done.verdict],
        cause=done.cause,
        reason=" ".join((done.explanation or done.not_run).split()),
        weights=done.source.weights,
        source_sha256=done.source.sha256,
        opset=done.opset,
        worst_error=worst.worst_error if worst and by_value else None,
        limit=worst.limit if worst and by_value else None,
        size_bytes=done.size_bytes,
        parameters=None if done.source.published else sum(math.prod(spec.shape) for spec in specs),
        published=done.source.published,
        page=done.path.relative_to(root).as_posix() if done.path else "",
    )
