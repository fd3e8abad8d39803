"""A target that is made of the Paddle program itself: no ONNX file is needed for it."""

import json
from pathlib import Path
from typing import NoReturn

import plugin
import pytest
from test_cli import Command, cache, one_line_error, paddleport

from paddleport.convert import cached_onnx, convert
from paddleport.convert.loadable import loadable
from paddleport.convert.prepare import prepare
from paddleport.convert.remaking import RemadeConversion
from paddleport.errors import ConversionError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.recognize import read_artifact
from paddleport.models.resolve import resolve
from paddleport.validate import Plan
from paddleport.validate.parity.validation import validate

__all__ = ["cache", "paddleport"]
FORMAT = Path(__file__).parent / "pdcopy_format"


@pytest.fixture(autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("site")
    groups = {
        "paddleport.targets": {"pdcopy": "pdcopy_target:PdCopyTarget"},
        "paddleport.runners": {"pdcopy": "pdcopy_runner:PdCopyRunner"},
    }
    plugin.register(folder, monkeypatch, "pdcopy_format", groups)
    monkeypatch.syspath_prepend(str(FORMAT))
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{FORMAT}")
    monkeypatch.setenv("PADDLEPORT_CACHE", str(folder / "cache"))


def no_onnx(*_: object, **__: object) -> NoReturn:
    raise ConversionError("Paddle2ONNX has no conversion for an operator of this model")


@pytest.mark.parametrize("saved", ["small_pir", "small_protobuf"])
def test_an_operator_that_paddle2onnx_lacks_is_no_matter(
    saved: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = resolve(request.getfixturevalue(saved).path)
    for module in ("pipeline", "artifact_cache", "target_proof"):
        monkeypatch.setattr(f"paddleport.convert.{module}.cached_onnx", no_onnx)
    done = convert(source, tmp_path / "small.pdcopy", to="pdcopy")
    assert (done.verdict, done.made_of, done.explanation) == ("agrees", "paddle", "")
    assert all(item.sensitivity is not None for item in done.comparisons)
    reported = json.loads((tmp_path / "small.pdcopy.json").read_text())
    assert (reported["opset"], reported["onnx_sha256"]) == (None, "")
    again = read_artifact(tmp_path / "small.pdcopy")
    assert again == done.artifact
    assert again.inputs == source.program.inputs
    assert again.provenance["made_of"] == "paddle"
    assert [item["step"] for item in again.provenance["steps"]] == ["pdcopy"]
    ready = prepare(str(source.model.path), ("pdcopy",))
    assert ready.model.format == "pdcopy"
    assert "opset" not in ready.title
    assert prepare(str(source.model.path), ("pdcopy",)).model.path == ready.model.path


def test_an_onnx_file_alone_is_not_what_it_is_made_of(small_pir: Artifact) -> None:
    onnx = cached_onnx(resolve(small_pir.path))
    with pytest.raises(UsageError, match="pdcopy is made of a Paddle program, and"):
        loadable(onnx, ("pdcopy",))


@pytest.mark.slow
def test_who_is_to_blame(
    small_pir: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = resolve(small_pir.path)
    plan = Plan(backends=("pdcopy",), seconds_each=0, quick=True)
    with RemadeConversion(source, cached_onnx(source)) as conversions:
        report = validate(source, cached_onnx(source), plan, conversions=conversions)
    assert [row.verdict for row in report.rows] == ["reference", "agrees"]
    monkeypatch.setenv("PDCOPY_FAULT", "conversion")
    done = convert(source, tmp_path / "small.pdcopy", to="pdcopy")
    assert (done.verdict, done.path) == ("differs", None)
    assert "to pdcopy differs from native Paddle" in done.explanation
    assert "pdcopy" in done.why


def test_as_typed(paddleport: Command, small_pir: Artifact, tmp_path: Path) -> None:
    folder = small_pir.path.parent
    done = paddleport("convert", folder, "--to", "pdcopy")
    assert done.code == 0, done.err
    assert "the Paddle program itself, with no ONNX file on the way" in done.out
    one_line_error(
        paddleport("convert", folder, "--to", "pdcopy", "--precision", "fp16"),
        "no file holds fp16 as pdcopy: --precision fp32",
    )
