import json
import os
import shutil
from pathlib import Path

import old_programs
import pytest

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.paddle_program import program_format, read_program
from paddleport.models.paddle.params import looks_like_params, read_parameter_specs
from paddleport.models.paddle.source import find_model, holds_model, open_model
from paddleport.worker import Worker


@pytest.fixture(params=["pir", "protobuf"])
def small(request: pytest.FixtureRequest) -> Artifact:
    model = request.getfixturevalue(f"small_{request.param}")
    assert isinstance(model, Artifact)
    return model


def copied(model: Artifact, folder: Path) -> tuple[Path, Path]:
    assert model.weights_file is not None
    folder.mkdir(exist_ok=True)
    program = folder / model.path.name
    params = folder / model.weights_file.name
    shutil.copy(model.path, program)
    shutil.copy(model.weights_file, params)
    return program, params


def test_programs_are_read_without_paddle(small: Artifact) -> None:
    program = read_program(small.path)
    assert program.format == small.encoding
    assert [spec.dtype for spec in program.inputs] == ["float32"]
    assert program.inputs[0].shape[0] is None
    assert program.operators["conv2d"] >= 1
    assert small.weights_file is not None
    stored = read_parameter_specs(small.weights_file)
    assert stored == [program.parameters[name] for name in sorted(program.parameters)]


def test_files_are_recognised_by_content(small: Artifact, tmp_path: Path) -> None:
    program, params = copied(small, tmp_path / "model")
    program = program.rename(program.with_name("network.bin"))
    params = params.rename(params.with_name("weights"))
    (tmp_path / "model" / "config.json").write_text('{"a": 1}')
    found = find_model(tmp_path)  # the model is in the only subfolder
    assert found.model == paddle_artifact(program, params, small.encoding)
    assert holds_model(tmp_path)


def test_the_format_is_told_by_content(small_pir: Artifact, small_protobuf: Artifact) -> None:
    assert program_format(small_pir.path) == "pir"
    assert program_format(small_protobuf.path) == "protobuf"
    assert small_pir.weights_file is not None
    assert program_format(small_pir.weights_file) is None
    assert looks_like_params(small_pir.weights_file.read_bytes()[:64])


def test_every_truncation_of_the_parameters_is_seen(small: Artifact, tmp_path: Path) -> None:
    program, params = copied(small, tmp_path)
    whole = params.read_bytes()
    for size in range(1, len(whole), max(1, len(whole) // 97)):
        params.write_bytes(whole[:size])
        with pytest.raises(ModelFileError, match=r"truncated|not a Paddle parameter file"):
            open_model(program, params)


def test_every_truncation_of_the_program_is_seen(small: Artifact, tmp_path: Path) -> None:
    program, _ = copied(small, tmp_path)
    whole = program.read_bytes()
    for size in range(0, len(whole), max(1, len(whole) // 97)):
        program.write_bytes(whole[:size])
        with pytest.raises(ModelFileError):
            find_model(tmp_path)


@pytest.mark.parametrize("what", ["program", "params"])
def test_empty_files_are_named(small: Artifact, tmp_path: Path, what: str) -> None:
    program, params = copied(small, tmp_path)
    empty = program if what == "program" else params
    empty.write_bytes(b"")
    with pytest.raises(ModelFileError, match=f"{empty.name} is empty"):
        find_model(tmp_path)


def test_missing_parameters_are_asked_for(small: Artifact, tmp_path: Path) -> None:
    _, params = copied(small, tmp_path)
    params.unlink()
    with pytest.raises(ModelFileError, match="--params FILE"):
        find_model(tmp_path)


def test_swapped_files_are_told(small: Artifact, tmp_path: Path) -> None:
    program, params = copied(small, tmp_path)
    with pytest.raises(ModelFileError, match="swapped"):
        open_model(params, program)
    aside = program.rename(tmp_path / "aside")
    params.rename(program)
    aside.rename(params)
    with pytest.raises(ModelFileError, match="swapped"):
        find_model(tmp_path)


def test_two_models_in_a_folder(small: Artifact, tmp_path: Path) -> None:
    program, _ = copied(small, tmp_path)
    shutil.copy(program, tmp_path / f"second{program.suffix}")
    with pytest.raises(ModelFileError, match=r"more than one program: .*second"):
        find_model(tmp_path)


def test_parameters_of_another_model(
    small_pir: Artifact, small_protobuf: Artifact, tmp_path: Path
) -> None:
    assert small_pir.weights_file is not None
    document = json.loads(small_pir.path.read_text())
    for op in document["program"]["regions"][0]["blocks"][0]["ops"]:
        if op["#"] == "p":
            op["O"]["TT"]["D"][1][0] += 1
            changed = op["A"][3]
            break
    program = tmp_path / "inference.json"
    program.write_text(json.dumps(document))
    with pytest.raises(ModelFileError, match=f"another model: .* needs {changed}"):
        open_model(program, small_pir.weights_file)


@pytest.mark.parametrize("pir", ["0", "1"])
def test_a_program_without_inputs(tmp_path: Path, pir: str) -> None:
    with Worker(environ={"FLAGS_enable_pir_api": pir}) as worker:
        worker.call(old_programs.save_without_inputs, 120, str(tmp_path / "constant"))
    with pytest.raises(ModelFileError, match="without inputs: what it computes never changes"):
        find_model(tmp_path)


def test_a_named_pipe_has_no_parameters(small: Artifact, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for find in (find_model, open_model):
        with pytest.raises(ModelNotFoundError, match="pipe is not a file"):
            find(small.path, tmp_path / "pipe")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="does not exist"):
        find_model(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ModelFileError, match=r"pipe\.jpg is neither a file nor a folder"):
        find_model(tmp_path / "pipe.jpg")
    with pytest.raises(ModelFileError, match="holds no Paddle program"):
        find_model(tmp_path)


@pytest.mark.parametrize(
    "content", [b"{", b'{"base_code": 1}', b'{"base_code": {"magic": "pir"}}', b"\x0a\x05ab", b"x"]
)
def test_nonsense_is_no_program(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "inference.json").write_bytes(content)
    with pytest.raises(ModelFileError):
        read_program(tmp_path / "inference.json")
