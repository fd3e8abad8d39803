"""Programs with one file a parameter: found by their names, checked, and read as one file."""

import shutil
import tarfile
from pathlib import Path

import numpy as np
import old_programs
import pytest
import small_network

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.files import sha256
from paddleport.models.artifact import Artifact
from paddleport.models.paddle.paddle_program import read_program
from paddleport.models.paddle.source import FoundModel, find_model, holds_model, open_model
from paddleport.models.resolve import resolve
from paddleport.models.weights.obtain import open_source
from paddleport.runners import open_runner
from paddleport.worker import Worker, run_in_worker


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=["pir", "protobuf"])
def small(request: pytest.FixtureRequest) -> Artifact:
    model = request.getfixturevalue(f"small_{request.param}")
    assert isinstance(model, Artifact)
    return model


@pytest.fixture
def folder(small: Artifact, tmp_path: Path) -> Path:
    return old_programs.separated(small, tmp_path / "model").parent


def parameters(folder: Path) -> list[str]:
    return sorted(read_program(folder / "__model__").parameters)


def is_whole(found: FoundModel, small: Artifact) -> bool:
    params, expected = found.model.weights_file, small.weights_file
    assert params is not None
    assert expected is not None
    return params.read_bytes() == expected.read_bytes()


def test_they_are_read_as_one_file(small: Artifact, folder: Path, tmp_path: Path) -> None:
    program = folder / "__model__"
    for found in (find_model(tmp_path / "model"), find_model(program), open_model(program, folder)):
        assert found.model.path == program
        assert is_whole(found, small)
    assert holds_model(folder)
    source = resolve(folder)
    assert source.name == "model"
    assert source.sha256 == sha256([program, *(folder / name for name in parameters(folder))])
    shutil.copy(program, folder / "network.pdmodel")
    program.unlink()
    assert is_whole(find_model(folder), small)


def test_a_changed_parameter_is_another_model(folder: Path) -> None:
    before = resolve(folder)
    file = folder / parameters(folder)[0]
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    after = resolve(folder)
    assert after.sha256 != before.sha256
    assert after.model.weights_file != before.model.weights_file


def test_files_of_a_training_beside_them_are_left_alone(small: Artifact, folder: Path) -> None:
    for name in parameters(folder):
        shutil.copy(folder / name, folder / f"{name}_velocity_0")
    (folder / "notes").write_text("nothing")
    assert is_whole(find_model(folder), small)


def test_in_a_tar(small: Artifact, folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "old.tar", "w") as archive:
        archive.add(folder, "old")
    assert is_whole(open_source(tmp_path / "old.tar"), small)


def test_a_missing_one_is_named(folder: Path) -> None:
    first, *others = parameters(folder)
    (folder / first).unlink()
    for _ in range(2):
        with pytest.raises(ModelFileError, match=rf"of the 4 that __model__ needs {first} is miss"):
            find_model(folder)
        for name in others[1:]:
            (folder / name).unlink(missing_ok=True)
    (folder / others[0]).unlink()
    with pytest.raises(ModelFileError, match="none is beside it"):
        find_model(folder)
    with pytest.raises(ModelNotFoundError):
        open_model(folder / "__model__", folder / "nothing")


def test_damaged_ones_are_named(folder: Path) -> None:
    first, second, *_ = parameters(folder)
    whole, other = (folder / first).read_bytes(), (folder / second).read_bytes()
    cases = {
        b"": "is empty",
        whole[:-1]: "is truncated",
        b"text" * 20: "is not a Paddle parameter file",
        whole + other: f"holds 2 parameters where __model__ needs {first} alone",
        other: r"belongs to another model: __model__ needs float32 \[4\]",
    }
    for content, expected in cases.items():
        (folder / first).write_bytes(content)
        with pytest.raises(ModelFileError, match=f"{first} {expected}"):
            find_model(folder)


def test_one_file_with_all_is_taken_where_the_others_are_not_whole(
    small: Artifact, folder: Path
) -> None:
    assert small.weights_file is not None
    together = Path(shutil.copy(small.weights_file, folder / "__params__"))
    with pytest.raises(ModelFileError, match="twice, in one file each and in __params__"):
        find_model(folder)
    assert open_model(folder / "__model__", together).model.weights_file == together
    assert is_whole(open_model(folder / "__model__", folder), small)
    (folder / parameters(folder)[0]).unlink()
    assert find_model(folder).model.weights_file == together


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/../../x", ".."])
def test_a_name_that_leads_out_is_not_looked_for(
    small_protobuf: Artifact, tmp_path: Path, name: str
) -> None:
    program = old_programs.separated(small_protobuf, tmp_path / "model")
    folder = program.parent
    first = parameters(folder)[0]
    content = (folder / first).read_bytes()
    longer = name.ljust(len(first), "/") if name == ".." else name + "x" * (len(first) - len(name))
    assert len(longer) == len(first)
    program.write_bytes(program.read_bytes().replace(first.encode(), longer.encode()))
    (folder / first).rename(tmp_path / longer.removeprefix("../").replace("/", "_"))
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ModelFileError, match="which leads out of"):
        find_model(folder)


def test_a_name_that_no_file_can_have(small_pir: Artifact, tmp_path: Path) -> None:
    program = old_programs.separated(small_pir, tmp_path / "model")
    first = parameters(program.parent)[0]
    for name in ("x" * 5000, "a\\u0000b"):
        content = small_pir.path.read_text().replace(f'"{first}"', f'"{name}"')
        program.write_text(content)
        with pytest.raises(ModelFileError, match="is missing"):
            find_model(program.parent)


@pytest.mark.slow
def test_what_paddle_saves_in_one_file_each(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    with Worker(environ={"FLAGS_enable_pir_api": "0"}) as worker:
        worker.call(old_programs.save_separately, 120, str(folder))
    assert (folder / old_programs.SUBFOLDER / "kernel").is_file()
    found = find_model(folder)
    assert len(found.program.parameters) == 4
    feed = small_network.feed(2)
    native = run_in_worker(
        old_programs.outputs_of_folder, 120, str(folder), feed[small_network.INPUT]
    )
    with open_runner("paddle", found.model) as runner:
        results = list(runner.run(feed).values())
    for ours, theirs, wanted in zip(
        results, native, small_network.expected(feed[small_network.INPUT]), strict=True
    ):
        assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        assert np.allclose(ours, wanted, rtol=1e-4, atol=1e-5)
