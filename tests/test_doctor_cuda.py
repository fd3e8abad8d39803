"""What the doctor reports of the driver, CUDA and cuDNN, from libraries compiled in the test."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_cuda import NO_DEVICE, fake_driver
from planted_packages import driver_with_gpu, finding_of, first_problem, plant_package

from paddleport.doctor import check_installation, installation_check
from paddleport.doctor.assessment import assess_driver, assess_library
from paddleport.doctor.checked_packages import load_packages
from paddleport.doctor.child_processes import ChildFailure

PROBES = """
import json
from paddleport.doctor.cuda_libraries import probe_cuda, probe_cudnn
from paddleport.doctor.vendor_probes import probe_driver
print(json.dumps([probe_driver(), probe_cuda(), probe_cudnn()]))
"""


def probed(folder: Path) -> Any:
    """The three answers of a process that finds its libraries in ``folder`` first."""
    done = subprocess.run(
        [sys.executable, "-c", PROBES],
        env={**os.environ, "LD_LIBRARY_PATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def compiled(folder: Path, name: str, source: str) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder.mkdir(parents=True, exist_ok=True)
    code = folder / "library.c"
    code.write_text(source)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / name, code], check=True)


def test_driver_cuda_and_cudnn_versions_are_read(tmp_path: Path) -> None:
    fake_driver(tmp_path)
    runtime = "int cudaRuntimeGetVersion(int *version) { *version = 13010; return 0; }"
    compiled(tmp_path, "libcudart.so.13", runtime)
    compiled(tmp_path, "libcudnn.so.9", "long cudnnGetVersion(void) { return 91002; }")
    driver, cuda, cudnn = probed(tmp_path)
    assert (driver["cuda"], cuda, cudnn) == ("13.0", "13.1", "9.10.2")
    found = assess_driver(driver)
    assert (found.state, found.detail) == ("ok", "NVIDIA L4; runs CUDA up to 13.0")
    assert assess_library("CUDA", cuda, driver["cuda"]).state == "ok"


def test_an_old_cudnn_in_a_python_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = "long cudnnGetVersion(void) { return 8907; }"
    compiled(tmp_path / "nvidia" / "cudnn" / "lib", "libcudnn.so.8", library)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert probed(tmp_path)[2] in ("8.9.7",) or probed(tmp_path)[2].startswith("9.")


def test_libraries_newer_than_the_driver() -> None:
    found = assess_library("CUDA", "13.0", "12.4")
    assert found.state == "broken"
    assert "the driver, which runs CUDA up to 12.4" in first_problem(found).text
    assert assess_library("CUDA", "12.6", "12.4").state == "ok"  # CUDA promises that for minors
    assert first_problem(found).fix == "pip install nvidia-cuda-runtime-cu12"
    assert assess_library("cuDNN", "9.5.1", "12.4").state == "ok"  # it counts for itself
    assert assess_library("CUDA", "").state == "missing"
    assert first_problem(assess_library("cuDNN", "", "13.0")).fix == "pip install nvidia-cudnn-cu13"
    crashed = ChildFailure("loading its library ended with SIGSEGV")
    assert assess_library("CUDA", crashed).state == "broken"


def test_a_driver_that_finds_no_gpu(tmp_path: Path) -> None:
    found = assess_driver(probed(fake_driver(tmp_path, init=NO_DEVICE))[0])
    assert (found.state, found.found) == ("missing", "?")
    assert "CUDA_ERROR_NO_DEVICE" in first_problem(found).text


def test_a_cpu_only_runtime_beside_a_gpu_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tuple(part for part in load_packages() if part.name in ("numpy", "onnxruntime"))
    monkeypatch.setattr(installation_check, "load_packages", lambda: parts)
    monkeypatch.setattr(installation_check, "probe_driver", driver_with_gpu)
    source = (
        "__version__ = '1.32.0'\nclass InferenceSession: ...\n"
        "def get_available_providers(): return ['AzureExecutionProvider', 'CPUExecutionProvider']"
    )
    plant_package(tmp_path, monkeypatch, "onnxruntime", "1.32.0", "onnxruntime", source)
    report = check_installation()
    found = finding_of(report, "onnxruntime")
    assert (found.state, found.detail) == ("ok", "Azure, CPU")
    assert first_problem(found).state == "note"
    assert first_problem(found).text.endswith("leaves the GPU alone")
    assert report.machine["gpus"][0]["name"] == "NVIDIA L4"


def test_a_driver_that_crashes_its_caller_is_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compiled(
        tmp_path,
        "libcuda.so.1",
        "int cuDriverGetVersion(int *version) { return *(volatile int *)0; }",
    )
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setattr(installation_check, "load_packages", lambda: load_packages()[:1])
    found = finding_of(check_installation(), "driver")
    assert (found.state, first_problem(found).fix) == ("broken", "nvidia-smi")
