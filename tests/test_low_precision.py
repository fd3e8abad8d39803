"""An fp32 row whose values all fit into fp16 or bf16 is the runtime's fault, however near it is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted import plant
from test_causes import BASE

from paddleport.convert import cached_onnx, convert
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import resolve
from paddleport.tensors import Array
from paddleport.validate import Plan, validate
from paddleport.validate.compare.comparison import compare_outputs
from paddleport.validate.compare.low_precision import fits_lower_precision
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.diagnose.causes import name_cause
from paddleport.worker import run_in_worker

CLASSES = 500
DRAWN = np.random.default_rng(3)
NOISE = np.float32(2.0**-23)


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Array = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return shares


def to_fp16(tensor: Array) -> Array:
    return tensor.astype(np.float16).astype(np.float32)


def to_bf16(tensor: Array) -> Array:
    bits = np.ascontiguousarray(tensor).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32).reshape(tensor.shape)


def with_large(logits: Array) -> Array:
    return np.concatenate([np.full((1, 1), 4096, np.float32), logits], axis=1)


LOGITS = [DRAWN.normal(size=(1, CLASSES)).astype(np.float32) for _ in range(3)]
SCORES = [softmax(one) for one in LOGITS]


@pytest.mark.parametrize("reference", [LOGITS, SCORES, [one * np.float32(1e-2) for one in LOGITS]])
def test_what_was_rounded_is_found(reference: list[Array]) -> None:
    other = [one * (1 + NOISE) for one in reference]
    assert fits_lower_precision([to_fp16(one) for one in other], reference) == "fp16"
    assert fits_lower_precision([to_bf16(one) for one in other], reference) == "bf16"
    wide = [one.astype(np.float64) for one in reference]
    assert fits_lower_precision([to_bf16(one) for one in other], wide) == "bf16"
    assert fits_lower_precision(other, reference) == ""


def test_one_value_beyond_it_is_enough_to_say_nothing() -> None:
    found = [to_fp16(one) for one in LOGITS]
    found[-1][0, -1] = np.float32(1.0001)
    assert fits_lower_precision(found, LOGITS) == ""
    found[-1][0, -1] = np.float32(65536)  # beyond fp16
    assert fits_lower_precision(found, LOGITS) == ""


WHOLE = np.arange(-40, 40, dtype=np.float32)


@pytest.mark.parametrize(
    ("candidate", "reference"),
    [
        (WHOLE, WHOLE),
        (WHOLE, WHOLE * (1 + NOISE)),  # whole numbers, but for fp32's rounding
        (WHOLE / 64, WHOLE / 64 + NOISE / 64),
        (np.zeros(80, np.float32), LOGITS[0][0, :80]),
        (np.sign(WHOLE), np.tanh(WHOLE)),  # what saturates
        (np.eye(9, dtype=np.float32), softmax(40 * np.eye(9, dtype=np.float32))),
        (to_fp16(LOGITS[0][0, :5]), LOGITS[0][0, :5]),  # too few
        (np.repeat(to_fp16(LOGITS[0][0, :5]), 99), np.repeat(LOGITS[0][0, :5], 99)),
        (to_fp16(LOGITS[0]), to_fp16(LOGITS[0])),  # the model rounds
        (LOGITS[0].astype(np.float16), LOGITS[0]),  # for all to see
        (WHOLE.astype(np.int64), WHOLE.astype(np.int64)),
        (to_fp16(LOGITS[0]), LOGITS[0].reshape(-1)),
    ],
)
def test_what_proves_nothing(candidate: Array, reference: Array) -> None:
    assert fits_lower_precision([candidate], [reference]) == ""


def test_what_is_not_finite_is_passed_over() -> None:
    odd = LOGITS[0].copy()
    odd[0, :2] = np.inf, np.nan
    assert fits_lower_precision([to_fp16(odd)], [odd]) == "fp16"


def test_within_the_limit_it_differs_all_the_same() -> None:
    """One large number, which fp16 has, makes the limit wide for the others."""
    reference = [{"scores": with_large(one)} for one in LOGITS]
    rounded = [{"scores": to_fp16(with_large(one))} for one in LOGITS]
    (asked,) = compare_outputs(reference, rounded, TOLERANCES["fp32"])
    assert asked.worst_error is not None
    assert asked.worst_error < asked.limit
    assert asked.verdict == "differs"
    assert "every value fits into fp16" in asked.reason
    unasked = replace(TOLERANCES["fp32"], precision="")
    (not_asked,) = compare_outputs(reference, rounded, unasked)
    assert not_asked.verdict == "agrees"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, "runtime"),
        ({"error": 5e-5, "from_float64": 5e-5}, "runtime"),
        ({"from_float64": None, "reference_from_float64": None}, "runtime"),
        # what an ill-conditioned model would excuse
        ({"from_float64": 4e-3, "reference_from_float64": 8e-3, "rounding": 5e-3}, "runtime"),
        ({"reference_from_float64": 1e-2}, "converter"),
        ({"target": "ncnn", "file_from_float64": 1e-2, "from_file": 1e-6}, "converter"),
        ({"target": "ncnn", "no_file": "nothing reads it"}, "runtime"),
        ({"computes_in": "bf16", "own_rounding": 2e-3}, "precision"),
    ],
)
def test_who_is_to_blame(changes: dict[str, object], cause: str) -> None:
    evidence = replace(BASE, fits_precision="bf16", **changes)  # type: ignore[arg-type]  # a table
    found, explanation = name_cause(evidence)
    assert found == cause
    if cause == "runtime":
        assert "Every value of openvino's answer fits into bf16" in explanation


def save_wide(prefix: str) -> None:
    """Some logits beside a large number, so that the limit takes their rounding to fp16."""
    import paddle
    from paddle import nn

    class Wide(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(16, CLASSES)

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads this source
            logits = self.linear(x)
            return paddle.concat([logits[:, :1] * 0 + 4096, logits], axis=1)

    paddle.seed(5)
    network = Wide()
    network.eval()
    spec = [paddle.static.InputSpec([None, 16], "float32", name="x")]
    paddle.jit.save(paddle.jit.to_static(network, input_spec=spec, full_graph=True), prefix)


@pytest.mark.slow
def test_a_whole_validation_and_conversion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    run_in_worker(save_wide, 120, str(tmp_path / "inference"))
    source = resolve(tmp_path)
    onnx = cached_onnx(source)
    plant(tmp_path / "planted", monkeypatch, "honest", "halfway")
    plan = Plan(backends=("honest", "halfway"), seconds_each=0, quick=True)
    _, honest, halfway = validate(source, onnx, plan).rows
    assert (honest.verdict, honest.cause) == ("agrees", "")
    assert (halfway.verdict, halfway.cause) == ("differs", "runtime")
    (compared,) = halfway.comparisons
    assert compared.worst_error is not None
    assert compared.worst_error < compared.limit
    assert "every value fits into fp16" in halfway.reason
    assert "halfway's answer fits into fp16" in halfway.explanation


def test_native_paddle_is_not_suspected(small_pir: Artifact, tmp_path: Path) -> None:
    assert convert(resolve(small_pir.path), tmp_path / "small.onnx").verdict == "agrees"
