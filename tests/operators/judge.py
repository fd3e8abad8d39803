"""Save, convert, run and compare the networks; runs inside worker processes."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from operators.network import Mode, Network
from operators.networks import networks
from paddleport.convert.export import export_onnx
from paddleport.errors import ConversionError, PortError
from paddleport.models.card import PaddleModel
from paddleport.runners.base import RunnerOptions
from paddleport.runners.paddle import PaddleRunner
from paddleport.tensors import Array

RELATIVE_TO_LARGEST = 1e-5
"""Of the largest magnitude in the output: float32 rounding of sums in another order."""
RELATIVE = 1e-4
"""Of each element."""
PLAINEST = RunnerOptions(threads=1, extras={"onednn": "false", "ir_optim": "false"})


@dataclass(frozen=True)
class Outcome:
    """How one conversion ended.

    Attributes:
        verdict: ``agrees``; ``refused`` by our conversion; ``unloadable`` by ONNX Runtime, which
            the checks after the conversion refuse as well; ``differs``, which must not be.
        reason: the error's or the difference's words.
        mends: of the conversion.
    """

    verdict: Literal["agrees", "refused", "unloadable", "differs"]
    reason: str = ""
    mends: tuple[str, ...] = ()


def difference(expected: Array, found: Array) -> str:
    """What differs, in words; empty if nothing does. Integers and booleans are held exactly."""
    if expected.dtype != found.dtype:
        return f"{found.dtype}, Paddle gives {expected.dtype}"
    if expected.shape != found.shape:
        return f"shape {found.shape}, Paddle gives {expected.shape}"
    if expected.dtype.kind != "f":
        return "" if np.array_equal(expected, found) else "other integers"
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], found[~finite], equal_nan=True):
        return "other infinities or NaN"
    a, b = found[finite].astype(np.float64), expected[finite].astype(np.float64)
    limit = RELATIVE_TO_LARGEST * np.abs(b).max(initial=0) + RELATIVE * np.abs(b)
    worst = (np.abs(a - b) - limit).max(initial=0)
    if worst <= 0:
        return ""
    return f"off by {np.abs(a - b).max():.3g}, largest {np.abs(b).max():.3g}"


def save_networks(names: Sequence[str], folder: Path, modes: Sequence[Mode]) -> dict[str, str]:
    """Build and save networks in the format of this process, as ``NAME.MODE``.

    Returns:
        Name and mode of each that Paddle itself could not build, with the reason.
    """
    import paddle

    paddle.enable_static()
    failed: dict[str, str] = {}
    known = networks()
    for name in names:
        for mode in modes:
            if mode in known[name].modes:
                try:
                    _save(paddle, known[name], mode, folder / f"{file_stem(name)}.{mode}")
                except Exception as error:  # Paddle raises whatever it likes
                    failed[f"{name}.{mode}"] = str(error).strip().splitlines()[-1]
    return failed


def file_stem(name: str) -> str:
    """A file name for a network's name."""
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def _save(paddle: Any, network: Network, mode: Mode, prefix: Path) -> None:
    main, startup = paddle.static.Program(), paddle.static.Program()
    scope = paddle.static.Scope()
    with paddle.static.scope_guard(scope), paddle.static.program_guard(main, startup):
        feeds = [
            paddle.static.data(f"x{index}", _open(tensor.shape, mode), str(tensor.dtype))
            for index, tensor in enumerate(network.inputs)
        ]
        with paddle.utils.unique_name.guard(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            built = network.build(paddle, *feeds)
            outputs = list(built) if isinstance(built, list | tuple) else [built]
            executor = paddle.static.Executor(paddle.CPUPlace())
            executor.run(startup)
            _fill_parameters(main, scope)
            paddle.static.save_inference_model(str(prefix), feeds, outputs, executor, program=main)


def _open(shape: tuple[int, ...], mode: Mode) -> list[int]:
    if mode == "fixed":
        return list(shape)
    if mode == "batch":
        return [-1, *shape[1:]]
    return [size if axis == 1 else -1 for axis, size in enumerate(shape)]


def _fill_parameters(program: Any, scope: Any) -> None:
    """Numbers that matter: positive vectors (a variance is one of them), small matrices."""
    import paddle

    random = np.random.default_rng(5)
    names = [value.name for value in program.list_vars() if value.persistable]
    for name in sorted(set(names) - {"feed", "fetch"}):
        variable = scope.find_var(name)
        if variable is None:
            continue
        tensor = variable.get_tensor()
        shape = tensor.shape()
        numbers = random.uniform(0.2, 1.2, shape) if len(shape) == 1 else random.normal(size=shape)
        tensor.set(numbers.astype(np.float32), paddle.CPUPlace())


def judge(
    name: str, program: Path, onnx_file: Path, opset: int, options: Mapping[str, Any] | None = None
) -> Outcome:
    """Convert one saved network, run it in ONNX Runtime unoptimised, and hold it against Paddle."""
    network = networks_once()[name]
    params = program.parent / f"{program.name.removesuffix(program.suffix)}.pdiparams"
    kind: Literal["pir", "protobuf"] = "pir" if program.suffix == ".json" else "protobuf"
    model = PaddleModel(program, params if params.is_file() else None, kind)
    try:
        exported = export_onnx(model, onnx_file, opset=opset, **(options or {}))
    except ConversionError as error:
        return Outcome("refused", str(error))
    feed = {f"x{index}": tensor for index, tensor in enumerate(network.inputs)}
    try:
        found = run_onnx(onnx_file, feed)
    except Exception as error:  # ONNX Runtime's own classes derive from nothing narrower
        return Outcome("unloadable", str(error).splitlines()[0], exported.mends)
    try:
        with PaddleRunner(model, PLAINEST) as native:
            expected = native.run({item.name: feed[item.name] for item in native.inputs})
    except PortError as error:
        return Outcome("refused", f"NATIVE {error}", exported.mends)
    if list(expected) != list(found):
        return Outcome("differs", f"outputs {list(found)}, Paddle {list(expected)}", exported.mends)
    for output, tensor in expected.items():
        if reason := difference(tensor, found[output]):
            return Outcome("differs", f"{output}: {reason}", exported.mends)
    return Outcome("agrees", "", exported.mends)


def run_onnx(onnx_file: Path, feed: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs by name, from ONNX Runtime with its graph optimisations off."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        str(onnx_file), options, providers=["CPUExecutionProvider"]
    )
    taken = {item.name: feed[item.name] for item in session.get_inputs()}
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, taken), strict=True))


_KNOWN: dict[str, Network] = {}


def networks_once() -> dict[str, Network]:
    """The matrix, built once a process."""
    if not _KNOWN:
        _KNOWN.update(networks())
    return _KNOWN
