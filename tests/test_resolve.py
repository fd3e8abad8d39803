"""What is known of a model that a user names."""

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from paddleport.errors import ModelNotFoundError
from paddleport.models.artifact import Artifact
from paddleport.models.paddle.paddle_program import Program, read_program
from paddleport.models.resolve import resolve
from paddleport.tensors import TensorSpec

DESCRIPTION = "PostProcess: {{Topk: {{label_list: {labels}}}}}"


def described(model: Artifact, folder: Path, labels: list[str]) -> Path:
    for file in model.files:
        shutil.copy(file, folder)
    (folder / "inference.yml").write_text(DESCRIPTION.format(labels=labels))
    return folder


@pytest.mark.parametrize("fixture", ["small_pir", "small_protobuf"])
def test_labels_that_do_not_fit_the_classes_are_warned_of(
    fixture: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model: Artifact = request.getfixturevalue(fixture)
    assert resolve(described(model, tmp_path, list("abcde"))).warning == ""
    source = resolve(described(model, tmp_path, list("abc")))
    assert "3 labels and the model 5 classes" in source.warning
    assert source.labels == ("a", "b", "c")  # run says the same, and refuses


def test_parameters_that_are_named_are_those_that_are_read(
    small_pir: Artifact, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in small_pir.files:
        shutil.copy(file, folder)
    changed = bytearray(Path(str(small_pir.weights_file)).read_bytes())
    changed[-1] ^= 1
    other = tmp_path / "other.pdiparams"
    other.write_bytes(changed)
    program = folder / small_pir.path.name
    with tarfile.open(tmp_path / "model.tar", "w") as archive:
        archive.add(folder, "model")
    found = [
        resolve(folder, params=other),
        resolve(program, params=other),
        resolve(None, program=program, params=other),
        resolve(tmp_path / "model.tar", params=other),
    ]
    assert {source.model.weights_file for source in found} == {other}
    assert {source.name for source in found} == {"model", program.stem}
    assert resolve(folder).sha256 != found[0].sha256
    with pytest.raises(ModelNotFoundError, match=r"none\.pdiparams is not a file"):
        resolve(folder, params=tmp_path / "none.pdiparams")


@pytest.mark.parametrize(
    ("shapes", "operators", "warned"),
    [
        ([(None, 6)], {"softmax": 1}, True),
        ([(1, 6), (1, 6)], {}, True),
        ([(None, 6)], {"multiclass_nms3": 1}, False),  # boxes
        ([(300, 6), (None,)], {}, False),
        ([(None, 6, 8, 8)], {}, False),
        ([(None, None)], {}, False),
        ([(None, 3)], {}, False),
    ],
)
def test_only_classifiers_are_warned_of(
    small_pir: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shapes: list[tuple[int | None, ...]],
    operators: dict[str, int],
    warned: bool,
) -> None:
    outputs = tuple(TensorSpec(str(index), "float32", shape) for index, shape in enumerate(shapes))

    def read(path: Path) -> Program:
        return replace(read_program(path), outputs=outputs, operators=operators)

    monkeypatch.setattr("paddleport.models.paddle.source.read_program", read)
    assert bool(resolve(described(small_pir, tmp_path, list("abc"))).warning) is warned
