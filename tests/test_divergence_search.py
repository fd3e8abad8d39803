"""``validate --locate``: a row that differs names its node, or says why it names none."""

import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import small_network
from onnx import numpy_helper
from planted import plant
from planted_runners import plant_runners

from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.validate import Plan, validate
from paddleport.validate.diagnose.causes import Cause
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.feeds.onnx_feeds import OnnxFeeds
from paddleport.validate.parity.backend_sessions import BackendSessions
from paddleport.validate.parity.divergence_search import DivergenceSearch
from paddleport.validate.parity.parity_report import BackendRow

Told = list[tuple[str, float | None]]


@pytest.fixture
def source(small_pir: Artifact) -> SourceModel:
    return resolve(small_pir.path.parent)


def changed(given: Artifact, target: Path, weight: str) -> Artifact:
    """The file with one element of a weight changed."""
    proto = onnx.load(str(given.path))
    tensor = next(item for item in proto.graph.initializer if item.name == weight)
    values = numpy_helper.to_array(tensor).copy()
    values.flat[values.size // 2] += np.float32(1)
    tensor.CopyFrom(numpy_helper.from_array(values, weight))
    onnx.save(proto, str(target))
    return onnx_artifact(target)


def differs(backend: str, cause: Cause) -> BackendRow:
    return BackendRow(name=backend, verdict="differs", cause=cause, computes_in="fp32")


def searched(
    source: SourceModel, onnx_model: Artifact, *rows: BackendRow, plan: Plan, told: Told
) -> list[BackendRow]:
    """What the search makes of rows that a validation would have judged so."""
    lineup = BackendSessions(source, onnx_model, plan, OnnxFeeds(source, onnx_model))
    feeds = [NamedFeed(name="noise", kind="noise", tensors=small_network.feed(2))]
    found = DivergenceSearch(lineup, feeds, lambda step, share: told.append((step, share))).rows(
        rows
    )
    shares = [share for _, share in told if share is not None]
    assert len(shares) == len(told)
    assert shares == sorted(shares)
    assert all(0.9 <= share <= 1 for share in shares)  # the last part of the validation's bar
    return found


@pytest.mark.slow
def test_a_whole_validation(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_runners(tmp_path / "spoilers", monkeypatch)
    plant(tmp_path / "planted", monkeypatch, "swaps", "buffers")
    plan = Plan(
        backends=("spoils", "onnxruntime", "swaps", "buffers"),
        threads=1,
        extras={"at": "r"},
        seconds_each=0,
        quick=True,
        locate=True,
    )
    report = validate(source, small_onnx, plan)
    rows = {row.name: row for row in report.rows}
    assert (rows["onnxruntime"].verdict, rows["onnxruntime"].located) == ("agrees", None)
    assert rows["spoils"].cause == "runtime"
    found = rows["spoils"].located
    assert found is not None
    assert (found.side, found.node, found.operator) == ("runtime", "r", "Relu")
    assert found.complete
    for name, note in (
        ("swaps", "no node was looked for: its input is another"),
        ("buffers", "no node was found: nothing parts on"),
    ):
        row = rows[name]
        assert (row.verdict, row.located) == ("differs", None)
        assert any(item.startswith(note) for item in row.notes), row.notes
    assert "Relu" in report.to_markdown()


def test_the_conversion_is_looked_at_once(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path
) -> None:
    wrong = changed(small_onnx, tmp_path / "wrong.onnx", "kernel")
    told: Told = []
    rows = [differs("onnxruntime", "converter"), differs("openvino", "converter")]
    one, other = searched(source, wrong, *rows, plan=Plan(), told=told)
    assert one.located is other.located is not None
    assert one.located is not None
    assert (one.located.side, one.located.node) == ("converter", "pd_op.conv2d.0")
    assert sum(step == "Paddle's values" for step, _ in told) == 1


def test_the_budget_holds(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_runners(tmp_path / "planted", monkeypatch)
    plan = Plan(threads=1, locate_seconds=0.5, extras={"at": "c", "pause": "0.4"})
    begun = time.monotonic()
    (row,) = searched(source, small_onnx, differs("dawdles", "runtime"), plan=plan, told=[])
    assert time.monotonic() - begun < 15  # processes, the whole model, and half a second
    assert row.located is not None
    assert not row.located.complete
    assert row.located.cuts <= 2
    assert "give it more --seconds" in row.located.sentence


@pytest.mark.parametrize(
    ("backend", "cause", "note"),
    [
        ("onnxruntime", "nondeterminism", "no node was looked for: it is another one at each run"),
        ("onnxruntime", "batching", "no node was looked for: it depends on the batch"),
        ("paddle", "runtime", "no node was looked for: it reads Paddle's own file"),
        ("onnxruntime", "converter", "no node was found: nothing parts on noise alone"),
        ("onnxruntime", "runtime", "no node was found: nothing parts on noise alone"),
    ],
)
def test_no_node(
    source: SourceModel, small_onnx: Artifact, backend: str, cause: Cause, note: str
) -> None:
    (row,) = searched(source, small_onnx, differs(backend, cause), plan=Plan(), told=[])
    assert row.located is None
    (told,) = row.notes
    assert told.startswith(note)


def test_rows_that_do_not_differ_are_left_alone(source: SourceModel, small_onnx: Artifact) -> None:
    rows = [
        BackendRow(name="openvino", verdict="agrees"),
        BackendRow(name="tensorrt", verdict="skipped", reason="no GPU"),
    ]
    assert searched(source, small_onnx, *rows, plan=Plan(), told=[]) == rows


def test_an_operator_without_float64_is_told(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path
) -> None:
    proto = onnx.load(str(small_onnx.path))
    next(node for node in proto.graph.node if node.op_type == "Relu").op_type = "Shrink"
    onnx.save(proto, str(tmp_path / "shrinks.onnx"))
    wrong = onnx_artifact(tmp_path / "shrinks.onnx")
    (row,) = searched(source, wrong, differs("onnxruntime", "undetermined"), plan=Plan(), told=[])
    assert row.located is None
    assert "reference does not compute Shrink" in row.notes[0]
