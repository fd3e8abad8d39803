"""A CUDA driver library for tests, compiled here: ctypes calls it as it calls the real one."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

_SOURCE = r"""
#include <stddef.h>
#include <string.h>
static const char *names[] = {%(names)s 0};
static const int capabilities[][2] = {%(capabilities)s {0, 0}};
static const int count = %(count)d;
int cuInit(unsigned flags) { return %(init)d; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGetCount(int *value) { *value = count; return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return index >= count; }
int cuDeviceGetName(char *text, int size, int device) {
  strncpy(text, names[device], size);
  return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 24000000000UL; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  if (attribute != 75 && attribute != 76) return 1;
  *value = capabilities[device][attribute - 75];
  return 0;
}
int cuGetErrorName(int status, const char **text) {
  *text = status == 100 ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_UNKNOWN";
  return 0;
}
"""
L4 = ("NVIDIA L4", 8, 9)
NO_DEVICE = 100


def fake_driver(folder: Path, gpus: Sequence[tuple[str, int, int]] = (L4,), init: int = 0) -> Path:
    """Compile ``libcuda.so.1`` into ``folder``; put that on LD_LIBRARY_PATH of a child process."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "cuda.c"
    source.write_text(
        _SOURCE
        % {
            "names": "".join(f'"{name}",' for name, _, _ in gpus),
            "capabilities": "".join(f"{{{major}, {minor}}}," for _, major, minor in gpus),
            "count": len(gpus),
            "init": init,
        }
    )
    library = folder / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True, timeout=60)
    return folder
