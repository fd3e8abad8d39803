"""``locate`` in a target's file: faults planted in the file, and in its runtime."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import plugin
import pytest
from test_cli import Command, cache, one_line_error, paddleport
from test_locate_cli import SCHEMA

from paddleport.convert import cached_onnx
from paddleport.convert.loadable import loadable
from paddleport.convert.named_files import read_target_file
from paddleport.convert.remaking import RemadeConversion
from paddleport.errors import BackendUnavailableError, ModelFileError, UsageError
from paddleport.files import sha256
from paddleport.models.artifact import Artifact
from paddleport.models.recognize import sidecar
from paddleport.models.resolve import SourceModel, resolve
from paddleport.runners.runner_options import RunnerOptions
from paddleport.validate import BackendRow, Plan
from paddleport.validate.bisect import Divergence, locate
from paddleport.validate.parity.validation import validate

__all__ = ["cache", "paddleport"]
FORMAT = Path(__file__).parent / "layered_format"
Plant = Callable[[Any, dict[str, Any]], None]


@pytest.fixture(autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("site")
    groups = {
        "paddleport.targets": {
            "layered": "layered_target:LayeredTarget",
            "unread": "layered_target:UnreadTarget",
        },
        "paddleport.runners": {
            "layered": "layered_runner:LayeredRunner",
            "unread": "layered_runner:UnreadRunner",
        },
    }
    plugin.register(folder, monkeypatch, "layered_format", groups)
    monkeypatch.syspath_prepend(str(FORMAT))
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{FORMAT}")
    monkeypatch.setenv("PADDLEPORT_CACHE", str(folder / "cache"))


@pytest.fixture
def source(small_pir: Artifact) -> SourceModel:
    return resolve(small_pir.path)


def planted(
    onnx_file: Artifact, folder: Path, plant: Plant | None, backend: str = "layered"
) -> Artifact:
    """A made file in a folder of its own, changed, with the digests of what it is now."""
    made = loadable(onnx_file, (backend,))
    files = [Path(shutil.copy(file, folder / file.name)) for file in made.files]
    if plant is not None:
        proto = onnx.load_model_from_string(files[0].read_bytes())
        with np.load(files[1]) as stored:
            weights = {name: stored[name].copy() for name in stored.files}
        plant(proto, weights)
        files[0].write_bytes(proto.SerializeToString())
        with files[1].open("wb") as stream:
            np.savez(stream, allow_pickle=False, **weights)
    recorded = json.loads(sidecar(made.path).read_text())
    recorded["files_sha256"] = {file.name: sha256([file]) for file in files}
    sidecar(files[0]).write_text(json.dumps(recorded))
    return read_target_file(files[0], [backend])


def located(
    source: SourceModel, onnx_file: Artifact, made: Artifact, **options: Any
) -> tuple[Divergence, ...]:
    with RemadeConversion(source, onnx_file, made) as conversions:
        return locate(
            source, onnx_file, made.format, RunnerOptions(), conversions=conversions, **options
        )


def convolution(proto: Any) -> Any:
    return next(node for node in proto.graph.node if node.op_type == "Conv")


def spoil_kernel(proto: Any, weights: dict[str, Any]) -> None:
    weights[convolution(proto).input[1]].flat[40] += np.float32(0.5)


def spoil_linear(proto: Any, weights: dict[str, Any]) -> None:
    node = next(node for node in proto.graph.node if node.op_type in ("MatMul", "Gemm"))
    weights[node.input[1]].flat[3] += np.float32(0.5)


def drop_bias(proto: Any, weights: dict[str, Any]) -> None:
    node = next(node for node in proto.graph.node if node.op_type in ("Add", "Gemm"))
    weights[node.input[-1]][...] = 0


def shift_padding(proto: Any, weights: dict[str, Any]) -> None:
    """One row more above and one column more before it: the sizes stay, the values do not."""
    node = convolution(proto)
    for item in [item for item in node.attribute if item.name in ("pads", "auto_pad")]:
        node.attribute.remove(item)
    node.attribute.append(onnx.helper.make_attribute("pads", [1, 1, 0, 0]))


def without_relu(proto: Any, weights: dict[str, Any]) -> None:
    relu = next(node for node in proto.graph.node if node.op_type == "Relu")
    before = next(node for node in proto.graph.node if relu.input[0] in node.output)
    before.output[0] = relu.output[0]
    proto.graph.node.remove(relu)


def other_activation(proto: Any, weights: dict[str, Any]) -> None:
    relu = next(node for node in proto.graph.node if node.op_type == "Relu")
    relu.op_type = "LeakyRelu"
    relu.attribute.append(onnx.helper.make_attribute("alpha", 0.3))


SLOW = pytest.mark.slow
FAULTS = [
    pytest.param(spoil_kernel, "Convolution", "parts at Conv", marks=SLOW),
    pytest.param(shift_padding, "Convolution", "parts at Conv", marks=SLOW),
    (without_relu, "Convolution", "as it is before Relu"),
    pytest.param(other_activation, "Convolution", "which Relu", marks=SLOW),
    pytest.param(spoil_linear, "InnerProduct", "parts at MatMul", marks=SLOW),
    pytest.param(drop_bias, "InnerProduct", "parts at Add", marks=SLOW),
]


@pytest.mark.parametrize(("plant", "operator", "said"), FAULTS)
def test_a_fault_in_the_file(
    source: SourceModel, tmp_path: Path, plant: Plant, operator: str, said: str
) -> None:
    onnx_file = cached_onnx(source)
    (found,) = located(source, onnx_file, planted(onnx_file, tmp_path, plant))
    assert (found.side, found.operator) == ("target", operator), found.sentence
    assert found.sentence.startswith(f"the layered file leaves the ONNX graph at {operator}")
    assert said in found.sentence
    assert found.complete
    assert found.error_before <= 1e-6 < found.limit < found.error_after


@SLOW
@pytest.mark.parametrize(("fault", "operator"), [("layer_0", "Convolution"), ("layer_2", "")])
def test_a_fault_in_the_runtime(
    source: SourceModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    operator: str,
) -> None:
    onnx_file = cached_onnx(source)
    made = planted(onnx_file, tmp_path, None)
    assert located(source, onnx_file, made) == ()
    monkeypatch.setenv("LAYERED_FAULT", fault)
    (found,) = located(source, onnx_file, made)
    assert (found.side, found.node) == ("runtime", fault), found.sentence
    assert operator in found.operator
    assert "layered leaves float64 at" in found.sentence


@SLOW
def test_both_are_found_where_both_are_wrong(
    source: SourceModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx_file = cached_onnx(source)
    monkeypatch.setenv("LAYERED_FAULT", "layer_2")
    in_file, in_runtime = located(source, onnx_file, planted(onnx_file, tmp_path, spoil_kernel))
    assert (in_file.side, in_file.node) == ("target", "layer_0")
    assert (in_runtime.side, in_runtime.node) == ("runtime", "layer_2")


@SLOW
def test_what_only_its_runtime_reads_is_not_divided(source: SourceModel, tmp_path: Path) -> None:
    onnx_file = cached_onnx(source)
    made = planted(onnx_file, tmp_path, spoil_linear, "unread")
    (found,) = located(source, onnx_file, made)
    assert (found.side, found.operator) == ("target", "InnerProduct")
    assert "are not told apart: nothing but its runtime reads unread" in found.sentence


@SLOW
@pytest.mark.parametrize(
    ("plant", "fault", "side", "said"),
    [(spoil_linear, "", "target", "whoever runs it"), (None, "layer_2", "runtime", "does it")],
)
def test_what_comes_out_of_the_file_divides_as_well(
    source: SourceModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plant: Plant | None,
    fault: str,
    side: str,
    said: str,
) -> None:
    """A target that says its file's outputs, and no layers."""
    onnx_file = cached_onnx(source)

    def no_graph(self: RemadeConversion, artifact: Artifact, shapes: object) -> Artifact:
        raise BackendUnavailableError("it has no layers")

    monkeypatch.setattr(RemadeConversion, "graph", no_graph)
    monkeypatch.setenv("LAYERED_FAULT", fault)
    (found,) = located(source, onnx_file, planted(onnx_file, tmp_path, plant))
    assert (found.side, said in found.sentence) == (side, True), found.sentence


