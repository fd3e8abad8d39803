"""Models that differ for reasons of their own, and backends that never answer."""

from pathlib import Path

import faulty_networks
import pytest
from planted import plant

from paddleport.convert.prepare import prepare_source
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import resolve
from paddleport.validate import Plan, validate
from paddleport.worker import run_in_worker


@pytest.mark.slow
def test_a_hang_and_a_hunger_are_rows_and_the_others_finish(
    small_pir: Artifact, small_onnx: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path / "planted", monkeypatch, "sleeps", "eats", "honest")
    plan = Plan(
        backends=("sleeps", "eats", "honest"),
        seconds_each=0,
        timeout_s=5,
        memory_limit_bytes=700 << 20,
    )
    report = validate(resolve(small_pir.path.parent), small_onnx, plan)
    rows = {row.name: row for row in report.rows}
    assert rows["honest"].verdict == "agrees"
    assert (rows["sleeps"].verdict, rows["eats"].verdict) == ("failed", "failed")
    assert "no answer within 5 s" in rows["sleeps"].reason
    assert "out of memory" in rows["eats"].reason
    assert report.verdict == "differs"


@pytest.mark.slow
@pytest.mark.conversion
def test_paddle_that_crashes_on_its_own_file_is_no_candidates_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With oneDNN 3.2.2 does, and AdaFace_IR_18 is such a network."""
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    run_in_worker(faulty_networks.save, 120, "crashing", str(tmp_path / "inference"))
    source, onnx = prepare_source(str(tmp_path))
    report = validate(source, onnx, Plan(seconds_each=0.2, quick=True))
    rows = {row.name: row for row in report.rows}
    crashed = rows["paddle"]
    if crashed.verdict == "agrees":
        pytest.skip("this Paddle does not crash on it")
    assert (crashed.verdict, crashed.counts) == ("failed", False)
    assert "Paddle fails on its own file here" in crashed.notes[0]
    assert report.verdict == "agrees"
    assert report.speed_reference.startswith("paddle plain without oneDNN and graph optimisation")
    assert report.speed_reference.endswith(", since paddle failed")
    assert rows["onnxruntime"].speed_up is not None
    named = validate(source, onnx, Plan(backends=("paddle",), seconds_each=0))
    assert (named.verdict, named.rows[1].counts) == ("differs", True)
