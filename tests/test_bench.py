"""The bench's own arithmetic: missed limits, growth, peak memory."""

import http.server
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
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
def test_a_claim_is_missed_on_the_wrong_side_of_its_limit(
    load: Any, value: float | None, limit: float, at_least: bool, missed: bool
) -> None:
    claim = load("claims").Claim(
        what="it", value=value, limit=limit, unit="x", detail="", at_least=at_least
    )
    assert claim.missed is missed
    assert ("**" in claim.row()) is missed


def test_results_are_written_as_json_markdown_and_plots(load: Any, tmp_path: Path) -> None:
    claims, plots = load("claims"), load("plots")
    shown = claims.Claim(
        what="share | shown", value=0.5, limit=claims.NO_LIMIT, unit="", detail="of the peak"
    )
    skipped = claims.Claim(
        what="tuned",
        value=None,
        limit=3.0,
        unit="x",
        detail="",
        at_least=True,
        reason="no profile",
    )
    svg = plots.plot("Time $x", "pictures", "ms", {"a": ([1, 2], [3, 4])}, levels={"most": 5})
    assert svg == plots.plot(
        "Time $x", "pictures", "ms", {"a": ([1, 2], [3, 4])}, levels={"most": 5}
    )
    parts = [
        claims.Results([shown], {"time": svg}, {"one": [1]}),
        claims.Results([skipped], {}, {"other": [2]}),
    ]
    claims.write(tmp_path / "out", claims.Results.merged(parts))
    report = json.loads((tmp_path / "out" / "bench.json").read_text(), parse_constant=pytest.fail)
    assert [line["limit"] for line in report["lines"]] == [None, 3.0]
    assert report["series"] == {"one": [1], "other": [2]}
    page = (tmp_path / "out" / "bench.md").read_text()
    assert "| share / shown | 0.500 |  | of the peak |" in page
    assert "| tuned | not measured | ≥ 3 | no profile |" in page
    assert "](bench-time.svg)" in page
    assert (tmp_path / "out" / "bench-time.svg").read_text() == svg


def test_a_long_run_misses_its_limits_if_time_or_memory_grow(load: Any) -> None:
    long_run = load("long_run")
    flat = [long_run.Window(5.0, 100_000_000)] * 40
    leaking = [long_run.Window(5.0, 100_000_000 + 300_000 * index) for index in range(40)]
    slower = tuple((5.5, 5.0) for _ in range(15))
    flat_run = long_run.LongRun(tuple(flat), tuple((5.0, 5.0) for _ in range(15)))
    growing = long_run.LongRun(tuple(leaking), slower)
    assert [claim.missed for claim in long_run.long_run_claims("it", flat_run)] == [False, False]
    assert [claim.missed for claim in long_run.long_run_claims("it", growing)] == [True, True]


def test_peak_memory_counts_what_was_freed_later(load: Any) -> None:
    long_run = load("long_run")
    windows = [long_run.Window(5.0, held) for held in (100, 300, 100, 100)]
    assert long_run.LongRun(tuple(windows), ((5.0, 5.0),)).growth == 3.0


def test_conversion_memory_is_the_peak_of_all_processes_together(load: Any) -> None:
    memory = load("conversion_memory")
    ours = (
        memory.MemorySample(0.0, {1: 50, 2: 500}),
        memory.MemorySample(1.0, {1: 50, 2: 300, 3: 450}),
    )
    bare = (memory.MemorySample(0.5, {9: 350}),)
    sides = {"ours": ours, "vendor": bare, "vendor_imports_bytes": 150, "model_bytes": 100}
    taken = memory.ConversionMemory(imports_bytes=400, **sides)
    assert taken.times_model == 4.0
    assert taken.vendor_times_model == 2.0
    claim, _ = memory.memory_claims(taken)
    assert claim.missed
    assert "2.0 x" in claim.reason
    assert not memory.memory_claims(memory.ConversionMemory(imports_bytes=500, **sides))[0].missed