@SLOW
@pytest.mark.parametrize("backend", ["layered", "unread"])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("fp16", "computes in fp16 from Convolution 'layer_0' on, though it says fp32"),
        ("answer", "the fault lies in how the answer is taken from the runtime"),
    ],
)
def test_faults_that_are_no_layers(
    source: SourceModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    fault: str,
    said: str,
) -> None:
    onnx_file = cached_onnx(source)
    monkeypatch.setenv("LAYERED_FAULT", fault)
    found = located(source, onnx_file, planted(onnx_file, tmp_path, None, backend))
    assert found[-1].side == "runtime"
    assert said in found[-1].sentence


@SLOW
def test_no_time_at_all(source: SourceModel, tmp_path: Path) -> None:
    onnx_file = cached_onnx(source)
    (found,) = located(source, onnx_file, planted(onnx_file, tmp_path, spoil_linear), seconds=0)
    assert (found.side, found.complete) == ("target", False)
    assert "give it more --seconds" in found.sentence


@SLOW
def test_a_changed_file_whose_json_file_is_gone(source: SourceModel, tmp_path: Path) -> None:
    """Its inputs and outputs then have the names of the file."""
    onnx_file = cached_onnx(source)
    made = planted(onnx_file, tmp_path, spoil_kernel)
    recorded = json.loads(sidecar(made.path).read_text())
    sidecar(made.path).write_text(json.dumps({key: recorded[key] for key in ("format", "files")}))
    bare = read_target_file(made.path, ["layered"])
    assert (bare.inputs, bare.outputs) == ((), ())
    (found,) = located(source, onnx_file, bare)
    assert (found.side, found.node) == ("target", "layer_0")
    row = row_of(source, onnx_file, bare)
    assert (row.cause, row.step) == ("converter", "layered"), row.explanation


