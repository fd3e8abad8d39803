"""The ONNX file, in two processes: its steps, the comparison with native Paddle, its name."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from paddleport.convert.conversion import Conversion, OnnxFacts
from paddleport.convert.fp32_proof import explainer, prove
from paddleport.convert.free_sizes import FreeSizes
from paddleport.convert.naming import add_provenance, path_by_verdict, write_onnx
from paddleport.convert.native_reference import (
    NativeOutputs,
    NativeReference,
    not_run_natively,
    open_natively,
)
from paddleport.convert.onnx_attempt import OnnxAttempts, OnnxCandidate, OnnxRequest
from paddleport.convert.second_attempts import SecondAttempts
from paddleport.convert.size_probes import ProbeAnswers, SizeProbe, size_probes
from paddleport.convert.target_proof import CHECKED_PICTURES
from paddleport.convert.tools import Tools
from paddleport.errors import ConversionError, PortError, SettledConversionError
from paddleport.files import sha256
from paddleport.models.onnx.onnx_file import append_reference, read_onnx_model, total_size
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress
from paddleport.tensors import Array
from paddleport.validate.compare.comparison import (
    FeedName,
    OutputComparison,
    compare_outputs,
    overall,
)
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.feeds.make_feeds import make_feeds
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.feeds.reference_record import FedModel, reference_record
from paddleport.validate.feeds.value_ranges import input_ranges
from paddleport.worker import Worker

_logger = logging.getLogger(__name__)


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
        candidate, feeds, comparisons, answers = _convert_and_compare(
            source, Path(folder), request, tools, progress
        )
        finished, checked = candidate.path, candidate.finished
        ask = explainer(source, lambda: read_onnx_model(finished), feeds, progress)
        proof = prove({"onnxruntime": comparisons}, ask if request.explain else None)
        if proof.provenance:
            add_provenance(finished, proof.provenance)
        if record := _reference(source, request, feeds, answers):
            append_reference(finished, record)
        size_bytes, digest = total_size(finished), sha256([finished])
        kept = path_by_verdict(path, proof.verdict, keep)
        if kept is not None:
            write_onnx(finished, kept)
            digest = sha256([kept])  # another where it refers to a file beside it, by its name
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
            narrowed=candidate.narrowing.sentences,
            notes=candidate.narrowing.notes,
        ),
    )


def _convert_and_compare(
    source: SourceModel,
    folder: Path,
    request: OnnxRequest,
    tools: Tools,
    progress: Progress,
) -> tuple[OnnxCandidate, list[NamedFeed], list[OutputComparison], NativeOutputs]:
    """Everything up to the verdict, in two processes: one holds Paddle, one the ONNX tools.

    While one converts, the other imports and this one makes the feeds; while one simplifies,
    the other runs the reference.
    """
    attempts = OnnxAttempts(tools, source, request, folder)
    with ThreadPoolExecutor(1) as thread, tools:
        progress("Paddle2ONNX", 0.1)
        export = thread.submit(attempts.export, request.opset)
        tools.start_onnx()
        feeds = make_feeds(
            source.program.inputs,
            preprocess=source.preprocess,
            samples=CHECKED_PICTURES,
            shapes=request.shapes,
            given=request.feed,
            pixels=request.pixels,
            ranges=input_ranges(source),
        )
        tensors = [feed.tensors for feed in feeds]
        probes, answers = size_probes(source.program.inputs, feeds), ProbeAnswers()
        native = NativeReference(
            lambda: _native_outputs(tools.paddle, source, tensors, probes, answers)
        )

        def compared(candidate: OnnxCandidate) -> list[OutputComparison]:
            return compare_outputs(
                native.outputs(),
                candidate.outputs,
                TOLERANCES["fp32"],
                feeds=[FeedName(feed.name, feed.kind, feed.batch) for feed in feeds],
                classes=source.classes,
            )

        try:
            raw = export.result()
            native.start(thread)
            progress("simplify and check", 0.6)
            fed = [feed.to_file for feed in feeds]
            candidate = attempts.candidate(raw, fed, before_large_check=native.wait)
        except SettledConversionError:
            raise
        except ConversionError as refused:
            progress("try other ways", 0.7)
            second = SecondAttempts(
                attempts, feeds, native, lambda found: overall(compared(found)) != "differs"
            )
            candidate = second.after(refused)
        progress("compare with native Paddle", 0.8)
        sizes = FreeSizes(attempts, feeds, probes, answers, native.outputs())
        candidate = sizes.settled(candidate)
        found = candidate.finished
        _logger.info("opset %d, mended: %s", found.opset, found.fixups or "nothing")
        _logger.info("simplified from %d to %d nodes", found.nodes_before, found.nodes)
        comparisons = compared(candidate)
        progress("done", 1.0)
    return candidate, feeds, comparisons, native.outputs()


def _reference(
    source: SourceModel,
    request: OnnxRequest,
    feeds: Sequence[NamedFeed],
    answers: NativeOutputs,
) -> dict[str, Any]:
    """What a served file is held against later."""
    model = FedModel(
        inputs=source.program.inputs,
        preprocess=source.preprocess,
        shapes=request.shapes,
        samples=CHECKED_PICTURES,
        pixels=None if request.pixels is None else request.pixels.spec,
    )
    return reference_record(model, feeds, answers, given=request.feed)


def _native_outputs(
    worker: Worker,
    source: SourceModel,
    feeds: Sequence[Mapping[str, Array]],
    probes: Sequence[SizeProbe],
    answers: ProbeAnswers,
) -> list[dict[str, Array]]:
    """What native Paddle gives; its process is ended then, for the memory that it holds."""
    try:
        session = open_natively(worker, source)
        try:
            outputs = session.run_all(feeds)
        except PortError as error:
            raise not_run_natively(error, feeds) from None
        answers.ask(session, probes)
        return outputs
    finally:
        worker.close()
