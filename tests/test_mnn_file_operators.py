"""MNN's operators in ONNX's terms: what each says in float64 against what MNN computes."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import mnn_vendor
import numpy as np
import onnx
import pytest
from operator_cases import Case, cases

from paddleport.errors import BackendUnavailableError, ModelFileError, WorkerCrashed
from paddleport.models.artifact import Artifact
from paddleport.models.mnn.as_onnx import as_onnx
from paddleport.runners import float64
from paddleport.tensors import Array, TensorSpec
from paddleport.worker import RemoteError, Worker

mnn_vendor.install_or_skip()

TIMEOUT_S = 60.0
# Relative to the largest value: float32 kernels whose exp, erf and tanh are approximations.
ERROR = 2e-5
# MNN computes these otherwise than its own other kernels, or other runtimes, do.
RUNTIME = {
    "Clip-13()2x3x5x7--": "the lower bound wins where it is above the upper one",
    "Dropout-": "not computed",
    "Less-17()2x3x5-3x1": "wrong where both are broadcast",
    "Softplus-17()5": "overflows",
    "OneHot-17()3--2": "a place counted from the end is none",
    "Where-17()2x3-2x3-3": "wrong where one choice is broadcast",
    "GatherElements-17(axis=0)2x3-1x3": "a place counted from the end gives 0",
    "count_include_pad=1": "divides by the whole window where it reaches out of the padding",
    "Pad-13()2x3x4x6-8-": "takes nothing away where a padding is negative",
    "mode=cubic": "wrong at the edges",
}
# Operators of image models; each of them is converted, translated and compared at least once.
WANTED = """
    Add AveragePool BatchNormalization Clip Concat Conv ConvTranspose Div Exp Flatten Gather Gelu
    GlobalAveragePool HardSigmoid HardSwish LeakyRelu MatMul MaxPool Mul PRelu Pad ReduceMean Relu
    Reshape Resize Sigmoid Slice Softmax Split Squeeze Sub Tanh Tile TopK Transpose Unsqueeze
    """.split()  # noqa: SIM905  # thirty lines otherwise
FEW = 3  # cases of an operator, where not all of them are run


def converted_and_computed(file: bytes, feed: dict[str, Array]) -> tuple[bytes, list[Array]]:
    """Runs in a worker."""
    made = mnn_vendor.converted(file)
    outputs = [value.name for value in onnx.ModelProto.FromString(file).graph.output]
    return made, mnn_vendor.computed(made, feed, outputs)


def outcome(worker: Worker, case: Case) -> str:
    """``agrees``, ``crashed``, ``not by MNN``, ``not translated``, ``impossible``, or an error."""
    model = onnx.shape_inference.infer_shapes(case.model())
    feed = {value.name: np.asarray(case.inputs[0]) for value in model.graph.input}
    try:
        made, computed = worker.call(
            converted_and_computed, TIMEOUT_S, model.SerializeToString(), feed
        )
    except WorkerCrashed:
        return "crashed"
    except RemoteError:  # no file, or no session
        return "not by MNN"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.mnn")
        path.write_bytes(made)
        inputs = tuple(TensorSpec(name, item.dtype.name, item.shape) for name, item in feed.items())
        outputs = tuple(TensorSpec(value.name, "", ()) for value in model.graph.output)
        artifact = Artifact(format="mnn", files=(path,), inputs=inputs, outputs=outputs)
        try:
            said = evaluated(as_onnx(artifact), feed)
        except (BackendUnavailableError, ModelFileError):
            return "not translated"
        except (TypeError, ValueError, IndexError):  # the converter's fault: it can't be computed
            return "impossible"
    worst = 0.0
    for mine, theirs in zip(said, computed, strict=True):
        if mine.size != theirs.size:
            return f"sizes {mine.shape} and {theirs.shape}"
        difference = np.abs(mine.ravel().astype(float) - theirs.ravel())
        scale = max(1.0, np.abs(mine).max(initial=0.0))
        worst = max(worst, float(difference.max(initial=0.0) / scale))
    return "agrees" if worst <= ERROR else f"off by {worst:.1e}"


def evaluated(proto: onnx.ModelProto, feed: dict[str, Array]) -> Sequence[Array]:
    assert not float64.unknown_operators(proto)
    float64.to_double(proto)
    exact = {
        name: item.astype(np.float64) if item.dtype.kind == "f" else item
        for name, item in feed.items()
    }
    return [np.asarray(item) for item in float64.evaluator(proto).run(None, exact)]


def compared(chosen: Sequence[Case]) -> dict[str, Counter[str]]:
    """Outcomes by operator; what is off is off for a reason that is known."""
    found: dict[str, Counter[str]] = {}
    worker = mnn_vendor.worker()
    try:
        for case in chosen:
            result = outcome(worker, case)
            known = any(text in str(case) for text in RUNTIME)
            assert known or not result.startswith("off"), f"{case}: {result}"
            found.setdefault(case.operator, Counter())[result.split(" by ")[0]] += 1
            if result == "crashed":
                worker.close()
                worker = mnn_vendor.worker()
    finally:
        worker.close()
    return found


def test_operators_of_image_models_say_what_mnn_computes() -> None:
    taken: Counter[str] = Counter()
    chosen = []
    for case in cases():
        if case.operator in WANTED and taken[case.operator] < FEW:
            taken[case.operator] += 1
            chosen.append(case)
    found = compared(chosen)
    assert set(found) == set(WANTED)
    assert {name for name, results in found.items() if not results["agrees"]} == set()


@pytest.mark.slow
def test_every_operator_says_what_mnn_computes() -> None:
    found = compared(list(cases()))
    total = sum(found.values(), Counter[str]())
    assert total["agrees"] > 500, total
