"""What is taken for a Paddle program and is none: named for what it is, with what to type."""

import json
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import small_network

from paddleport.convert.named_files import split_model
from paddleport.errors import ModelFileError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import PROVENANCE_KEY
from paddleport.models.paddle.foreign_files import is_checkpoint
from paddleport.models.resolve import resolve
from paddleport.models.weights.obtain import obtain
from paddleport.models.zoo import registry as zoo

STATE = {"conv.weight": np.ones((3, 3), np.float32)}
LITE = b"\2\0v2.13-rc\0\0\0\0\0\0\0\0" + bytes(100)


def write_onnx(path: Path) -> None:
    small_network.save_onnx(path)


def write_onnx_of_the_zoo(path: Path) -> None:
    write_onnx(path)
    proto = onnx.load(path)
    made_of = json.dumps({"source": {"name": "MobileNetV2"}})
    onnx.helper.set_model_props(proto, {PROVENANCE_KEY: made_of})
    onnx.save(proto, path)


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")


def write_ir(path: Path) -> None:
    path.write_text("<net/>")


FILES: dict[str, tuple[bytes | Callable[[Path], None], str, str]] = {
    "best.pdparams": (pickle.dumps(STATE, protocol=4), "a training checkpoint", "--weights {path}"),
    "old.pdparams": (pickle.dumps(STATE, protocol=2), "a training checkpoint", "export_model.py"),
    "renamed.pdmodel": (pickle.dumps(STATE), "a training checkpoint", "--weights {path}"),
    "weights.bin": (pickle.dumps(STATE), "a training checkpoint", "--weights {path}"),
    "best.pdopt": (pickle.dumps(STATE), "the state of an optimizer", "an inference model"),
    "best.pdstates": (pickle.dumps({"epoch": 3}), "a training's notes", "an inference model"),
    "m.pdiparams.info": (pickle.dumps({}), "what Paddle notes beside", "an inference model"),
    "m.onnx": (write_onnx, "an ONNX file", "paddleport run {path} runs it"),
    "other": (write_onnx, "an ONNX file", "validate FOLDER --onnx {path}"),
    "ours.onnx": (write_onnx_of_the_zoo, "an ONNX", "validate MobileNetV2 --onnx {path} compares"),
    "m.xml": (write_ir, "a model of the format openvino", "run --backend openvino {path}"),
    "m.nb": (b"\0", "a model that Paddle Lite has optimised", "that it was made of"),
    "lite": (LITE, "a model that Paddle Lite has optimised", "that it was made of"),
    "m.zip": (write_zip, "a zip archive", "unpack it"),
    "m.h5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "a file of HDF5", "give a Paddle model"),
    "m.tflite": (b"\x1c\0\0\0TFL3" + bytes(99), "a TensorFlow Lite model", "give a Paddle model"),
    "config.json": (b'{"a": 1}', "a JSON file of something else", "paddle.jit.save"),
    "list.json": (b"[1, 2]", "a JSON file of something else", "paddle.jit.save"),
    "inference.yml": (b"Global: 1", "a description of a model", "the folder that the model is in"),
}


def written(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    content, path = FILES[name][0], folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    return path


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_said_to_be_what_it_is(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, name)
    _, what, hint = FILES[name]
    for arguments in ({"name": path}, {"name": None, "program": path}):
        with pytest.raises(ModelFileError) as caught:
            resolve(**arguments)
        message = str(caught.value)
        assert message.startswith(f"{path} is {what}")
        assert hint.format(path=path) in message
        assert "damaged" not in message
    assert split_model([str(path)], "MobileNetV2") == (str(path), [])


@pytest.mark.parametrize("name", FILES)
def test_it_is_not_a_parameter_file_either(
    name: str, small_protobuf: Artifact, tmp_path: Path
) -> None:
    path = written(tmp_path, name)
    with pytest.raises(ModelFileError, match=f"{name} is .* not the parameter file of an infer"):
        resolve(None, program=small_protobuf.path, params=path)


def test_a_folder_is_said_to_have_what_tells_most(tmp_path: Path) -> None:
    folder = tmp_path / "output"
    for name in ("best.pdopt", "best.pdparams", "best.pdstates", "config.json"):
        written(folder, name)
    with pytest.raises(ModelFileError) as caught:
        resolve(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder} holds no Paddle program; it has best.pdopt, best.pdparams")
    assert "best.pdparams is a training checkpoint" in message
    assert f"--weights {folder}/best.pdparams" in message
    (folder / "best.pdparams").unlink()
    with pytest.raises(ModelFileError, match=r"config\.json is a JSON|best\.pdopt is the state of"):
        resolve(folder)


def test_what_is_beside_a_checkpoint_names_it(tmp_path: Path) -> None:
    written(tmp_path, "best.pdparams")
    with pytest.raises(ModelFileError, match=f"--weights {tmp_path}/best.pdparams"):
        resolve(written(tmp_path, "best.pdopt"))


def test_a_tar_of_checkpoints_is_named_and_not_where_it_was_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "output"
    written(folder, "best.pdparams")
    with tarfile.open(tmp_path / "output.tar", "w") as archive:
        archive.add(folder, "output")
    with pytest.raises(ModelFileError) as caught:
        resolve(tmp_path / "output.tar")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'output.tar'} holds no Paddle program")
    assert message.endswith(f"unpack {tmp_path / 'output.tar'} to name a file in it")
    assert "cache" not in message


def test_parameters_alone(small_pir: Artifact, tmp_path: Path) -> None:
    path = Path(shutil.copy(str(small_pir.weights_file), tmp_path / "alone.pdiparams"))
    for named in (path, tmp_path):
        with pytest.raises(ModelFileError, match=f"parameter file.*--model FILE --params {path}"):
            resolve(named)


def test_a_damaged_program_is_not_called_something_else(
    small_pir: Artifact, small_protobuf: Artifact, tmp_path: Path
) -> None:
    for model in (small_pir, small_protobuf):
        content = model.path.read_bytes()
        path = tmp_path / model.path.name
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(ModelFileError, match="is not a Paddle program, or is damaged"):
            resolve(path)


def test_a_checkpoint_of_any_name_is_read_as_one(tmp_path: Path) -> None:
    for name in ("renamed.pdmodel", "weights.bin", "best.pdparams"):
        path = written(tmp_path, name)
        assert is_checkpoint(path)
        with pytest.raises(ModelFileError, match=r"no state of MobileNetV2.*is missing"):
            obtain(zoo.lookup("MobileNetV2"), str(path), cache=tmp_path)
    for name in ("best.pdopt", "m.onnx", "config.json"):
        assert not is_checkpoint(written(tmp_path, name))
        with pytest.raises(ModelFileError, match="not a Paddle program"):
            obtain(zoo.lookup("MobileNetV2"), str(tmp_path / name), cache=tmp_path)


def test_a_program_that_was_not_saved_for_inference(small_pir: Artifact, tmp_path: Path) -> None:
    document = json.loads(small_pir.path.read_text())
    block = document["program"]["regions"][0]["blocks"][0]
    block["ops"] = [op for op in block["ops"] if not op["#"].endswith("fetch")]
    (tmp_path / "trained.json").write_text(json.dumps(document))
    with pytest.raises(ModelFileError, match=r"without outputs.*save_inference_model"):
        resolve(tmp_path / "trained.json")
