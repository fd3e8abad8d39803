"""Paddle to ONNX in one call: exported, simplified, checked, loaded, compared, then named."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from paddleport.convert.check import CheckedFile, finish
from paddleport.convert.export import ExportResult, explain_crash, export_onnx
from paddleport.convert.tools import Tools
from paddleport.errors import ConversionError, OutputError, PortError, WorkerCrashed
from paddleport.files import write_atomically
from paddleport.models.card import OnnxModel
from paddleport.models.onnx_file import read_onnx_model
from paddleport.models.resolve import SourceModel, resolve
from paddleport.runners.base import RunnerOptions
from paddleport.tensors import Array
from paddleport.validate.compare import (
    TOLERANCES,
    OutputComparison,
    Verdict,
    compare_outputs,
    overall,
)
from paddleport.validate.feeds import NamedFeed, make_feeds
from paddleport.validate.session import PLAIN_PADDLE, Session
from paddleport.worker import Worker

DEFAULT_OPSET = 17
LOWEST_OPSET, HIGHEST_OPSET = 7, 21  # what Paddle2ONNX 2.1.0 writes
DEFAULT_TIMEOUT_S = 300.0
_CHECKED_PICTURES = 2
_TOOLS = ("paddleport", "paddle2onnx", "paddlepaddle", "onnx", "onnxslim")

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Conversion:
    """A finished conversion and how it was judged.

    Attributes:
        path: where the file is; ``None`` if it differed and was not kept.
        verdict: against native Paddle on the feeds.
        comparisons: one an output.
        source: what was converted.
        opset: read back from the file.
        mends: what was rewritten because Paddle2ONNX would have got it wrong.
        nodes_before: nodes that Paddle2ONNX wrote.
        nodes: nodes in the file.
        size_bytes: of the file.
        not_simplified: why onnxslim's result was not taken; empty where it was.
        feeds: names of the feeds that were compared.
    """

    path: Path | None
    verdict: Verdict
    comparisons: tuple[OutputComparison, ...]
    source: SourceModel
    opset: int
    mends: tuple[str, ...]
    nodes_before: int
    nodes: int
    size_bytes: int
    not_simplified: str
    feeds: tuple[str, ...]

    @property
    def onnx(self) -> OnnxModel:
        """The file as a model to open a runner on.

        Raises:
            ConversionError: the conversion differed and was not kept.
        """
        if self.path is None:
            raise ConversionError(
                f"the conversion of {self.source.name} differs from native Paddle"
            )
        return read_onnx_model(self.path)


def to_onnx(
    model: SourceModel | str | Path,
    output: Path | str | None = None,
    *,
    opset: int = DEFAULT_OPSET,
    weights: str = "auto",
    allow_upgrade: bool = False,
    keep: bool = False,
    simplify: bool = True,
    shapes: Mapping[str, Sequence[int]] | None = None,
    feed: Mapping[str, Array] | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    tools: Tools | None = None,
    progress: Progress = lambda step, share: None,
) -> Conversion:
    """Convert a Paddle model, and give the file its name only when it is proven the same.

    Args:
        model: a zoo name, a folder, tar or file, or what ``resolve`` found.
        output: the .onnx file; by default ``NAME.onnx`` in the current folder.
        opset: 7 to 21.
        weights: for a zoo name, as ``resolve`` takes it.
        allow_upgrade: accept a higher opset where the model needs one.
        keep: keep a conversion that differs, as ``NAME.differs.onnx``.
        simplify: fold and fuse with onnxslim.
        shapes: input name to shape, for the comparison with native Paddle.
        feed: input name to tensor, instead of made-up feeds.
        timeout_s: for the export, in seconds.
        tools: processes that were started earlier; they are closed at the end.
        progress: told each step and the share done.

    Raises:
        ConversionError: Paddle2ONNX, ONNX's checker or ONNX Runtime said no.
        PortError: as ``resolve`` and ``make_feeds`` do, and for a target that can't be written.
    """
    check_opset(opset)
    source = model if isinstance(model, SourceModel) else resolve(model, weights=weights)
    target = Path(output) if output is not None else Path(f"{source.name}.onnx")
    _check_target(target)
    with tempfile.TemporaryDirectory(prefix="paddleport-") as folder:
        finished = Path(folder) / "finished.onnx"
        request = _Request(opset, allow_upgrade, simplify, timeout_s, shapes or {}, feed or {})
        exported, checked, feeds, comparisons = _convert_and_compare(
            source, finished, request, tools or Tools(), progress
        )
        content = finished.read_bytes()
    verdict = overall(comparisons)
    path: Path | None = target
    if verdict == "differs":
        path = target.with_suffix(".differs.onnx") if keep else None
    if path is not None:
        write_atomically(path, content)
    return Conversion(
        path,
        verdict,
        tuple(comparisons),
        source,
        checked.opset,
        exported.mends,
        checked.nodes_before,
        checked.nodes,
        len(content),
        checked.not_simplified,
        tuple(item.name for item in feeds),
    )


def check_opset(opset: int) -> None:
    """Refuse an opset that Paddle2ONNX does not write.

    Raises:
        ConversionError: it is not among 7 to 21.
    """
    if not LOWEST_OPSET <= opset <= HIGHEST_OPSET:
        raise ConversionError(
            f"opset {opset} is not possible: Paddle2ONNX writes {LOWEST_OPSET} to "
            f"{HIGHEST_OPSET}. Try: --opset {11 if opset < LOWEST_OPSET else HIGHEST_OPSET}"
        )


@dataclass(frozen=True)
class _Request:
    opset: int
    allow_upgrade: bool
    simplify: bool
    timeout_s: float
    shapes: Mapping[str, Sequence[int]]
    feed: Mapping[str, Array]


def _convert_and_compare(
    source: SourceModel,
    finished: Path,
    request: _Request,
    tools: Tools,
    progress: Progress,
) -> tuple[ExportResult, CheckedFile, list[NamedFeed], list[OutputComparison]]:
    """Everything up to the verdict, in two processes: one holds Paddle, one the ONNX tools.

    While one converts, the other imports and this one makes the feeds; while one simplifies,
    the other runs the reference.
    """
    paddle_worker, onnx_worker = tools.paddle, tools.onnx
    with ThreadPoolExecutor(1) as thread, tools:
        progress("Paddle2ONNX", 0.1)
        export = thread.submit(
            _export, paddle_worker, source, finished.with_name("raw.onnx"), request
        )
        feeds = make_feeds(
            source.program.inputs,
            preprocess=source.preprocess,
            samples=_CHECKED_PICTURES,
            shapes=request.shapes,
            given=request.feed,
        )
        exported = export.result()
        tensors = [feed.tensors for feed in feeds]
        reference = thread.submit(_native_outputs, paddle_worker, source, tensors)
        progress("simplify and check", 0.6)
        checked = onnx_worker.call(
            finish,
            request.timeout_s,
            exported.path,
            finished,
            simplify=request.simplify,
            preprocess=source.preprocess,
            labels=source.labels,
            provenance=_provenance(source, exported),
        )
        if checked.opset != exported.opset:
            raise ConversionError(
                f"the file came out at opset {checked.opset}, {exported.opset} was exported"
            )
        progress("compare with native Paddle", 0.8)
        candidate = Session(
            "onnxruntime", OnnxModel(finished), RunnerOptions(), worker=onnx_worker
        ).run_all(tensors)
        comparisons = compare_outputs(reference.result(), candidate, TOLERANCES["fp32"])
        progress("done", 1.0)
    return exported, checked, feeds, comparisons


def _export(worker: Worker, source: SourceModel, raw: Path, request: _Request) -> ExportResult:
    try:
        return worker.call(
            export_onnx,
            request.timeout_s,
            source.model,
            raw,
            opset=request.opset,
            allow_upgrade=request.allow_upgrade,
        )
    except WorkerCrashed as error:
        raise explain_crash(error) from None


def _native_outputs(
    worker: Worker, source: SourceModel, feeds: Sequence[Mapping[str, Array]]
) -> list[dict[str, Array]]:
    try:
        return Session("paddle", source.model, PLAIN_PADDLE, worker=worker).run_all(feeds)
    except PortError as error:
        shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in feeds[0].items())
        raise ConversionError(
            f"nothing to compare with: native Paddle does not run this model on {shapes} "
            f"({error}). Give it what it takes with --shape NAME=1,3,224,224 or --feed NAME=FILE"
        ) from None


def _provenance(source: SourceModel, exported: ExportResult) -> dict[str, Any]:
    """How the file was made; nothing that differs between two runs of the same command."""
    return {
        "command": f"paddleport convert {source.name} --opset {exported.opset}"
        + ("" if source.weights == "own" else f" --weights {source.weights}"),
        "source": {
            "name": source.name,
            "format": source.model.format,
            "format_version": source.program.version,
            "sha256": source.sha256,
            "weights": source.weights,
            "weights_from": source.weights_from,
        },
        "opset": exported.opset,
        "mends": list(exported.mends),
        "tools": tool_versions(),
    }


def tool_versions() -> dict[str, str]:
    """The versions of everything that has a say in a conversion's bytes."""
    return {tool: version(tool) for tool in _TOOLS}


def _check_target(target: Path) -> None:
    if target.is_dir():
        raise OutputError(f"{target} is a folder; give a file: -o {target / 'model.onnx'}")
    if target.suffix != ".onnx":
        raise OutputError(f"{target} has another ending than .onnx; try -o {target}.onnx")
