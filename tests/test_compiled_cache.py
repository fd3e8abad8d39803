"""Compiled models kept: the same numbers, never a damaged one, never another CPU's."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import small_network
from conftest import skip_or_fail
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from paddleport.errors import BackendUnavailableError, ModelFileError, UsageError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.onnx.onnx_file import external_files
from paddleport.runners import compiled_cache, installed_version, open_runner, runner_class
from paddleport.runners.base import Runner
from paddleport.runners.compiled_cache import FROM_CACHE, Entry, cpu_identity, entry_for
from paddleport.runners.onnxruntime import sessions
from paddleport.runners.runner_options import RunnerOptions
from paddleport.worker import run_in_worker


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=["openvino", "onnxruntime"])
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    runner = runner_class(name)
    if installed_version(runner) is None:
        skip_or_fail(name, runner.how_to_install())
    return name


@pytest.fixture
def model(tmp_path: Path) -> Artifact:
    small_network.save_onnx(tmp_path / "small.onnx")
    return onnx_artifact(tmp_path / "small.onnx")


def opened(backend: str, model: Artifact, cache: str = "on", **options: Any) -> Runner:
    return open_runner(backend, model, RunnerOptions(threads=1, extras={"cache": cache}, **options))


def answer(runner: Runner) -> bytes:
    with runner:
        return b"".join(item.tobytes() for item in runner.run(small_network.feed(3)).values())


def blobs(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.blob"))


def test_the_second_start_is_warm_and_gives_the_same_bits(backend: str, model: Artifact) -> None:
    cold, warm = opened(backend, model), opened(backend, model)
    assert FROM_CACHE not in cold.notes
    assert FROM_CACHE in warm.notes
    assert (warm.computes_in, warm.inputs, warm.outputs) == ("fp32", cold.inputs, cold.outputs)
    assert answer(cold) == answer(warm)


def test_without_the_option_nothing_is_kept(backend: str, model: Artifact, own_cache: Path) -> None:
    with open_runner(backend, model) as runner:
        assert FROM_CACHE not in runner.notes
    assert not own_cache.exists()


@pytest.mark.parametrize("damage", ["cut", "bit", "key", "empty", "gone"])
def test_a_damaged_blob_is_compiled_again(
    backend: str, model: Artifact, own_cache: Path, damage: str
) -> None:
    right = answer(opened(backend, model))
    (blob,) = blobs(own_cache)
    content = bytearray(blob.read_bytes())
    if damage == "gone":
        blob.unlink()
    elif damage in ("bit", "key"):
        content[len(content) // 4 if damage == "bit" else -9] ^= 0x40
        blob.write_bytes(content)
    else:
        blob.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    again = opened(backend, model)
    assert FROM_CACHE not in again.notes
    assert answer(again) == right
    assert FROM_CACHE in opened(backend, model).notes


def test_a_bit_that_is_not_looked_at_would_change_the_answer(
    backend: str, model: Artifact, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the test above proves nothing."""
    monkeypatch.setattr(compiled_cache, "_sum", lambda content: b"same")
    right = answer(opened(backend, model))
    (blob,) = blobs(own_cache)
    content = bytearray(blob.read_bytes())
    kept = (item.tobytes() for item in small_network.weights().values())
    weights = next(item for item in kept if item in content)  # not all stay as they are
    content[content.index(weights) + len(weights) // 2 + 3] ^= 0x40
    blob.write_bytes(content)
    warm = opened(backend, model)
    assert FROM_CACHE in warm.notes
    assert answer(warm) != right


def test_what_the_runtime_does_not_take_is_compiled_again(
    backend: str, model: Artifact, own_cache: Path
) -> None:
    right = answer(opened(backend, model))
    (blob,) = blobs(own_cache)
    content = blob.read_bytes()
    key = content[content.rindex(b'["' + backend.encode()) : -4]
    Entry(blob, key).write(b"\x3a\x05ab" * 16)
    again = opened(backend, model)
    assert FROM_CACHE not in again.notes
    assert answer(again) == right


@pytest.mark.parametrize("other", ["version", "CPU"])
def test_what_another_version_or_cpu_kept_is_compiled_again(
    backend: str, model: Artifact, own_cache: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    right = answer(opened(backend, model))
    if other == "CPU":
        monkeypatch.setattr(compiled_cache, "cpu_identity", lambda: "another")
    else:
        monkeypatch.setattr(f"{backend}.__version__", "another")
    again = opened(backend, model)
    assert FROM_CACHE not in again.notes
    assert answer(again) == right
    assert FROM_CACHE in opened(backend, model).notes
    assert len(blobs(own_cache)) == 1, "the old one was left"


def answers_of_starts(backend: str, path: Path) -> list[bytes]:
    return [answer(opened(backend, onnx_artifact(path))) for _ in range(3)]


@pytest.mark.slow
def test_processes_that_start_at_once_all_answer_right(
    backend: str, model: Artifact, own_cache: Path
) -> None:
    right = answer(opened(backend, model, cache="off"))
    with ThreadPoolExecutor(3) as pool:
        running = [
            pool.submit(run_in_worker, answers_of_starts, 120, backend, model.path)
            for _ in range(3)
        ]
        assert {found for each in running for found in each.result()} == {right}
    assert [item.name for item in blobs(own_cache)[0].parent.iterdir()] == [
        blobs(own_cache)[0].name
    ]


def test_a_model_changed_in_place_is_compiled_again(
    backend: str, model: Artifact, own_cache: Path
) -> None:
    opened(backend, model).close()
    before = model.path.stat()
    changed = model.path.read_bytes().replace(b"small", b"large")
    model.path.write_bytes(changed)
    os.utime(model.path, ns=(before.st_atime_ns, before.st_mtime_ns))  # cp -p, tar, a container
    with opened(backend, model) as runner:
        assert FROM_CACHE not in runner.notes
    assert len(blobs(own_cache)) == 1, "the old one was left"
    assert FROM_CACHE in opened(backend, model).notes


def test_another_model_precision_or_thread_is_another_entry(
    backend: str, model: Artifact, own_cache: Path
) -> None:
    opened(backend, model).close()
    other = model.path.with_name("other.onnx")
    other.write_bytes(model.path.read_bytes().replace(b"small", b"large"))
    opened(backend, onnx_artifact(other)).close()
    assert len(blobs(own_cache)) == 2
    try:
        with opened(backend, model, precision="bf16") as runner:
            assert (runner.computes_in, FROM_CACHE in runner.notes) == ("bf16", False)
    except BackendUnavailableError:
        assert len(blobs(own_cache)) == 2
    else:
        assert len(blobs(own_cache)) == 3


def test_a_cache_that_cannot_be_written_is_done_without(
    backend: str, model: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "file"))
    with opened(backend, model) as runner:
        found = list(runner.run(small_network.feed(1)).values())
    assert np.isfinite(found[0]).all()


def test_an_entry_that_only_the_runtime_fails_to_write_is_done_without(
    backend: str, model: Artifact, own_cache: Path
) -> None:
    right = answer(opened(backend, model))
    long = model.path.with_name(f"{'n' * 240}.onnx")  # its temporary name is longer than 255
    long.write_bytes(model.path.read_bytes())
    again = opened(backend, onnx_artifact(long))
    assert answer(again) == right
    assert len(list(own_cache.rglob("*.blob*"))) == 1, "of the first, and nothing half-written"


def test_the_key_holds_version_settings_and_the_files(model: Artifact) -> None:
    def entry(version: str = "1", threads: int = 1) -> Entry:
        return entry_for("openvino", version, model.path, {"threads": threads})

    first = entry()
    assert first == entry()
    others = [entry("2"), entry(threads=2)]
    model.path.write_bytes(model.path.read_bytes() + b"\xfa\x3f\x00")
    others.append(entry())
    assert len({item.key for item in (first, *others)}) == 4


def with_external_data(path: Path, value: float) -> Artifact:
    """y = w * x with w in a file beside it; ``path`` itself is left as it is, if it is there."""
    weights = numpy_helper.from_array(np.full((3, 4), value, np.float32), "w")
    path.with_name("weights.bin").write_bytes(weights.raw_data)
    set_external_data(weights, "weights.bin")
    weights.ClearField("raw_data")
    spec = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "external",
        [spec("x", TensorProto.FLOAT, [3, 4])],
        [spec("y", TensorProto.FLOAT, [3, 4])],
        [weights],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if not path.exists():
        path.write_bytes(proto.SerializeToString())
    return onnx_artifact(path)


def test_weights_in_another_file_are_not_taken_for_the_old_ones(
    backend: str, tmp_path: Path, own_cache: Path
) -> None:
    feed = {"x": np.ones((3, 4), np.float32)}

    def found(value: float) -> tuple[float, bool]:
        with opened(backend, with_external_data(tmp_path / "external.onnx", value)) as runner:
            return float(runner.run(feed)["y"][0, 0]), FROM_CACHE in runner.notes

    assert found(2.0) == (2.0, False)
    assert external_files(tmp_path / "external.onnx") == (tmp_path / "weights.bin",)
    assert found(3.0) == (3.0, False)
    assert bool(blobs(own_cache)) is (backend == "openvino")  # the other would not find them


def quantized(path: Path) -> Artifact:
    """A convolution in int8 between Q/DQ, as ``convert --precision int8`` writes it."""
    kernel = np.random.default_rng(0).integers(-127, 128, (8, 3, 3, 3)).astype(np.int8)
    weights = {
        "k": kernel,
        "scale": np.float32(0.03),
        "kernel_scale": np.float32(0.01),
        "zero": np.int8(0),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("DequantizeLinear", ["k", "kernel_scale", "zero"], ["kd"]),
        helper.make_node("Conv", ["d", "kd"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "scale", "zero"], ["rq"]),
        helper.make_node("DequantizeLinear", ["rq", "scale", "zero"], ["y"]),
    ]
    spec = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "quantized",
        [spec("x", TensorProto.FLOAT, ["N", 3, 12, 12])],
        [spec("y", TensorProto.FLOAT, ["N", 8, 12, 12])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(proto, str(path))
    return onnx_artifact(path)


def test_int8_from_the_cache_gives_the_same_bits(backend: str, tmp_path: Path) -> None:
    model = quantized(tmp_path / "int8.onnx")
    x = np.random.default_rng(1).standard_normal((2, 3, 12, 12)).astype(np.float32)
    found = []
    for warm in (False, True):
        with opened(backend, model) as runner:
            assert (runner.computes_in, FROM_CACHE in runner.notes) == ("int8", warm)
            found.append(runner.run({"x": x})["y"])
    assert len(np.unique(found[0])) > 20
    assert found[0].tobytes() == found[1].tobytes()


@pytest.mark.parametrize("backend", ["onnxruntime"], indirect=True)
@pytest.mark.parametrize("optimization", ["disabled", "basic", "extended"])
def test_each_level_has_an_entry_of_its_own(
    backend: str, model: Artifact, own_cache: Path, optimization: str
) -> None:
    opened(backend, model).close()
    extras = {"cache": "on", "optimization": optimization}
    cold, warm = (
        open_runner(backend, model, RunnerOptions(threads=1, extras=extras)) for _ in range(2)
    )
    assert (FROM_CACHE in cold.notes, FROM_CACHE in warm.notes) == (False, True)
    assert answer(cold) == answer(warm)
    assert len(blobs(own_cache)) == 2


@pytest.mark.parametrize("backend", ["onnxruntime"], indirect=True)
def test_a_file_put_there_after_it_was_looked_at_is_not_used(
    backend: str, model: Artifact, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = answer(opened(backend, model))
    look = Entry.intact

    def then_replaced(entry: Entry) -> str | None:
        seen = look(entry)
        proto = onnx.load(str(entry.path))
        proto.graph.initializer[0].raw_data = bytes(len(proto.graph.initializer[0].raw_data))
        other = entry.path.with_name("other")
        onnx.save(proto, str(other))
        other.replace(entry.path)
        return seen

    monkeypatch.setattr(Entry, "intact", then_replaced)
    again = opened(backend, model)
    assert FROM_CACHE not in again.notes
    assert answer(again) == right


@pytest.mark.parametrize("backend", ["onnxruntime"], indirect=True)
def test_what_protobuf_cannot_hold_is_not_kept(
    backend: str, model: Artifact, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST_BYTES", 100)
    opened(backend, model).close()
    assert not own_cache.exists()


@pytest.mark.parametrize("backend", ["onnxruntime"], indirect=True)
def test_a_model_at_fault_is_told_as_without_a_cache(backend: str, tmp_path: Path) -> None:
    model = quantized(tmp_path / "bad.onnx")
    proto = onnx.load(str(model.path))
    proto.graph.node[3].input[1] = "nowhere"
    model.path.write_bytes(proto.SerializeToString())
    told = []
    for cache in ("on", "off"):
        with pytest.raises(ModelFileError) as caught:
            opened(backend, model, cache)
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert "nowhere" in told[0]


@pytest.mark.parametrize("device", ["cuda", "openvino"])
def test_other_providers_refuse_it(device: str) -> None:
    extras = {"cache": "on"} | ({"provider": device} if device == "openvino" else {})
    options = RunnerOptions(device="cuda" if device == "cuda" else None, extras=extras)
    with pytest.raises(UsageError, match="-o cache is of provider cpu"):
        runner_class("onnxruntime").check_options(options)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's cpuinfo")
def test_a_cpu_with_other_instructions_is_another(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("model name : X\nflags : sse avx\ncpu MHz : 1\n")
    first = cpu_identity(file)
    file.write_text("model name : X\nflags : sse avx\ncpu MHz : 2\n" * 2)
    assert cpu_identity(file) == first  # clock and number of cores are not the kind of CPU
    file.write_text("model name : X\nflags : sse avx avx512f\ncpu MHz : 1\n")
    assert cpu_identity(file) != first