def row_of(
    source: SourceModel, onnx_file: Artifact, made: Artifact, *, search: bool = False
) -> BackendRow:
    plan = Plan(backends=(made.format,), seconds_each=0, quick=True, locate=search)
    with RemadeConversion(source, onnx_file, made) as conversions:
        return validate(source, onnx_file, plan, conversions=conversions).rows[1]


@SLOW
@pytest.mark.parametrize(
    ("plant", "fault", "cause", "step"),
    [
        (None, "", "", ""),
        (spoil_kernel, "", "converter", "layered"),
        (shift_padding, "", "converter", "layered"),
        (without_relu, "", "converter", "layered"),
        (None, "layer_2", "runtime", ""),
        (None, "answer", "runtime", ""),
        (None, "order", "batching", ""),
    ],
)
def test_validate_names_the_step_or_the_runtime(
    source: SourceModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plant: Plant | None,
    fault: str,
    cause: str,
    step: str,
) -> None:
    """Of a file of several files that takes one row, on batches too."""
    onnx_file = cached_onnx(source)
    monkeypatch.setenv("LAYERED_FAULT", fault)
    row = row_of(source, onnx_file, planted(onnx_file, tmp_path, plant))
    assert (row.cause, row.step) == (cause, step), row.explanation
    assert row.verdict == ("differs" if cause else "agrees"), row.reason


@SLOW
@pytest.mark.parametrize(
    ("plant", "fault", "side"), [(spoil_kernel, "", "target"), (None, "layer_2", "runtime")]
)
def test_validate_locates_the_layer(
    source: SourceModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plant: Plant | None,
    fault: str,
    side: str,
) -> None:
    onnx_file = cached_onnx(source)
    monkeypatch.setenv("LAYERED_FAULT", fault)
    row = row_of(source, onnx_file, planted(onnx_file, tmp_path, plant), search=True)
    assert row.located is not None, row.notes
    assert row.located.side == side


def test_a_changed_file_is_taken_once_its_json_file_is_gone(
    source: SourceModel, tmp_path: Path
) -> None:
    onnx_file = cached_onnx(source)
    made = planted(onnx_file, tmp_path, None)
    weights = bytearray(made.files[1].read_bytes())
    weights[-9] ^= 1
    made.files[1].write_bytes(weights)
    with pytest.raises(ModelFileError, match=r"or remove .* if the change is meant"):
        read_target_file(made.path, ["layered"])
    with pytest.raises(UsageError, match="layered, which onnxruntime does not load: --backend la"):
        read_target_file(planted(onnx_file, tmp_path, None).path, ["onnxruntime"])
    with pytest.raises(UsageError, match="is an ONNX file: --onnx"):
        read_target_file(onnx_file.path, ["onnxruntime"])


@SLOW
def test_as_typed(
    paddleport: Command, source: SourceModel, small_pir: Artifact, tmp_path: Path
) -> None:
    onnx_file = cached_onnx(source)
    made = planted(onnx_file, tmp_path, without_relu)
    typed = ("locate", small_pir.path.parent, "-b", "layered", "--target-file", made.path)
    done = paddleport(*typed, "--json")
    assert done.code == 1, done.err
    told = json.loads(done.out)
    jsonschema.validate(told, SCHEMA)
    assert told["sides"] == ["converter", "target", "runtime"]
    assert [item["node"] for item in told["located"]] == ["layer_0"]
    shown = " ".join(paddleport(*typed).out.split())
    for words in (
        "target the layers of the file for layered, against the ONNX graph in float64",
        "layer layer_0",
        "next: the fault came with the file's own format",
    ):
        assert words in shown, shown
    one_line_error(
        paddleport("validate", small_pir.path.parent, "-b", "paddle", *typed[-2:]),
        "which paddle does not load: --backend layered",
    )
