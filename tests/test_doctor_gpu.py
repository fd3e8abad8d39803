"""What the doctor says of the driver, CUDA and cuDNN, from libraries that are compiled here."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ailing import a_gpu, first, plant, row
from fake_cuda import NO_DEVICE, fake_driver

from paddleport.doctor import examination, examine
from paddleport.doctor.children import Failure
from paddleport.doctor.judge import judge_driver, judge_library
from paddleport.doctor.parts import load_parts

PROBES = """
import json
from paddleport.doctor.libraries import probe_cuda, probe_cudnn
from paddleport.doctor.probe import probe_driver
print(json.dumps([probe_driver(), probe_cuda(), probe_cudnn()]))
"""


def told(folder: Path) -> Any:
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


def test_what_there_is(tmp_path: Path) -> None:
    fake_driver(tmp_path)
    runtime = "int cudaRuntimeGetVersion(int *version) { *version = 13010; return 0; }"
    compiled(tmp_path, "libcudart.so.13", runtime)
    compiled(tmp_path, "libcudnn.so.9", "long cudnnGetVersion(void) { return 91002; }")
    driver, cuda, cudnn = told(tmp_path)
    assert (driver["cuda"], cuda, cudnn) == ("13.0", "13.1", "9.10.2")
    found = judge_driver(driver)
    assert (found.state, found.detail) == ("ok", "NVIDIA L4; runs CUDA up to 13.0")
    assert judge_library("CUDA", cuda, driver["cuda"]).state == "ok"


def test_an_old_cudnn_in_a_python_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = "long cudnnGetVersion(void) { return 8907; }"
    compiled(tmp_path / "nvidia" / "cudnn" / "lib", "libcudnn.so.8", library)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert told(tmp_path)[2] in ("8.9.7",) or told(tmp_path)[2].startswith("9.")


def test_libraries_newer_than_the_driver() -> None:
    found = judge_library("CUDA", "13.0", "12.4")
    assert found.state == "broken"
    assert "the driver, which runs CUDA up to 12.4" in first(found).text
    assert judge_library("CUDA", "12.6", "12.4").state == "ok"  # CUDA promises that for minors
    assert first(found).mend == "pip install nvidia-cuda-runtime-cu12"
    assert judge_library("cuDNN", "9.5.1", "12.4").state == "ok"  # it counts for itself
    assert judge_library("CUDA", "").state == "missing"
    assert first(judge_library("cuDNN", "", "13.0")).mend == "pip install nvidia-cudnn-cu13"
    crashed = Failure("loading its library ended with SIGSEGV")
    assert judge_library("CUDA", crashed).state == "broken"


def test_a_driver_that_finds_no_gpu(tmp_path: Path) -> None:
    found = judge_driver(told(fake_driver(tmp_path, init=NO_DEVICE))[0])
    assert (found.state, found.found) == ("missing", "?")
    assert "CUDA_ERROR_NO_DEVICE" in first(found).text


def test_a_runtime_that_leaves_the_gpu_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tuple(part for part in load_parts() if part.name in ("numpy", "onnxruntime"))
    monkeypatch.setattr(examination, "load_parts", lambda: parts)
    monkeypatch.setattr(examination, "probe_driver", a_gpu)
    source = (
        "__version__ = '1.32.0'\nclass InferenceSession: ...\n"
        "def get_available_providers(): return ['AzureExecutionProvider', 'CPUExecutionProvider']"
    )
    plant(tmp_path, monkeypatch, "onnxruntime", "1.32.0", "onnxruntime", source)
    diagnosis = examine()
    found = row(diagnosis, "onnxruntime")
    assert (found.state, found.detail) == ("ok", "Azure, CPU")
    assert first(found).state == "note"
    assert first(found).text.endswith("leaves the GPU alone")
    assert diagnosis.machine["gpus"][0]["name"] == "NVIDIA L4"


def test_a_driver_that_kills_who_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiled(
        tmp_path,
        "libcuda.so.1",
        "int cuDriverGetVersion(int *version) { return *(volatile int *)0; }",
    )
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setattr(examination, "load_parts", lambda: load_parts()[:1])
    found = row(examine(), "driver")
    assert (found.state, first(found).mend) == ("broken", "nvidia-smi")
