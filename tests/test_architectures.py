"""``bench/architectures``: what is right, what is a mistake, and two networks from end to end."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import skip_or_fail
from onnx import numpy_helper

from paddleport.errors import DownloadError
from paddleport.models.zoo.paddleclas import prepare
from paddleport.progress import no_progress
from paddleport.worker import run_in_worker

FOLDER = Path(__file__).parent.parent / "bench" / "architectures"
EXACT = (1e-12, 1e-12)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import one file of the script by its name, as the script does."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def module(name: str) -> ModuleType:
        return __import__(name)

    return module


def test_the_list_covers_the_families(load: Any) -> None:
    listed = load("architecture").architectures()
    names = [item.name for item in listed]
    assert len(set(names)) == len(names) >= 60
    assert len({item.family for item in listed}) >= 40
    assert sum(item.old_format for item in listed) >= len(listed) / 8
    assert {"EfficientNetB3", "RedNet26", "ESNet_x0_25", "AdaFace_IR_18"} <= set(names)


@pytest.mark.parametrize(
    ("errors", "paddle", "weights", "file", "backend"),
    [
        ((9e-5, 9e-5), EXACT, EXACT, "right", "right"),  # below what is ever called wrong
        ((9e-5, 2e-4), EXACT, EXACT, "wrong", "wrong"),
        ((9e-5, 2e-4), EXACT, (1e-12, 1e-4), "right", "right"),  # the network amplifies
        ((9e-5, 2e-3), (1e-3, 1e-3), EXACT, "wrong", "right"),  # Paddle's error excuses no file
        ((np.nan, 0.0), EXACT, EXACT, "wrong", "wrong"),
        ((np.nan, 0.0), (np.nan, 0.0), (np.nan, 0.0), "right", "right"),  # Paddle has none either
        ((np.nan, np.nan), (np.nan, np.nan), (np.nan, np.nan), "unknown", "unknown"),
        ((0.0, 0.0), (np.nan, np.nan), EXACT, "right", "unknown"),
    ],
)
def test_what_is_right_is_measured_by_what_rounding_does(
    load: Any, errors: Any, paddle: Any, weights: Any, file: str, backend: str
) -> None:
    mistakes = load("verdict_mistakes")
    alone = mistakes.Rounding(paddle=paddle, weights=weights)
    assert mistakes.file_truth(errors, alone) == file
    assert mistakes.backend_truth(errors, alone) == backend


@pytest.mark.parametrize(
    ("verdict", "truth", "moved", "what"),
    [
        ("differs", "right", 1e-3, "false alarm"),
        ("differs", "right", 1.0, "false alarm"),
        ("agrees", "wrong", 1e-3, "missed"),
        ("differs", "wrong", 1e-3, ""),
        ("agrees", "right", 1e-3, ""),
        ("unproven", "right", 1e-3, "needlessly unproven"),
        ("unproven", "right", 1.0, ""),
        ("differs", "unknown", 1e-3, ""),
    ],
)
def test_a_mistake_is_a_verdict_against_the_truth(
    load: Any, verdict: str, truth: str, moved: float, what: str
) -> None:
    mistakes = load("verdict_mistakes")
    alone = mistakes.Rounding(paddle=EXACT, weights=(moved, moved))
    assert mistakes.mistake(verdict, truth, alone) == what


def test_an_error_knows_the_floor_of_softmax_and_nothing_else_is_forgiven(load: Any) -> None:
    errors = load("double_precision").errors
    truth = np.array([[0.0, -10.0, -100.0], [0.0, -10.0, -20.0]])
    exact = np.exp(truth) / np.exp(truth).sum(axis=1, keepdims=True)
    clipped = np.maximum(exact, np.exp(-64.0))
    assert max(errors(clipped, truth, softmax=True)) < 1e-12
    off = exact * [1.0, 1.01, 1.0]
    assert min(errors(off, truth, softmax=True)) > 1e-4
    assert errors(truth[:, :2], truth, softmax=False) == (np.inf, np.inf)
    assert np.isnan(errors(truth * np.nan, truth, softmax=False)).all()
    assert errors(truth + np.eye(2)[1:].T, truth, softmax=False)[0] == 0.0


def result(name: str, verdict: str, code: int, row: str, mistakes: dict[str, str]) -> Any:
    ending = {"code": code, "seconds": 1.0, "message": f"error: {name} | why", "broken": code < 0}
    rows = {
        backend: {"verdict": row, "cause": "converter", "reason": "it moved"}
        for backend in ("onnxruntime", "openvino", "reference")
    }
    return {
        **{"name": name, "family": "any", "format": "json", "parameters": 10, "batch": None},
        "convert": ending | {"verdict": verdict},
        "validate": ending | {"verdict": row, "rows": rows},
        "truth": {"amplified": 1e-3, "reference": {"truth": "right"}},
        "mistakes": mistakes,
    }


def test_the_page_counts_mistakes_and_gives_reasons(load: Any) -> None:
    results_page = load("results_page")
    results = [
        result("good", "agrees", 0, "agrees", {}),
        result("alarmed", "differs", 1, "differs", {"convert": "false alarm"}),
        result("crashed", "refused", -11, "failed", {}),
        {"name": "gone", "family": "any", "no_model": "no kernel"},
    ]
    totals = results_page.totals(results)
    counts = {key: len(lines) for key, lines in totals.items() if lines}
    assert counts == {"converted": 1, "refused": 2, "false alarm": 1, "broken": 5, "unknown": 1}
    measured = [item | {"commit": "0a1b2c3"} for item in results]
    page = results_page.page(measured, "2.6.0", {"onnx": "1.17.0"})
    assert "At the commits 0a1b2c3 (4)." in page
    assert "- alarmed: convert: error: alarmed / why" in page
    assert "| crashed | 0.0 | refused (-11) |" in page
    assert results_page.terminal_table(results).row_count == 4


def test_a_command_without_an_answer_is_told_from_one_that_broke(load: Any) -> None:
    run_command = load("command_outcome").run_command
    refused = run_command(("convert", "--model", "gone.json"), 60.0)
    assert (refused.code, refused.broken, refused.answer) == (2, False, {})
    assert "gone.json" in refused.message
    late = run_command(("backends",), 0.01)
    assert late.broken
    assert load("command_outcome")._message("a\nTraceback (most):\n  x\nKeyError: 'a'") == (
        "Traceback: KeyError: 'a'"
    )


@pytest.fixture
def wheel() -> None:
    try:
        prepare(no_progress)
    except DownloadError as error:
        skip_or_fail("paddleclas", str(error))


@pytest.mark.slow
@pytest.mark.usefixtures("wheel")
@pytest.mark.parametrize("name", ["MobileFaceNet", "ShuffleNetV2_x0_25"])
def test_a_network_of_paddleclas_is_measured(load: Any, tmp_path: Path, name: str) -> None:
    (chosen,) = (item for item in load("architecture").architectures() if item.name == name)
    measurement = load("measurement")
    found = measurement.measure(chosen, tmp_path, measurement.Limits())
    assert json.loads(json.dumps(found)) == found
    assert found["format"] == ("pdmodel" if chosen.old_format else "json")
    truth = found["truth"]
    assert [truth[name]["truth"] for name in measurement.BACKENDS] == ["right"] * 3
    assert found["mistakes"] == {}
    assert (found["convert"]["verdict"], found["convert"]["code"]) == ("agrees", 0)
    assert {row["verdict"] for row in found["validate"]["rows"].values()} <= {"agrees", "reference"}
    _missed_if_a_weight_is_lost(load, chosen, tmp_path)


def _missed_if_a_weight_is_lost(load: Any, chosen: Any, folder: Path) -> None:
    """The truth itself can find a fault: one channel's kernel in the converted file set to 0."""
    (file,) = folder.rglob(f"{chosen.name}*.onnx")
    model = onnx.load(file)
    kernel = next(item for item in model.graph.initializer if len(item.dims) == 4)
    values = numpy_helper.to_array(kernel).copy()
    values[0] = 0
    kernel.CopyFrom(numpy_helper.from_array(values, kernel.name))
    planted = file.with_name("planted.onnx")
    onnx.save(model, str(planted))
    truth = load("exported_network").exported_network(chosen, folder).truth()
    outputs = run_in_worker(
        load("measurement").outputs_of, 300.0, "reference", planted, truth["inputs"]
    )
    errors = load("double_precision").errors(outputs, truth["double"], softmax=chosen.softmax)
    mistakes = load("verdict_mistakes")
    assert mistakes.file_truth(errors, mistakes.rounding(truth)) == "wrong"
