"""A proven ONNX file on to a TensorRT engine: a file to deploy, and what is known of it."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from paddleport.convert.cached import cached_onnx
from paddleport.convert.paddle2onnx.opsets import DEFAULT_OPSET
from paddleport.convert.steps import Progress
from paddleport.errors import OutputError, UsageError, unknown_name
from paddleport.files import sha256, write_atomically
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.models.resolve import SourceModel
from paddleport.runners.base import Precision
from paddleport.runners.gpu import need_gpu
from paddleport.runners.shape_ranges import ranges_for
from paddleport.runners.tensorrt.build import Wanted, build_engine
from paddleport.runners.tensorrt.facts import EngineFacts
from paddleport.runners.tensorrt.library import TENSORRT, TENSORRT_RTX
from paddleport.runners.tensorrt.parse import check_precision
from paddleport.tensors import Array, ShapeRange
from paddleport.worker import run_in_worker

LIBRARIES = {library.backend: library for library in (TENSORRT, TENSORRT_RTX)}
DEFAULT_TIMEOUT_S = 3600.0  # TensorRT times every kernel it knows


@dataclass(frozen=True)
class EngineFile:
    """An engine on disk.

    Attributes:
        path: the engine; ``path`` with ``.json`` added holds all of this for a program.
        source: what was converted.
        onnx_sha256: of the file that it was built from, which was proven the same model.
        opset: of that file.
        size_bytes: of the engine.
        sha256: of the engine.
        ranges: the shapes that it takes, by input.
        facts: what the library said of the network.
    """

    path: Path
    source: SourceModel
    onnx_sha256: str
    opset: int
    size_bytes: int
    sha256: str
    ranges: Mapping[str, ShapeRange]
    facts: EngineFacts

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        preprocess = self.source.preprocess
        return {
            "path": str(self.path),
            "model": self.source.name,
            "weights": self.source.weights,
            "source_sha256": self.source.sha256,
            "onnx_sha256": self.onnx_sha256,
            "opset": self.opset,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "profile": {name: asdict(shapes) for name, shapes in self.ranges.items()},
            **asdict(self.facts),
            "preprocess": preprocess.to_dict() if preprocess else None,
            "labels": list(self.source.labels) if self.source.labels else None,
        }


def to_engine(
    source: SourceModel,
    backend: str,
    output: Path | None = None,
    *,
    opset: int = DEFAULT_OPSET,
    precision: Precision | None = None,
    tf32: bool = False,
    capabilities: Sequence[tuple[int, int]] = (),
    ranges: Mapping[str, ShapeRange] | None = None,
    feed: Mapping[str, Array] | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    progress: Progress = lambda step, share: None,
) -> EngineFile:
    """Convert to ONNX, prove that, and build an engine of it.

    Args:
        source: from ``paddleport.models.resolve.resolve``.
        backend: ``tensorrt``, for this machine's GPU, or ``tensorrt-rtx``, for any.
        output: by default ``NAME.BACKEND.engine`` in the current folder.
        opset: of the ONNX file between.
        precision: ``fp32``, ``fp16``, ``bf16``; by default the file's own.
        tf32: let float32 products be rounded to TF32.
        capabilities: compute capabilities of the GPUs to build for; TensorRT-RTX only, and by
            default every one that it builds for by itself.
        ranges: input name to its shapes, where more than the batch is free.
        feed: tensors to prove the ONNX file with.
        timeout_s: for building the engine, in seconds.
        progress: told each step and the share done.

    Raises:
        NotProvenError: the ONNX file is not proven to be the same model.
        ModelFileError: the library's parser or builder refuses it; says which node, and why.
        BackendUnavailableError: the library is not there, or the GPU that it needs.
    """
    if backend not in LIBRARIES:
        raise UsageError(unknown_name("engine", backend, LIBRARIES))
    library, ranges = LIBRARIES[backend], dict(ranges or {})
    target = output or Path(f"{source.name}.{backend}.engine")
    if target.is_dir():
        raise OutputError(f"{target} is a folder; give a file: -o {target / 'model.engine'}")
    if not library.rtx:
        need_gpu(backend)
    shapes = {name: shapes.opt for name, shapes in ranges.items()}
    onnx = cached_onnx(source, opset=opset, shapes=shapes, feed=feed, progress=progress)
    inputs, _ = onnx_tensors(onnx.path)
    wanted = Wanted(
        check_precision(onnx.path, precision, backend),
        ranges_for(inputs, ranges, backend),
        tf32=tf32,
        capabilities=tuple(capabilities),
    )
    progress(f"{backend} builds the engine", None)
    with tempfile.TemporaryDirectory(prefix="paddleport-") as folder:
        built = Path(folder) / "model.engine"
        facts = run_in_worker(_build, timeout_s, backend, onnx.path, wanted, built)
        content = built.read_bytes()
        file = EngineFile(
            target,
            source,
            sha256([onnx.path]),
            opset,
            len(content),
            sha256([built]),
            wanted.ranges,
            facts,
        )
    write_atomically(target, content)
    told = json.dumps(file.to_dict(), indent=2, ensure_ascii=False) + "\n"
    write_atomically(target.with_name(f"{target.name}.json"), told.encode())
    return file


def _build(backend: str, onnx: Path, wanted: Wanted, target: Path) -> EngineFacts:
    """In a process of its own: a builder can crash, and takes what memory it likes."""
    engine = build_engine(LIBRARIES[backend], onnx, wanted)
    target.write_bytes(engine.content)
    return engine.facts
