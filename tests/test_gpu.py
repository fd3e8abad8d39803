import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_cuda import L4, NO_DEVICE, fake_driver

from paddleport.runners.gpu import find_driver

V100 = ("Tesla V100-SXM2-16GB", 7, 0)
CODE = """
from paddleport.errors import PortError
from paddleport.runners.gpu import find_driver, need_gpu
driver = find_driver()
print(driver.cuda, [str(gpu) for gpu in driver.gpus], driver.missing, sep="|")
try:
    print(need_gpu("tensorrt", {index}))
except PortError as error:
    print(error)
"""


def told(folder: Path, index: int = 0) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(index=index)],
        env={**os.environ, "LD_LIBRARY_PATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()


def test_driver_version_and_gpus_are_read(tmp_path: Path) -> None:
    first, second = told(fake_driver(tmp_path, [L4, V100]), 1)
    assert first == (
        "13.0|['NVIDIA L4 (compute capability 8.9)', "
        "'Tesla V100-SXM2-16GB (compute capability 7.0)']|"
    )
    assert second == "Tesla V100-SXM2-16GB (compute capability 7.0)"


def test_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    assert told(fake_driver(tmp_path), 3)[1] == (
        "tensorrt was asked for GPU 3; there are 0: NVIDIA L4"
    )


def test_a_driver_without_a_gpu(tmp_path: Path) -> None:
    first, second = told(fake_driver(tmp_path, init=NO_DEVICE))
    assert first.startswith("13.0|[]|")
    assert "CUDA_ERROR_NO_DEVICE" in second
    assert "nvidia-smi" in second


def test_cuda_visible_devices_that_hides_every_gpu(tmp_path: Path) -> None:
    assert "CUDA_VISIBLE_DEVICES" in told(fake_driver(tmp_path, []))[1]


@pytest.mark.skipif(not find_driver().missing, reason="there is a GPU")
def test_a_missing_driver_is_named(tmp_path: Path) -> None:
    first, second = told(tmp_path)
    assert first.startswith("|[]|no NVIDIA driver (libcuda.so.1)")
    assert second.startswith("tensorrt needs a GPU: no NVIDIA driver")
