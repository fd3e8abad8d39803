"""The gate of a conversion: it must be seen to refuse."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddleport.convert import convert, onnx_attempt, onnx_conversion
from paddleport.convert.paddle2onnx.finish import check_file
from paddleport.errors import ConversionError, OutputError
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.tensors import Array
from paddleport.worker import Worker

pytestmark = pytest.mark.conversion


@pytest.fixture(params=["pir", "protobuf"])
def source(request: pytest.FixtureRequest) -> SourceModel:
    model = request.getfixturevalue(f"small_{request.param}")
    assert isinstance(model, Artifact)
    return resolve(model.path)


def disturb(monkeypatch: pytest.MonkeyPatch, change: Callable[[Array], Array]) -> None:
    """As if the conversion gave other numbers: what native Paddle gives is changed instead."""
    native = onnx_conversion._native_outputs

    def disturbed(*arguments: Any) -> list[dict[str, Array]]:
        return [
            {name: change(value) for name, value in outputs.items()}
            for outputs in native(*arguments)
        ]

    monkeypatch.setattr(onnx_conversion, "_native_outputs", disturbed)


@pytest.mark.parametrize("opset", [11, 17, 21])
def test_the_opset_asked_for(source: SourceModel, tmp_path: Path, opset: int) -> None:
    done = convert(source, tmp_path / "model.onnx", opset=opset)
    assert (done.verdict, done.opset, done.path) == ("agrees", opset, tmp_path / "model.onnx")
    assert done.artifact.provenance["source"]["sha256"] == source.sha256


def test_a_low_opset_is_not_raised_silently(source: SourceModel, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"opset 7 is too low.* is 11.*--allow-upgrade"):
        convert(source, tmp_path / "model.onnx", opset=7)
    assert not list(tmp_path.iterdir())
    done = convert(source, tmp_path / "model.onnx", opset=7, allow_upgrade=True)
    assert (done.verdict, done.opset) == ("agrees", 11)


def test_a_conversion_that_differs_gets_no_name(
    source: SourceModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disturb(monkeypatch, lambda value: value * np.float32(1.01))
    done = convert(source, tmp_path / "model.onnx", explain=False)
    assert (done.verdict, done.path) == ("differs", None)
    assert "differs from native Paddle" in done.explanation
    assert done.explanation.endswith("Next: paddleport validate says why; --keep keeps the file")
    with pytest.raises(ConversionError, match="differs from native Paddle"):
        _ = done.artifact
    assert not list(tmp_path.iterdir())
    kept = convert(source, tmp_path / "model.onnx", keep=True, explain=False)
    assert [file.name for file in tmp_path.iterdir()] == ["model.differs.onnx"]
    assert kept.path == tmp_path / "model.differs.onnx"


def test_a_swapped_channel_is_seen(
    source: SourceModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disturb(monkeypatch, lambda value: np.ascontiguousarray(value[:, ::-1]))
    assert convert(source, tmp_path / "model.onnx", explain=False).verdict == "differs"


def test_a_difference_that_does_not_come_again_is_no_proof(
    small_pir: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disturb(monkeypatch, lambda value: value * np.float32(1.01))
    done = convert(resolve(small_pir.path), tmp_path / "model.onnx")
    assert (done.verdict, done.cause, done.path) == ("differs", "nondeterminism", None)
    assert "agrees when the same is compared a second time" in done.explanation


@pytest.mark.slow
@pytest.mark.parametrize(
    ("least", "order"), [(1, ["reference", "check"]), (1 << 40, ["check", "reference"])]
)
def test_a_large_file_is_checked_after_the_reference(
    small_pir: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    least: int,
    order: list[str],
) -> None:
    native, call, done = onnx_conversion._native_outputs, Worker.call, []

    def late(*arguments: Any) -> list[dict[str, Array]]:
        outputs = native(*arguments)
        time.sleep(1)
        done.append("reference")
        return outputs

    def watched(self: Worker, function: Any, *arguments: Any, **options: Any) -> Any:
        if function is check_file:
            done.append("check")
        return call(self, function, *arguments, **options)

    monkeypatch.setattr(onnx_attempt, "LEAST_TOTAL_BYTES", least)
    monkeypatch.setattr(onnx_conversion, "_native_outputs", late)
    monkeypatch.setattr(Worker, "call", watched)
    assert convert(resolve(small_pir.path), tmp_path / "model.onnx").verdict == "agrees"
    assert done == order


def test_a_hang_is_one_line(source: SourceModel, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"no answer within 0\.05 s"):
        convert(source, tmp_path / "model.onnx", timeout_s=0.05)
    assert not list(tmp_path.iterdir())


def test_targets_that_cannot_be(source: SourceModel, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        convert(source, tmp_path)
    with pytest.raises(OutputError, match="another ending"):
        convert(source, tmp_path / "model.txt")
