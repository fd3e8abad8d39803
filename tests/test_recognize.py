"""Files that say of themselves what they are, and what is made of those that lie."""

import json
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest
import small_network

from paddleport.convert.named_files import split_model
from paddleport.errors import ModelFileError, ModelNotFoundError, UsageError
from paddleport.models.onnx.onnx_file import LABELS_KEY, PROVENANCE_KEY, read_onnx_model
from paddleport.models.recognize import format_of, read_artifact
from paddleport.runners.tasks.raw_tensors import feed_tensors

DEEP = "[" * 100_000
TENSOR = {"name": "x", "dtype": "float32", "shape": [None, 3]}


@pytest.fixture
def ir(tmp_path: Path) -> Path:
    """An IR as far as it is read without OpenVINO."""
    path = tmp_path / "m.xml"
    path.write_text("<net/>")
    path.with_suffix(".bin").write_bytes(b"weights")
    write_sidecar(path, {"format": "openvino", "files": ["m.bin"], "inputs": [TENSOR]})
    return path


def write_sidecar(path: Path, values: dict[str, Any]) -> None:
    path.with_name(f"{path.name}.json").write_text(json.dumps(values))


@pytest.mark.parametrize("name", [".", "/", "", ".."])
def test_a_folder_is_no_converted_file(name: str) -> None:
    assert format_of(Path(name)) == ""
    assert split_model([name], "MobileNetV2") == ("MobileNetV2", [name])


@pytest.mark.parametrize("name", ["m.onx", "photos", "models/m", "m.tar"])
def test_a_mistyped_model_is_not_run_as_the_default_on_what_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.onnx").touch()
    with pytest.raises(ModelNotFoundError) as raised:
        split_model([name, "a.jpg"], "MobileNetV2")
    assert name in str(raised.value)
    assert ("Did you mean m.onnx?" in str(raised.value)) == (name == "m.onx")


@pytest.mark.parametrize("name", ["no.jpg", "no/*.png", "s3://photos/a", "no/[a]"])
def test_pictures_that_are_not_there_are_told_later(name: str) -> None:
    assert split_model([name], "MobileNetV2") == ("MobileNetV2", [name])


def test_the_weights_of_an_ncnn_file_are_no_picture(tmp_path: Path) -> None:
    weights = tmp_path / "m.ncnn.bin"
    weights.with_suffix(".param").write_text("7767517")
    with pytest.raises(UsageError, match=r"name .*m\.ncnn\.param as the model"):
        split_model([str(weights)], "MobileNetV2")


def test_a_model_without_recorded_inputs_says_what_to_feed() -> None:
    assert feed_tensors([]).startswith("Feed it tensors: --feed FILE.npz")


def test_suffixes_in_capitals(ir: Path, tmp_path: Path) -> None:
    small_network.save_onnx(tmp_path / "up.ONNX")
    assert read_artifact(tmp_path / "up.ONNX").format == "onnx"
    assert format_of(ir.rename(tmp_path / "m.XML")) == "openvino"


def test_a_renamed_ir_has_the_weights_that_openvino_loads(ir: Path, tmp_path: Path) -> None:
    for suffix in (".xml", ".bin", ".xml.json"):
        shutil.copy(tmp_path / f"m{suffix}", tmp_path / f"n{suffix}")
    renamed = read_artifact(tmp_path / "n.xml")
    assert renamed.files == (tmp_path / "n.xml", tmp_path / "n.bin")
    ir.with_suffix(".bin").unlink()
    assert read_artifact(tmp_path / "n.xml") == renamed
    with pytest.raises(ModelFileError, match=r"needs m\.bin beside it"):
        read_artifact(ir)


