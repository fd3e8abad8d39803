"""The bench's own arithmetic: what counts as missed, as flat, as held."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from paddleport.models.artifact import onnx_artifact
from paddleport.runners.profile import Profile, write_profile
from paddleport.tensors import ShapeRange

BENCH = Path(__file__).parent.parent / "bench"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import one file of the bench by its name, as ``bench.py`` does."""
    monkeypatch.syspath_prepend(str(BENCH))

    def module(name: str) -> ModuleType:
        return __import__(name)

    return module


@pytest.mark.parametrize(
    ("value", "limit", "at_least", "missed"),
    [
        (1.01, 1.02, False, False),
        (1.03, 1.02, False, True),
        (1.6, 1.5, True, False),
        (1.4, 1.5, True, True),
        (math.nan, 1.5, True, True),
        (math.nan, 1.02, False, True),
        (0.1, math.inf, True, False),
        (None, 3.0, True, False),
    ],
)
def test_a_line_is_missed_on_the_wrong_side_of_its_limit(
    load: Any, value: float | None, limit: float, at_least: bool, missed: bool
) -> None:
    line = load("lines").Line("it", value, limit, "x", "", at_least=at_least)
    assert line.missed is missed
    assert ("**" in line.row()) is missed


def test_the_report_is_json_markdown_and_plots(load: Any, tmp_path: Path) -> None:
    lines, plots = load("lines"), load("plots")
    shown = lines.Line("share | shown", 0.5, lines.NO_LIMIT, "", "of the peak")
    skipped = lines.Line("tuned", None, 3.0, "x", "", at_least=True, reason="no profile")
    svg = plots.plot("Time $x", "pictures", "ms", {"a": ([1, 2], [3, 4])}, levels={"most": 5})
    assert svg == plots.plot(
        "Time $x", "pictures", "ms", {"a": ([1, 2], [3, 4])}, levels={"most": 5}
    )
    parts = [
        lines.Found([shown], {"time": svg}, {"one": [1]}),
        lines.Found([skipped], {}, {"other": [2]}),
    ]
    lines.write(tmp_path / "out", lines.Found.together(parts))
    told = json.loads((tmp_path / "out" / "bench.json").read_text(), parse_constant=pytest.fail)
    assert [line["limit"] for line in told["lines"]] == [None, 3.0]
    assert told["series"] == {"one": [1], "other": [2]}
    page = (tmp_path / "out" / "bench.md").read_text()
    assert "| share / shown | 0.500 |  | of the peak |" in page
    assert "| tuned | not measured | ≥ 3 | no profile |" in page
    assert "](bench-time.svg)" in page
    assert (tmp_path / "out" / "bench-time.svg").read_text() == svg


def window(load: Any, ms: float, held: int) -> Any:
    return load("growth").Window(ms, held)


def test_a_run_that_grows_is_seen(load: Any) -> None:
    growth = load("growth")
    flat = [growth.Window(5.0, 100_000_000)] * 40
    leaking = [growth.Window(5.0, 100_000_000 + 300_000 * index) for index in range(40)]
    slower = tuple((5.5, 5.0) for _ in range(15))
    calm = growth.Course(tuple(flat), tuple((5.0, 5.0) for _ in range(15)))
    ill = growth.Course(tuple(leaking), slower)
    lasting = load("lasting")
    assert [line.missed for line in lasting.growth_lines("it", calm)] == [False, False]
    assert [line.missed for line in lasting.growth_lines("it", ill)] == [True, True]


def test_memory_that_was_given_back_counts_as_held(load: Any) -> None:
    growth = load("growth")
    windows = [growth.Window(5.0, held) for held in (100, 300, 100, 100)]
    assert growth.Course(tuple(windows), ((5.0, 5.0),)).growth == 3.0


def test_a_conversion_is_judged_by_what_its_processes_hold_at_once(load: Any) -> None:
    memory, lasting = load("memory"), load("lasting")
    ours = (memory.Sample(0.0, {1: 50, 2: 500}), memory.Sample(1.0, {1: 50, 2: 300, 3: 450}))
    bare = (memory.Sample(0.5, {9: 350}),)
    taken = memory.Taken(100, 400, ours, bare, 150)
    assert taken.times_model == 4.0
    assert taken.vendor_times_model == 2.0
    line, _ = lasting.memory_lines(taken)
    assert line.missed
    assert "2.0 x" in line.reason
    assert not lasting.memory_lines(memory.Taken(100, 500, ours, bare, 150))[0].missed


