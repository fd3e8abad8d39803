"""Files for MNN through the pipeline: proven, of any size, and what is wrong in them found."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import small_network
import test_mnn_int8
from onnx import TensorProto, helper
from test_cli import Command, cache, one_line_error, paddleport

from paddleport.convert import cached_onnx, convert
from paddleport.convert.making import Making
from paddleport.convert.mnn.mnn_converter import SETTINGS, convert_by_mnn
from paddleport.convert.mnn.mnn_sizes import try_sizes
from paddleport.convert.remaking import RemadeConversion
from paddleport.convert.target_proof import ComparedFile, compare_with_paddle
from paddleport.convert.targets import TargetOptions, target_class
from paddleport.errors import BackendUnavailableError, ConversionError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.models.recognize import read_artifact
from paddleport.models.resolve import resolve
from paddleport.progress import no_progress
from paddleport.runners.mnn.mnn_runner import MnnRunner
from paddleport.runners.reference import ReferenceRunner
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Feed
from paddleport.validate import Plan
from paddleport.validate.parity.validation import validate

__all__ = ["cache", "paddleport"]
pytest.importorskip("MNN")


@pytest.mark.slow
def test_convert_and_run_as_typed(paddleport: Command, small_pir: Artifact, tmp_path: Path) -> None:
    done = paddleport("convert", small_pir.path.parent, "--to", "mnn", "-o", "s.mnn", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["format"], told["verdict"], told["precision"]) == ("mnn", "agrees", "fp32")
    file = read_artifact(tmp_path / "s.mnn")
    assert [spec.shape for spec in file.inputs] == [(None, 3, 9, 9)]
    step = file.provenance["steps"][-1]
    assert (step["step"], set(step["tools"])) == ("mnn", {"MNN"})
    assert SETTINGS.items() <= step["options"].items()
    np.savez(tmp_path / "f.npz", x=np.zeros((3, 3, 9, 9), np.float32))
    done = paddleport("run", "s.mnn", "--backend", "mnn", "--feed", "f.npz", "--json")
    assert done.code == 0, done.err
    json.loads(done.out)  # and nothing of MNN's
    (tmp_path / "cut.mnn").write_bytes((tmp_path / "s.mnn").read_bytes()[:1000])
    one_line_error(paddleport("run", "cut.mnn", "--backend", "mnn", "--feed", "f.npz"), "damaged")
    one_line_error(
        paddleport("run", "s.mnn", "--backend", "mnn", "--precision", "bf16", "--feed", "f.npz"),
        "mnn does not compute in bf16, only fp32, int8",
    )
    one_line_error(
        paddleport("convert", small_pir.path.parent, "--to", "mnn", "--precision", "bf16"),
        "no file holds bf16 as mnn: --precision fp32, fp16, int8",
    )


def test_validate_makes_the_file_and_agrees(
    small_pir: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    source = resolve(small_pir.path)
    onnx_file = cached_onnx(source)
    plan = Plan(backends=("mnn",), seconds_each=0, quick=True)
    with RemadeConversion(source, onnx_file) as conversions:
        row = validate(source, onnx_file, plan, conversions=conversions).rows[1]
    assert (row.name, row.verdict, row.computes_in) == ("mnn", "agrees", "fp32")


@pytest.mark.slow
def test_an_fp16_file_by_an_fp32_name_is_not_fp32(
    small_pir: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    source = resolve(small_pir.path)
    onnx_file = cached_onnx(source)
    inputs, outputs = onnx_tensors(onnx_file.path)
    verdicts = {}
    for flags in ((), ("fp16",)):
        path = tmp_path / f"{len(flags)}.mnn"
        convert_by_mnn(onnx_file.path, path, flags=flags)
        file = Artifact(format="mnn", files=(path,), inputs=inputs, outputs=outputs)
        compared = ComparedFile(file=file, source=source, model=onnx_file, opset=17)
        proof, _, _ = compare_with_paddle(compared, {"mnn": ""}, {}, {}, no_progress)
        verdicts[flags] = proof.verdict
    assert verdicts == {(): "agrees", ("fp16",): "differs"}


def test_what_the_file_says_in_float64(small_mnn: Artifact) -> None:
    x = {"x": np.random.default_rng(3).normal(size=(2, 3, 9, 9)).astype(np.float32)}
    (exactly,) = target_class("mnn")().evaluate(small_mnn, [x])
    with MnnRunner(small_mnn) as runner:
        found = runner.run(x)
    for name, item in exactly.items():
        assert item.dtype == np.float64
        assert np.abs(found[name] - item).max() < 2e-6 * np.abs(item).max()


def reshaping(path: Path, size: tuple[int, ...]) -> Artifact:
    """Pictures laid flat by sizes that stand in the file, with the batch and sides left free."""
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("Reshape", ["r", "size"], ["y"]),
    ]
    shape = onnx.numpy_helper.from_array(np.array(size, np.int64), "size")
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", None])],
        [shape],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
    inputs, outputs = onnx_tensors(path)
    made = path.with_suffix(".mnn")
    convert_by_mnn(path, made)
    return Artifact(format="mnn", files=(made,), inputs=inputs, outputs=outputs)


def test_sizes_that_a_file_does_not_take_are_found(tmp_path: Path) -> None:
    free = reshaping(tmp_path / "free.onnx", (0, -1))
    sizes = try_sizes(free, tmp_path / "free.onnx", (6, 6))
    assert (sizes.batch, sizes.others) == (True, True)
    assert (sizes.inputs, sizes.outputs) == (free.inputs, free.outputs)
    stuck = reshaping(tmp_path / "stuck.onnx", (1, 72))  # planted: an .mnn that has forgotten
    sizes = try_sizes(stuck, tmp_path / "free.onnx", (6, 6))
    assert (sizes.batch, sizes.others) == (False, False)
    assert [spec.shape for spec in sizes.inputs] == [(None, 2, 6, 6)]
    assert [spec.shape for spec in sizes.outputs] == [(None, 72)]


def making(model: Artifact, feeds: list[Feed]) -> Making:
    options = TargetOptions(precision="int8")
    return Making(target=target_class("mnn"), model=model, options=options, calibration=feeds)


def test_an_int8_file_is_computed_in_int8(tmp_path: Path) -> None:
    source = tmp_path / "s.onnx"
    source.write_bytes(test_mnn_int8.network())
    file, made = making(onnx_artifact(source), test_mnn_int8.FEEDS).run(tmp_path / "s.mnn", 120)
    assert made.settings["quant_bits"] == 8
    with MnnRunner(file, RunnerOptions(precision="int8")) as runner:
        assert (runner.computes_in, runner.notes) == ("int8", ())
        found = runner.run(test_mnn_int8.FEED)["out"]
    with ReferenceRunner(onnx_artifact(source)) as reference:
        wanted = reference.run(test_mnn_int8.FEED)["out"]
    error = np.abs(found - wanted).max() / np.abs(wanted).max()
    assert 1e-4 < error < test_mnn_int8.ROUNDED
    with pytest.raises(BackendUnavailableError, match="computes this file in int8"):
        MnnRunner(file, RunnerOptions(precision="fp32"))


def test_a_quantiser_that_crashes_is_one_line(small_onnx: Artifact, tmp_path: Path) -> None:
    feeds: list[Feed] = [small_network.feed(1)]
    with pytest.raises(ConversionError, match="quantiser does not survive this model: it ended"):
        making(small_onnx, feeds).run(tmp_path / "s.mnn", 120)


@pytest.mark.slow
def test_fp16_goes_through_the_gate(paddleport: Command) -> None:
    done = paddleport(
        *("convert", "MobileNetV2_x0_25", "--weights", "seeded", "--to", "mnn"),
        *("--precision", "fp16", "--json"),
    )
    told = json.loads(done.out)
    assert told["precision"] == "fp16"
    assert told["verdict"] != "agrees"  # by the gate, not by fp32's tolerance


@pytest.mark.slow
def test_a_zoo_network_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    done = convert(
        resolve("MobileNetV3_small_x0_35", weights="seeded"), tmp_path / "m.mnn", to="mnn"
    )
    assert done.verdict == "agrees"
