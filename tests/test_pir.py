"""Files of Paddle 3.3 (PIR version 4): read and converted right by whichever Paddle is there."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import saved_by_3_3
from exported import export_onnx

from paddleport.convert.paddle2onnx.pir_normalization import normalize_program
from paddleport.errors import ModelFileError
from paddleport.models.artifact import Artifact, onnx_artifact, paddle_artifact
from paddleport.models.paddle.paddle_program import read_program
from paddleport.models.paddle.pir import downgrade_document, downgrade_pir
from paddleport.runners.onnxruntime.ort_runner import OnnxRuntimeRunner
from paddleport.runners.paddle.paddle_runner import PaddleRunner
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array
from paddleport.worker import Worker

SAVED = Path(__file__).parent / "data" / "pir_v4"
NAMES = sorted(path.stem for path in SAVED.glob("*.json"))
PLAIN = RunnerOptions(threads=1, extras={"onednn": "false", "ir_optim": "false"})
RELATIVE = 1e-5  # float32 rounding (6e-8) of sums of some tens of elements
TIMEOUT_S = 120


def saved(name: str) -> Artifact:
    params = SAVED / f"{name}.pdiparams"
    return paddle_artifact(SAVED / f"{name}.json", params if params.is_file() else None, "pir")


def natively(model: Artifact) -> Array:
    with PaddleRunner(model, PLAIN) as runner:
        return runner.run({"x": saved_by_3_3.feed()})[runner.outputs[0].name]


def natively_as_normalized(model: Artifact, folder: Path) -> Array:
    return natively(normalize_program(model, folder)[0])


def converted(model: Artifact, folder: Path) -> Array:
    exported = export_onnx(model, folder / "raw.onnx", opset=17)
    with OnnxRuntimeRunner(onnx_artifact(exported.path), RunnerOptions(threads=1)) as runner:
        return runner.run({"x": saved_by_3_3.feed()})[runner.outputs[0].name]


def raw_paddle2onnx(program: str, onnx_file: str) -> None:
    import paddle2onnx  # noqa: F401  # loads Paddle's libraries
    import paddle2onnx.paddle2onnx_cpp2py_export as vendor

    last: tuple[Any, ...] = ({}, "onnxruntime", "", "", False)
    content = vendor.export(program, "", 17, True, False, False, True, False, *last)
    Path(onnx_file).write_bytes(content)


@pytest.fixture(scope="module")
def worker() -> Any:
    pytest.importorskip("paddle2onnx", exc_type=ImportError)
    environ = {"PYTHONPATH": str(Path(__file__).parent)}
    with Worker(preload=("paddle",), environ=environ) as running:
        yield running


def assert_close(found: Array, name: str) -> None:
    expected = np.load(SAVED / f"{name}.npy")
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= RELATIVE * np.abs(expected).max()


@pytest.mark.conversion
@pytest.mark.parametrize("name", NAMES)
def test_native_paddle_gives_what_paddle_3_3_gave(worker: Worker, name: str) -> None:
    assert_close(worker.call(natively, TIMEOUT_S, saved(name)), name)


@pytest.mark.conversion
@pytest.mark.parametrize("name", NAMES)
def test_every_paddle_reads_the_normalized_copy(worker: Worker, name: str, tmp_path: Path) -> None:
    assert_close(worker.call(natively_as_normalized, TIMEOUT_S, saved(name), tmp_path), name)


@pytest.mark.conversion
@pytest.mark.parametrize("name", NAMES)
def test_the_conversion_gives_what_paddle_3_3_gave(
    worker: Worker, name: str, tmp_path: Path
) -> None:
    assert_close(worker.call(converted, TIMEOUT_S, saved(name), tmp_path), name)


@pytest.mark.conversion
def test_paddle2onnx_still_misreads_doubles(worker: Worker, tmp_path: Path) -> None:
    """When this fails, the rewriting of version 4 is no longer needed."""
    import onnx

    target = tmp_path / "raw.onnx"
    worker.call(raw_paddle2onnx, TIMEOUT_S, str(saved("leaky_relu").path), str(target))
    (node,) = [item for item in onnx.load(str(target)).graph.node if item.op_type == "LeakyRelu"]
    slope = next((item.f for item in node.attribute if item.name == "alpha"), 0.01)
    assert abs(slope - 0.3) > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_the_saved_files_are_of_version_4(name: str) -> None:
    assert read_program(saved(name).path).version == 4


def test_only_what_became_a_double_is_made_a_float(tmp_path: Path) -> None:
    kinds: dict[str, dict[str, str]] = {}
    for name in ("leaky_relu", "interpolate", "full"):
        target = tmp_path / f"{name}.json"
        assert downgrade_pir(saved(name).path, target)
        assert read_program(target).version == 3
        for op in json.loads(target.read_bytes())["program"]["regions"][0]["blocks"][0]["ops"]:
            kinds.setdefault(op["#"], {}).update({a["N"]: json.dumps(a["AT"]) for a in op["A"]})
    assert '"0.a_f32"' in kinds["1.leaky_relu"]["negative_slope"]
    assert '"0.a_f32"' in kinds["1.bilinear_interp"]["scale"]
    assert '"0.a_f64"' in kinds["1.full"]["value"]


def test_a_double_in_an_inner_block_is_made_a_float_too() -> None:
    slope = {"N": "negative_slope", "AT": {"#": "0.a_f64", "D": 0.3}}
    inner = {"blocks": [{"ops": [{"#": "1.leaky_relu", "A": [slope]}]}]}
    outer = {"blocks": [{"ops": [{"#": "1.if", "A": [], "regions": [inner]}]}]}
    document = {"base_code": {"version": 4}, "program": {"regions": [outer]}}
    assert downgrade_document(document)
    assert slope["AT"] == {"#": "0.a_f32", "D": 0.3}


def test_a_file_of_version_3_is_left_alone(small_pir: Artifact, tmp_path: Path) -> None:
    older = tmp_path / "older.json"
    if not downgrade_pir(small_pir.path, older):  # saved by Paddle <= 3.2
        older.write_bytes(small_pir.path.read_bytes())
    assert not downgrade_pir(older, tmp_path / "copy.json")
    assert not (tmp_path / "copy.json").exists()


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"base_code": {"magic": "pir"}}'])
def test_files_that_are_no_program_are_refused(content: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(content)
    with pytest.raises(ModelFileError):
        read_program(broken)
    with pytest.raises(ModelFileError, match=r"broken\.json is no PIR program"):
        downgrade_pir(broken, tmp_path / "copy.json")


@pytest.mark.conversion
def test_an_old_program_keeps_its_outputs_names_and_order(
    worker: Worker, small_protobuf: Artifact, tmp_path: Path
) -> None:
    import onnx

    from paddleport.models.paddle.paddle_program import read_program

    exported = worker.call(export_onnx, TIMEOUT_S, small_protobuf, tmp_path / "r.onnx", opset=17)
    wanted = [item.name for item in read_program(small_protobuf.path).outputs]
    assert [item.name for item in onnx.load(str(exported.path)).graph.output] == wanted
    assert len(wanted) == 2
