"""Engines of Paddle with TensorRT: built once per model, machine and options, and kept.

A .pdmodel goes through ``Config`` (paddle/fluid/inference/api/analysis_predictor.cc and
paddle/fluid/inference/analysis/ir_passes/tensorrt_subgraph_pass.cc), a PIR program through
``paddle.tensorrt`` (python/paddle/tensorrt/export.py and converter.py). A folder of engines is
filled under its own name, and used only while it is whole.
"""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from paddleport.errors import BackendUnavailableError
from paddleport.files import sha256, write_atomically
from paddleport.models.cache import cache_dir, cache_key, locked, not_writable
from paddleport.models.paddle.paddle_program import read_program
from paddleport.runners.paddle.program_runner import GPU_MEMORY_MB, import_quietly
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Feed, ShapeRange, TensorSpec

RANGES = "shapes.pbtxt"
CONVERTED = "converted"
_SERIALIZED = "trt_serialized_*"  # what tensorrt_subgraph_pass.cc writes, one per engine
_ENGINE_OPERATOR = "tensorrt_engine"
_PRECISION_TYPES = {"fp32": "Float32", "fp16": "Half", "int8": "Int8"}
_OPT_RUNS = 3  # Paddle takes the shape that it saw most often as the best one


@dataclass(frozen=True, kw_only=True)
class EnginePlan:
    """What is built, and for what.

    Attributes:
        program, params: the files that Paddle is given.
        format: of the program.
        inputs: of the program.
        shapes: by input name, all of them.
        precision: ``fp32``, ``fp16`` or ``int8``.
        device_id: what CUDA calls the GPU.
        workspace_mb: the most memory that TensorRT may use while it tries kernels.
        min_subgraph_size: in operators; smaller ones stay with Paddle.
    """

    program: Path
    params: Path | None
    format: Literal["pir", "protobuf"]
    inputs: tuple[TensorSpec, ...]
    shapes: Mapping[str, ShapeRange]
    precision: Precision
    device_id: int
    workspace_mb: int
    min_subgraph_size: int


@dataclass(frozen=True)
class Engines:
    """A predictor, and how many subgraphs of the program are TensorRT engines in it."""

    predictor: Any
    count: int


def engine_folder(plan: EnginePlan, machine: Mapping[str, str]) -> Path:
    """Where the engines of a plan are kept; another file, version, GPU or option is another one.

    Args:
        plan: what is built.
        machine: versions and names of everything that an engine depends on besides.
    """
    settings = {
        "files": sha256([plan.program, *([plan.params] if plan.params else [])]),
        "shapes": {name: asdict(wanted) for name, wanted in plan.shapes.items()},
        "options": [plan.precision, plan.device_id, plan.workspace_mb, plan.min_subgraph_size],
        "machine": dict(machine),
    }
    return folder_for(settings)


def open_engines(inference: Any, plan: EnginePlan, folder: Path) -> Engines:
    """A predictor from the engines in ``folder``, which are built first if they are not whole.

    Raises:
        BackendUnavailableError: a switch did not take, or nothing of the program went to TensorRT.
        OutputError: the cache can't be written, or another process builds for too long.
    """
    with kept(folder):
        return (
            _through_config(inference, plan, folder)
            if plan.format == "protobuf"
            else _through_conversion(inference, plan, folder)
        )


def collect_shapes(inference: Any, config: Any, plan: EnginePlan, ranges: Path) -> None:
    """Run the smallest, the largest and the best shapes, and have every inner shape written.

    Args:
        inference: the module ``paddle.inference``.
        config: of a predictor on the device.
        plan: says the shapes.
        ranges: file to write.
    """
    config.collect_shape_range_info(str(ranges))
    predictor = inference.create_predictor(config)
    for end in ("min", "max", *["opt"] * _OPT_RUNS):
        shapes = {name: getattr(wanted, end) for name, wanted in plan.shapes.items()}
        for name, item in _made_feed(plan.inputs, shapes).items():
            predictor.get_input_handle(name).copy_from_cpu(item)
        predictor.run()
    del predictor  # it writes the file when it ends
    if not ranges.is_file():
        raise BackendUnavailableError(f"paddle-tensorrt wrote no shape ranges to {ranges.name}")


def gpu_config(inference: Any, program: Path, params: Path | None, device_id: int) -> Any:
    """A Config on one GPU, read back."""
    config = inference.Config(str(program), str(params) if params else "")
    config.disable_glog_info()
    config.enable_use_gpu(GPU_MEMORY_MB, device_id)
    if not config.use_gpu():
        raise BackendUnavailableError(
            "paddle-tensorrt asked for the GPU and Paddle does not use it"
        )
    return config


