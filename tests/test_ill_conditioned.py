"""Networks that amplify rounding, and the same with a fault in the conversion: both commands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faulty_networks
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from test_cli import Command, cache, paddleport

from paddleport.convert import convert, onnx_attempt
from paddleport.convert.conversion import Conversion
from paddleport.convert.paddle2onnx.finish import finish
from paddleport.convert.prepare import prepare_source
from paddleport.convert.remaking import RemadeConversion
from paddleport.errors import NotProvenError
from paddleport.models.artifact import onnx_artifact
from paddleport.models.onnx.onnx_file import read_onnx_model
from paddleport.models.resolve import SourceModel, resolve
from paddleport.validate import Plan, validate
from paddleport.worker import run_in_worker

__all__ = ["cache", "paddleport"]
pytestmark = pytest.mark.slow
ONNX_BACKENDS = ("onnxruntime", "openvino")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def get(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("networks") / kind
            made[kind].mkdir()
            prefix = str(made[kind] / "inference")
            run_in_worker(faulty_networks.save, 120, kind, prefix)
        return made[kind]

    return get


Network = Callable[[str], Path]


def wrong_head(path: Path, most: float) -> None:
    """The last layer's columns multiplied by 1 to ``most``."""
    proto = onnx.load(str(path))
    head = next(item for item in proto.graph.initializer if list(item.dims)[-1:] == [5])
    wrong = numpy_helper.to_array(head) * np.linspace(1, most, 5, dtype=np.float32)
    head.CopyFrom(numpy_helper.from_array(wrong, head.name))
    onnx.save(proto, str(path))


def finish_wrong(raw: Any, target: Path, **options: Any) -> Any:
    done = finish(raw, target, **options)
    wrong_head(target, 1.5)
    return done


def causes(source: SourceModel, onnx_file: Any) -> set[tuple[str, str]]:
    with RemadeConversion(source, onnx_file) as conversions:
        plan = Plan(backends=ONNX_BACKENDS, seconds_each=0, quick=True)
        rows = validate(source, onnx_file, plan, conversions=conversions).rows
    own = rows[0].comparisons[0].against_float64
    assert own is not None
    assert own.scaled > 1e-4  # Paddle itself is beyond the limit from float64
    return {(row.verdict, row.cause) for row in rows[1:]}


def test_as_exact_as_paddle(network: Network, tmp_path: Path) -> None:
    source = resolve(network("amplifying"))
    for target in ("onnx", "openvino"):
        done = convert(
            source, tmp_path / f"model.{'onnx' if target == 'onnx' else 'xml'}", to=target
        )
        assert (done.verdict, done.cause, done.explanation) == ("agrees", "ill-conditioned", "")
        assert "so it is as exact as Paddle" in done.why
        assert done.artifact.provenance["proof"] == done.why.partition(" Next: ")[0]
        assert done.to_dict()["why"] == done.why
        (comparison,) = done.comparisons
        assert comparison.verdict == "agrees"
        assert comparison.worst_error is not None
        assert comparison.worst_error > 1e-4
        assert comparison.sensitivity is not None
        assert comparison.sensitivity.holds
    file = read_onnx_model(tmp_path / "model.onnx")
    assert file.provenance["proof"].startswith("Nobody is to blame")
    assert causes(source, file) == {("agrees", "ill-conditioned")}
    _, cached = prepare_source(str(source.model.path.parent))  # as run, tune and others take it
    assert cached.provenance["proof"] == file.provenance["proof"]


def test_rounding_alone_makes_another_answer(network: Network, tmp_path: Path) -> None:
    source = resolve(network("chaotic"))
    done = convert(source, tmp_path / "model.onnx")
    assert (done.verdict, done.cause, done.path) == ("unproven", "ill-conditioned", None)
    assert "is not proven against native Paddle" in done.explanation
    assert "no comparison can prove or disprove" in done.explanation
    with pytest.raises(NotProvenError, match="no comparison can prove or disprove"):
        prepare_source(str(source.model.path.parent))
    kept = convert(source, tmp_path / "model.onnx", keep=True)
    assert kept.path == tmp_path / "model.unproven.onnx"
    assert "proof" not in kept.artifact.provenance
    assert causes(source, kept.artifact) == {("unproven", "ill-conditioned")}


@pytest.mark.parametrize("kind", ["chaotic", "infinite"])
def test_a_fault_that_nothing_can_show_is_unproven(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(onnx_attempt, "finish", finish_wrong)
    done = convert(resolve(network(kind)), tmp_path / "model.onnx")
    assert (done.verdict, done.path) == ("unproven", None)


def test_a_fault_is_seen_all_the_same(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounding explains 1e-2 here, and a head that is wrong by a half is more."""
    monkeypatch.setattr(onnx_attempt, "finish", finish_wrong)
    source = resolve(network("amplifying"))
    done: Conversion = convert(source, tmp_path / "model.onnx", keep=True)
    assert (done.verdict, done.cause) == ("differs", "converter"), done.why
    assert done.step == "a change of the file after its conversion"  # nothing else spoils it
    assert "Cause: converter, step a change of the file" in done.explanation
    assert "paddleport locate --backend onnxruntime names the node" in done.explanation
    assert done.path == tmp_path / "model.differs.onnx"
    assert causes(source, onnx_artifact(done.path)) == {("differs", "converter")}


@pytest.mark.parametrize(
    ("kind", "code", "verdict"),
    [
        ("amplifying", 0, "agrees"),
        ("chaotic", 2, "unproven"),
        ("infinite", 2, "unproven"),
        ("overflowing", 2, "unproven"),
    ],
)
def test_both_commands_say_the_same(
    network: Network, paddleport: Command, kind: str, code: int, verdict: str
) -> None:
    converted = paddleport("convert", network(kind), "--json")
    assert (converted.code, json.loads(converted.out)["verdict"]) == (code, verdict)
    options = ("--quick", "--seconds", 0, "--json")
    validated = paddleport("validate", network(kind), *options)
    assert (validated.code, json.loads(validated.out)["verdict"]) == (code, verdict)
