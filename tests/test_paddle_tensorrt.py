"""paddle-tensorrt: each thing that it needs, planted as missing; its calls, against the real ones.

Never run here: anything on a GPU, so no TensorRT engine was ever built by these lines. What is
real: the CUDA driver's absence (and a compiled stand-in for it), Paddle's CPU wheel with its
``Config``, whose methods are all called, the collecting of shapes, which Paddle does on a CPU as
well, and the predictor that gives the numbers. What is not: see ``Watched`` and the stub.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import paddle_tensorrt_stub
import pytest
import small_network
from fake_cuda import fake_driver

from paddleport.errors import BackendUnavailableError, FeedError, PortError, UsageError
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.paddle_program import Program
from paddleport.runners import gpu
from paddleport.runners.base import Runner
from paddleport.runners.paddle import needs
from paddleport.runners.paddle.engines import EnginePlan, collect_shapes
from paddleport.runners.paddle.needs import missing, why_not
from paddleport.runners.paddle.paddle_runner import PaddleRunner
from paddleport.runners.paddle.paddle_tensorrt_runner import PaddleTensorRtRunner
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import ShapeRange, TensorSpec

L4 = gpu.Gpu(index=0, name="NVIDIA L4", compute_capability=(8, 9), memory_bytes=24 << 30)
GTX_1080 = gpu.Gpu(
    index=0, name="NVIDIA GeForce GTX 1080", compute_capability=(6, 1), memory_bytes=8 << 30
)
SHAPES = {"x": ShapeRange((1, 3, 9, 9), (3, 3, 9, 9), (8, 3, 9, 9))}
LIBRARIES = needs._LIBRARIES
TF32 = "NVIDIA_TF32_OVERRIDE"


def driver_of(*gpus: gpu.Gpu) -> gpu.Driver:
    return gpu.Driver(version="580.65.06", cuda="13.0", gpus=gpus, missing="")


@pytest.fixture
def inference() -> Any:
    return pytest.importorskip("paddle.inference")


@pytest.fixture
def able(
    inference: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[pytest.MonkeyPatch]:
    """A machine that has everything, as far as Paddle's own answers tell."""
    paddle = sys.modules["paddle"]
    monkeypatch.setattr(gpu, "find_driver", lambda: driver_of(L4))
    monkeypatch.setattr(paddle, "is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr(inference, "get_trt_compile_version", lambda: (10, 5, 0))
    monkeypatch.setattr(inference, "get_trt_runtime_version", lambda: (10, 5, 0))
    monkeypatch.setattr(needs, "_LIBRARIES", ())
    package = ModuleType("tensorrt")
    package.__spec__ = ModuleSpec("tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt", package)
    monkeypatch.setitem(sys.modules, "paddle.tensorrt", paddle_tensorrt_stub)
    monkeypatch.setattr(paddle_tensorrt_stub, "converted", [])
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(TF32, "0")
    Watched.real, Watched.made, Watched.lies = inference.Config, [], {}
    monkeypatch.setattr(inference, "Config", Watched)
    monkeypatch.setattr(inference, "create_predictor", watched_predictor(inference))
    yield monkeypatch


class HasWhatIsReal(type):
    """``hasattr(Config, name)`` is answered by the real one."""

    def __getattr__(cls, name: str) -> Any:
        return getattr(vars(cls)["real"], name)


class Watched(metaclass=HasWhatIsReal):
    """The CPU wheel's Config: every call is made for real, with only the GPU's answers put in."""

    real: Any
    made: list["Watched"]
    lies: dict[str, Any]

    def __init__(self, program: str, params: str) -> None:
        self.calls: dict[str, tuple[Any, Any]] = {}
        self.config = Watched.real(program, params)
        Watched.made.append(self)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.config, name)

        def call(*arguments: Any, **named: Any) -> Any:
            assert not set(named) - set(parameters(getattr(Watched.real, name))), name
            self.calls[name] = (arguments, named)
            if name in Watched.lies:
                return Watched.lies[name]
            if name == "use_gpu":
                return "enable_use_gpu" in self.calls
            if name == "tensorrt_engine_enabled":
                return "enable_tensorrt_engine" in self.calls
            if name == "tensorrt_precision_mode":
                return self.calls["enable_tensorrt_engine"][1]["precision_mode"]
            if name == "enable_tensorrt_engine":  # the types were right if it comes that far
                with pytest.raises(RuntimeError, match="compile with TENSORRT"):
                    return method(*arguments, **named)
                return None
            return method(*arguments, **named)

        return call