@pytest.mark.parametrize("depth", [1, 2])
def test_memory_of_child_processes_is_counted(load: Any, tmp_path: Path, depth: int) -> None:
    outer = "held = b'x' * 80_000_000; import time; time.sleep(0.3)"
    for _ in range(depth):
        outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {outer!r}])"
    memory = load("conversion_memory")
    samples = memory.of_command([sys.executable, "-c", outer], tmp_path)
    most = memory.peak(samples)
    assert 80e6 < most.total < 160e6
    with pytest.raises(RuntimeError, match="ended with 3"):
        memory.of_command([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_the_reason_for_a_missed_limit_names_what_it_would_take(load: Any) -> None:
    missed_limits = load("missed_limits")
    assert missed_limits.shares({"a": 3.0, "b": 1.0, "c": 0.0}, 2) == "a 75%, b 25%"
    # 600 MFLOP in 10 ms are 60 GFLOP/s, of 100
    reason = missed_limits.roofline(8.0, 10.0, 1.5, 600e6, 100.0)
    assert "90% of the measured peak" in reason
    assert "reaches 60%, ours 75%" in reason


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
    run_configuration = load("run_configuration")
    source = SimpleNamespace(name="it", model=None)
    plain = onnx_artifact(tmp_path / "plain.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_configuration, "cached_onnx", lambda source, opset: plain)
        configuration = run_configuration.RunConfiguration.from_profile(
            tmp_path / "tune.toml", source, (9, 8)
        )
    assert configuration.model == (onnx_artifact(file) if file else plain)
    assert configuration.options.precision == (None if own_file else "bf16")
    assert configuration.options.shapes == {"x": ShapeRange.only((4, 3, 9, 8))}
    assert configuration.name == f"openvino {'it.int8' if own_file else 'bf16'}, 1 thread, batch 4"


def test_a_missed_throughput_names_the_cpu_time_per_picture(load: Any) -> None:
    throughput = load("picture_throughput")
    ours = throughput.PipelinePass(
        pictures_per_s=200.0, cpu_ms=10.0, decode=0.2, preprocess=0.0, inference=0.8
    )
    claim = throughput.pipeline_claim(
        "it", [(ours, throughput.PipelinePass(pictures_per_s=100.0, cpu_ms=20.0))] * 3, 2.5
    )
    assert claim.missed
    assert claim.reason.startswith("2.5 x leaves a picture 8.0 ms of the 2 CPUs")
    assert "inference 8.0, decode 2.0" in claim.reason
    assert (
        throughput.pipeline_claim(
            "it", [(ours, throughput.PipelinePass(pictures_per_s=50.0, cpu_ms=20.0))] * 3, 2.5
        ).reason
        == ""
    )


def test_startup_claim_is_the_ratio_of_warm_starts_and_shows_the_cold_one(load: Any) -> None:
    startup_time = load("startup_time")
    bare, cold = [0.2, 0.2, 0.2], [0.9, 0.9, 0.9]
    fast = startup_time.startup_claim("onnxruntime", [0.28, 0.29, 9.9], bare, cold)
    slow = startup_time.startup_claim("onnxruntime", [0.31, 0.29, 0.31], bare, cold)
    assert (fast.missed, slow.missed) == (False, True)
    assert "empty caches 0.900" in fast.detail


def test_the_scripts_that_startup_is_compared_with_run(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    startup_time, command_timing = load("startup_time"), load("command_timing")
    environ = startup_time.environment(tmp_path)
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
    for script in startup_time.SCRIPTS.values():
        assert (
            command_timing.seconds([sys.executable, "-c", script, model, 2], tmp_path, environ) > 0
        )
    with pytest.raises(subprocess.CalledProcessError):
        command_timing.seconds([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, environ)


def test_imports_that_only_one_command_needs_are_named_with_their_share(
    load: Any, tmp_path: Path
) -> None:
    missed_limits = load("missed_limits")
    log = "import time: self [us] | cumulative | imported package\n"
    log += "import time:      1500 |       2500 |   numpy.linalg\nnoise\n"
    assert missed_limits.import_times(log) == {"numpy.linalg": 0.0015}
    (tmp_path / "dear.py").write_text("import time; time.sleep(0.05)")
    environ = os.environ | {"PYTHONPATH": str(tmp_path)}
    found = missed_limits.imports(
        ["-c", "import dear, json"], ["-c", "import json"], tmp_path, environ
    )
    assert "dear 100%" in found or "dear 99%" in found
    assert "json" not in found


def test_help_offers_the_parts_by_name() -> None:
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(BENCH / "bench.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ)
    assert done.returncode == 0, done.stderr
    for part in ("startup", "others", "edge", "tuned", "growth", "memory"):
        assert part in done.stdout


class _Lying(http.server.BaseHTTPRequestHandler):
    """Answers one after the other: right, wrong, busy, failed, none, then right ones for ever."""

    protocol_version = "HTTP/1.1"
    answers: ClassVar[list[tuple[int, bytes]]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Inference-Header-Content-Length", "2")  # holds the other header's name
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_the_servers_clients_count_what_is_wrong_refused_failed_and_lost(load: Any) -> None:
    clients = load("serve_clients")
    right = np.arange(4, dtype=np.float32)
    body, wrong = (b"{}" + found.tobytes() for found in (right, right + 1))
    _Lying.answers = [(200, body), (200, wrong), (503, b""), (500, b"x"), (0, b""), (200, body)]
    server = http.server.HTTPServer(("127.0.0.1", 0), _Lying)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    asked = clients.Asked(
        address=f"127.0.0.1:{server.server_port}",
        model="m",
        input="x",
        tensors=[right],
        answers=[right],
        grpc=False,
    )
    process = clients.ClientProcess(asked, 1)
    try:
        tally = process.all_at_once(0.5)
        assert (tally.wrong, tally.refused, tally.failed, tally.lost) == (1, 1, 1, 1)
        assert len(tally.times_ms) > 2
        _Lying.answers = [(200, wrong)]
        with pytest.raises(RuntimeError, match="not answered rightly"):
            process.one_by_one(1)
    finally:
        process.close()
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_a_whole_process_costs(load: Any) -> None:
    speed = load("cpp_speed")
    code = (
        "import sys, time; held = bytearray(100_000_000); time.sleep(0.3); "
        "sys.stderr.write('96 pictures · 214 pictures/s · 2 decoding threads')"
    )
    cost = speed.process_cost([sys.executable, "-c", code], dict(os.environ))
    assert cost.pictures_per_s == 214
    assert cost.seconds > 0.3
    assert 95 < cost.peak_mb < 200
    with pytest.raises(RuntimeError, match="ended with 3: no"):
        failing = "import sys; sys.stderr.write('no'); sys.exit(3)"
        speed.process_cost([sys.executable, "-c", failing], dict(os.environ))


@pytest.mark.parametrize(("ours", "missed"), [([40.0, 50.0, 60.0], False), ([60.0, 70.0], True)])
def test_memory_of_cpp_above_half_of_pythons_is_missed(
    load: Any, ours: list[float], missed: bool
) -> None:
    theirs = [100.0] * len(ours)
    claim = load("cpp_speed")._ratio("memory", [ours, theirs], 0.5, "MB")
    assert claim.missed is missed
