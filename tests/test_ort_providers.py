"""Which provider runs: refusals, options, and what is read back."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import contract
import numpy as np
import onnx
import pytest
import small_network
from conftest import skip_or_fail
from contract import Subject
from onnx import TensorProto, helper, numpy_helper
from simulated_ort_gpu import CUDA, L4, TENSORRT, simulate_ort_gpu

from paddleport.errors import BackendUnavailableError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.runners import open_runner
from paddleport.runners.onnxruntime import providers as ort_providers
from paddleport.runners.onnxruntime import tensorrt_provider as ort_tensorrt
from paddleport.runners.onnxruntime.ort_runner import OnnxRuntimeExtras, OnnxRuntimeRunner
from paddleport.runners.runner_options import Precision, RunnerOptions

FEED = small_network.feed(2)
OPENVINO = "OpenVINOExecutionProvider"


def options(device: str | None = None, precision: Precision | None = None, **extras: str) -> Any:
    return RunnerOptions(device=device, precision=precision, threads=1, extras=extras)


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A TensorRT library that says its version, and a cache of one's own."""
    monkeypatch.setattr(ort_tensorrt, "tensorrt_version", lambda onnxruntime: "101303")
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("provider", "asked", "device"),
    [
        ("", None, "cpu"),
        ("", "cuda", "cuda"),
        ("cpu", None, "cpu"),
        ("openvino", "cpu", "cpu"),
        ("cuda", None, "cuda"),
        ("tensorrt", "cuda", "cuda"),
    ],
)
def test_the_provider_decides_the_device(provider: str, asked: str | None, device: str) -> None:
    extras = {"provider": provider} if provider else {}
    checked = OnnxRuntimeRunner.check_options(RunnerOptions(device=asked, extras=extras))
    assert checked.device == device


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (options("cpu", provider="cuda"), "-o provider=cuda computes on cuda, not on cpu"),
        (options("cuda", provider="openvino"), "computes on cpu, not on cuda: --device cpu"),
        (options(provider="tensort"), "Did you mean 'tensorrt'"),
        (options(fp16="true"), "-o fp16 is of provider tensorrt, and this is provider cpu"),
        (options("cuda", engine_cache="on"), "of provider tensorrt, and this is provider cuda"),
        (options(tf32="0"), "of provider cuda and tensorrt"),
        (options(provider="openvino", device_id="0"), "of provider cuda and tensorrt"),
        (options(provider="tensorrt", workspace_mb="-1"), "1 or more"),
        (options(None, "fp32", provider="tensorrt", fp16="1"), "contradict each other"),
    ],
)
def test_options_that_cannot_be(given: RunnerOptions, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        OnnxRuntimeRunner.check_options(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt", "openvino"])
def test_a_build_without_the_provider(provider: str, small_onnx: Artifact) -> None:
    ort = pytest.importorskip("onnxruntime")
    wanted = ort_providers.PROVIDERS[provider]
    if wanted.vendor_name in ort.get_available_providers():
        pytest.skip("this build has it")
    with pytest.raises(BackendUnavailableError, match=r"pip uninstall -y \S+ && pip") as caught:
        open_runner("onnxruntime", small_onnx, options(provider=provider))
    assert f"pip install {wanted.package} " in str(caught.value)
    assert str(caught.value).endswith("or leave -o provider out")
    assert "CPUExecutionProvider" in str(caught.value)


def test_cuda_from_end_to_end(small_onnx: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    state = simulate_ort_gpu(monkeypatch, nodes={CUDA: 5, "CPUExecutionProvider": 1})
    with open_runner("onnxruntime", small_onnx, options("cuda", device_id="1")) as runner:
        assert state.given == [(CUDA, {"device_id": "1", "use_tf32": "0"})]
        assert runner.device == "cuda" and runner.computes_in == "fp32"
        assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"
        assert runner.notes == ("provider cuda", "of 6 nodes 1 run in CPUExecutionProvider")
        assert runner.keeps_on_device
        found = runner.run(FEED)
        runner.infer_placed(runner.place(FEED))
    for name, wanted in zip(found, small_network.expected(FEED["x"]), strict=True):
        assert np.allclose(found[name], wanted, rtol=1e-4, atol=1e-5)
    each = [("in", "cuda", 1), *((name, "cuda", 1) for name in small_network.OUTPUTS)]
    assert state.moved == each * 2


def test_tf32_is_said(small_onnx: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    state = simulate_ort_gpu(monkeypatch)
    with open_runner("onnxruntime", small_onnx, options("cuda", tf32="on")) as runner:
        assert state.given[0][1]["use_tf32"] == "1"
        assert "TF32 products" in runner.notes
        assert any("not known" in note for note in runner.notes)
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    with pytest.raises(UsageError, match="NVIDIA_TF32_OVERRIDE=0 is set"):
        open_runner("onnxruntime", small_onnx, options("cuda", tf32="on"))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"starts": False}, "was asked for CUDAExecutionProvider and took CPUExecutionProvider"),
        ({"took": {"device_id": "0"}}, "device_id=1 and took device_id=0"),
        ({"took": {"use_tf32": "True"}}, "use_tf32=0 and took use_tf32=True"),
        ({"nodes": {"CPUExecutionProvider": 6}}, "takes none of this model's 6 nodes"),
    ],
)
def test_what_is_read_back_is_what_was_asked(
    how: dict[str, Any], words: str, small_onnx: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate_ort_gpu(monkeypatch, **how)
    with pytest.raises(BackendUnavailableError, match=words):
        open_runner("onnxruntime", small_onnx, options("cuda", device_id="1"))


@pytest.mark.usefixtures("tensorrt")
def test_tensorrt_from_end_to_end(
    small_onnx: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    took = {"trt_fp16_enable": "True", "trt_int8_enable": "False"}
    state = simulate_ort_gpu(monkeypatch, took=took, nodes={TENSORRT: 6})
    given = options(provider="tensorrt", fp16="true", workspace_mb="64")
    with open_runner("onnxruntime", small_onnx, given) as runner:
        assert runner.computes_in == "fp16"
        assert [name for name, _ in state.given] == [TENSORRT, CUDA]
        assert runner.notes == (
            "provider tensorrt",
            "each layer in fp16 or fp32, as TensorRT finds faster",
        )
        runner.run(FEED)
    told = state.given[0][1]
    (folder,) = (tmp_path / "cache/engines/onnxruntime-tensorrt").glob("[!.]*")
    assert told["trt_engine_cache_path"] == told["trt_timing_cache_path"] == str(folder)
    assert told["trt_max_workspace_size"] == str(64 << 20)
    assert told["trt_fp16_enable"] == "1"


@pytest.mark.usefixtures("tensorrt")
def test_precision_asks_tensorrt_for_fp16_too(
    small_onnx: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = simulate_ort_gpu(monkeypatch)
    given = options(None, "fp16", provider="tensorrt", engine_cache="off")
    with open_runner("onnxruntime", small_onnx, given) as runner:
        assert runner.computes_in == "fp16"
    assert not any("cache" in key for key in state.given[0][1])
    with open_runner("onnxruntime", small_onnx, options(provider="tensorrt")) as runner:
        assert runner.computes_in == "fp32"
    assert state.given[0][1]["trt_fp16_enable"] == "0"
    with pytest.raises(BackendUnavailableError, match="holds fp32 weights"):
        open_runner("onnxruntime", small_onnx, options("cuda", "fp16"))


@pytest.mark.usefixtures("tensorrt")
def test_an_environment_that_overrides(
    small_onnx: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate_ort_gpu(monkeypatch)
    monkeypatch.setenv("ORT_TENSORRT_FP16_ENABLE", "1")
    with pytest.raises(UsageError, match="ORT_TENSORRT_FP16_ENABLE would override"):
        open_runner("onnxruntime", small_onnx, options(provider="tensorrt"))


@pytest.mark.usefixtures("tensorrt")
def test_engines_are_kept_by_all_they_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ort = SimpleNamespace(__version__="1.31.1")
    one, two = tmp_path / "one.onnx", tmp_path / "two.onnx"
    for path, value in ((one, 1.0), (two, 2.0)):
        weight = numpy_helper.from_array(np.full((40, 40), value, np.float32), "w")
        node = helper.make_node("MatMul", ["x", "w"], ["y"])
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 40])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 40])
        model = helper.make_model(helper.make_graph([node], "g", [x], [y], [weight]))
        onnx.save(model, str(path), save_as_external_data=True, location=f"{path.stem}.bin")

    def folder(path: Path = one, precision: Precision = "fp32", tf32: bool = False) -> Path:
        return ort_tensorrt.engine_key(ort, path, L4, precision, tf32=tf32).folder

    found = {folder(), folder(two), folder(precision="fp16"), folder(tf32=True)}
    monkeypatch.setattr(ort_tensorrt, "tensorrt_version", lambda onnxruntime: "101400")
    found.add(folder())
    (tmp_path / "one.bin").write_bytes(bytes(6400))  # weights beside the file count too
    found.add(folder())
    assert len(found) == 6