def watched_predictor(inference: Any) -> Callable[[Watched], Any]:
    create = inference.create_predictor

    def build(config: Watched) -> Any:
        config.config.disable_mkldnn()
        if "enable_tensorrt_engine" in config.calls and not Watched.lies.get("no engine"):
            folder = Path(config.calls["set_optim_cache_dir"][0][0])
            (folder / "trt_serialized_1").write_bytes(b"engine")
        return create(config.config)

    return build


def parameters(method: Any) -> list[str]:
    """The parameter names that pybind11 writes into a docstring."""
    signature = method.__doc__.partition("(")[2]
    return re.findall(r"(?:^|, )(\w+): ", signature)


def opened(model: Artifact, **options: Any) -> Runner:
    return PaddleTensorRtRunner(model, RunnerOptions(**{"shapes": SHAPES, **options}))


def assert_right(runner: Runner, batch: int) -> None:
    feed = small_network.feed(batch)
    found = runner.run(feed)
    assert list(found) == [spec.name for spec in runner.outputs]
    for item, wanted in zip(found.values(), small_network.expected(feed["x"]), strict=True):
        assert np.abs(item - wanted).max() <= 2e-5 * np.abs(wanted).max()


# What is missing


def test_without_a_gpu_it_says_so_at_once(small_pir: Artifact) -> None:
    if not gpu.find_driver().missing:
        pytest.skip("a GPU is here")
    assert "no NVIDIA driver" in why_not(small_pir)
    with pytest.raises(BackendUnavailableError, match="can't run on cuda here") as caught:
        opened(small_pir)
    assert gpu.find_driver().missing in str(caught.value)
    assert "\n" not in str(caught.value)


CHILD = """
import sys
from pathlib import Path
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.runners.paddle.needs import why_not
if sys.argv[1] == "hidden":
    sys.path.clear()
print(why_not(paddle_artifact(Path("x"), None, "pir")))
"""


