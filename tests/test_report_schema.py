"""parity.json is what its published schema says: made reports, a computed one, and none other."""

import json
import math
import types
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from jsonschema import Draft202012Validator
from made_report import (
    agreeing_report,
    bare_report,
    hostile_report,
    latency,
    made_report,
    metrics,
    report_with,
)
from planted import plant

from paddleport.models.artifact import Artifact
from paddleport.models.resolve import resolve
from paddleport.models.zoo import registry as zoo
from paddleport.validate import Plan, validate
from paddleport.validate.benchmark.latency import Latency
from paddleport.validate.bisect.computation import TensorRange
from paddleport.validate.bisect.divergence import Divergence
from paddleport.validate.compare.comparison import OutputComparison, WorstFeed
from paddleport.validate.compare.metrics import Metrics, Ranking, Top1Change
from paddleport.validate.compare.sensitivity import Sensitivity
from paddleport.validate.feeds.named_feed import FeedKind
from paddleport.validate.parity.parity_report import (
    SCHEMA_VERSION,
    BackendRow,
    FeedRow,
    Load,
    ParityReport,
)
from paddleport.validate.reports.brought_in import BroughtInLatency

SCHEMA: dict[str, Any] = json.loads(
    files("paddleport.validate.reports").joinpath("parity.schema.json").read_text("utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)
CLASSES = (
    *(BackendRow, FeedRow, Load, OutputComparison, WorstFeed, Metrics, Ranking, Top1Change),
    *(Sensitivity, Latency, Divergence, TensorRange, BroughtInLatency),
)
REPORTS: dict[str, Callable[[], ParityReport]] = {
    "made": made_report,
    "agreeing": agreeing_report,
    "bare": bare_report,
    "errors": lambda: report_with([0.0, 1e-9, 1e100, None]),
}


def written(report: ParityReport) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(report.to_json())
    return read


def complaints(values: Mapping[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(values)]


def test_the_schema_is_one_and_has_the_reports_version() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"]["const"] == SCHEMA_VERSION
    assert SCHEMA["$id"] == f"urn:paddleport:schema:parity:{SCHEMA_VERSION}"


@pytest.mark.parametrize("name", list(REPORTS))
def test_a_made_report_is_as_the_schema_says(name: str) -> None:
    report = REPORTS[name]()
    assert complaints(written(report)) == []
    assert written(report) == report.to_dict()


def test_every_published_figure_of_the_zoo_fits() -> None:
    bare = written(bare_report())
    for card in zoo.cards():
        assert complaints({**bare, "published": dict(card.published)}) == [], card.name


@pytest.mark.slow
def test_a_computed_report_is_as_the_schema_says(
    small_pir: Artifact,
    small_onnx: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With outputs that are not finite."""
    plant(tmp_path / "planted", monkeypatch, "poisons")
    source = resolve(small_pir.path.parent)
    plan = Plan(backends=("onnxruntime", "poisons"), seconds_each=0.1, quick=True)
    report = validate(source, small_onnx, plan, command="paddleport validate small")
    verdicts = {row.name: row.verdict for row in report.rows}
    assert verdicts == {
        "paddle plain": "reference",
        "onnxruntime": "agrees",
        "poisons": "differs",
    }
    values = written(report)
    assert complaints(values) == []
    assert values["rows"][1]["latencies"]
    assert values["rows"][2]["comparisons"][0]["worst_error"] is None


class TestItCanFail:
    @pytest.fixture
    def values(self) -> dict[str, Any]:
        report = made_report()
        (row,) = (row for row in report.rows if row.cause == "converter")
        row = replace(row, latencies=row.latencies[:1])
        return written(replace(report, rows=(row,), feeds=report.feeds[:1]))

    def test_a_key_is_missing(self, values: dict[str, Any]) -> None:
        for place in places(values):
            for key in place_at(values, place):
                changed = deepcopy(values)
                del place_at(changed, place)[key]
                if not {"model", "environment", "published", "peak_gflops"} & set(place):
                    assert not VALIDATOR.is_valid(changed), (place, key)
        del values["model"]["title"]
        assert complaints(values)

    def test_a_key_is_added(self, values: dict[str, Any]) -> None:
        for place in places(values):
            changed = deepcopy(values)
            place_at(changed, place)["added"] = 1
            assert not VALIDATOR.is_valid(changed), place

    def test_a_value_has_another_type(self, values: dict[str, Any]) -> None:
        for place in places(values):
            for key in place_at(values, place):
                changed = deepcopy(values)
                place_at(changed, place)[key] = {"another": ["type"]}
                assert not VALIDATOR.is_valid(changed), (place, key)

    def test_another_version(self, values: dict[str, Any]) -> None:
        assert complaints({**values, "schema": SCHEMA_VERSION + 1})

    def test_a_number_is_none(self) -> None:
        """A latency is always a number; what is not one arrives as null, and is refused."""
        broken = replace(latency(4.0), p50_ms=math.nan)
        report = made_report()
        row = replace(report.rows[1], latencies=(broken,))
        values = written(replace(report, rows=(report.rows[0], row)))
        assert complaints(values) == ["$.rows[1].latencies[0].p50_ms: None is not of type 'number'"]


def places(values: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The way to the first object of each kind; rows are all gone through."""
    if isinstance(values, list):
        wanted = values if at[-1:] == ("rows",) else values[:1]
        return [found for index, item in enumerate(wanted) for found in places(item, (*at, index))]
    if not isinstance(values, dict):
        return []
    deeper = [found for key, item in values.items() for found in places(item, (*at, key))]
    seen: dict[tuple[str | int, ...], tuple[str | int, ...]] = {}
    for found in [at, *deeper]:
        seen.setdefault(tuple(part for part in found if not isinstance(part, int)), found)
    return list(seen.values())


def place_at(values: Any, place: tuple[str | int, ...]) -> dict[str, Any]:
    for part in place:
        values = values[part]
    found: dict[str, Any] = values
    return found


class TestNoNumberThatJsonLacks:
    """Every float of every class is made NaN, and infinite, in turn."""

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_where_a_number_may_be_missing(self, value: float) -> None:
        report = made_report()
        row = next(row for row in report.rows if row.located)
        assert row.located is not None
        located = replace(
            row.located,
            error_before=value,
            error_after=value,
            inputs=tuple(
                replace(item, minimum=value, maximum=value) for item in row.located.inputs
            ),
        )
        names = [item.name for item in fields(Metrics)]
        voice = replace(metrics(1e-6), **dict.fromkeys(names, value))
        comparisons = tuple(
            replace(
                item,
                worst_error=value,
                against_reference=voice,
                against_float64=voice,
                reference_against_float64=voice,
                worst_feeds=tuple(replace(feed, error=value) for feed in item.worst_feeds),
            )
            for item in row.comparisons
        )
        load = Load(
            load_ms=value,
            first_ms=value,
            peak_memory_bytes=None,
            gflops_per_s=value,
            share_of_peak=value,
            warm_load_ms=value,
        )
        changed = replace(row, located=located, comparisons=comparisons, load=load, speed_up=value)
        values = written(replace(report, rows=(report.rows[0], changed)))
        assert complaints(values) == []
        assert values["rows"][1]["located"]["error_after"] is None
        assert values["rows"][1]["located"]["inputs"][0]["minimum"] is None
        assert set(values["rows"][1]["comparisons"][0]["against_float64"].values()) == {None}

    def test_nowhere_at_all(self) -> None:
        report = made_report()
        for value in (math.nan, math.inf):
            changed: ParityReport = with_every_float(report, value)
            assert math.isnan(value) or changed.rows[1].comparisons[0].limit == value
            json.loads(changed.to_json(), parse_constant=pytest.fail)

    def test_a_broken_file_name_can_be_written(self) -> None:
        report = replace(made_report(), command="paddleport validate a\udcff")
        assert report.to_json().encode().decode().count(r"a\\udcff") == 1
        hostile_report().to_json().encode()


def with_every_float(value: Any, new: float) -> Any:
    if isinstance(value, float):
        return new
    if isinstance(value, Mapping):
        return {key: with_every_float(item, new) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(with_every_float(item, new) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {
            item.name: with_every_float(getattr(value, item.name), new) for item in fields(value)
        }
        return replace(value, **changed)
    return value


class TestInSyncWithTheClasses:
    @pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
    def test_fields(self, kind: type) -> None:
        check_fields(kind, SCHEMA["$defs"][kind.__name__])

    def test_the_report(self) -> None:
        schema = dict(SCHEMA)
        schema["properties"] = {
            key: value for key, value in SCHEMA["properties"].items() if key != "schema"
        }
        assert schema["properties"].pop("verdict")["enum"] == ["agrees", "differs", "unproven"]
        schema["required"] = [key for key in SCHEMA["required"] if key not in ("schema", "verdict")]
        check_fields(ParityReport, schema)

    def test_every_class_of_a_report_is_covered(self) -> None:
        reached: set[type] = set()
        reach(ParityReport, reached)
        assert reached == {ParityReport, *CLASSES}

    def test_kinds_of_feeds(self) -> None:
        for name in ("FeedRow", "WorstFeed"):
            assert SCHEMA["$defs"][name]["properties"]["kind"]["enum"] == list(get_args(FeedKind))

    def test_every_object_is_closed_and_everything_is_described(self) -> None:
        for schema in (SCHEMA, *SCHEMA["$defs"].values()):
            assert schema["additionalProperties"] is False
            assert schema["description"]
            for name, item in schema["properties"].items():
                assert "$ref" in item or item["description"], name

    def test_numbers_that_have_a_unit_name_it(self) -> None:
        units = {"_ms": "millisecond", "_bytes": "bytes", "_db": "decibel", "_mb": "megabytes"}
        for schema in SCHEMA["$defs"].values():
            for name, item in schema["properties"].items():
                for end, unit in units.items():
                    if name.endswith(end) or name.endswith(f"{end}s"):
                        assert unit in item["description"], name


def check_fields(kind: type, schema: dict[str, Any]) -> None:
    hints = get_type_hints(kind)
    names = [item.name for item in fields(kind)]
    assert list(schema["properties"]) == names
    assert schema["required"] == names
    for name in names:
        wanted, found = allowed(hints[name]), schema["properties"][name]
        if "enum" in found:
            assert "string" in wanted or set(wanted) == set(found["enum"]), name
        else:
            assert offered(found) >= set(wanted), name
            assert offered(found) - set(wanted) <= {"null"}, name


def allowed(hint: Any) -> tuple[Any, ...]:
    """The JSON types, or the choices, that a type hint stands for."""
    origin = get_origin(hint)
    if origin is Literal:
        return get_args(hint)
    if origin in (Union, types.UnionType):
        return tuple(found for one in get_args(hint) for found in allowed(one))
    if origin is tuple:
        return ("array",)
    if is_dataclass(hint) or (origin is not None and issubclass(origin, Mapping)):
        return ("object",)
    plain = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
    return (plain[hint],)


def offered(schema: dict[str, Any]) -> set[str]:
    if "$ref" in schema:
        return {"object"}
    if "anyOf" in schema:
        return {found for one in schema["anyOf"] for found in offered(one)}
    found = schema["type"]
    return set(found) if isinstance(found, list) else {found}


def reach(hint: Any, found: set[type]) -> None:
    if is_dataclass(hint) and isinstance(hint, type) and hint not in found:
        found.add(hint)
        for inner in get_type_hints(hint).values():
            reach(inner, found)
    for inner in get_args(hint):
        reach(inner, found)
