"""Several models: each kept, a failure is a row, an interrupted run ends with the same table."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from made_overview import made_overview
from made_report import agreeing_report
from markdown_it import MarkdownIt

import paddleport as pp
from paddleport.cli.convert import _conversion_of_each
from paddleport.convert.model_tasks import conversion_task
from paddleport.errors import ModelFileError, OutputError, PortError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.progress import Progress
from paddleport.validate import Plan
from paddleport.validate.overview import overview_table
from paddleport.validate.overview.model_by_model import ModelByModel, ModelTask, time_left
from paddleport.validate.overview.model_overview import ModelOverview, OverviewRow, row_of_report

pytestmark = pytest.mark.slow

VALIDATOR = Draft202012Validator(
    json.loads(
        files("paddleport.validate.overview").joinpath("overview.schema.json").read_text("utf-8")
    )
)
NAMES = ("first", "second", "third")
CONVERT: Mapping[str, Any] = {
    **{"to": "onnx", "precision": None, "opset": 17, "shapes": {}, "allow_upgrade": False},
    **{"keep": False, "simplify": True, "embed_preprocess": False, "keep_fp32": ()},
    **{"compute_capabilities": (), "gate": None, "timeout_s": None, "feed": ()},
}


@dataclass
class Planted:
    """A task that measures nothing, and does what a test asks at a model's name."""

    source: SourceModel
    asked: Mapping[str, Any] = field(default_factory=dict)
    at: dict[str, BaseException] = field(default_factory=dict)
    measured: list[str] = field(default_factory=list)

    def task(self) -> ModelTask:
        return ModelTask(
            name="validate", asked=self.asked, resolve=self.resolve, measure=self.measure
        )

    def resolve(self, name: str, progress: Progress) -> SourceModel:
        return replace(self.source, name=name, sha256=f"{self.source.sha256} of {name}")

    def measure(
        self, source: SourceModel, root: Path, own: Path, progress: Progress
    ) -> OverviewRow:
        progress("latency", 0.5)
        if source.name in self.at:
            raise self.at[source.name]
        self.measured.append(source.name)
        own.mkdir(parents=True, exist_ok=True)
        (own / "parity.html").write_text("a report")
        return OverviewRow(
            name=source.name,
            verdict="differs" if source.name == "second" else "agrees",
            exit_code=1 if source.name == "second" else 0,
            page=f"{own.name}/parity.html",
            measured="2026-01-02T03:04:05+00:00",
        )


@pytest.fixture
def planted(small_pir: Artifact) -> Planted:
    return Planted(resolve(small_pir.path.parent))


def run(planted: Planted, folder: Path, **options: Any) -> ModelOverview:
    named = {"names": NAMES, "title": "3 models", **options}
    return ModelByModel(task=planted.task(), folder=folder, **named).run()


def of_the_run(overview: ModelOverview) -> list[OverviewRow]:
    """The rows without what tells one run from another."""
    return [replace(row, seconds=0.0, from_before=False) for row in overview.rows]


def test_a_model_that_fails_is_a_row_and_the_rest_go_on(planted: Planted, tmp_path: Path) -> None:
    crashes: list[Exception] = []
    planted.at = {"first": ModelFileError("it holds\nnothing"), "third": IndexError("planted")}
    overview = run(planted, tmp_path, on_crash=crashes.append)
    assert [row.verdict for row in overview.rows] == ["failed", "differs", "failed"]
    assert [row.exit_code for row in overview.rows] == [2, 1, 70]
    assert overview.rows[0].reason == "it holds nothing"
    assert "IndexError: planted" in overview.rows[2].reason
    assert crashes == [planted.at["third"]]
    assert overview.exit_code == 70
    assert overview.complete
    written = json.loads((tmp_path / "index.json").read_text())
    assert written == overview.to_dict()
    VALIDATOR.validate(written)
    planted.at = {}
    assert run(planted, tmp_path).exit_code == 1
    assert planted.measured == ["second", "first", "third"]  # what failed is tried again


