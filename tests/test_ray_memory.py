"""``run --engine ray`` holds no more for many pictures than for few."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import skip_or_fail

if find_spec("ray") is None:
    skip_or_fail("ray", "no module ray")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here"),
]
SCRIPT = Path(__file__).with_name("ray_memory.py")
FEW, TIMES = 1024, 4
GROWTH = 0.1


def peaks(folder: Path, count: int, *faulty: str) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, SCRIPT, folder, str(count), *faulty],
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("pictures") == count
    return found


def test_memory_is_that_of_few_pictures(tmp_path: Path) -> None:
    few = peaks(tmp_path, FEW)
    many = peaks(tmp_path, FEW * TIMES)
    kept = peaks(tmp_path, FEW, "driver", "actor")
    assert few.keys() == {"driver", "actor"}
    for who, peak in few.items():
        assert many[who] <= peak * (1 + GROWTH), (few, many)
        assert kept[who] > peak * (1 + 2 * GROWTH), (few, kept)  # so a leak would be seen
