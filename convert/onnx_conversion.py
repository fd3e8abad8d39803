"""The ONNX file, in two processes: its steps, the comparison with native Paddle, its name."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from paddleport.convert.conversion import Conversion, OnnxFacts
from paddleport.convert.fp32_proof import explainer, prove
from paddleport.convert.naming import add_provenance, path_by_verdict, write_file
from paddleport.convert.paddle2onnx.export import (
    REDUCED_PARAMS,
    RawExport,
    explain_crash,
    export_raw,
)
from paddleport.convert.paddle2onnx.finish import FinishedFile, check_file, finish
from paddleport.convert.paddle2onnx.weight_offload import LEAST_TOTAL_BYTES
from paddleport.convert.proof import CHECKED_PICTURES
from paddleport.convert.tools import Tools
from paddleport.errors import (
    BackendUnavailableError,
    ConversionError,
    ModelFileError,
    PortError,
    WorkerCrashed,
)
from paddleport.files import sha256
from paddleport.models.artifact import onnx_artifact
from paddleport.models.onnx.onnx_file import read_onnx_model
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, GivenFeeds
from paddleport.validate.compare.comparison import (
    FeedName,
    OutputComparison,
    compare_outputs,
)
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.feeds.make_feeds import make_feeds
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.feeds.pixel_feeds import PixelInput
from paddleport.validate.feeds.value_ranges import input_ranges
from paddleport.validate.session import PLAIN_PADDLE, Session
from paddleport.worker import Worker

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class OnnxRequest:
    """What ``convert`` was asked for where its target is ONNX, as its arguments have it.

    Its ``pixels`` are the input of a file that normalises pictures itself, if it is to.
    """

    opset: int
    allow_upgrade: bool
    simplify: bool
    timeout_s: float
    shapes: Mapping[str, Sequence[int]]
    feed: GivenFeeds
    explain: bool = True
    pixels: PixelInput | None = None


def convert_to_onnx(
    source: SourceModel,
    path: Path,
    request: OnnxRequest,
    keep: bool,
    tools: Tools,
    progress: Progress,
) -> Conversion:
    """Convert, check and write an ONNX file in fp32.

    Args:
        source: what to convert.
        path: the file.
        request: how.
        keep: whether a file that does not pass gets a name too.
        tools: the two processes that it runs in; they are closed at the end.
        progress: called with each step and the share done.

    Raises:
        PortError: as ``paddleport.convert.convert`` does.
    """
    with tempfile.TemporaryDirectory(prefix="paddleport-") as folder:
        finished = Path(folder) / "finished.onnx"
        checked, feeds, comparisons = _convert_and_compare(
            source, finished, request, tools, progress
        )
        ask = explainer(source, lambda: read_onnx_model(finished), feeds, progress)
        proof = prove({"onnxruntime": comparisons}, ask if request.explain else None)
        if proof.provenance:
            add_provenance(finished, proof.provenance)
        size_bytes, digest = finished.stat().st_size, sha256([finished])
        kept = path_by_verdict(path, proof.verdict, keep)
        if kept is not None:
            write_file(finished, kept)
    return Conversion(
        target="onnx",
        precision="fp32",
        source=source,
        written=None if kept is None else read_onnx_model(kept),
        verdict=proof.verdict,
        opset=checked.opset,
        size_bytes=size_bytes,
        sha256=digest,
        proof=proof,
        feeds=tuple(item.name for item in feeds),
        onnx_facts=OnnxFacts(
            fixups=checked.fixups,
            nodes_before=checked.nodes_before,
            nodes=checked.nodes,
            not_simplified=checked.not_simplified,
            pixels=None if request.pixels is None else request.pixels.spec,
        ),
    )


def _convert_and_compare(
    source: SourceModel,
    finished: Path,
    request: OnnxRequest,
    tools: Tools,
    progress: Progress,
) -> tuple[FinishedFile, list[NamedFeed], list[OutputComparison]]:
    """Everything up to the verdict, in two processes: one holds Paddle, one the ONNX tools.

    While one converts, the other imports and this one makes the feeds; while one simplifies,
    the other runs the reference.
    """
    onnx_worker = tools.onnx
    with ThreadPoolExecutor(1) as thread, tools:
        progress("Paddle2ONNX", 0.1)
        export = thread.submit(_export, tools, source, finished.parent, request)
        feeds = make_feeds(
            source.program.inputs,
            preprocess=source.preprocess,
            samples=CHECKED_PICTURES,
            shapes=request.shapes,
            given=request.feed,
            pixels=request.pixels,
            ranges=input_ranges(source),
        )
        raw = export.result()
        tensors = [feed.tensors for feed in feeds]
        reference = thread.submit(_native_outputs, tools.paddle, source, tensors)
        progress("simplify and check", 0.6)
        checked = onnx_worker.call(
            finish,
            request.timeout_s,
            raw,
            finished,
            simplify=request.simplify,
            source=source,
            embed=request.pixels is not None,
        )
        if finished.stat().st_size >= LEAST_TOTAL_BYTES:
            wait([reference])  # not both at once: the checker holds a model twice
        onnx_worker.call(check_file, request.timeout_s, finished)
        if checked.opset != raw.opset:
            raise ConversionError(
                f"the file came out at opset {checked.opset}, {raw.opset} was exported"
            )
        _logger.info("opset %d, mended: %s", checked.opset, checked.fixups or "nothing")
        _logger.info("simplified from %d to %d nodes", checked.nodes_before, checked.nodes)
        progress("compare with native Paddle", 0.8)
        candidate = _converted_outputs(onnx_worker, finished, [feed.to_file for feed in feeds])
        comparisons = compare_outputs(
            reference.result(),
            candidate,
            TOLERANCES["fp32"],
            feeds=[FeedName(feed.name, feed.kind, feed.batch) for feed in feeds],
            classes=source.classes,
        )
        progress("done", 1.0)
    return checked, feeds, comparisons


def _export(tools: Tools, source: SourceModel, folder: Path, request: OnnxRequest) -> RawExport:
    try:
        return _export_once(tools.paddle, source, folder, request)
    except WorkerCrashed as error:
        reason = explain_crash(error)
        # A hang, or a want of memory, would come again.
        is_its_own = error.reason.startswith(("SIGABRT", "SIGSEGV", "exit"))
        if not (folder / REDUCED_PARAMS).exists() or not is_its_own:
            raise reason from None
    tools.renew_paddle()
    whole = folder / "whole"
    whole.mkdir()
    try:
        return _export_once(tools.paddle, source, whole, request, str(reason))
    except WorkerCrashed as error:
        raise explain_crash(error) from None


def _export_once(
    worker: Worker, source: SourceModel, folder: Path, request: OnnxRequest, not_offloaded: str = ""
) -> RawExport:
    return worker.call(
        export_raw,
        request.timeout_s,
        source.model,
        folder,
        opset=request.opset,
        allow_upgrade=request.allow_upgrade,
        not_offloaded=not_offloaded,
    )


def _native_outputs(
    worker: Worker, source: SourceModel, feeds: Sequence[Mapping[str, Array]]
) -> list[dict[str, Array]]:
    """What native Paddle gives; its process is ended then, for the memory that it holds."""
    try:
        return Session("paddle", source.model, PLAIN_PADDLE, worker=worker).run_all(feeds)
    except ModelFileError as error:  # no shape or feed would help
        raise ConversionError(f"nothing to compare with: native {error}") from None
    except PortError as error:
        shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in feeds[0].items())
        raise ConversionError(
            f"nothing to compare with: native Paddle does not run this model on {shapes} "
            f"({error}). Give it what it takes with --shape NAME=1,3,224,224 or --feed NAME=FILE"
        ) from None
    finally:
        worker.close()


def _converted_outputs(
    worker: Worker, file: Path, feeds: Sequence[Mapping[str, Array]]
) -> list[dict[str, Array]]:
    try:
        options = RunnerOptions()
        return Session("onnxruntime", onnx_artifact(file), options, worker=worker).run_all(feeds)
    except BackendUnavailableError:
        raise
    except PortError as error:
        raise ConversionError(
            f"Paddle2ONNX wrote a file that does not run: {str(error).replace(str(file), 'it')}. "
            "No file was written; another --opset may help"
        ) from None
