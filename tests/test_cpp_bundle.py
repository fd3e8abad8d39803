"""The folder of ``convert --to cpp``: what stands in it, and what is refused; nothing is built."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_bundles import RULES, made_bundle, with_rules
from test_cli import Command, cache, one_line_error, paddleport

from paddleport.convert import convert
from paddleport.convert.cpp.bundle_writer import preprocess_values
from paddleport.convert.cpp.named_bundle import named_bundle
from paddleport.convert.device.device_files import write_device_folder
from paddleport.convert.device.device_request import DeviceRequest
from paddleport.convert.named_files import only_backend, split_model
from paddleport.convert.targets import TargetOptions, target_class
from paddleport.errors import ModelFileError, ModelNotFoundError, OutputError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.cpp.bundle_file import BUNDLE, read_bundle
from paddleport.models.onnx.onnx_file import read_onnx_model, read_onnx_proto, write_metadata
from paddleport.models.preprocess import Preprocess
from paddleport.models.recognize import format_of, read_artifact
from paddleport.runners.cpp.toolchain import Toolchain

__all__ = ["cache", "paddleport"]
LABELS = ("one", "two, with a comma", "drei", "四", "five")
NO_TOOLS = Toolchain(
    compiler="", compiler_version="", cmake="", cmake_version="", opencv="", jpeg="", json=""
)


@pytest.fixture(scope="module")
def described(small_onnx: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The small network as an ONNX file that says how pictures are fed."""
    proto = read_onnx_proto(small_onnx.path)
    write_metadata(proto, preprocess=RULES, labels=LABELS, provenance={})
    path = tmp_path_factory.mktemp("described") / "small.onnx"
    onnx.save(proto, str(path))
    return read_onnx_model(path)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_what_stands_in_it(described: Artifact, tmp_path: Path, engine: str) -> None:
    made = made_bundle(described, tmp_path / "small-cpp", engine)
    folder = tmp_path / "small-cpp"
    found = read_bundle(folder)
    assert (found.engine, found.folder) == (engine, folder)
    assert found.artifact.files == made.files
    assert found.artifact.inputs == made.inputs
    assert found.artifact.preprocess == RULES
    assert found.artifact.labels == LABELS
    assert (folder / "CMakeLists.txt").is_file()
    assert not list(folder.rglob("*.py")) and not list(folder.rglob("__pycache__"))
    table = json.loads((folder / BUNDLE).read_text("utf-8"))
    assert table["inputs"] == [{"name": "x", "dtype": "float32", "shape": [-1, 3, 9, 9]}]
    assert table["preprocess"]["scale"] == 0.00392157
    assert table["limits"] == {"max_pixels": 178956970, "max_file_bytes": 268435456}
    assert table["model_file"] == f"model/small.{'xml' if engine == 'openvino' else 'onnx'}"
    assert found.engine_file.format == ("openvino" if engine == "openvino" else "onnx")


def test_constants_are_those_of_float32() -> None:
    rules = Preprocess(scale=1 / 255, mean=(1 / 3, 0.1, -0.0), std=(0.229, 2 / 3, 1e-8))
    values = preprocess_values(rules)
    for name in ("scale", "mean", "std"):
        text = json.loads(json.dumps(values[name]))
        own = np.asarray(getattr(rules, name), np.float32)
        assert np.asarray(text, np.float32).tobytes() == own.tobytes()
    assert Preprocess.from_dict(values).channel_num == 3


def test_it_is_found_by_folder_and_by_file(described: Artifact, tmp_path: Path) -> None:
    made = named_bundle(made_bundle(described, tmp_path / "made"), tmp_path / "b")
    for path in (tmp_path / "b", tmp_path / "b" / BUNDLE):
        assert format_of(path) == "cpp"
        assert read_artifact(path).files == made.files
        assert only_backend(str(path)) == "cpp"
        assert split_model([str(path), "x.jpg"], "other") == (str(path), ["x.jpg"])
    assert format_of(tmp_path) == ""
    with pytest.raises(ModelNotFoundError):
        read_artifact(tmp_path / "c" / BUNDLE)