@pytest.mark.parametrize("depth", [1, 2])
def test_memory_of_processes_below_is_counted(load: Any, tmp_path: Path, depth: int) -> None:
    outer = "held = b'x' * 80_000_000; import time; time.sleep(0.3)"
    for _ in range(depth):
        outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {outer!r}])"
    memory = load("memory")
    samples = memory.of_command([sys.executable, "-c", outer], tmp_path)
    most = memory.peak(samples)
    assert 80e6 < most.total < 160e6
    with pytest.raises(RuntimeError, match="ended with 3"):
        memory.of_command([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_the_reason_for_a_missed_limit_names_what_it_would_take(load: Any) -> None:
    why = load("why")
    assert why.shares({"a": 3.0, "b": 1.0, "c": 0.0}, 2) == "a 75%, b 25%"
    # 600 MFLOP in 10 ms are 60 GFLOP/s, of 100
    told = why.roofline(8.0, 10.0, 1.5, 600e6, 100.0)
    assert "90% of the measured peak" in told
    assert "reaches 60%, ours 75%" in told


@pytest.mark.parametrize("own_file", [True, False])
def test_a_profile_is_opened_as_run_opens_it(load: Any, tmp_path: Path, own_file: bool) -> None:
    file = tmp_path / "it.int8.onnx" if own_file else None
    if file is not None:
        file.write_bytes(b"weights")
    profile = Profile(
        model="it",
        goal="latency",
        backend="openvino",
        precision="bf16",
        threads=1,
        batch=4,
        options={},
        file=file,
    )
    write_profile(tmp_path / "tune.toml", profile)
    ways = load("ways")
    source = SimpleNamespace(name="it", model=None)
    plain = onnx_artifact(tmp_path / "plain.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ways, "cached_onnx", lambda source, opset: plain)
        way = ways.Way.of_profile(tmp_path / "tune.toml", source, (9, 8))
    assert way.model == (onnx_artifact(file) if file else plain)
    assert way.options.precision == (None if own_file else "bf16")
    assert way.options.shapes == {"x": ShapeRange.only((4, 3, 9, 8))}
    assert way.name == f"openvino {'it.int8' if own_file else 'bf16'}, 1 thread, batch 4"


def test_a_pipeline_that_is_missed_says_what_it_may_take(load: Any) -> None:
    pipeline = load("pipeline")
    ours = pipeline.Turn(200.0, 10.0, decode=0.2, preprocess=0.0, inference=0.8)
    line = pipeline.pipeline_line("it", [(ours, pipeline.Turn(100.0, 20.0))] * 3, 2.5)
    assert line.missed
    assert line.reason.startswith("2.5 x leaves a picture 8.0 ms of the 2 CPUs")
    assert "inference 8.0, decode 2.0" in line.reason
    assert pipeline.pipeline_line("it", [(ours, pipeline.Turn(50.0, 20.0))] * 3, 2.5).reason == ""


def test_a_start_is_judged_by_its_ratio_and_tells_the_cold_one(load: Any) -> None:
    startup = load("startup")
    bare, cold = [0.2, 0.2, 0.2], [0.9, 0.9, 0.9]
    fast = startup.startup_line("onnxruntime", [0.28, 0.29, 9.9], bare, cold)
    slow = startup.startup_line("onnxruntime", [0.31, 0.29, 0.31], bare, cold)
    assert (fast.missed, slow.missed) == (False, True)
    assert "empty caches 0.900" in fast.detail


def test_the_scripts_that_a_start_is_held_against_run(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    startup, commands = load("startup"), load("commands")
    environ = startup.environment(tmp_path)
    assert environ["PADDLEPORT_CACHE"] == str(tmp_path)
    assert "PYTHONDONTWRITEBYTECODE" not in environ
    model = tmp_path / "relu.onnx"
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "relu",
        [value("x", TensorProto.FLOAT, ["N", 3, 224, 224])],
        [value("y", TensorProto.FLOAT, None)],
    )
    opset = helper.make_opsetid("", 13)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(model))
    for script in startup.SCRIPTS.values():
        assert commands.seconds([sys.executable, "-c", script, model, 2], tmp_path, environ) > 0
    with pytest.raises(subprocess.CalledProcessError):
        commands.seconds([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, environ)


def test_the_dearest_imports_are_those_that_the_script_does_without(
    load: Any, tmp_path: Path
) -> None:
    why = load("why")
    told = "import time: self [us] | cumulative | imported package\n"
    told += "import time:      1500 |       2500 |   numpy.linalg\nnoise\n"
    assert why.import_times(told) == {"numpy.linalg": 0.0015}
    (tmp_path / "dear.py").write_text("import time; time.sleep(0.05)")
    environ = os.environ | {"PYTHONPATH": str(tmp_path)}
    found = why.imports(["-c", "import dear, json"], ["-c", "import json"], tmp_path, environ)
    assert "dear 100%" in found or "dear 99%" in found
    assert "json" not in found


def test_the_parts_are_offered_by_name() -> None:
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(BENCH / "bench.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ)
    assert done.returncode == 0, done.stderr
    for part in ("startup", "others", "tuned", "growth", "memory"):
        assert part in done.stdout
