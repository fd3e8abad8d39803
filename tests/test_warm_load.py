"""A start from the cache of compiled models: timed if it is the same model, else reported."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import planted_caches
import pytest
from conftest import skip_or_fail
from onnx import numpy_helper

from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.resolve import resolve
from paddleport.runners import installed_version, open_runner, runner_class
from paddleport.runners.compiled_cache import Entry
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array
from paddleport.validate import Plan, validate
from paddleport.validate.benchmark.warm_load import WarmLoads, WarmStart, same_bits, with_warm_start
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.parity.parity_report import BackendRow, Load
from paddleport.validate.session import Session

X = np.linspace(-1, 1, 16, dtype=np.float32).reshape(2, 8)
FIRST = NamedFeed(name="sample 0", kind="drawn", tensors={"x": X})
CHECKSUM_BYTES = 4  # at the end of what is kept, behind the key
ROW = BackendRow(
    name="keeps", verdict="agrees", computes_in="fp32", load=Load(load_ms=900.0, first_ms=5.0)
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Stand:
    """A line-up of the planted backend and nobody else."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        planted_caches.plant(tmp_path / "planted", monkeypatch)
        self.plan = Plan(seconds_each=1.0)
        self.sessions: dict[str, Session] = {}
        self.options = RunnerOptions(threads=1)
        self.told: list[str] = []

    def options_for(self, row: str) -> RunnerOptions:
        return self.options

    def tensors(self, row: str, feeds: list[NamedFeed]) -> list[Mapping[str, Array]]:
        return [feed.tensors for feed in feeds]

    def open(self, row: str, options: RunnerOptions) -> Session:
        return Session(row, onnx_artifact(Path("never read.onnx")), options)

    def row(self, row: BackendRow = ROW, **extras: str) -> BackendRow:
        self.options = replace(self.options, extras=extras)
        lineup: Any = self
        judged = {"keeps": ({"y": np.exp(X)},)}
        (found,) = WarmLoads(lineup, FIRST, judged).measured([row], self.told.append)
        return found


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    return Stand(tmp_path, monkeypatch)


def starts() -> list[str]:
    kept = Path(os.environ["PADDLEPORT_CACHE"]) / "kept"
    return kept.read_text().split() if kept.exists() else []


def test_the_cache_is_filled_and_the_next_start_is_timed(stand: Stand) -> None:
    found = stand.row()
    assert found.load.warm_load_ms is not None
    assert found == replace(ROW, load=replace(ROW.load, warm_load_ms=found.load.warm_load_ms))
    assert (starts(), stand.told) == (["cold", "warm"], ["keeps: warm load"])


def test_what_is_kept_already_is_not_compiled_again(stand: Stand, own_cache: Path) -> None:
    own_cache.mkdir()
    (own_cache / "kept").write_text("before ")
    assert stand.row().load.warm_load_ms is not None
    assert starts() == ["before", "warm"]


def test_another_model_from_the_cache_is_the_verdict(stand: Stand) -> None:
    found = stand.row(vice="another")
    assert (found.verdict, found.cause, found.load) == ("differs", "runtime", ROW.load)
    assert found.explanation.startswith("Started from the cache, keeps answers 'sample 0' other")
    assert "/ 1.0e-04" in found.explanation
    assert "-o cache=false" in found.explanation
    assert found.reason


def test_one_other_bit_is_noted_and_not_timed(stand: Stand) -> None:
    found = stand.row(vice="a bit")
    assert (found.verdict, found.load) == ("agrees", ROW.load)
    (note,) = found.notes
    assert note.startswith("started from the cache, keeps answers 'sample 0' otherwise")


def test_a_start_that_is_not_from_the_cache_does_not_count(stand: Stand) -> None:
    found = stand.row(vice="forgets")
    assert found.load == ROW.load
    assert found.notes == ("no warm load: its compiled model did not come from the cache",)


def test_a_start_that_fails_is_a_note(stand: Stand) -> None:
    found = stand.row(vice="falls")
    assert (found.verdict, found.load) == ("agrees", ROW.load)
    assert found.notes == ("no warm load: what was kept is no model",)


