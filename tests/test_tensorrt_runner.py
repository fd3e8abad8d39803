"""The runner's side of TensorRT, against Polygraphy's own signatures; nothing is computed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import contract
import numpy as np
import pytest
import small_network
from contract import Subject
from simulated_tensorrt import SimulatedTensorrt, simulated_tensorrt

from paddleport.errors import BackendUnavailableError, FeedError, ModelFileError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.runners import open_runner
from paddleport.runners.gpu import find_driver
from paddleport.runners.runner_options import RunnerOptions
from paddleport.runners.tensorrt.trt_runner import TensorRtRtxRunner, TensorRtRunner
from paddleport.tensors import ShapeRange


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def gpu() -> Iterator[SimulatedTensorrt]:
    with simulated_tensorrt(SimulatedTensorrt()) as simulated:
        yield simulated


@pytest.mark.parametrize("runner", [TensorRtRunner, TensorRtRtxRunner])
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(
    check: Callable[[Subject], None],
    runner: type[TensorRtRunner],
    gpu: SimulatedTensorrt,
    small_onnx: Artifact,
) -> None:
    check(Subject(runner, small_onnx))


def test_broken_files(gpu: SimulatedTensorrt, small_onnx: Artifact, tmp_path: Path) -> None:
    contract.check_broken_files(Subject(TensorRtRunner, small_onnx), tmp_path)


def test_polygraphys_runner_is_called_as_it_is_meant(
    gpu: SimulatedTensorrt, small_onnx: Artifact
) -> None:
    with TensorRtRunner(small_onnx) as runner:
        runner.run(small_network.feed(1))
    (used,) = gpu.runners
    used.activate.assert_called_once_with()
    (call,) = used.infer.call_args_list
    assert call.kwargs == {"check_inputs": False, "copy_outputs_to_host": True}
    used.deactivate.assert_called_once_with()


def test_what_lies_on_the_device_stays_there(gpu: SimulatedTensorrt, small_onnx: Artifact) -> None:
    feed = small_network.feed(4)
    with TensorRtRunner(small_onnx) as runner:
        placed = runner.place(feed)
        runner.infer_placed(placed)
        runner.infer_placed(placed)
    (used,) = gpu.runners
    for call in used.infer.call_args_list:
        assert call.args[0]["x"] is placed["x"]  # type: ignore[index]
        assert call.kwargs["copy_outputs_to_host"] is False
    assert np.array_equal(placed["x"].content, feed["x"])  # type: ignore[index]


def test_tensorrt_runner_reports_its_engine(gpu: SimulatedTensorrt, small_onnx: Artifact) -> None:
    with TensorRtRunner(small_onnx) as runner:
        assert runner.notes == (
            "tensorrt 10.13.3.9",
            "TF32 off",
            "built for x [1, 3, 9, 9] to [8, 3, 9, 9], fastest at [1, 3, 9, 9]",
        )
    with TensorRtRunner(small_onnx, RunnerOptions(extras={"tf32": "on"})) as runner:
        assert "TF32 on" in runner.notes


def test_shapes_outside_the_profile(gpu: SimulatedTensorrt, small_onnx: Artifact) -> None:
    with (
        TensorRtRunner(small_onnx) as runner,
        pytest.raises(FeedError, match=r"\[9, 3, 9, 9\], and .*--shape x="),
    ):
        runner.run(small_network.feed(9))


def test_shapes_that_are_asked_for(gpu: SimulatedTensorrt, small_onnx: Artifact) -> None:
    shapes = {"x": ShapeRange((2, 3, 9, 9), (4, 3, 9, 9), (8, 3, 9, 9))}
    TensorRtRunner(small_onnx, RunnerOptions(shapes=shapes)).close()
    assert gpu.built[0].ranges == shapes
    with pytest.raises(UsageError, match="unknown input"):
        TensorRtRunner(small_onnx, RunnerOptions(shapes={"y": shapes["x"]}))


def test_an_engine_is_built_once(gpu: SimulatedTensorrt, small_onnx: Artifact) -> None:
    for _ in range(2):
        TensorRtRunner(small_onnx).close()
    assert len(gpu.built) == 1


def test_a_truncated_engine_is_built_again(
    gpu: SimulatedTensorrt, small_onnx: Artifact, cache: Path
) -> None:
    TensorRtRunner(small_onnx).close()
    (engine,) = cache.glob("engines/*/model.engine")
    engine.write_bytes(engine.read_bytes()[:-1])
    TensorRtRunner(small_onnx).close()
    assert len(gpu.built) == 2


def test_an_engine_that_no_longer_loads_is_built_again(
    gpu: SimulatedTensorrt, small_onnx: Artifact
) -> None:
    TensorRtRunner(small_onnx).close()
    gpu.loads = b"engine 2"  # a new driver, say
    TensorRtRunner(small_onnx).close()
    assert len(gpu.built) == 2


def test_timings_are_handed_on(gpu: SimulatedTensorrt, small_onnx: Artifact, cache: Path) -> None:
    TensorRtRunner(small_onnx).close()
    TensorRtRunner(small_onnx, RunnerOptions(precision="fp16")).close()
    assert gpu.timings == [b"", b"timings"]
    (kept,) = cache.glob("engines/*.cache")
    kept.write_bytes(b"damaged")
    TensorRtRunner(small_onnx, RunnerOptions(precision="bf16")).close()
    assert gpu.timings[2:] == [b"damaged", b""]


@pytest.mark.skipif(not find_driver().missing, reason="there is a GPU")
@pytest.mark.parametrize("name", ["tensorrt", "tensorrt-rtx"])
def test_without_a_gpu_there_is_a_reason(name: str, small_onnx: Artifact) -> None:
    with pytest.raises(BackendUnavailableError, match=f"^{name} needs a GPU: no NVIDIA driver"):
        open_runner(name, small_onnx)


def engine_file(folder: Path, model: Artifact, *, precision: str = "fp32") -> Artifact:
    """An engine as ``convert --to tensorrt`` leaves it."""
    (folder / "model.engine").write_bytes(b"engine")
    profile = {"x": {"min": [1, 3, 9, 9], "opt": [1, 3, 9, 9], "max": [8, 3, 9, 9]}}
    options = {"precision": precision, "tf32": False, "profile": profile}
    inputs, outputs = onnx_tensors(model.path)
    return Artifact(
        format="tensorrt",
        files=(folder / "model.engine",),
        inputs=inputs,
        outputs=outputs,
        provenance={"steps": [{"step": "tensorrt", "options": options}]},
    )


def test_an_engine_of_convert_is_loaded_as_it_is(
    gpu: SimulatedTensorrt, small_onnx: Artifact, tmp_path: Path
) -> None:
    engine = engine_file(tmp_path, small_onnx)
    with open_runner("tensorrt", engine) as runner, open_runner("tensorrt", small_onnx) as built:
        assert runner.computes_in == "fp32"
        assert runner.notes == (
            "TF32 off",
            "built for x [1, 3, 9, 9] to [8, 3, 9, 9], fastest at [1, 3, 9, 9]",
        )
        feed = small_network.feed(2)
        for name, tensor in built.run(feed).items():
            np.testing.assert_array_equal(runner.run(feed)[name], tensor)
    assert len(gpu.built) == 1  # of the ONNX file


def test_what_an_engine_can_no_longer_be(
    gpu: SimulatedTensorrt, small_onnx: Artifact, tmp_path: Path
) -> None:
    engine = engine_file(tmp_path, small_onnx, precision="fp16")
    with pytest.raises(BackendUnavailableError, match=r"built in fp16 with TF32 off, which can't"):
        open_runner("tensorrt", engine, RunnerOptions(precision="fp32"))
    with pytest.raises(BackendUnavailableError, match="which can't be changed any more"):
        open_runner("tensorrt", engine, RunnerOptions(extras={"tf32": "true"}))
    with pytest.raises(ModelFileError, match="no JSON file beside it that says how it was built"):
        open_runner("tensorrt", replace(engine, provenance={}))
    with pytest.raises(UsageError, match="tensorrt-rtx loads onnx or tensorrt-rtx, and"):
        open_runner("tensorrt-rtx", engine)
