"""Engines kept under all that they depend on, and the builder's timings beside them."""

import json
from dataclasses import asdict
from pathlib import Path

from paddleport.errors import ModelFileError
from paddleport.files import sha256, write_atomically
from paddleport.models.cache import cache_dir, cache_key, cached_folder, discard
from paddleport.runners.gpu import Gpu, format_capability
from paddleport.runners.tensorrt.engine_build import Engine, EngineSettings, build_engine
from paddleport.runners.tensorrt.library import Library

ENGINE = "model.engine"
FACTS = "facts.json"


def engine_key(onnx: Path, library: Library, version: str, gpu: Gpu, wanted: EngineSettings) -> str:
    """A digest of everything that makes an engine another one.

    Args:
        onnx: the file; its content counts, not its name.
        library: TensorRT or TensorRT-RTX.
        version: of the library.
        gpu: what the engine is for; engines fit one model of GPU.
        wanted: precision, TF32, shapes and limits.
    """
    parts = {
        "onnx": sha256([onnx]),
        "library": library.backend,
        "version": version,
        "gpu": gpu.name,
        "compute capability": format_capability(gpu.compute_capability),
        **asdict(wanted),
        "ranges": {name: asdict(shapes) for name, shapes in sorted(wanted.ranges.items())},
    }
    return cache_key(parts)


def cached_engine(library: Library, onnx: Path, gpu: Gpu, wanted: EngineSettings) -> Path:
    """The folder of an intact engine, from the cache or built now.

    Raises:
        PortError: as ``build_engine`` does.
    """

    def build(folder: Path) -> None:
        timings = _timings(library, gpu)
        known = timings.read_bytes() if timings.is_file() else b""
        engine = _built(library, onnx, wanted, known)
        (folder / ENGINE).write_bytes(engine.content)
        (folder / FACTS).write_text(json.dumps(asdict(engine.facts), indent=1), "utf-8")
        if engine.timing_cache:
            write_atomically(timings, engine.timing_cache)

    return cached_folder(_entry(library, onnx, gpu, wanted), build)


def discard_engine(library: Library, onnx: Path, gpu: Gpu, wanted: EngineSettings) -> None:
    """Drop an engine that is intact and that the library does not load."""
    discard(_entry(library, onnx, gpu, wanted))


def _built(library: Library, onnx: Path, wanted: EngineSettings, timings: bytes) -> Engine:
    """With the timings known so far, or without them where they are of no use."""
    try:
        return build_engine(library, onnx, wanted, timings)
    except ModelFileError:
        if not timings:
            raise
        return build_engine(library, onnx, wanted)


def _entry(library: Library, onnx: Path, gpu: Gpu, wanted: EngineSettings) -> str:
    key = engine_key(onnx, library, library.load().version, gpu, wanted)
    return f"engines/{library.backend}-{key}"


def _timings(library: Library, gpu: Gpu) -> Path:
    """One file per GPU and version: the library refuses another's."""
    version = library.load().version
    name = "".join(sign if sign.isalnum() else "-" for sign in gpu.name)
    return cache_dir() / "engines" / f"timings-{library.backend}-{version}-{name}.cache"