def test_a_name_is_given_at_once_and_nothing_is_overwritten(
    described: Artifact, tmp_path: Path
) -> None:
    made = made_bundle(described, tmp_path / "made")
    made = replace(made, provenance={"source": {"name": "small", "weights": "own"}, "steps": []})
    (tmp_path / "empty").mkdir()
    named_bundle(made, tmp_path / "empty")
    readme = (tmp_path / "empty" / "README.md").read_text("utf-8")
    assert "apt-get install -y cmake g++ libjpeg-dev libopencv-imgcodecs-dev" in readme
    assert "export OpenVINO_DIR=" in readme and "cmake -B build" in readme
    assert read_artifact(tmp_path / "empty").provenance["source"]["name"] == "small"
    for name in ("empty", "made/labels.txt"):
        with pytest.raises(OutputError, match="is there already"):
            named_bundle(made, tmp_path / name)
    assert {item.name for item in tmp_path.iterdir()} == {"made", "empty"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table | {"schema": 2}, "its schema is 2"),
        (lambda table: table | {"engine": "tnn"}, "none of openvino, onnxruntime"),
        (lambda table: table | {"model_file": "model/other.xml"}, "none of model_sha256's"),
        (lambda table: table | {"model_sha256": {}}, "no table of files"),
        (lambda table: table | {"precision": "bf16"}, "bundles are in fp32"),
        (lambda table: table | {"inputs": []}, "inputs is no list"),
        (lambda table: table | {"preprocess": {"scale": 1}}, "preprocessing must have the keys"),
        (lambda table: table | {"labels_file": "../labels.txt"}, "no plain file name"),
    ],
)
def test_a_damaged_one_is_one_line(
    described: Artifact, tmp_path: Path, change: object, said: str
) -> None:
    made_bundle(described, tmp_path / "b")
    file = tmp_path / "b" / BUNDLE
    file.write_text(json.dumps(change(json.loads(file.read_text("utf-8")))), "utf-8")  # type: ignore[operator]
    with pytest.raises(ModelFileError, match=said) as refusal:
        read_bundle(tmp_path / "b")
    assert "\n" not in str(refusal.value)


def test_a_changed_model_is_refused(described: Artifact, tmp_path: Path) -> None:
    made = made_bundle(described, tmp_path / "b", "onnxruntime")
    weights = made.files[1]
    weights.write_bytes(weights.read_bytes().replace(b"kernel", b"kernal"))
    with pytest.raises(ModelFileError, match="was changed after its conversion"):
        read_bundle(tmp_path / "b")
    weights.unlink()
    with pytest.raises(ModelFileError, match="is not there"):
        read_bundle(tmp_path / "b")


def test_what_can_not_be_is_refused(
    small_pir: Artifact, described: Artifact, tmp_path: Path
) -> None:
    target = target_class("cpp")
    pillow = replace(RULES, resize_backend="pil", interpolation="bilinear")
    with pytest.raises(UsageError, match="Pillow resizes"):
        target().check(replace(described, preprocess=pillow), TargetOptions())
    with pytest.raises(UsageError, match=r"unknown engine 'openvno'\. Did you mean 'openvino'"):
        convert(small_pir.path, tmp_path / "b", to="cpp", engine="openvno")
    with pytest.raises(UsageError, match="--engine is of C"):
        convert(small_pir.path, tmp_path / "b", to="openvino", engine="openvino")
    with pytest.raises(UsageError, match="no file holds fp16 as cpp"):
        convert(small_pir.path, tmp_path / "b", to="cpp", precision="fp16")
    with pytest.raises(UsageError, match="a folder of its own"):
        request = DeviceRequest(to="cpp", asked="small")
        write_device_folder(with_rules(small_pir), tmp_path / "d", request)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_without_a_compiler_it_is_not_run_here(
    small_pir: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    for module in ("cpp_runner", "built_program"):
        monkeypatch.setattr(f"paddleport.runners.cpp.{module}.find_toolchain", lambda: NO_TOOLS)
    monkeypatch.setattr("paddleport.convert.targets.cpp_bundle.find_toolchain", lambda: NO_TOOLS)
    done = convert(with_rules(small_pir), tmp_path / "b", to="cpp")
    assert (done.verdict, done.place) == ("not run", tmp_path / "b")
    assert "needs a C++ compiler and CMake" in done.not_run
    assert "apt-get install -y cmake g++" in done.not_run
    assert "**not run**" in (tmp_path / "b" / "README.md").read_text("utf-8")
    assert json.loads((tmp_path / "b" / BUNDLE).read_text("utf-8"))["checked"]["not_run"]


@pytest.mark.slow
def test_refusals_as_typed(paddleport: Command, small_pir: Artifact, tmp_path: Path) -> None:
    folder = small_pir.path.parent
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    convert_to = ("convert", folder, "--to", "cpp")
    one_line_error(paddleport(*convert_to, "-o", "full"), "is there already")
    one_line_error(paddleport(*convert_to, "--engine", "tnn"), "unknown engine 'tnn'")
    one_line_error(paddleport("convert", folder, "--engine", "openvino"), "--to cpp")
