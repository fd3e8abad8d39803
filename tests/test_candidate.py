from pathlib import Path

from paddleport.models.artifact import onnx_artifact
from paddleport.validate.tune.candidate import ModelVariant, TuneCandidate, candidates

FP32 = ModelVariant(precision="fp32", file=onnx_artifact(Path("model.onnx")))
INT8 = ModelVariant(precision="int8", file=onnx_artifact(Path("model.int8.onnx")))


def test_latency_is_one_picture_at_a_time() -> None:
    found = candidates(
        ["onnxruntime", "paddle"], [FP32, INT8], "latency", threads=4, fixed_batch=None
    )
    assert len(set(found)) == len(found)
    assert {(item.batch, item.streams) for item in found} == {(1, 1)}
    assert {item.threads for item in found} == {1, 2, 4}
    assert {item.variant for item in found if item.backend == "paddle"} == {"fp32"}
    assert (
        TuneCandidate(backend="onnxruntime", precision="int8", variant="int8", threads=2) in found
    )


def test_a_file_that_is_good_for_one_backend() -> None:
    own = ModelVariant(
        precision="int8",
        file=onnx_artifact(Path("own.onnx")),
        name="int8-by-channel",
        backends=("openvino",),
    )
    found = candidates(
        ["onnxruntime", "openvino"], [FP32, INT8, own], "latency", threads=1, fixed_batch=None
    )
    of = {item.backend for item in found if item.variant == own.name}
    assert of == {"openvino"}
    assert "openvino int8-by-channel, 1 thread" in {item.name for item in found}
    assert len({item.computation for item in found}) == len(found)


def test_an_odd_number_of_cpus() -> None:
    found = candidates(["onnxruntime"], [FP32], "latency", threads=6, fixed_batch=None)
    assert {item.threads for item in found} == {1, 2, 4, 6}


def test_throughput_takes_batches_where_they_are_free() -> None:
    free = candidates(["onnxruntime"], [FP32], "throughput", threads=1, fixed_batch=None)
    fixed = candidates(["onnxruntime"], [FP32], "throughput", threads=1, fixed_batch=2)
    assert {item.batch for item in free} == {1, 4, 8}
    assert {item.batch for item in fixed} == {2}


def test_throughput_divides_all_threads_among_streams() -> None:
    found = candidates(["openvino"], [FP32], "throughput", threads=4, fixed_batch=None)
    assert {item.threads for item in found} == {4}
    assert {item.streams for item in found} == {1, 2, 4}
    found = candidates(["paddle"], [FP32], "throughput", threads=4, fixed_batch=None)
    assert {item.streams for item in found} == {1}


def test_candidate_name_and_runner_options() -> None:
    item = TuneCandidate(
        backend="openvino", precision="bf16", variant="fp32", threads=2, streams=2, batch=4
    )
    assert item.name == "openvino bf16, 2 threads in 2 streams, batch 4"
    assert (item.options.precision, item.options.threads) == ("bf16", 2)
    assert item.options.extras == {"streams": "2"}
    int8 = TuneCandidate(backend="openvino", precision="int8", variant="int8", threads=2)
    assert int8.name == "openvino int8, 2 threads"
    assert int8.options.precision is None  # the file's own


def test_preference_is_exact_before_coarse_and_simple_before_complex() -> None:
    exact = TuneCandidate(backend="openvino", precision="fp32", variant="fp32", threads=2)
    ordered = sorted(
        [
            TuneCandidate(backend="openvino", precision="int8", variant="int8", threads=1),
            TuneCandidate(
                backend="openvino", precision="fp32", variant="fp32", threads=2, streams=2
            ),
            TuneCandidate(backend="openvino", precision="fp32", variant="fp32", threads=2, batch=8),
            exact,
        ],
        key=lambda item: item.preference,
    )
    assert ordered[0] == exact
    assert ordered[-1].precision == "int8"
