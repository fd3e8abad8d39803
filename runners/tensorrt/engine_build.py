"""An ONNX file to a serialized engine, and what the network says of itself."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from paddleport.errors import BackendUnavailableError, ModelFileError, UsageError
from paddleport.runners.runner_options import Precision
from paddleport.runners.tensorrt.library import Library, Loaded, collected_errors, first_reason
from paddleport.runners.tensorrt.parse import Network, parse
from paddleport.tensors import ShapeRange, TensorSpec


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """What an engine is to be.

    Attributes:
        precision: what it computes in; networks are strongly typed, so the ONNX graph is cast.
        ranges: by input, the shapes that it will take.
        tf32: whether float32 products may be rounded to TF32, 10 bits of mantissa.
        capabilities: compute capabilities to build for, where the library builds for other GPUs
            than this machine's; empty is what it does by itself.
        on_this_gpu: whether TensorRT-RTX is to build for the GPU of this machine.
        workspace_mb: most scratch memory of a layer; 0 is the library's default.
    """

    precision: Precision
    ranges: Mapping[str, ShapeRange]
    tf32: bool = False
    capabilities: tuple[tuple[int, int], ...] = ()
    on_this_gpu: bool = False
    workspace_mb: int = 0


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """What the library says of the network that it built.

    Attributes:
        library: name and version, as ``tensorrt-rtx 1.7.1.116``.
        inputs, outputs: of the parsed network, in its order.
        computes_in: the coarsest type among the network's products, read back after parsing.
        tf32: read back from the builder's configuration.
        layers: of the parsed network, before fusion.
        capabilities: read back; empty where the library builds for what is there.
        profiles: optimisation profiles in the configuration.
        notes: what was kept in float32, or clamped.
    """

    library: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    computes_in: Precision
    tf32: bool
    layers: int
    capabilities: tuple[str, ...]
    profiles: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Engine:
    """A serialized engine.

    Attributes:
        content: the engine's bytes.
        facts: of the network that it was built from.
        timing_cache: the builder's measurements, to build the next one faster.
    """

    content: bytes = field(repr=False)
    facts: EngineFacts
    timing_cache: bytes = field(default=b"", repr=False)


def build_engine(
    library: Library, onnx: Path, wanted: EngineSettings, timing_cache: bytes = b""
) -> Engine:
    """Parse, configure and build; the builder of TensorRT needs a GPU, that of RTX does not.

    Raises:
        BackendUnavailableError: the library is not there, or lacks what is wanted.
        ModelFileError: the library does not take the file; says which node, and why.
        UsageError: a compute capability that it does not build for.
    """
    loaded = library.load()
    _check_capabilities(loaded, wanted)
    with collected_errors():  # the parser's are reported by parse
        parsed, notes = parse(loaded, onnx, wanted.precision)
    seen: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="paddleport-") as folder:
        timings = None if library.rtx else Path(folder) / "timings"
        if timings is not None:
            timings.write_bytes(timing_cache)
        config = _configuration(loaded, wanted, timings, seen)
        content = _built(loaded, onnx, parsed, config, timings)
        timing_cache = timings.read_bytes() if timings is not None else b""
    network = parsed[1]
    facts = EngineFacts(
        library=f"{library.backend} {loaded.version}",
        inputs=inputs_of(network),
        outputs=outputs_of(network),
        computes_in=computes_in(network),
        notes=notes,
        **seen,
    )
    if facts.computes_in != wanted.precision and products(network):
        raise BackendUnavailableError(
            f"{library.backend} was asked for {wanted.precision} and its network is in "
            f"{facts.computes_in}"
        )
    return Engine(content, facts, timing_cache)


def _built(loaded: Loaded, onnx: Path, parsed: Network, config: Any, timings: Path | None) -> bytes:
    build = loaded.loaders.EngineBytesFromNetwork(
        parsed, config=config, save_timing_cache=str(timings) if timings else None
    )
    with collected_errors() as errors:
        try:
            return bytes(build())
        except Exception as error:  # whatever Polygraphy raises; its reason is in the log
            raise ModelFileError(
                f"{loaded.library.backend} builds no engine of {onnx.name}: "
                f"{first_reason(errors, error)}"
            ) from error


def _configuration(
    loaded: Loaded, wanted: EngineSettings, timings: Path | None, seen: dict[str, Any]
) -> Any:
    """The loader of a configuration that records in ``seen`` what it came to."""
    loaders, trt = loaded.loaders, loaded.trt
    profile = loaders.Profile()
    for name, shapes in wanted.ranges.items():
        profile.add(name, shapes.min, shapes.opt, shapes.max)
    limits = None
    if wanted.workspace_mb:
        limits = {trt.MemoryPoolType.WORKSPACE: wanted.workspace_mb << 20}
    common = {"profiles": [profile], "memory_pool_limits": limits}
    if loaded.library.rtx:
        config = loaded.rtx_loaders.CreateConfigRTX(
            use_gpu=wanted.on_this_gpu,
            compute_capabilities=list(wanted.capabilities) or None,
            **common,
        )
    else:
        known = str(timings) if timings and timings.stat().st_size else None
        config = loaders.CreateConfig(tf32=wanted.tf32, load_timing_cache=known, **common)

    def settle(builder: Any, network: Any, config: Any) -> None:
        if wanted.tf32:
            config.set_flag(trt.BuilderFlag.TF32)
        else:  # on by default, in both libraries
            config.clear_flag(trt.BuilderFlag.TF32)
        seen["tf32"] = bool(config.get_flag(trt.BuilderFlag.TF32))
        seen["layers"] = network.num_layers
        seen["profiles"] = config.num_optimization_profiles
        seen["capabilities"] = _capabilities(config) if loaded.library.rtx else ()

    return loaders.PostprocessConfig(config, settle)


def _check_capabilities(loaded: Loaded, wanted: EngineSettings) -> None:
    if not wanted.capabilities:
        return
    if not loaded.library.rtx:
        raise UsageError(
            f"{loaded.library.backend} builds for the GPU of this machine, so no "
            "--compute-capability; --to tensorrt-rtx builds for other ones"
        )
    known = [
        name.removeprefix("SM")
        for name in loaded.trt.ComputeCapability.__members__
        if name.startswith("SM")
    ]
    for major, minor in wanted.capabilities:
        if f"{major}{minor}" not in known:
            texts = ", ".join(f"{name[:-1]}.{name[-1]}" for name in known)
            raise UsageError(
                f"tensorrt-rtx {loaded.version} does not build for compute capability "
                f"{major}.{minor}, only {texts}"
            )


def _capabilities(config: Any) -> tuple[str, ...]:
    names = (
        config.get_compute_capability(index).name.removeprefix("SM")
        for index in range(config.num_compute_capabilities)
    )
    return tuple(f"{name[:-1]}.{name[-1]}" if name.isdigit() else name.lower() for name in names)


_PRODUCTS = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY", "EINSUM")
_QUANTIZING = ("QUANTIZE", "DEQUANTIZE")
_COARSEST_FIRST: tuple[tuple[str, Precision], ...] = (("HALF", "fp16"), ("BF16", "bf16"))
_DTYPES = {"HALF": "float16", "BF16": "bfloat16", "FLOAT": "float32"}


def computes_in(network: Any) -> Precision:
    """The coarsest type among a network's products, or among all layers where there are none."""
    if any(layer.type.name in _QUANTIZING for layer in network):
        return "int8"
    found = {layer.get_output(0).dtype.name for layer in products(network) or network}
    return next((precision for name, precision in _COARSEST_FIRST if name in found), "fp32")


def products(network: Any) -> list[Any]:
    """The layers whose precision is meant when one speaks of a network's."""
    return [layer for layer in network if layer.type.name in _PRODUCTS]


def inputs_of(network: Any) -> tuple[TensorSpec, ...]:
    """What it takes, in order."""
    return tuple(_spec(network.get_input(index)) for index in range(network.num_inputs))


def outputs_of(network: Any) -> tuple[TensorSpec, ...]:
    """What it gives, in order."""
    return tuple(_spec(network.get_output(index)) for index in range(network.num_outputs))


def _spec(tensor: Any) -> TensorSpec:
    name = tensor.dtype.name
    dtype = _DTYPES.get(name) or np.dtype(name.lower()).name
    return TensorSpec(
        tensor.name, dtype, tuple(None if size < 0 else int(size) for size in tensor.shape)
    )