def test_an_interrupted_run_goes_on_where_it_was(planted: Planted, tmp_path: Path) -> None:
    whole = run(planted, tmp_path / "whole")
    planted.measured.clear()
    planted.at = {"second": KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        run(planted, tmp_path / "cut")
    so_far = json.loads((tmp_path / "cut" / "index.json").read_text())
    VALIDATOR.validate(so_far)
    assert (so_far["complete"], len(so_far["rows"]), so_far["total"]) == (False, 1, 3)
    planted.at = {}
    resumed = run(planted, tmp_path / "cut")
    assert planted.measured == list(NAMES)
    assert of_the_run(resumed) == of_the_run(whole)
    assert [row.from_before for row in resumed.rows] == [True, False, False]
    assert "1 of 3 are from an earlier run" in " ".join(overview_table.notes(resumed))


def _edit(row: Path) -> None:
    row.write_text(row.read_text().replace("differs", "agrees"))


@pytest.mark.parametrize(
    ("change", "measured"),
    [
        (lambda planted, folder: None, []),
        (lambda planted, folder: setattr(planted, "asked", {"opset": 11}), list(NAMES)),
        (lambda planted, folder: (folder / "second" / "parity.html").unlink(), ["second"]),
        (
            lambda planted, folder: (folder / "second" / "parity.html").write_text("another"),
            ["second"],
        ),
        (
            lambda planted, folder: (folder / "third" / "validate.row.json").write_text("{"),
            ["third"],
        ),
        (
            lambda planted, folder: (folder / "third" / "validate.row.json").write_text("[]"),
            ["third"],
        ),
        (lambda planted, folder: _edit(folder / "second" / "validate.row.json"), ["second"]),
        (
            lambda planted, folder: setattr(
                planted, "source", replace(planted.source, sha256="another")
            ),
            list(NAMES),
        ),
        (
            lambda planted, folder: setattr(
                planted, "source", replace(planted.source, labels=("a", "b"))
            ),
            list(NAMES),
        ),
    ],
    ids=[
        "nothing",
        "option",
        "report gone",
        "report changed",
        "damaged",
        "no row",
        "edited",
        "weights",
        "labels",
    ],
)
def test_what_is_measured_again(
    planted: Planted, tmp_path: Path, change: Callable[..., None], measured: list[str]
) -> None:
    run(planted, tmp_path)
    planted.measured.clear()
    change(planted, tmp_path)
    run(planted, tmp_path)
    assert planted.measured == measured


def test_fresh_measures_again(planted: Planted, tmp_path: Path) -> None:
    run(planted, tmp_path)
    run(planted, tmp_path, fresh=True)
    assert planted.measured == [*NAMES, *NAMES]


def test_other_versions_measure_again(
    planted: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paddleport.validate.overview import kept_rows

    run(planted, tmp_path)
    planted.measured.clear()
    monkeypatch.setattr(kept_rows, "describe_environment", lambda: {"packages": {"onnx": "2"}})
    run(planted, tmp_path)
    assert planted.measured == list(NAMES)


def test_progress_names_the_model_and_the_time_left(planted: Planted, tmp_path: Path) -> None:
    told: list[tuple[str, float | None]] = []
    run(planted, tmp_path, progress=lambda *at: told.append(at))
    assert told[1] == ("1 of 3 · first: latency", 0.5 / 3)
    assert told[-1][0].startswith("3 of 3 · third: latency · 1 s left")
    shares = [share or 0.0 for _, share in told]
    assert shares == sorted(shares)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (12_000, "3 h 20 min")],
)
def test_time_left(seconds: float, text: str) -> None:
    assert time_left(seconds) == text


def test_two_of_one_name_have_each_a_folder(planted: Planted, tmp_path: Path) -> None:
    folders = [tmp_path / side / "model" for side in ("a", "b")]
    for folder in folders:
        folder.mkdir(parents=True)
    planted.resolve = lambda name, progress: planted.source  # type: ignore[method-assign]
    planted.source = replace(planted.source, name="model")
    overview = run(planted, tmp_path / "out", names=[str(folder) for folder in folders])
    assert [row.name for row in overview.rows] == ["model", "model-2"]
    assert [row.page for row in overview.rows] == ["model/parity.html", "model-2/parity.html"]


@pytest.mark.parametrize("folder", ["out", "out/below"])
def test_a_folder_that_cannot_be_written_ends_the_run_before_it_begins(
    planted: Planted, tmp_path: Path, folder: str
) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="a file is in the way"):
        run(planted, tmp_path / folder)
    assert not planted.measured


