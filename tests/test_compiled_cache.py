"""Compiled models kept: the same numbers, never a damaged one, never another CPU's."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_network
from conftest import skip_or_fail

from paddleport.errors import BackendUnavailableError
from paddleport.models.card import OnnxModel
from paddleport.runners import installed_version, open_runner, runner_class
from paddleport.runners.base import Runner, RunnerOptions
from paddleport.runners.compiled_cache import FROM_CACHE, Entry, cpu_identity, entry_for


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path: Path) -> OnnxModel:
    runner = runner_class("openvino")
    if installed_version(runner) is None:
        skip_or_fail("openvino", runner.how_to_install())
    small_network.save_onnx(tmp_path / "small.onnx")
    return OnnxModel(tmp_path / "small.onnx")


def opened(model: OnnxModel, **options: Any) -> Runner:
    return open_runner(
        "openvino", model, RunnerOptions(threads=1, extras={"cache": "on"}, **options)
    )


def answer(runner: Runner) -> bytes:
    with runner:
        return b"".join(item.tobytes() for item in runner.run(small_network.feed(3)).values())


def blobs(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.blob"))


def test_the_second_start_is_warm_and_gives_the_same_bits(model: OnnxModel) -> None:
    cold, warm = opened(model), opened(model)
    assert FROM_CACHE not in cold.notes
    assert FROM_CACHE in warm.notes
    assert (warm.computes_in, warm.inputs, warm.outputs) == ("fp32", cold.inputs, cold.outputs)
    assert answer(cold) == answer(warm)


def test_without_the_option_nothing_is_kept(model: OnnxModel, own_cache: Path) -> None:
    with open_runner("openvino", model) as runner:
        assert FROM_CACHE not in runner.notes
    assert not own_cache.exists()


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "gone"])
def test_a_damaged_blob_is_compiled_again(model: OnnxModel, own_cache: Path, damage: str) -> None:
    right = answer(opened(model))
    (blob,) = blobs(own_cache)
    content = bytearray(blob.read_bytes())
    if damage == "gone":
        blob.unlink()
    elif damage == "bit":
        content[len(content) // 2] ^= 0x40
        blob.write_bytes(content)
    else:
        blob.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    again = opened(model)
    assert FROM_CACHE not in again.notes
    assert answer(again) == right
    assert FROM_CACHE in opened(model).notes


def test_what_openvino_does_not_take_is_compiled_again(
    model: OnnxModel, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = answer(opened(model))
    monkeypatch.setattr(Entry, "read", lambda entry: np.zeros(64, np.uint8))
    again = opened(model)
    assert FROM_CACHE not in again.notes
    assert answer(again) == right


def test_a_model_changed_in_place_is_compiled_again(model: OnnxModel, own_cache: Path) -> None:
    opened(model).close()
    before = model.path.stat()
    changed = model.path.read_bytes().replace(b"small", b"large")
    model.path.write_bytes(changed)
    os.utime(model.path, ns=(before.st_atime_ns, before.st_mtime_ns))  # cp -p, tar, a container
    with opened(model) as runner:
        assert FROM_CACHE not in runner.notes
    assert len(blobs(own_cache)) == 1, "the old one was left"
    assert FROM_CACHE in opened(model).notes


def test_another_model_precision_or_thread_is_another_entry(
    model: OnnxModel, own_cache: Path
) -> None:
    opened(model).close()
    other = model.path.with_name("other.onnx")
    other.write_bytes(model.path.read_bytes().replace(b"small", b"large"))
    opened(OnnxModel(other)).close()
    assert len(blobs(own_cache)) == 2
    try:
        with opened(model, precision="bf16") as runner:
            assert (runner.computes_in, FROM_CACHE in runner.notes) == ("bf16", False)
    except BackendUnavailableError:
        assert len(blobs(own_cache)) == 2
    else:
        assert len(blobs(own_cache)) == 3


def test_a_cache_that_cannot_be_written_is_done_without(
    model: OnnxModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "file"))
    with opened(model) as runner:
        found = list(runner.run(small_network.feed(1)).values())
    assert np.isfinite(found[0]).all()


def test_the_key_holds_version_settings_and_cpu(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"1")
    first = entry_for("openvino", "1", model, {"threads": 1})
    assert first == entry_for("openvino", "1", model, {"threads": 1})
    others = [
        entry_for("openvino", "2", model, {"threads": 1}),
        entry_for("openvino", "1", model, {"threads": 2}),
    ]
    model.write_bytes(b"23")
    others.append(entry_for("openvino", "1", model, {"threads": 1}))
    assert len({item.key for item in (first, *others)}) == 4


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's cpuinfo")
def test_a_cpu_with_other_instructions_is_another(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("model name : X\nflags : sse avx\ncpu MHz : 1\n")
    first = cpu_identity(file)
    file.write_text("model name : X\nflags : sse avx\ncpu MHz : 2\n" * 2)
    assert cpu_identity(file) == first  # clock and number of cores are not the kind of CPU
    file.write_text("model name : X\nflags : sse avx avx512f\ncpu MHz : 1\n")
    assert cpu_identity(file) != first