SIDECARS: dict[str, tuple[object, str]] = {
    "files elsewhere": ({"files": ["../../etc/passwd"]}, "files is no list of plain"),
    "files with no name": ({"files": [""]}, "files is no list of plain"),
    "files of numbers": ({"files": [3]}, "files is no list of plain"),
    "files is a text": ({"files": "m.bin"}, "files is no list of plain"),
    "labels is a text": ({"labels": "abc"}, "labels is no list of texts"),
    "labels of numbers": ({"labels": [1, 2]}, "labels is no list of texts"),
    "labels is a table": ({"labels": {"0": "x"}}, "labels is no list of texts"),
    "an escape sequence": ({"labels": ["a", "\x1b[31mhi"]}, r"labels\[1\] has control"),
    "a line break": ({"labels": ["a\nb"]}, r"labels\[0\] has control"),
    "half a character": ({"labels": ["\ud800"]}, r"labels\[0\] has control"),
    "inputs is null": ({"inputs": None}, "inputs is no list"),
    "inputs is a text": ({"inputs": "abc"}, "inputs is no list"),
    "inputs of texts": ({"outputs": ["x"]}, r"outputs\[0\] is no table"),
    "a shape": ({"inputs": [TENSOR | {"shape": "abc"}]}, r"inputs\[0\]\.shape"),
    "a side": ({"inputs": [TENSOR | {"shape": ["a"]}]}, r"inputs\[0\]\.shape"),
    "a dtype": ({"inputs": [TENSOR | {"dtype": "foo"}]}, r"inputs\[0\]\.dtype"),
    "a tensor's name": ({"inputs": [TENSOR | {"name": None}]}, r"inputs\[0\]\.name"),
    "preprocess is a list": ({"preprocess": []}, "preprocessing must have the keys"),
    "provenance is a list": ({"provenance": [1]}, "provenance is no table"),
    "source is a text": ({"provenance": {"source": "x"}}, "provenance.source is no table"),
    "source is null": ({"provenance": {"source": None}}, "provenance.source is no table"),
    "weights is a table": ({"provenance": {"source": {"weights": {}}}}, "weights is no text"),
    "a name elsewhere": ({"provenance": {"source": {"name": "../x"}}}, "name is no plain name"),
    "steps is a number": ({"provenance": {"steps": 3}}, "steps is no list of tables"),
    "null": (None, "it is no table"),
    "a list": ([], "it is no table"),
}


@pytest.mark.parametrize(("values", "expected"), SIDECARS.values(), ids=SIDECARS)
def test_a_hostile_sidecar_is_one_line(ir: Path, values: object, expected: str) -> None:
    write_sidecar(ir, values)  # type: ignore[arg-type]
    with pytest.raises(ModelFileError, match=expected) as caught:
        read_artifact(ir)
    assert str(caught.value).startswith(f"{ir}.json is damaged: ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", [DEEP, "", '{"format": ' + "9" * 5000 + "}"], ids=len)
def test_a_sidecar_that_cannot_be_parsed(ir: Path, text: str) -> None:
    sidecar = Path(f"{ir}.json")
    sidecar.write_text(text)
    with pytest.raises(ModelFileError, match="is damaged"):
        read_artifact(ir)
    other = ir.rename(ir.with_suffix(".npz"))
    sidecar.rename(f"{other}.json")
    assert format_of(other) == ""


def test_a_file_that_is_recorded_and_missing(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    path.write_bytes(b"model")
    write_sidecar(path, {"format": "npz", "files": ["none.bin"]})
    with pytest.raises(ModelFileError, match=r"needs none\.bin beside it"):
        read_artifact(path)
    write_sidecar(path, {"format": ["npz"]})
    assert format_of(path) == ""


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *((PROVENANCE_KEY, text) for text in ("[]", "null", '"x"', "{", DEEP)),
        (PROVENANCE_KEY, '{"source": "x"}'),
        (PROVENANCE_KEY, '{"source": null}'),
        (PROVENANCE_KEY, '{"source": {"name": "../../x"}}'),
        (PROVENANCE_KEY, '{"steps": ["a"]}'),
        (PROVENANCE_KEY, '{"opset": "a"}'),
        *((LABELS_KEY, text) for text in ('"abc"', "3", "[1]", '["\\u001b[31m"]', DEEP)),
        ("paddleport.preprocess", "[]"),
        ("paddleport.preprocess", DEEP),
    ],
)
def test_damaged_metadata_of_an_onnx_file_is_one_line(tmp_path: Path, key: str, text: str) -> None:
    path = tmp_path / "m.onnx"
    small_network.save_onnx(path)
    proto = onnx.load(str(path))
    entry = proto.metadata_props.add()
    entry.key, entry.value = key, text
    onnx.save(proto, str(path))
    with pytest.raises(ModelFileError, match="damaged paddleport metadata") as caught:
        read_onnx_model(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()