def _through_config(inference: Any, plan: EnginePlan, folder: Path) -> Engines:
    ranges = folder / RANGES
    if not ranges.is_file():
        collecting = gpu_config(inference, plan.program, plan.params, plan.device_id)
        collecting.enable_new_ir(False)  # the names must be those that the TensorRT pass looks up
        collect_shapes(inference, collecting, plan, ranges)
    precision = getattr(inference.PrecisionType, _PRECISION_TYPES[plan.precision])
    config = gpu_config(inference, plan.program, plan.params, plan.device_id)
    config.enable_new_ir(False)
    config.switch_ir_optim(True)  # the TensorRT pass is one of these
    config.set_optim_cache_dir(str(folder))
    config.enable_tensorrt_engine(
        workspace_size=plan.workspace_mb << 20,
        max_batch_size=max(
            (wanted.max[0] for wanted in plan.shapes.values() if wanted.max), default=1
        ),
        min_subgraph_size=plan.min_subgraph_size,
        precision_mode=precision,
        use_static=True,
        use_calib_mode=False,
    )
    config.enable_tuned_tensorrt_dynamic_shape(str(ranges), True)
    asked = {
        "TensorRT": (True, config.tensorrt_engine_enabled()),
        "precision": (precision, config.tensorrt_precision_mode()),
        "collected shapes": (True, config.tuned_tensorrt_dynamic_shape()),
        "the new IR": (False, config.new_ir_enabled()),
    }
    for what, (wanted, given) in asked.items():
        if wanted != given:
            raise BackendUnavailableError(
                f"paddle-tensorrt asked for {what} = {wanted} and this build gives {given}"
            )
    predictor = inference.create_predictor(config)
    return Engines(predictor, _some(len(list(folder.glob(_SERIALIZED))), plan))


def _through_conversion(inference: Any, plan: EnginePlan, folder: Path) -> Engines:
    converted = folder / CONVERTED
    program, params = converted.with_suffix(".json"), converted.with_suffix(".pdiparams")
    if not program.is_file():
        _convert(plan, folder / "original", converted)
    count = _some(read_program(program).operators.get(_ENGINE_OPERATOR, 0), plan)
    config = gpu_config(inference, program, params if params.is_file() else None, plan.device_id)
    return Engines(inference.create_predictor(config), count)


def _convert(plan: EnginePlan, original: Path, converted: Path) -> None:
    """Write a program with engines; ``paddle.tensorrt`` collects the inner shapes on its own."""
    original.with_suffix(".json").symlink_to(plan.program.resolve())
    if plan.params:  # it takes no path of its own for them, only the program's with .pdiparams
        original.with_suffix(".pdiparams").symlink_to(plan.params.resolve())
    tensorrt = import_quietly("paddle.tensorrt")
    inputs = [
        tensorrt.Input(
            min_input_shape=plan.shapes[spec.name].min,
            optim_input_shape=plan.shapes[spec.name].opt,
            max_input_shape=plan.shapes[spec.name].max,
            input_data_type=spec.dtype,
            name=spec.name,
        )
        for spec in plan.inputs
    ]
    config = tensorrt.TensorRTConfig(
        inputs=inputs,
        min_subgraph_size=plan.min_subgraph_size,
        save_model_dir=str(converted),
        precision_mode=getattr(tensorrt.PrecisionMode, plan.precision.upper()),
        workspace_size=plan.workspace_mb << 20,
    )
    tensorrt.convert(str(original), config)
    for link in (original.with_suffix(".json"), original.with_suffix(".pdiparams")):
        link.unlink(missing_ok=True)


def _some(count: int, plan: EnginePlan) -> int:
    if count:
        return count
    raise BackendUnavailableError(
        "paddle-tensorrt took nothing of this program to TensorRT, so it would be Paddle alone: "
        f"try -o min_subgraph_size=1 (it is {plan.min_subgraph_size}), or --backend paddle"
    )


def _made_feed(inputs: Sequence[TensorSpec], shapes: Mapping[str, tuple[int, ...]]) -> Feed:
    """Numbers in [0, 1), and ones for integers: an index or a count that is seldom impossible."""
    random = np.random.default_rng(0)
    return {
        spec.name: random.random(shapes[spec.name]).astype(spec.dtype)
        if np.issubdtype(np.dtype(spec.dtype), np.floating)
        else np.ones(shapes[spec.name], spec.dtype)
        for spec in inputs
    }


_WHOLE = ".whole.json"  # written last: every file of the folder with its size


def folder_for(settings: Mapping[str, object]) -> Path:
    """The folder of everything that engines depend on; settings are of JSON's types."""
    return cache_dir() / "engines" / "paddle-tensorrt" / cache_key(settings)


@contextlib.contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; what is not whole is thrown away before, and after a failure.

    It is filled under its own name, as a converted program holds the paths of its engines.
    """
    with locked(folder):
        try:
            if not _is_whole(folder):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
        except OSError as error:
            raise not_writable(folder, error) from error
        try:
            yield
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        write_atomically(folder / _WHOLE, json.dumps(_sizes(folder)).encode())


def _is_whole(folder: Path) -> bool:
    try:
        recorded: dict[str, int] = json.loads((folder / _WHOLE).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return recorded == _sizes(folder)


def _sizes(folder: Path) -> dict[str, int]:
    return {
        file.relative_to(folder).as_posix(): file.stat().st_size
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != _WHOLE
    }
