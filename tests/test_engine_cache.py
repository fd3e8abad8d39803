"""An engine is found again under everything that it depends on, and under nothing else."""

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
from simulated_tensorrt import L4, VERSION, SimulatedTensorrt, simulated_tensorrt

from paddleport.runners.gpu import Gpu
from paddleport.runners.tensorrt.engine_build import EngineSettings
from paddleport.runners.tensorrt.engine_cache import ENGINE, cached_engine, engine_key
from paddleport.runners.tensorrt.library import TENSORRT, TENSORRT_RTX
from paddleport.tensors import ShapeRange

RANGE = ShapeRange((1, 3), (1, 3), (8, 3))
WANTED = EngineSettings(precision="fp32", ranges={"x": RANGE, "y": RANGE})
CHANGED = [
    replace(WANTED, precision="fp16"),
    replace(WANTED, tf32=True),
    replace(WANTED, workspace_mb=512),
    replace(WANTED, capabilities=((8, 9),)),
    replace(WANTED, on_this_gpu=True),
    replace(WANTED, ranges={"x": RANGE}),
    *(
        replace(WANTED, ranges={"x": RANGE, "y": ShapeRange(*shapes)})
        for shapes in (((1, 3), (1, 3), (9, 3)), ((1, 3), (2, 3), (8, 3)), ((1, 2), (1, 3), (8, 3)))
    ),
]


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"a model")
    return path


def test_everything_that_matters_changes_the_key(onnx: Path) -> None:
    keys = [engine_key(onnx, TENSORRT, VERSION, L4, wanted) for wanted in [WANTED, *CHANGED]]
    keys.append(engine_key(onnx, TENSORRT, "10.13.3.10", L4, WANTED))
    keys.append(engine_key(onnx, TENSORRT_RTX, VERSION, L4, WANTED))
    keys.append(engine_key(onnx, TENSORRT, VERSION, replace(L4, name="NVIDIA L40"), WANTED))
    keys.append(
        engine_key(
            onnx,
            TENSORRT,
            VERSION,
            Gpu(index=0, name=L4.name, compute_capability=(9, 0), memory_bytes=1),
            WANTED,
        )
    )
    onnx.write_bytes(b"a modem")
    keys.append(engine_key(onnx, TENSORRT, VERSION, L4, WANTED))
    assert len(set(keys)) == len(keys)


def test_settings_that_do_not_change_the_engine_keep_its_key(onnx: Path) -> None:
    key = engine_key(onnx, TENSORRT, VERSION, L4, WANTED)
    other = onnx.rename(onnx.with_name("renamed.onnx"))
    turned = replace(WANTED, ranges={"y": RANGE, "x": RANGE})
    same = Gpu(
        index=1,
        name=L4.name,
        compute_capability=L4.compute_capability,
        memory_bytes=L4.memory_bytes,
    )  # its twin
    assert engine_key(other, TENSORRT, VERSION, same, turned) == key


def _build(onnx: Path, number: int) -> bytes:
    with simulated_tensorrt(SimulatedTensorrt()):
        return (cached_engine(TENSORRT, onnx, L4, WANTED) / ENGINE).read_bytes()


def test_several_processes_at_once(
    onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.starmap(_build, [(onnx, number) for number in range(4)])
    assert set(found) == {b"engine 1"}
