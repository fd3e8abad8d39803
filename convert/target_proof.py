"""A file in fp32 against native Paddle, on every backend here that loads its format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paddleport import runners
from paddleport.convert.artifact_cache import cached_onnx
from paddleport.convert.fp32_proof import Proof, explainer, prove, with_findings
from paddleport.errors import ConversionError, PortError
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed, GivenFeeds, ShapeRange
from paddleport.validate.compare.comparison import FeedName, OutputComparison, compare_outputs
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.feeds.make_feeds import make_feeds
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.feeds.onnx_feeds import OnnxFeeds
from paddleport.validate.feeds.reference_record import FedModel, reference_record
from paddleport.validate.feeds.value_ranges import input_ranges
from paddleport.validate.own_preprocessing.picture_check import check_pictures, picture_input
from paddleport.validate.own_preprocessing.picture_findings import PictureFindings
from paddleport.validate.session import PLAIN_PADDLE, Session

CHECKED_PICTURES = 2


@dataclass(frozen=True, kw_only=True)
class ComparedFile:
    """What was made, and of what.

    Attributes:
        file: it itself.
        source: the Paddle model.
        model: what it was made of, whose input names it has: the proven ONNX file, or a program.
        opset: of the ONNX file that says why a file differs that none was needed for.
    """

    file: Artifact
    source: SourceModel
    model: Artifact
    opset: int

    def feeds(self, feeds: Sequence[NamedFeed]) -> list[Feed]:
        """The feeds under the file's own input names."""
        if self.model.format == "onnx":
            return OnnxFeeds(self.source, self.model).of(feeds)
        return [feed.tensors for feed in feeds]

    def onnx(self) -> Artifact:
        """The proven ONNX file; made now where none was needed."""
        if self.model.format == "onnx":
            return self.model
        return cached_onnx(self.source, opset=self.opset)


def compare_with_paddle(
    compared: ComparedFile,
    backends: Mapping[str, str],
    shapes: Mapping[str, Sequence[int]],
    feed: GivenFeeds,
    progress: Progress,
) -> tuple[Proof, list[str], dict[str, Any]]:
    """Compare what every usable backend makes of a file with native Paddle.

    Args:
        compared: what was made, and of what.
        backends: those that load it, and why some cannot; empty for those that can.
        shapes: input name to shape, where the model leaves it free.
        feed: input name to tensor, or several such mappings, instead of made-up feeds.
        progress: called where one differs, with each step of finding out why.

    Returns:
        The proof of the backend that agrees least, the feeds' names, and what a served file is
        held against later.

    Raises:
        ConversionError: no backend here loads it, or one refuses it.
    """
    file, source = compared.file, compared.source
    usable = [name for name, unusable in backends.items() if not unusable]
    if not usable:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in backends.items())
        raise ConversionError(
            f"no backend here loads {file.format}, so it cannot be checked"
            + (f" ({reasons})" if reasons else "")
        )
    feeds = make_feeds(
        source.program.inputs,
        preprocess=source.preprocess,
        samples=CHECKED_PICTURES,
        shapes=shapes,
        given=feed,
        ranges=input_ranges(source),
    )
    reference = _outputs("paddle", source.model, PLAIN_PADDLE, [item.tensors for item in feeds])
    theirs = compared.feeds(feeds)
    names = [FeedName(item.name, item.kind, item.batch) for item in feeds]
    found: dict[str, list[OutputComparison]] = {}
    prepared = []
    for name in usable:
        options = RunnerOptions(shapes=_shapes(name, theirs))
        try:
            outputs = _outputs(name, file, options, theirs)
            prepared += _prepared(name, file, source)
        except PortError as error:
            reason = str(error).replace(str(file.path), "it")
            raise ConversionError(
                f"{name} does not run the {file.format} file: {reason}. No file was written"
            ) from None
        found[name] = compare_outputs(
            reference, outputs, TOLERANCES["fp32"], feeds=names, classes=source.classes
        )
    proof = prove(found, explainer(source, compared.onnx, feeds, progress, file))
    proof = with_findings(proof, prepared)
    model = FedModel(
        inputs=source.program.inputs,
        preprocess=source.preprocess,
        shapes=shapes,
        samples=CHECKED_PICTURES,
    )
    record = reference_record(model, feeds, reference, given=feed)
    return proof, [item.name for item in feeds], record


def _shapes(backend: str, feeds: Sequence[Mapping[str, Array]]) -> dict[str, ShapeRange]:
    if not runners.runner_class(backend).compiles_for_shapes:
        return {}
    return {name: ShapeRange.covering([feed[name].shape for feed in feeds]) for name in feeds[0]}


def _prepared(backend: str, file: Artifact, source: SourceModel) -> list[PictureFindings]:
    """What becomes of pictures by path, where a backend reads them itself."""
    given = picture_input(backend, file)
    if source.preprocess is None or given is None:
        return []
    session = Session(backend, file, RunnerOptions())
    try:
        return [check_pictures(backend, session, given, source.preprocess)]
    finally:
        session.close()


def _outputs(
    backend: str, model: Artifact, options: RunnerOptions, feeds: Sequence[Mapping[str, Array]]
) -> list[dict[str, Array]]:
    session = Session(backend, model, options)
    try:
        return session.run_all(feeds)
    finally:
        session.close()


def device_missing(format: str) -> str:
    """Why no device here can ever load a format, though another machine's may; else empty."""
    reasons = []
    for item in runners.describe_all():
        if format in item.formats:
            if item.usable or item.devices != ("cuda",):
                return ""
            reasons.append(item.reason)
    return "; ".join(reasons)
