"""How much a runner's ``run`` adds to the vendor's own call, in one process, in turn."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from paddleport.models.artifact import Artifact
from paddleport.runners import open_runner
from paddleport.runners.base import Runner

RUNS = 200
WARM_UP = 20


def runner_overhead(
    backend: str, model: Artifact, runs: int = RUNS
) -> tuple[list[float], list[float]]:
    """Milliseconds of ``run`` and of the vendor's call on the same session, A B B A."""
    with open_runner(backend, model) as runner:
        (spec,) = runner.inputs
        shape = tuple(size or 1 for size in spec.shape)
        tensor = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        bare = _BARE[backend](runner, spec.name, tensor)
        ours: list[float] = []
        theirs: list[float] = []
        for index in range(WARM_UP + runs):
            pair = [(lambda: runner.run({spec.name: tensor}), ours), (bare, theirs)]
            for call, times in pair if index % 2 else reversed(pair):
                started = time.perf_counter()
                call()
                ended = time.perf_counter()
                if index >= WARM_UP:
                    times.append((ended - started) * 1e3)
    return ours, theirs


def _onnxruntime(runner: Any, name: str, tensor: Any) -> Callable[[], Any]:
    session = runner._session
    return lambda: session.run(None, {name: tensor})


def _openvino(runner: Any, name: str, tensor: Any) -> Callable[[], Any]:
    # The documented plain way: one infer request of the same compiled model, results read out.
    request = runner._compiled.create_infer_request()
    return lambda: request.infer({name: tensor})[0]


def _paddle(runner: Any, name: str, tensor: Any) -> Callable[[], Any]:
    predictor = runner._predictor
    given = predictor.get_input_handle(predictor.get_input_names()[0])
    taken = predictor.get_output_handle(predictor.get_output_names()[0])

    def call() -> Any:
        given.copy_from_cpu(tensor)
        predictor.run()
        return taken.copy_to_cpu()

    return call


def _ncnn(runner: Any, name: str, tensor: Any) -> Callable[[], Any]:
    # As the package's examples have it: an extractor each time, and a copy, which ncnn keeps.
    from paddleport.models.ncnn.ncnn_names import blob_name

    net, ncnn, (output,) = runner._net, runner._ncnn, runner.outputs
    given, taken = blob_name(name), blob_name(output.name)

    def call() -> Any:
        extractor = net.create_extractor()
        extractor.input(given, ncnn.Mat(tensor[0]).clone())
        _, found = extractor.extract(taken)
        return np.array(found)

    return call


def _mnn(runner: Any, name: str, tensor: Any) -> Callable[[], Any]:
    # As the package's examples have it: through tensors of MNN's on the host.
    runner.run({name: tensor})  # resizes the session
    mnn, opened, (output,) = runner._mnn, runner._session, runner.outputs
    interpreter, session = opened._interpreter, opened._session
    given, taken = opened._taken[name], opened._given[output.name]
    kind, layout = mnn.Halide_Type_Float, mnn.Tensor_DimensionType_Caffe
    shape = taken.getShape()

    def call() -> Any:
        given.copyFrom(mnn.Tensor(tensor.shape, kind, tensor, layout))
        interpreter.runSession(session)
        found = mnn.Tensor(shape, kind, np.empty(shape, np.float32), layout)
        taken.copyToHostTensor(found)
        return np.array(found.getNumpyData())

    return call


_BARE: dict[str, Callable[[Runner, str, Any], Callable[[], Any]]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "paddle": _paddle,
    "ncnn": _ncnn,
    "mnn": _mnn,
}
