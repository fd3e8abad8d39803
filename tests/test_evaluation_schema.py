"""evaluate.json is what its published schema says, and nothing else is."""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from made_evaluation import (
    agreeing_evaluation,
    bare_evaluation,
    hostile_evaluation,
    made_evaluation,
)
from test_report_schema import check_fields, place_at, places, reach

from paddleport.validate.evaluate.accuracy.evaluated_row import (
    AnswerChanges,
    ClassAnswer,
    ClassFigures,
    ConfusedPair,
    CountedShare,
    EvaluatedRow,
)
from paddleport.validate.evaluate.counts.calibration import CalibrationBin
from paddleport.validate.evaluate.counts.changed_pictures import ChangedPicture
from paddleport.validate.evaluate.report.evaluation_report import (
    KIND,
    SCHEMA_VERSION,
    EvaluatedData,
    EvaluationReport,
    PublishedAccuracy,
    UnreadablePicture,
)

SCHEMA: dict[str, Any] = json.loads(
    files("paddleport.validate.evaluate.report").joinpath("evaluate.schema.json").read_text("utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)
CLASSES = (
    *(EvaluatedRow, CountedShare, AnswerChanges, ClassFigures, ClassAnswer, ConfusedPair),
    *(ChangedPicture, CalibrationBin, EvaluatedData, UnreadablePicture, PublishedAccuracy),
)
REPORTS: dict[str, Callable[[], EvaluationReport]] = {
    "made": made_evaluation,
    "agreeing": agreeing_evaluation,
    "bare": bare_evaluation,
    "hostile": hostile_evaluation,
}


def complaints(values: Mapping[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(values)]


def test_the_schema_is_one_and_has_the_reports_version() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"]["const"] == SCHEMA_VERSION
    assert SCHEMA["properties"]["kind"]["const"] == KIND
    assert SCHEMA["$id"] == f"urn:paddleport:schema:evaluation:{SCHEMA_VERSION}"


@pytest.mark.parametrize("name", list(REPORTS))
def test_a_report_is_as_the_schema_says(name: str) -> None:
    report = REPORTS[name]()
    read = json.loads(report.to_json(), parse_constant=pytest.fail)
    assert complaints(read) == []
    assert read == report.to_dict()


def test_it_can_fail() -> None:
    values = json.loads(made_evaluation().to_json())
    values["rows"] = [row for row in values["rows"] if row["verdict"] == "lower"]
    free = {"model", "environment", "labels"}
    for place in places(values):
        if free & set(place):
            continue
        for key in place_at(values, place):
            missing, other = deepcopy(values), deepcopy(values)
            del place_at(missing, place)[key]
            assert not VALIDATOR.is_valid(missing), (place, key)
            place_at(other, place)[key] = [{"another": "type"}] if key in free else {"a": ["type"]}
            assert not VALIDATOR.is_valid(other), (place, key)
        added = deepcopy(values)
        place_at(added, place)["added"] = 1
        assert not VALIDATOR.is_valid(added), place
    for key in ("title", "name", "weights"):
        missing = deepcopy(values)
        del missing["model"][key]
        assert not VALIDATOR.is_valid(missing)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_fields(kind: type) -> None:
    check_fields(kind, SCHEMA["$defs"][kind.__name__])


def test_the_reports_fields() -> None:
    schema, own = dict(SCHEMA), ("schema", "kind", "verdict")
    schema["properties"] = {
        key: value for key, value in SCHEMA["properties"].items() if key not in own
    }
    schema["required"] = [key for key in SCHEMA["required"] if key not in own]
    check_fields(EvaluationReport, schema)
    assert SCHEMA["properties"]["verdict"]["enum"] == ["passed", "lower", "unproven"]


def test_every_class_of_a_report_is_covered() -> None:
    reached: set[type] = set()
    reach(EvaluationReport, reached)
    assert reached == {EvaluationReport, *CLASSES}


def test_everything_is_described() -> None:
    for schema in (SCHEMA, *SCHEMA["$defs"].values()):
        assert schema["description"]
        for name, item in schema["properties"].items():
            assert "$ref" in item or item["description"], name
