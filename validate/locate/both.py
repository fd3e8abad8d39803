"""Both sides in one call: conversion and runtime, each on the feed that shows most."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from paddleport.errors import BackendUnavailableError, PortError, UsageError
from paddleport.models.card import OnnxModel, PaddleModel
from paddleport.models.onnx_file import weights_precision
from paddleport.models.resolve import SourceModel
from paddleport.runners import installed_version, runner_class
from paddleport.runners.base import Runner, RunnerOptions
from paddleport.tensors import Array
from paddleport.validate.feeds import NamedFeed, make_feeds
from paddleport.validate.locate.converter import locate_converter
from paddleport.validate.locate.error import output_error
from paddleport.validate.locate.exact import check_operators
from paddleport.validate.locate.located import Located
from paddleport.validate.locate.probe import Answer, Probe
from paddleport.validate.locate.runtime import locate_runtime
from paddleport.validate.onnx_feeds import OnnxFeeds
from paddleport.validate.session import PLAIN_PADDLE
from paddleport.validate.tolerance import TOLERANCES

Progress = Callable[[str, float], None]
_FEEDS = 3  # a fault that shows on none of them is not looked for
_SAMPLES = 2  # of them drawn pictures, where the model takes pictures


def locate(
    source: SourceModel,
    onnx: OnnxModel,
    backend: str,
    options: RunnerOptions,
    *,
    feed: Mapping[str, Array] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    limit: float | None = None,
    seconds: float = 60.0,
    progress: Progress = lambda step, share: None,
) -> tuple[Located, ...]:
    """Where the conversion leaves Paddle, and where a backend leaves the converted graph.

    The ONNX graph in float64 stands between the two. A backend that reads Paddle's own files
    has only the conversion in question.

    Args:
        source: the Paddle model.
        onnx: the file that should be the same model.
        backend: a runner.
        options: for it.
        feed: input name to tensor, instead of made-up feeds.
        shapes: input name to shape, where the model leaves dimensions free.
        limit: what counts as parted, in the tolerance's unit; by default that of the precision
            of the file, and of the backend.
        seconds: budget of the searches together; every value is computed once regardless.
        progress: told each step and a guess at the share done.

    Returns:
        What parts, the conversion first; empty where nothing does.

    Raises:
        PortError: there is no answer: a backend that is not to be had, an operator that float64
            lacks, a feed that the model does not take.
    """
    if limit is not None and not (math.isfinite(limit) and limit > 0):
        raise UsageError(f"a limit of {limit} is not possible: a number above 0")
    reads_onnx = check_backend(backend, options).consumes == "onnx"
    check_operators(onnx.path)
    feeds = make_feeds(
        source.program.inputs,
        preprocess=source.preprocess,
        samples=_SAMPLES,
        shapes=shapes,
        given=feed,
    )[:_FEEDS]
    renamed = OnnxFeeds(source, onnx).of(feeds)
    theirs = [replace(item, tensors=tensors) for item, tensors in zip(feeds, renamed, strict=True)]
    found: list[Located] = []
    exact = _answers("reference", onnx, RunnerOptions(), theirs, progress, 0.0)
    plain = _answers("paddle", source.model, PLAIN_PADDLE, feeds, progress, 0.1)
    index, error = _worst(exact, plain)
    allowed = limit or TOLERANCES[weights_precision(onnx.path)].limit
    if error > allowed:
        located = locate_converter(
            source.model,
            onnx,
            feeds[index],
            theirs[index].tensors,
            limit=allowed,
            seconds=seconds / 2 if reads_onnx else seconds,
            progress=_part(progress, 0.2, 0.5),
        )
        found += [located] if located else []
    if reads_onnx:
        index, allowed = _worst_on(backend, onnx, options, theirs, exact, limit, progress)
        located = locate_runtime(
            onnx,
            backend,
            options,
            theirs[index],
            limit=allowed,
            seconds=seconds / 2 if found else seconds,
            progress=_part(progress, 0.6, 1.0),
        )
        found += [located] if located else []
    progress("done", 1.0)
    return tuple(found)


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


def _answers(
    backend: str,
    model: PaddleModel | OnnxModel,
    options: RunnerOptions,
    feeds: Sequence[NamedFeed],
    progress: Progress,
    share: float,
) -> Answer:
    progress(f"{backend}: outputs", share)
    with Probe(backend, options) as probe:
        return probe.run(model, [dict(feed.tensors) for feed in feeds])


def _worst_on(
    backend: str,
    onnx: OnnxModel,
    options: RunnerOptions,
    feeds: Sequence[NamedFeed],
    exact: Answer,
    limit: float | None,
    progress: Progress,
) -> tuple[int, float]:
    """Which feed shows most, and the limit; the first feed where the backend fails."""
    try:
        found = _answers(backend, onnx, options, feeds, progress, 0.5)
    except (BackendUnavailableError, UsageError):
        raise
    except PortError:
        return 0, limit or TOLERANCES["fp32"].limit
    return _worst(found, exact)[0], limit or TOLERANCES[found.computes_in].limit


def _worst(judged: Answer, voice: Answer) -> tuple[int, float]:
    """The index of the feed with the largest error of any output, and that error."""
    if len(judged.names) != len(voice.names):
        return 0, math.inf
    names = list(judged.names)
    order = [
        names.index(name) if set(names) == set(voice.names) else place
        for place, name in enumerate(voice.names)
    ]
    errors = [
        max(output_error(given[place], wanted[index]) for index, place in enumerate(order))
        for given, wanted in zip(judged.outputs, voice.outputs, strict=True)
    ]
    return max(enumerate(errors), key=lambda item: item[1])


def _part(progress: Progress, start: float, end: float) -> Progress:
    """A part of the whole progress bar."""
    return lambda step, share: progress(step, start + (end - start) * share)
