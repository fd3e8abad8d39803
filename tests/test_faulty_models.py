"""Models that differ for reasons of their own, and backends that never answer."""

from pathlib import Path

import faulty_networks
import pytest
from planted import plant

from paddleport.convert import convert
from paddleport.convert.prepare import prepare_source
from paddleport.errors import ConversionError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.resolve import resolve
from paddleport.validate import Plan, validate
from paddleport.worker import run_in_worker

ONNX_BACKENDS = ("onnxruntime", "openvino")


@pytest.mark.slow
@pytest.mark.conversion
@pytest.mark.parametrize(
    ("kind", "telling"),
    [
        ("amplifying", "Nobody is to blame"),
        pytest.param("chaotic", "no comparison can prove", marks=pytest.mark.slow),
    ],
)
def test_an_ill_conditioned_model_is_nobodys_fault(
    kind: str, telling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / kind
    folder.mkdir()
    run_in_worker(faulty_networks.save, 120, kind, str(folder / "inference"))
    with pytest.raises(ConversionError, match="paddleport validate says why"):
        prepare_source(str(folder))
    source, onnx = prepare_source(str(folder), proven=False)
    report = validate(source, onnx, Plan(backends=ONNX_BACKENDS, seconds_each=0))
    for row in report.rows[1:]:
        assert (row.verdict, row.cause) == ("differs", "ill-conditioned"), row
        assert telling in row.explanation
        assert "Top-1" not in row.explanation  # nothing says that it classifies
    own = report.rows[0].comparisons[0].against_float64
    assert own is not None
    assert own.scaled > 1e-4  # Paddle itself is beyond the limit from float64


@pytest.mark.conversion
@pytest.mark.slow
def test_a_fault_in_an_ill_conditioned_model_is_still_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounding explains 1e-2 here; a head that is wrong by a half is no rounding."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    folder = tmp_path / "amplifying"
    folder.mkdir()
    run_in_worker(faulty_networks.save, 120, "amplifying", str(folder / "inference"))
    source = resolve(folder)
    done = convert(source, tmp_path / "model.onnx", keep=True)
    assert done.path is not None
    proto = onnx.load(str(done.path))
    head = next(item for item in proto.graph.initializer if list(item.dims) == [16, 5])
    wrong = numpy_helper.to_array(head) * np.linspace(0.5, 1.5, 5, dtype=np.float32)
    head.CopyFrom(numpy_helper.from_array(wrong, head.name))
    onnx.save(proto, str(tmp_path / "wrong.onnx"))
    plan = Plan(backends=("onnxruntime",), seconds_each=0)
    row = validate(source, onnx_artifact(tmp_path / "wrong.onnx"), plan).rows[1]
    assert (row.verdict, row.cause) == ("differs", "converter"), row.explanation


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
