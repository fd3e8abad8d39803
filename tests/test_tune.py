"""A whole search, with backends that are fast and wrong, and one that dies on the way."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from plugin import install

from paddleport.convert.artifact_cache import cached_onnx
from paddleport.errors import BackendUnavailableError
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.validate.accuracy_gate.gate import GateSet, gate_set
from paddleport.validate.tune.candidate import ModelVariant
from paddleport.validate.tune.tuner import TunePlan, tune
from paddleport.validate.tune.tuning import Tuning
from paddleport.validate.tune.tuning_report import to_html, to_markdown, write_report

pytestmark = pytest.mark.slow

SOURCE = '''
import ctypes
import time

import numpy as np

from paddleport.runners.onnxruntime.ort_runner import OnnxRuntimeRunner


class Hasty(OnnxRuntimeRunner):
    """Computes once, and gives that answer ever after."""
    name = "hasty"
    def infer(self, feed):
        if not hasattr(self, "answer"):
            self.answer = super().infer(feed)
        return {name: np.array(item) for name, item in self.answer.items()}


class Swaps(OnnxRuntimeRunner):
    """Fast, and now and then another class: one picture in ten."""
    name = "swaps"
    count = 0
    def infer(self, feed):
        self.count += 1
        found = super().infer(feed)
        if self.count % 10 == 0:
            return {name: np.ascontiguousarray(item[:, ::-1]) for name, item in found.items()}
        return found


class Slow(OnnxRuntimeRunner):
    name = "slow"
    def infer(self, feed):
        time.sleep(0.02)
        return super().infer(feed)


class Mortal(OnnxRuntimeRunner):
    """Right, until its thousandth run."""
    name = "mortal"
    count = 0
    def infer(self, feed):
        self.count += 1
        if self.count > 1000:
            ctypes.string_at(0)
        return super().infer(feed)
'''


@pytest.fixture(scope="module")
def source(small_pir: Artifact) -> SourceModel:
    return resolve(small_pir.path.parent)


@pytest.fixture(scope="module")
def pictures(source: SourceModel) -> GateSet:
    return gate_set(None, source.program.inputs[0], labelled=None, images=(), samples=120)


@pytest.fixture(scope="module")
def found(
    source: SourceModel, pictures: GateSet, tmp_path_factory: pytest.TempPathFactory
) -> Tuning:
    names = ("Hasty", "Swaps", "Slow", "Mortal")
    plan = TunePlan(
        backends=(*(name.lower() for name in names), "onnxruntime"), seconds=4.0, threads=1
    )
    variants = [ModelVariant(precision="fp32", file=cached_onnx(source))]
    with pytest.MonkeyPatch.context() as patch:
        install(tmp_path_factory.mktemp("hurried"), patch, "hurried", SOURCE, names)
        return tune(source, variants, pictures, plan, command="typed")


def test_what_is_fast_and_wrong_is_never_chosen(found: Tuning) -> None:
    states = {row.candidate.backend: row for row in found.rows if row.candidate.precision == "fp32"}
    assert found.chosen is not None
    assert found.chosen.candidate.backend == "onnxruntime"
    for name in ("hasty", "swaps"):
        assert states[name].state == "failed the gate"
        assert "%" in states[name].reason
        assert states[name].ms_per_picture is not None  # how tempting it was
    assert states["slow"].state in ("dropped", "slower")
    assert states["mortal"].state == "failed"
    assert "SIGSEGV" in states["mortal"].reason
    assert found.rows[0].state == "chosen"


def test_the_report_in_its_forms(found: Tuning, tmp_path: Path) -> None:
    files = write_report(found, tmp_path / "out")
    values = json.loads((tmp_path / "out" / "tune.json").read_text())
    assert values["rows"][0]["state"] == "chosen"
    assert values["rows"][0]["candidate"]["name"] == "onnxruntime fp32, 1 thread"
    page, text = to_html(found), to_markdown(found)
    for word in ("onnxruntime fp32, 1 thread", "failed the gate", "hasty"):
        assert word in page
        assert word in text
    svg = page[page.index("<svg") : page.index("</svg>") + len("</svg>")]
    root = ElementTree.fromstring(svg)  # our own
    assert "hasty fp32" in "".join(root.itertext())
    assert [file.suffix for file in files] == [".html", ".md", ".json"]


def test_nothing_that_passes_is_nothing_chosen(
    source: SourceModel, pictures: GateSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "hurried", SOURCE, ("Hasty",))
    plan = TunePlan(backends=("hasty",), seconds=1.0, threads=1)
    none = tune(source, [ModelVariant(precision="fp32", file=cached_onnx(source))], pictures, plan)
    assert none.chosen is None
    assert "Nothing is chosen" in to_markdown(none)
    assert to_html(none)


def test_a_named_backend_that_is_not_there(source: SourceModel, pictures: GateSet) -> None:
    plan = TunePlan(backends=("paddle-tensorrt",), seconds=1.0)
    with pytest.raises(BackendUnavailableError, match="paddle-tensorrt can't be used here"):
        tune(source, [ModelVariant(precision="fp32", file=cached_onnx(source))], pictures, plan)
