"""``bench/edge_architectures``: what came of a command, an interrupted run's lines, the page."""

import json
import runpy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCH = Path(__file__).parent.parent / "bench"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import one file of the script by its name, as the script does."""
    monkeypatch.syspath_prepend(str(BENCH / "architectures"))
    monkeypatch.syspath_prepend(str(BENCH / "edge_architectures"))

    def module(name: str) -> ModuleType:
        return __import__(name)

    return module


def compared(worst: float | None) -> dict[str, Any]:
    return {"comparisons": [{"worst_error": worst, "limit": 1e-4}]}


@pytest.mark.parametrize(
    ("code", "answer", "message", "outcome"),
    [
        (0, {"verdict": "agrees", **compared(1e-5)}, "", "agrees"),
        (1, {"verdict": "differs", **compared(1.0)}, "error: it differs", "differs"),
        (2, {"verdict": "unproven"}, "error: nothing moves", "unproven"),
        (2, {}, "error: ncnn has no operator Erf", "refused"),
        (2, {}, "error: ncnn has no Erf, which this model needs: pnnx says so", "refused"),
        (-11, {}, "", "broken"),
        (1, {}, "Traceback: KeyError", "broken"),
        (70, {}, "error: a fault of paddleport's own", "broken"),
    ],
)
def test_what_a_conversion_came_to(
    load: Any, code: int, answer: dict[str, Any], message: str, outcome: str
) -> None:
    command = load("command_outcome").CommandOutcome(
        code=code, seconds=1.0, cpu_seconds=1.0, answer=answer, message=message
    )
    measured = load("edge_measurement")
    assert measured.outcome_of(command) == outcome
    values = measured._values(command)
    assert values["operator"] == ("Erf" if "Erf" in message else "")
    assert json.loads(json.dumps(values)) == values


def result(name: str, target: str, outcome: str, **values: Any) -> dict[str, Any]:
    plain = {"name": name, "target": target, "outcome": outcome, "parameters": 1_500_000}
    return {**plain, "seconds": 3.0, "commit": "0a1b2c3", **values}


def test_the_page_has_counts_reasons_and_every_network(load: Any) -> None:
    results = [
        result("good", "ncnn", "agrees", worst_error=5e-5, limit=1e-4),
        result("good", "mnn", "agrees", worst_error=2e-4, limit=1e-4),
        result("bad", "ncnn", "refused", message="error: no layer Erf | here", operator="Erf"),
        result("bad", "mnn", "differs", cause="converter", step="mnn", why="It drops a layer"),
    ]
    page = load("edge_page").page(results, ("ncnn", "mnn"), {"ncnn": "1.0"})
    assert "| ncnn | 1 | 0 | 0 | 1 | 0 | 0 | 0 |" in page
    assert "| good | 1.5 | agrees, 50 % | 3 | agrees, 200 %* | 3 |" in page
    assert "| bad | 1.5 | refused: Erf | 3 | differs: converter, mnn | 3 |" in page
    assert "## ncnn: refused\n\n- bad: no layer Erf / here" in page
    assert "## mnn: differs\n\n- bad: It drops a layer" in page


def test_an_interrupted_run_goes_on_behind_its_last_whole_line(load: Any, tmp_path: Path) -> None:
    load("edge_page")
    script = runpy.run_path(str(BENCH / "edge_architectures" / "__main__.py"), run_name="edge")
    read, append = script["_read"], script["_append"]
    file = tmp_path / "out" / "results.jsonl"
    append(file, result("one", "ncnn", "refused"))
    with file.open("a") as stream:
        stream.write('{"name": "two", "tar')
    append(file, result("one", "ncnn", "agrees"))
    assert {key: values["outcome"] for key, values in read(file)} == {("one", "ncnn"): "agrees"}