def test_tensorrt_that_is_not_installed() -> None:
    ort = SimpleNamespace(__version__="1.31.1", cuda_version="13.0")
    with pytest.raises(BackendUnavailableError, match=r"libnvinfer.so.10.*'tensorrt-cu13==10"):
        ort_tensorrt.tensorrt_version(ort)


def test_tensorrt_says_its_version(tmp_path: Path) -> None:
    import shutil

    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    source = tmp_path / "nvinfer.c"
    source.write_text("int getInferLibVersion(void) { return 101303; }\n")
    library = tmp_path / "libnvinfer.so.10"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True, timeout=60)
    code = (
        "from types import SimpleNamespace\n"
        "from paddleport.runners.onnxruntime.tensorrt_provider import tensorrt_version\n"
        "print(tensorrt_version(SimpleNamespace()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "101303\n"


def test_switches_of_files_that_are_no_fp32() -> None:
    def switched(precision: Precision) -> set[str]:
        found = ort_tensorrt.tensorrt_options(0, precision, workspace_mb=0, engines=None)
        return {key for key, value in found.items() if key != "device_id" and value == "1"}

    assert switched("fp32") == set()
    assert switched("fp16") == {"trt_fp16_enable"}
    assert switched("bf16") == {"trt_bf16_enable"}
    assert switched("int8") == {"trt_int8_enable"}
    openvino = ort_providers.PROVIDERS["openvino"]
    for held in ("fp32", "fp16", "bf16"):
        assert ort_providers.precision_of(openvino, held, fp16=False) == "fp32"
    assert ort_providers.precision_of(openvino, "int8", fp16=False) == "int8"


@pytest.fixture
def openvino_build() -> None:
    ort = pytest.importorskip("onnxruntime")
    if OPENVINO not in ort.get_available_providers():
        skip_or_fail("onnxruntime-openvino", "not installed")


@dataclass(frozen=True)
class OpenVinoExtras(OnnxRuntimeExtras):
    provider: str = "openvino"


class OpenVinoProvider(OnnxRuntimeRunner):
    extras_type: ClassVar[type[Any]] = OpenVinoExtras


OF_DEVICES = (contract.check_devices, contract.check_refusals)  # there the provider decides


@pytest.mark.usefixtures("openvino_build")
@pytest.mark.parametrize(
    "check",
    [check for check in contract.CHECKS if check not in OF_DEVICES],
    ids=lambda check: check.__name__,
)
def test_openvino_keeps_the_contract(
    check: Callable[[Subject], None], small_onnx: Artifact
) -> None:
    check(Subject(OpenVinoProvider, small_onnx))


@pytest.mark.usefixtures("openvino_build")
def test_openvino_computes(small_onnx: Artifact) -> None:
    with open_runner("onnxruntime", small_onnx, options(provider="openvino")) as runner:
        assert runner.notes == ("provider openvino",)
        assert (runner.device, runner.computes_in) == ("cpu", "fp32")
        assert not runner.keeps_on_device
        found = runner.run(FEED)
    for name, wanted in zip(found, small_network.expected(FEED["x"]), strict=True):
        assert np.allclose(found[name], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("openvino_build")
def test_openvino_that_does_not_start_is_no_cpu_result(
    small_onnx: Artifact, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """ONNX Runtime itself runs such a session on its CPU provider and says so in a log alone."""
    wrong = {"device_type": "CPU", "precision": "FP16"}
    monkeypatch.setattr(ort_providers, "openvino_options", lambda threads: wrong)
    with pytest.raises(BackendUnavailableError, match="and took CPUExecutionProvider"):
        open_runner("onnxruntime", small_onnx, options(provider="openvino"))
    assert capfd.readouterr() == ("", "")