def test_where_nothing_is_started(stand: Stand) -> None:
    for verdict in ("reference", "skipped", "failed"):
        row = replace(ROW, verdict=verdict)
        assert stand.row(row) == row
    assert stand.row(cache="false") == ROW  # asked to go without
    stand.options = replace(stand.options, device="cuda")
    assert stand.row() == ROW  # it keeps nothing there
    stand.options = replace(stand.options, device="cpu")
    for plan in (Plan(quick=True), Plan(seconds_each=0)):
        stand.plan = plan
        assert stand.row() == ROW
    assert (starts(), stand.told) == ([], [])


def test_a_cause_that_was_found_is_kept() -> None:
    row = replace(ROW, verdict="differs", cause="converter", explanation="The head.")
    start = WarmStart(9.0, True, {"y": np.exp(X)[:, ::-1]})
    found = with_warm_start(row, start, [{"y": np.exp(X)}], FIRST)
    assert (found.cause, found.explanation, found.load) == ("converter", "The head.", row.load)
    assert len(found.notes) == 1


def test_any_answer_that_was_compared_may_come_again() -> None:
    start = WarmStart(9.0, True, {"y": X})
    found = with_warm_start(ROW, start, [{"y": X + 1}, {"y": X}], FIRST)
    assert found.load.warm_load_ms == 9.0


def test_bits() -> None:
    nan, texts = np.array([np.nan, 0.0]), np.array(["a", "b"], object)
    assert same_bits({"y": nan, "t": texts}, {"y": nan.copy(), "t": texts.copy()})
    for other in (
        {"y": -nan},
        {"y": nan.reshape(2, 1)},
        {"y": nan.astype(np.float32)},
        {"z": nan},
        {"y": nan, "z": nan},
    ):
        assert not same_bits({"y": nan}, other)
    assert not same_bits({"t": texts}, {"t": texts[::-1]})


def content_and_key(kept: Path) -> tuple[bytes, bytes]:
    """The two parts of what is kept; the key is JSON that begins with the backend."""
    content, start, rest = kept.read_bytes().rpartition(b'["openvino"')
    return content, start + rest[:-CHECKSUM_BYTES]


@pytest.mark.slow
def test_in_a_validation(
    small_pir: Artifact, small_onnx: Artifact, own_cache: Path, tmp_path: Path
) -> None:
    if installed_version(runner_class("openvino")) is None:
        skip_or_fail("openvino", runner_class("openvino").how_to_install())
    source = resolve(small_pir.path.parent)
    plan = Plan(backends=("openvino",), reference="openvino", threads=1, seconds_each=0.1)
    reference, row = validate(source, small_onnx, plan).rows
    assert (row.verdict, row.notes) == ("agrees", ())
    assert row.load.warm_load_ms is not None
    assert reference.load.warm_load_ms is None
    (kept,) = own_cache.rglob("*.blob")
    _, quick = validate(source, small_onnx, replace(plan, quick=True)).rows
    assert quick.load.warm_load_ms is None
    another = compiled(with_weights_doubled(small_onnx, tmp_path / "another.onnx"), own_cache)
    _, key = content_and_key(kept)
    Entry(kept, key).write(content_and_key(another)[0])
    _, row = validate(source, small_onnx, plan).rows
    assert (row.verdict, row.cause, row.load.warm_load_ms) == ("differs", "runtime", None)
    assert {item.verdict for item in row.comparisons} == {"agrees"}  # of the session without it


def with_weights_doubled(model: Artifact, target: Path) -> Artifact:
    proto = onnx.load(str(model.path))
    for tensor in proto.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor) * np.float32(2)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(proto, str(target))
    return onnx_artifact(target)


def compiled(model: Artifact, cache: Path) -> Path:
    """What OpenVINO's runner keeps of it."""
    before = set(cache.rglob("*.blob"))
    open_runner("openvino", model, RunnerOptions(threads=1, extras={"cache": "on"})).close()
    (made,) = set(cache.rglob("*.blob")) - before
    return made


@pytest.mark.slow
def test_a_row_says_which_option_it_did_not_get(small_pir: Artifact, small_onnx: Artifact) -> None:
    source = resolve(small_pir.path.parent)
    plan = Plan(threads=2, extras={"tf32": "true"}, seconds_each=0)
    rows = {row.name: row for row in validate(source, small_onnx, plan).rows}
    assert rows["onnxruntime"].verdict == "agrees"
    (note,) = rows["onnxruntime"].notes
    assert note.startswith("did not get -o tf32=true, as others do: ")
    assert rows["openvino"].notes == ()