@pytest.mark.parametrize("package", ["installed", "hidden"])
def test_with_a_driver_the_gpu_build_is_what_is_missing(package: str, tmp_path: Path) -> None:
    paddle = pytest.importorskip("paddle")
    if paddle.is_compiled_with_cuda():
        pytest.skip("a GPU build")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, package],
        env={**os.environ, "LD_LIBRARY_PATH": str(fake_driver(tmp_path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    assert "paddlepaddle-gpu for your CUDA" in line
    reason = f"({paddle.__version__}) is no GPU build"
    assert (reason if package == "installed" else "Paddle is not installed") in line


def _raises() -> Any:
    raise RuntimeError("libnvinfer_plugin.so.10: cannot open shared object file")


PLANTED: dict[str, tuple[str, Callable[[Any, Any], None]]] = {
    "made without TensorRT": (
        "protobuf",
        lambda patch, inference: patch.setattr(
            inference, "get_trt_compile_version", lambda: (0, 0, 0)
        ),
    ),
    "don't load (libnvinfer.so: cannot open shared object file": (
        "protobuf",
        lambda patch, inference: patch.setattr(needs, "_LIBRARIES", LIBRARIES),
    ),
    "load the TensorRT libraries (RuntimeError): install TensorRT 10.5.0": (
        "pir",
        lambda patch, inference: patch.setattr(inference, "get_trt_runtime_version", _raises),
    ),
    "tell no version": (
        "pir",
        lambda patch, inference: patch.setattr(
            inference, "get_trt_runtime_version", lambda: (0, 0, 0)
        ),
    ),
    "built for TensorRT 10.5.0 and finds 8.6.1": (
        "pir",
        lambda patch, inference: patch.setattr(
            inference, "get_trt_runtime_version", lambda: (8, 6, 1)
        ),
    ),
    "has no module paddle.tensorrt": (
        "pir",
        lambda patch, inference: patch.delitem(sys.modules, "paddle.tensorrt"),
    ),
    "pip install tensorrt==10.5.0": (
        "pir",
        lambda patch, inference: patch.delitem(sys.modules, "tensorrt"),
    ),
    "its Config has no enable_tensorrt_engine": (
        "protobuf",
        lambda patch, inference: patch.setattr(inference, "Config", _WithoutTensorRt),
    ),
}


class _WithoutTensorRt:
    enable_new_ir = collect_shape_range_info = None


@pytest.mark.parametrize("expected", PLANTED)
def test_each_missing_thing_is_named(
    expected: str, able: pytest.MonkeyPatch, inference: Any
) -> None:
    form, plant = PLANTED[expected]
    assert missing("pir") == missing("protobuf") == missing() == ""
    plant(able, inference)
    model = paddle_artifact(Path("x"), None, form)  # type: ignore[arg-type]
    assert expected in why_not(model)
    assert "\n" not in why_not(model)


def test_tensorrt_10_as_paddle_tells_it(able: pytest.MonkeyPatch, inference: Any) -> None:
    able.setattr(inference, "get_trt_runtime_version", lambda: (100, 5, 0))
    assert missing() == ""


def test_a_format_that_is_not_asked_for_is_not_missing(able: pytest.MonkeyPatch) -> None:
    able.delitem(sys.modules, "paddle.tensorrt")
    assert missing("pir")
    assert missing("protobuf") == missing() == ""


def test_paddle_on_cuda_says_what_is_missing(
    small_pir: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    paddle = pytest.importorskip("paddle")
    if paddle.is_compiled_with_cuda() or not gpu.find_driver().missing:
        pytest.skip("a GPU or a GPU build is here")
    with pytest.raises(BackendUnavailableError, match="for CPUs only: install a GPU build"):
        PaddleRunner(small_pir, RunnerOptions(device="cuda"))
    monkeypatch.setattr(paddle, "is_compiled_with_cuda", lambda: True)
    with pytest.raises(BackendUnavailableError, match="paddle on cuda needs a GPU: no"):
        PaddleRunner(small_pir, RunnerOptions(device="cuda"))


# What runs, with the GPU's answers put in


def test_shapes_are_collected_by_paddle_itself(
    inference: Any, small_protobuf: Artifact, tmp_path: Path
) -> None:
    config = inference.Config(str(small_protobuf.path), str(small_protobuf.weights_file))
    config.disable_glog_info()
    config.disable_mkldnn()
    plan = EnginePlan(
        program=small_protobuf.path,
        params=small_protobuf.weights_file,
        format="protobuf",
        inputs=(TensorSpec("x", "float32", (None, 3, 9, 9)),),
        shapes=SHAPES,
        precision="fp32",
        device_id=0,
        workspace_mb=1024,
        min_subgraph_size=3,
    )
    ranges = tmp_path / "shapes.pbtxt"
    collect_shapes(inference, config, plan, ranges)
    text = ranges.read_text()
    for name in ("conv2d_0.tmp_0", "x"):
        (block,) = re.findall(rf'shape_range_info {{\n  name: "{name}"\n(.*?)}}', text, re.DOTALL)
        for end, batch in (("min", 1), ("max", 8), ("opt", 3)):
            assert re.search(rf"{end}_shape: (\d+)", block)[1] == str(batch), (name, end)  # type: ignore[index]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_pdmodel_goes_through_config(
    precision: Any, able: pytest.MonkeyPatch, inference: Any, small_protobuf: Artifact
) -> None:
    extras = {"workspace_mb": "64", "min_subgraph_size": "1"}
    with opened(small_protobuf, precision=precision, extras=extras) as runner:
        collecting, config = Watched.made
        assert "collect_shape_range_info" in collecting.calls
        assert collecting.calls["enable_new_ir"] == config.calls["enable_new_ir"] == ((False,), {})
        kind = {"fp32": "Float32", "fp16": "Half"}[precision]
        assert config.calls["enable_tensorrt_engine"][1] == {
            "workspace_size": 64 << 20,
            "max_batch_size": 8,
            "min_subgraph_size": 1,
            "precision_mode": getattr(inference.PrecisionType, kind),
            "use_static": True,
            "use_calib_mode": False,
        }
        (path, at_runtime), _ = config.calls["enable_tuned_tensorrt_dynamic_shape"]
        assert path == collecting.calls["collect_shape_range_info"][0][0] and at_runtime
        assert runner.computes_in == precision
        assert runner.notes == (f"TF32 off ({TF32}=0)", "1 subgraph in TensorRT")
        assert_right(runner, 3)
        with pytest.raises(FeedError, match="--shape x=min:opt:max"):
            runner.run(small_network.feed(9))


def test_engines_are_built_once_for_what_they_depend_on(
    able: pytest.MonkeyPatch, small_protobuf: Artifact, inference: Any
) -> None:
    def builds(**options: Any) -> bool:
        Watched.made.clear()
        with opened(small_protobuf, **options) as runner:
            assert_right(runner, 1)
        return len(Watched.made) == 2

    cache = Path(os.environ["PADDLEPORT_CACHE"]) / "engines" / "paddle-tensorrt"
    assert builds() and not builds()
    assert builds(precision="fp16")
    assert builds(shapes={}) and not builds(shapes={})
    assert builds(extras={"workspace_mb": "2048"})
    able.setattr(inference, "get_trt_runtime_version", lambda: (10, 5, 1))
    assert builds()
    able.setattr(
        gpu,
        "find_driver",
        lambda: driver_of(
            gpu.Gpu(index=0, name="NVIDIA T4", compute_capability=(7, 5), memory_bytes=16 << 30)
        ),
    )
    assert builds() and not builds()
    for engine in cache.glob("*/trt_serialized_1"):
        engine.unlink()
    assert builds(), "an engine that is gone is built again"


@pytest.mark.parametrize("later", [False, True])
def test_a_pir_program_is_converted(
    later: bool, able: pytest.MonkeyPatch, small_pir: Artifact
) -> None:
    if later:
        able.setattr(
            paddle_tensorrt_stub, "TensorRTConfig", paddle_tensorrt_stub.LaterTensorRTConfig
        )
    able.setattr(Watched, "__init__", _reads_the_original(small_pir))
    with opened(small_pir, precision="fp16") as runner:
        (config,) = paddle_tensorrt_stub.converted
        (given,) = config.inputs
        wanted = SHAPES["x"]
        assert given.shapes == (wanted.min, wanted.opt, wanted.max)
        assert (given.name, given.input_data_type) == ("x", "float32")
        assert (config.precision_mode.value, config.workspace_size) == ("FP16", 1 << 30)
        assert runner.notes[-1] == "1 subgraph in TensorRT"
        assert_right(runner, 2)
    with opened(small_pir, precision="fp16") as runner:
        assert_right(runner, 8)
    assert len(paddle_tensorrt_stub.converted) == 1, "the second is read from the cache"
    assert "enable_tensorrt_engine" not in Watched.made[-1].calls


def _reads_the_original(model: Artifact) -> Any:
    """The stub's engines are none, so the predictor gets the program that was converted."""

    def start(self: Watched, program: str, params: str) -> None:
        assert Path(program).is_file() and Path(params).is_file()
        self.calls = {}
        self.config = Watched.real(str(model.path), str(model.weights_file))
        Watched.made.append(self)

    return start


def test_a_timed_run_waits_for_the_device(
    able: pytest.MonkeyPatch, small_protobuf: Artifact
) -> None:
    waited: list[str] = []
    able.setattr(sys.modules["paddle"].device, "synchronize", waited.append)
    with opened(small_protobuf) as runner:
        assert runner.keeps_on_device
        placed = runner.place(small_network.feed(2))
        runner.infer_placed(placed)
        runner.infer_placed(placed)
        assert waited == ["gpu:0"] * 2
        assert_right(runner, 3)
        with pytest.raises(UsageError, match="another feed"):
            runner.infer_placed(placed)


# What is refused


@pytest.mark.parametrize("form", ["pdmodel", "pir"])
def test_a_program_of_which_nothing_goes_to_tensorrt_is_refused(
    form: str, able: pytest.MonkeyPatch, small_pir: Artifact, small_protobuf: Artifact
) -> None:
    Watched.lies["no engine"] = True
    able.setattr(paddle_tensorrt_stub, "engines", 0)
    with pytest.raises(BackendUnavailableError, match="took nothing of this program"):
        opened(small_pir if form == "pir" else small_protobuf)
    left = (Path(os.environ["PADDLEPORT_CACHE"]) / "engines" / "paddle-tensorrt").glob("*/*")
    assert not list(left)


@pytest.mark.parametrize(
    ("answer", "lie", "expected"),
    [
        ("tensorrt_engine_enabled", False, "TensorRT = True"),
        ("tensorrt_precision_mode", None, "precision = "),
        ("tuned_tensorrt_dynamic_shape", False, "collected shapes"),
        ("new_ir_enabled", True, "the new IR = False"),
        ("use_gpu", False, "does not use it"),
    ],
)
def test_a_switch_that_did_not_take_is_refused(
    answer: str, lie: Any, expected: str, able: pytest.MonkeyPatch, small_protobuf: Artifact
) -> None:
    Watched.lies[answer] = lie
    with pytest.raises(BackendUnavailableError, match=expected):
        opened(small_protobuf)


REFUSED: list[tuple[str, dict[str, Any], gpu.Gpu, type[PortError], str]] = [
    ("pir", {"precision": "int8"}, L4, BackendUnavailableError, "quantise it with PaddleSlim"),
    ("pdmodel", {"precision": "int8"}, L4, BackendUnavailableError, "nothing is calibrated"),
    ("pdmodel", {"precision": "fp16"}, GTX_1080, BackendUnavailableError, "no fp16 on NVIDIA GeF"),
    ("pdmodel", {"extras": {"device_id": "1"}}, L4, BackendUnavailableError, "asked for GPU 1"),
    ("pdmodel", {"extras": {"min_subgraph_size": "0"}}, L4, UsageError, "min_subgraph_size=0"),
    ("pdmodel", {"extras": {"tf32": "true"}}, L4, BackendUnavailableError, "can't turn TF32 on"),
    (
        "pdmodel",
        {"shapes": {"x": ShapeRange.covering([(1, 3, 8, 8)])}},
        L4,
        UsageError,
        "the model takes x",
    ),
]


@pytest.mark.parametrize(("form", "options", "card", "kind", "expected"), REFUSED)
def test_models_and_options_that_tensorrt_cannot_take_are_refused(
    form: str,
    options: dict[str, Any],
    card: gpu.Gpu,
    kind: type[PortError],
    expected: str,
    able: pytest.MonkeyPatch,
    small_pir: Artifact,
    small_protobuf: Artifact,
) -> None:
    able.setattr(gpu, "find_driver", lambda: driver_of(card))
    with pytest.raises(kind, match=expected) as caught:
        opened(small_pir if form == "pir" else small_protobuf, **options)
    assert "\n" not in str(caught.value)


def test_a_pir_program_on_another_gpu_is_refused(
    able: pytest.MonkeyPatch, small_pir: Artifact
) -> None:
    able.setattr(gpu, "find_driver", lambda: driver_of(L4, L4))
    with pytest.raises(BackendUnavailableError, match="set CUDA_VISIBLE_DEVICES=1"):
        opened(small_pir, extras={"device_id": "1"})


@pytest.mark.usefixtures("able")
def test_int8_takes_a_program_with_its_own_quantisation_and_no_other() -> None:
    quantised = Program(
        format="pir",
        version=3,
        inputs=(),
        outputs=(),
        parameters={},
        operators={"quantize_linear": 2},
    )
    runner = object.__new__(PaddleTensorRtRunner)
    runner.precision, runner._gpu = "int8", L4
    runner._check_precision(quantised)
    with pytest.raises(BackendUnavailableError, match="this program has no quantize_linear"):
        runner._check_precision(replace(quantised, operators={"conv2d": 2}))


def test_tf32_is_allowed_when_asked_for(able: pytest.MonkeyPatch, small_protobuf: Artifact) -> None:
    able.delenv(TF32)
    with opened(small_protobuf, extras={"tf32": "true"}) as runner:
        assert runner.notes[0] == "TF32 allowed"
        assert TF32 not in os.environ
