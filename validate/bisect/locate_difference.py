"""Both sides in one call: conversion and runtime, each on the feed that shows most."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from paddleport.errors import BackendUnavailableError, NotProvenError, PortError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import weights_precision
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress, no_progress, part_of
from paddleport.runners import installed_version, runner_class
from paddleport.runners.base import Runner
from paddleport.runners.layer_values import LayerValues
from paddleport.runners.runner_options import Precision, RunnerOptions
from paddleport.tensors import Array, GivenFeeds, ShapeRange
from paddleport.validate.bisect.backend_process import BackendOutputs, BackendProcess
from paddleport.validate.bisect.converter_side import locate_converter
from paddleport.validate.bisect.divergence import Divergence, Side
from paddleport.validate.bisect.float64_values import check_operators
from paddleport.validate.bisect.runtime_side import locate_runtime
from paddleport.validate.bisect.target_side import TargetFile, locate_target
from paddleport.validate.compare.comparison import FeedName, compare_outputs, overall, remarks
from paddleport.validate.compare.error_scale import output_error
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.diagnose.causes import describe_step
from paddleport.validate.diagnose.conversions import Conversions, first_faulty_step
from paddleport.validate.feeds.make_feeds import make_feeds
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.feeds.onnx_feeds import OnnxFeeds
from paddleport.validate.feeds.value_ranges import input_ranges
from paddleport.validate.session import PLAIN_PADDLE

_SAMPLES = 2  # drawn pictures, where the model takes them; what shows on no feed is not searched


def locate(
    source: SourceModel,
    onnx: Artifact,
    backend: str,
    options: RunnerOptions,
    *,
    feed: GivenFeeds | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    limit: float | None = None,
    seconds: float = 60.0,
    conversions: Conversions | None = None,
    progress: Progress = no_progress,
) -> tuple[Divergence, ...]:
    """Where the conversion leaves Paddle, and where a backend leaves the converted graph.

    The ONNX graph in float64 stands between the two. A backend that reads Paddle's own files
    has only the conversion in question; one that reads a target's file, and shows what it
    computes between the layers, has the file's layers held against the ONNX graph as well.

    Args:
        source: the Paddle model.
        onnx: the file that should be the same model.
        backend: a runner.
        options: for it.
        feed: input name to tensor, or several such mappings, instead of made-up feeds.
        shapes: input name to shape, where the model leaves dimensions free.
        limit: what counts as parted, in the tolerance's unit; by default that of the precision
            of the file, and of the backend.
        seconds: budget of the searches together; every value is computed once regardless.
        conversions: makes the file of a backend that reads neither, and reads it back; without
            it such a backend has only the conversion in question.
        progress: called with each step and a guess at the share done.

    Returns:
        What parts, the conversion first, then the target's file; empty where nothing does.

    Raises:
        NotProvenError: nothing parts, and nothing could have: Paddle's own outputs hardly change
            with the feeds, or are empty or not finite.
        PortError: there is no answer: a backend that is not to be had, an operator that float64
            lacks, a feed that the model does not take.
    """
    if limit is not None and not (math.isfinite(limit) and limit > 0):
        raise UsageError(f"a limit of {limit} is not possible: a number above 0")
    sides = sides_of(check_backend(backend, options), conversions)
    check_operators(onnx.path)
    onnx_feeds = OnnxFeeds(source, onnx)
    feeds = make_feeds(
        source.program.inputs,
        preprocess=source.preprocess,
        samples=_SAMPLES,
        shapes=shapes,
        given=feed,
        pixels=onnx_feeds.pixels,
        ranges=input_ranges(source),
    )
    renamed = onnx_feeds.of(feeds)
    theirs = [replace(item, tensors=tensors) for item, tensors in zip(feeds, renamed, strict=True)]
    float64 = _answers("reference", onnx, RunnerOptions(), theirs, progress, 0.0)
    plain = _answers("paddle", source.model, PLAIN_PADDLE, feeds, progress, 0.1)
    both = _DifferenceSearch(
        model=source.model,
        onnx=onnx,
        feeds=feeds,
        onnx_feeds=theirs,
        float64=float64,
        plain=plain,
        limit=limit,
        progress=progress,
    )
    in_conversion = both.conversion(seconds / 2 if "runtime" in sides else seconds)
    if in_conversion is not None and in_conversion.complete and conversions is not None:
        in_conversion = both.with_step(in_conversion, conversions)
    found = [] if in_conversion is None else [in_conversion]
    left = seconds / 2 if in_conversion else seconds
    if "target" in sides and conversions is not None:
        found += both.target(backend, options, conversions, left)
    elif "runtime" in sides:
        in_runtime = both.runtime(backend, options, left)
        found += [] if in_runtime is None else [in_runtime]
    progress("done", 1.0)
    if not found:
        _refuse_unproven(plain, feeds, options.precision, limit, source.classes)
    return tuple(found)


def sides_of(kind: type[Runner], conversions: Conversions | None) -> tuple[Side, ...]:
    """The sides that ``locate`` has of a backend, in order."""
    given = conversions is not None and conversions.given(kind.formats) is not None
    if "onnx" in kind.formats and not given:
        return "converter", "runtime"
    if conversions is not None and issubclass(kind, LayerValues):
        return "converter", "target", "runtime"
    return ("converter",)


def check_backend(backend: str, options: RunnerOptions) -> type[Runner]:
    """A backend that takes these options and is installed, as far as its metadata tell.

    Raises:
        UsageError: there is no such backend, or it does not know an option.
        BackendUnavailableError: it is not installed, or never has this device or precision.
    """
    kind = runner_class(backend)
    kind.check_options(options)
    if installed_version(kind) is None:
        raise BackendUnavailableError(f"{backend} can't be used: {kind.how_to_install()}")
    return kind


@dataclass(frozen=True, kw_only=True)
class _DifferenceSearch:
    """The two sides on the same feeds, each searched on the one that shows most.

    Attributes:
        model, onnx: the two files.
        feeds: under Paddle's input names.
        onnx_feeds: the same under the ONNX file's.
        float64: what the ONNX graph gives in float64.
        plain: what Paddle gives.
        limit: what counts as parted; ``None`` is that of the precision.
        progress: of the whole.
    """

    model: Artifact
    onnx: Artifact
    feeds: Sequence[NamedFeed]
    onnx_feeds: Sequence[NamedFeed]
    float64: BackendOutputs
    plain: BackendOutputs
    limit: float | None
    progress: Progress

    def conversion(self, seconds: float) -> Divergence | None:
        """Where the file leaves Paddle."""
        index, error = _worst(self.float64, self.plain)
        limit = self._limit_of_file
        if error <= limit:
            return None
        return locate_converter(
            self.model,
            self.onnx,
            self.feeds[index],
            self.onnx_feeds[index].tensors,
            limit=limit,
            seconds=seconds,
            progress=part_of(self.progress, 0.2, 0.5),
        )

    def with_step(self, found: Divergence, conversions: Conversions) -> Divergence:
        """With the step of the conversion that did it, where it can be made again."""
        index, _ = _worst(self.float64, self.plain)
        plain = replace(self.plain, outputs=self.plain.outputs[index : index + 1])

        def is_wrong(outputs: list[dict[str, Array]]) -> bool:
            tensors = tuple(tuple(item.values()) for item in outputs)
            ours = BackendOutputs(tensors, tuple(outputs[0]), "fp64")
            return _worst(ours, plain)[1] > self._limit_of_file

        step = first_faulty_step(
            conversions, [self.onnx_feeds[index].tensors], [self.feeds[index].tensors], is_wrong
        )
        if not step:
            return found
        return replace(found, sentence=f"{found.sentence}. {describe_step(step)}")

    @property
    def _limit_of_file(self) -> float:
        return self.limit or TOLERANCES[weights_precision(self.onnx.path)].limit

    def runtime(self, backend: str, options: RunnerOptions, seconds: float) -> Divergence | None:
        """Where a backend leaves the file; on the first feed if it fails."""
        index, limit = 0, TOLERANCES["fp32"].limit
        try:
            found = _answers(backend, self.onnx, options, self.onnx_feeds, self.progress, 0.5)
        except (BackendUnavailableError, UsageError):
            raise
        except PortError:
            pass  # how it fails is found out again, cut by cut
        else:
            index, limit = _worst(found, self.float64)[0], TOLERANCES[found.computes_in].limit
        return locate_runtime(
            self.onnx,
            backend,
            options,
            self.onnx_feeds[index],
            limit=self.limit or limit,
            seconds=seconds,
            progress=part_of(self.progress, 0.6, 1.0),
        )

    def target(
        self, backend: str, options: RunnerOptions, conversions: Conversions, seconds: float
    ) -> tuple[Divergence, ...]:
        """Where a target's file leaves the ONNX graph, and where its runtime leaves the file.

        On the first feed where nothing parts; a limit is that of the precision read back.
        """
        formats = runner_class(backend).formats
        shapes = {
            name: ShapeRange.covering([feed.tensors[name].shape for feed in self.onnx_feeds])
            for name in self.onnx_feeds[0].tensors
        }
        artifact = conversions.loadable(formats, shapes)
        found = _answers(backend, artifact, options, self.onnx_feeds, self.progress, 0.5)
        return locate_target(
            TargetFile(artifact, conversions.target_of(artifact), conversions),
            self.onnx,
            backend,
            options,
            self.onnx_feeds[_worst(found, self.float64)[0]],
            limit=self.limit,
            seconds=seconds,
            progress=part_of(self.progress, 0.6, 1.0),
        )


def _refuse_unproven(
    plain: BackendOutputs,
    feeds: Sequence[NamedFeed],
    precision: Precision | None,
    limit: float | None,
    classes: int,
) -> None:
    """Raise where ``validate`` would call it unproven, whoever gives what Paddle gives."""
    tolerance = TOLERANCES[precision or "fp32"]
    outputs = [dict(zip(plain.names, tensors, strict=True)) for tensors in plain.outputs]
    found = compare_outputs(
        outputs,
        outputs,
        replace(tolerance, limit=limit or tolerance.limit),
        feeds=[FeedName(feed.name, feed.kind, feed.batch) for feed in feeds],
        classes=classes,
    )
    if overall(found) == "unproven":
        raise NotProvenError(
            "unproven: no output leaves Paddle by more than the limit, but none could: "
            f"{'; '.join(remarks(found))}. Next: other feeds, --feed FILE.npz"
        )


def _answers(
    backend: str,
    model: Artifact,
    options: RunnerOptions,
    feeds: Sequence[NamedFeed],
    progress: Progress,
    share: float,
) -> BackendOutputs:
    progress(f"{backend}: outputs", share)
    with BackendProcess(backend, options) as process:
        return process.run(model, [dict(feed.tensors) for feed in feeds])


def _worst(candidate: BackendOutputs, reference: BackendOutputs) -> tuple[int, float]:
    """The index of the feed with the largest error of any output, and that error."""
    if len(candidate.names) != len(reference.names):
        return 0, math.inf
    names = list(candidate.names)
    order = [
        names.index(name) if set(names) == set(reference.names) else place
        for place, name in enumerate(reference.names)
    ]
    errors = [
        max(output_error(ours[place], theirs[index]) for index, place in enumerate(order))
        for ours, theirs in zip(candidate.outputs, reference.outputs, strict=True)
    ]
    return max(enumerate(errors), key=lambda item: item[1])
