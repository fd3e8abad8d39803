"""Build, run natively, convert and run one network; every function runs inside a worker."""

from pathlib import Path
from typing import Any

import numpy as np
from exported import export_onnx

from operators import activations, arithmetic, arrays, attention, norms, recurrent, vision, windows
from operators.network import Network
from operators.old_format import teach_old_programs
from paddleport.errors import ConversionError
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.tensors import Array

FAMILIES: dict[str, Any] = {
    "activations": activations,
    "norms": norms,
    "windows": windows,
    "vision": vision,
    "arithmetic": arithmetic,
    "arrays": arrays,
    "attention": attention,
    "recurrent": recurrent,
}


def all_networks(family: str) -> dict[str, Network]:
    """The networks of a family by name."""
    import paddle

    return {network.name: network for network in FAMILIES[family].networks(paddle)}


def names(family: str, kind: str) -> dict[str, tuple[int, ...]]:
    """Name and opsets of the networks that Paddle can save in a format."""
    found = all_networks(family)
    return {name: item.opsets for name, item in found.items() if kind in item.formats}


def judge(
    model: Artifact,
    feed: dict[str, Array],
    expected: list[Array],
    opset: int,
    file: Path,
    *,
    without: tuple[str, ...] = (),
) -> str:
    """Convert, run and compare: ``agrees``, or what happened instead, in words."""
    try:
        export_onnx(model, file, opset=opset, without=without)
    except ConversionError as error:
        return f"refused: {error}"
    try:
        found = run_onnx(file, feed)
    except Exception as error:  # ONNX Runtime's classes have no narrower base
        return f"refused by ONNX Runtime: {' '.join(str(error).split())}"
    wrong = differences(expected, found)
    return f"differs: {wrong}" if wrong else "agrees"


def build(family: str, name: str, folder: Path) -> Artifact:
    """Save a network in the format of this process, with seeded parameters."""
    import paddle

    paddle.enable_static()
    if not paddle.base.framework.in_pir_mode():
        teach_old_programs(paddle)
    network = all_networks(family)[name]
    paddle.seed(0)
    static: Any = paddle.static
    main, start = static.Program(), static.Program()
    scope = paddle.static.Scope()
    with (
        paddle.static.scope_guard(scope),
        paddle.static.program_guard(main, start),
        paddle.utils.unique_name.guard(),
    ):
        inputs = [
            paddle.static.data(
                key,
                [-1 if i in network.free else n for i, n in enumerate(value.shape)],
                str(value.dtype),
            )
            for key, value in network.feed.items()
        ]
        results = network.forward(*inputs)
        results = list(results) if isinstance(results, (list, tuple)) else [results]
        executor = paddle.static.Executor(paddle.CPUPlace())
        executor.run(start)
        prefix = folder / "model"
        paddle.static.save_inference_model(str(prefix), inputs, results, executor, program=main)
    pir = prefix.with_suffix(".json")
    params = prefix.with_suffix(".pdiparams")
    if pir.is_file():
        return paddle_artifact(pir, params if params.is_file() else None, "pir")
    return paddle_artifact(
        prefix.with_suffix(".pdmodel"), params if params.is_file() else None, "protobuf"
    )


def feed_and_outputs(
    family: str, name: str, model: Artifact
) -> tuple[dict[str, Array], list[Array]]:
    """The feed of a network, and what native Paddle makes of it."""
    feed = dict(all_networks(family)[name].feed)
    return feed, run_paddle(model, feed)


def run_paddle(model: Artifact, feed: dict[str, Array]) -> list[Array]:
    """Native Paddle at its plainest."""
    from paddle import inference

    config = inference.Config(str(model.path), str(model.weights_file or ""))
    config.disable_gpu()
    config.disable_mkldnn()
    config.switch_ir_optim(False)
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(1)
    predictor = inference.create_predictor(config)
    for name in predictor.get_input_names():
        predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(feed[name]))
    predictor.run()
    return [
        predictor.get_output_handle(name).copy_to_cpu() for name in predictor.get_output_names()
    ]


def run_onnx(path: Path, feed: dict[str, Array]) -> list[Array]:
    """ONNX Runtime without its graph optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    wanted = {item.name for item in session.get_inputs()}
    results: list[Array] = session.run(
        None, {name: value for name, value in feed.items() if name in wanted}
    )
    return results


def differences(expected: list[Array], found: list[Array]) -> str:
    """What differs first; empty if nothing does.

    ``|a - b| <= 1e-5 max|b| + 1e-4 |b|`` for floats: a few units in the last place of float32
    (6e-8) over sums of some hundreds, and exact equality for integers and booleans.
    """
    if len(expected) != len(found):
        return f"{len(found)} outputs instead of {len(expected)}"
    for index, (b, a) in enumerate(zip(expected, found, strict=True)):
        if a.shape != b.shape:
            return f"output {index} has shape {a.shape} instead of {b.shape}"
        if a.dtype != b.dtype:
            return f"output {index} is {a.dtype} instead of {b.dtype}"
        if b.dtype.kind != "f":
            if not np.array_equal(a, b):
                return f"output {index} differs in {int((a != b).sum())} of {b.size} elements"
            continue
        limit = 1e-5 * np.abs(b).max(initial=0) + 1e-4 * np.abs(b)
        if not np.isfinite(b).all() or not (np.abs(a - b) <= limit).all():
            return f"output {index} is up to {np.abs(a - b).max()} off"
    return ""