def test_a_file_in_place_of_a_model_s_folder_is_that_model_s_failure(
    planted: Planted, tmp_path: Path
) -> None:
    task = conversion_task(CONVERT, asked={})
    (tmp_path / "first").write_text("a file")
    with pytest.raises(OutputError, match=r"first cannot be made: a file is in the way"):
        task.measure(planted.source, tmp_path, tmp_path / "first", lambda step, share: None)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("opset", 99, "opset 99 is not possible"),
        ("to", "nothing", "unknown target 'nothing'"),
        ("timeout_s", -1.0, "a timeout of -1 s"),
    ],
)
def test_what_goes_with_no_model_is_said_before_the_first(
    option: str, value: object, said: str
) -> None:
    with pytest.raises(PortError, match=said):
        conversion_task({**CONVERT, option: value}, asked={})


@pytest.mark.parametrize("change", ["overwritten", "one more", "gone", "nothing"])
def test_another_picture_in_a_folder_of_the_gate_converts_again(
    tmp_path: Path, change: str
) -> None:
    picture = tmp_path / "data" / "class" / "a.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"one")
    gate = {"labelled": tmp_path / "data", "images": ()}
    wanted = {**CONVERT, "precision": "fp16"}
    before = _conversion_of_each(wanted, gate, "seeded").asked
    if change == "overwritten":
        picture.write_bytes(b"other")
    elif change == "one more":
        picture.with_name("b.png").write_bytes(b"one")
    elif change == "gone":
        picture.unlink()
    after = _conversion_of_each(wanted, gate, "seeded").asked
    assert (before == after) == (change == "nothing")


def test_the_schema_and_its_failures() -> None:
    values = made_overview().to_dict()
    VALIDATOR.validate(values)
    assert values["exit_code"] == 2
    for place, value in (("verdict", "maybe"), ("published", None), ("more", 1), ("limit", "1e-4")):
        broken = json.loads(json.dumps(values))
        broken["rows"][0][place] = value
        assert not VALIDATOR.is_valid(broken), place


def test_the_table_says_it_all() -> None:
    overview = made_overview()
    table = overview_table.models_table(overview)
    line = dict(zip(table.columns, table.lines[-1], strict=True))
    assert {key: value for key, value in line.items() if value} == {
        "model": "PPLCNetV2_made_up_x19_0",
        "verdict": "agrees",
        "worst error": "2.0e-05",
        "limit": "1.0e-04",
        "of its limit": "20 %",
        "onnxruntime ×": "2.00",
        "openvino ×": "2.50",
        "MB": "80.0",
        "M params": "20.00",
        "top-1": "76.6 %",
        "GFLOP": "2",
    }
    assert overview_table.tally(overview) == "21 agree, 1 differs, 1 is unproven, 1 failed of 24"


def test_markdown_is_a_table_and_nothing_of_a_model_s_text() -> None:
    text = (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .render(made_overview().to_markdown())
    )
    assert text.count("<tr>") == 1 + 24 + 1 + 22
    assert "<script>" not in text and "<b>" not in text


def test_three_models_and_a_broken_one_in_python(small_pir: Artifact, tmp_path: Path) -> None:
    import shutil

    names = [str(tmp_path / name) for name in NAMES]
    for name in names:
        shutil.copytree(small_pir.path.parent, name)
    (tmp_path / "broken").mkdir()
    plan = Plan(quick=True, seconds_each=0)
    table = pp.validate_all([*names, str(tmp_path / "broken")], out=tmp_path / "out", plan=plan)
    assert [row.verdict for row in table.rows] == ["agrees"] * 3 + ["failed"]
    assert table.exit_code == 2
    assert all((tmp_path / "out" / row.page).is_file() for row in table.rows[:3])
    with pytest.raises(UsageError, match="a list of names"):
        pp.validate_all("MobileNetV2")


def test_an_error_above_the_limit_that_agrees_has_its_cause() -> None:
    made = agreeing_report()
    rows = [
        replace(row, cause="ill-conditioned") if row.name == "onnxruntime" else row
        for row in made.rows
    ]
    found = row_of_report(replace(made, rows=tuple(rows)), page="")
    assert (found.verdict, found.worst_backend) == ("agrees", "onnxruntime")
    assert overview_table.verdict_of(found) == "agrees: ill-conditioned"
