"""A bundle's program, built: its answers are native Paddle's, its tensors Python's bits."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from colour_pictures import save_classifier
from made_bundles import made_bundle, patched, picture, with_switch
from made_once import shared_folder
from test_cli import Command, Done, cache, one_line_error, paddleport

from paddleport.convert import cached_onnx, convert
from paddleport.convert.remaking import RemadeConversion
from paddleport.errors import ImageError
from paddleport.models.artifact import Artifact
from paddleport.models.cpp.bundle_file import read_bundle
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.models.preprocess import Preprocess
from paddleport.models.resolve import SourceModel, resolve
from paddleport.runners import open_runner
from paddleport.runners.cpp.built_program import built_program
from paddleport.runners.cpp.cpp_runner import CppRunner
from paddleport.runners.preprocessing.prepare_image import (
    decode_image,
    opencv_version,
    preprocess_image,
)
from paddleport.runners.runner_options import RunnerOptions
from paddleport.validate import BackendRow, Plan
from paddleport.validate.own_preprocessing.picture_check import check_pictures
from paddleport.validate.own_preprocessing.sample_files import sample_files
from paddleport.validate.parity.validation import validate
from paddleport.validate.session import Session

__all__ = ["cache", "paddleport"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cpp_toolchain")]
PICTURES = Preprocess()  # PaddleClas's own, of 224 x 224
FAULTS = {
    "rounding": ("preprocess", "std::nearbyint(value)", "std::floor(value + 0.5)", "257"),
    "channel order": (
        "preprocess",
        "rules.rgb ? 2 - channel : channel",
        "rules.rgb ? channel : 2 - channel",
        "bgr",
    ),
    "interpolation": ("bundle", "cv::INTER_LINEAR", "cv::INTER_NEAREST", "nearest"),
}
"""By name: the file, what it says, what it says wrongly, and what the report has of it."""


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for all these tests, so that each program is built once, whoever comes first."""
    return shared_folder(tmp_path_factory) / "cpp-programs"


@pytest.fixture(autouse=True)
def own_cache(programs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(programs))
    yield


@pytest.fixture
def source() -> SourceModel:
    return resolve("MobileNetV2_x0_25", weights="seeded")


def row_of(
    source: SourceModel, made: Artifact, pictures: tuple[Path, ...] = (), *, quick: bool = True
) -> BackendRow:
    plan = Plan(backends=("cpp",), seconds_each=0, quick=quick)
    onnx = cached_onnx(source)
    with RemadeConversion(source, onnx, made) as conversions:
        return validate(source, onnx, plan, pictures=pictures, conversions=conversions).rows[1]


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_it_agrees_and_its_tensors_are_pythons(
    source: SourceModel, tmp_path: Path, engine: str
) -> None:
    made = made_bundle(cached_onnx(source), tmp_path / "b", engine)
    row = row_of(source, made, quick=False)
    assert (row.verdict, row.cause, row.reason) == ("agrees", "", "")
    assert row.computes_in == "fp32"
    (note,) = [note for note in row.notes if "pictures by path" in note]
    assert "bit for bit" in note and "OpenCV" in note
    assert any(f"{engine} " in note and "in C++" in note for note in row.notes)


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_planted_fault_is_named_preprocessing(
    source: SourceModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """One program with all the faults, built once: the environment says which it has."""
    made = made_bundle(cached_onnx(source), tmp_path / "b", "onnxruntime")
    for name, (file, old, new, _) in FAULTS.items():
        with_switch(made, f"src/{file}.cpp", name, old, new)
    *_, said = FAULTS[fault]
    monkeypatch.setenv("PLANTED", fault)
    row = row_of(source, made)
    assert (row.verdict, row.cause) == ("differs", "preprocessing")
    assert "pictures are prepared otherwise" in row.reason
    assert "of the pixels" in row.reason or "instead of" in row.reason
    assert said in row.explanation.lower()


def test_a_planted_weight_is_not(source: SourceModel, tmp_path: Path) -> None:
    onnx = cached_onnx(source)
    made = made_bundle(onnx, tmp_path / "b", "onnxruntime")
    model = read_bundle(made.path).engine_file.path
    content = bytearray(model.read_bytes())
    at = content.index(np.float32(_largest(model)).tobytes())
    content[at : at + 4] = np.float32(_largest(model) * 1.5).tobytes()
    model.write_bytes(content)
    _recorded_anew(made)
    row = row_of(source, made)
    assert row.verdict == "differs"
    assert (row.cause, row.step) == ("converter", "cpp")
    assert not any("prepared otherwise" in note for note in row.notes)


def _largest(model: Path) -> float:
    import onnx
    from onnx import numpy_helper

    arrays = [numpy_helper.to_array(item) for item in onnx.load(str(model)).graph.initializer]
    weights = max((item for item in arrays if item.dtype == np.float32), key=lambda item: item.size)
    return float(weights.flat[int(np.abs(weights).argmax())])


def _recorded_anew(made: Artifact) -> None:
    """As if the conversion had written it so."""
    from paddleport.files import sha256

    table = json.loads(made.path.read_text("utf-8"))
    for name in table["model_sha256"]:
        table["model_sha256"][name] = sha256([made.path.parent / name])
    made.path.write_text(json.dumps(table), "utf-8")


def test_pictures_of_the_user(source: SourceModel, tmp_path: Path) -> None:
    files = tuple(picture(tmp_path / f"{turn}.jpg", (97, 61), turn=turn) for turn in (3, 6))
    made = made_bundle(cached_onnx(source), tmp_path / "b")
    row = row_of(source, made, files)
    assert row.verdict == "agrees"
    assert any(note.startswith("2 pictures by path") for note in row.notes)


@pytest.mark.parametrize(
    "rules",
    [
        PICTURES,
        replace(PICTURES, channels="BGR", interpolation="area"),
        replace(PICTURES, resize_short=None, resize=(230, 251)),
        replace(PICTURES, resize_short=None, crop=None, interpolation="linear"),
        replace(PICTURES, interpolation="lanczos4", scale=1 / 255, mean=(0.5, 0.4, 0.1)),
        replace(PICTURES, interpolation="nearest", channel_num=4),
        replace(PICTURES, resize_short=224, crop=(192, 224)),
    ],
    ids=["paddleclas", "bgr area", "exact size", "as it is", "lanczos4", "nearest 4", "crop"],
)
def test_bits_and_refusals_on_every_kind_of_file(tmp_path: Path, rules: Preprocess) -> None:
    """The program prepares for any rules, whatever the model behind it takes."""
    onnx = replace(save_classifier(tmp_path / "colours.onnx"), preprocess=rules)
    made = made_bundle(onnx, tmp_path / "b", "onnxruntime")
    folder = tmp_path / "pictures"
    folder.mkdir()
    files = sample_files(folder, rules)
    files += [folder / "absent.jpg", tmp_path]
    refused = 0
    with open_runner("cpp", made, RunnerOptions(threads=1)) as runner:
        assert isinstance(runner, CppRunner)
        for file in files:
            try:
                wanted = preprocess_image(decode_image(file), rules, name=str(file))[None]
            except ImageError as error:
                refused += 1
                with pytest.raises(ImageError) as refusal:
                    runner.prepared(file)
                assert str(refusal.value) == str(error)
            else:
                found = runner.prepared(file)
                assert found.tobytes() == wanted.tobytes(), file.name
                assert found.shape == wanted.shape
    assert refused >= 5


def test_a_resize_that_another_opencv_does_otherwise_is_said(tmp_path: Path) -> None:
    """Cubic: a level of difference in some pixels between 4.6 and 5.0; none in one version."""
    rules = replace(PICTURES, interpolation="cubic")
    onnx = replace(save_classifier(tmp_path / "colours.onnx"), preprocess=rules)
    made = made_bundle(onnx, tmp_path / "b", "onnxruntime")
    session = Session("cpp", made, RunnerOptions(threads=1))
    try:
        spec = replace(onnx_tensors(onnx.path)[0][0], shape=(None, 3, 224, 224))
        files = [picture(tmp_path / "a.png", (480, 640)), picture(tmp_path / "b.png", (512, 513))]
        found = check_pictures("cpp", session, spec, rules, files)
        theirs = session.picture_library()
    finally:
        session.close()
    if theirs == f"OpenCV {opencv_version()}":
        assert not found.apart
        return
    if found.apart:
        assert found.cause == "preprocessing"
        assert "up to 1 of 255 levels" in found.reason
        assert f"Its {theirs} is another than Python's" in found.explanation


def test_as_typed(paddleport: Command, tmp_path: Path, programs: Path) -> None:
    environ = {"PADDLEPORT_CACHE": str(programs)}
    name = ("MobileNetV2_x0_25", "--weights", "seeded")
    done = paddleport("convert", *name, "--to", "cpp", "-o", "bundle", "--json", **environ)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["verdict"], told["path"], told["format"]) == ("agrees", "bundle", "cpp")
    readme = (tmp_path / "bundle/README.md").read_text("utf-8")
    assert "its answers are native Paddle's" in readme and "bit for bit" in readme
    one_line_error(
        paddleport("convert", *name, "--to", "cpp", "-o", "bundle", **environ), "is there already"
    )
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    picture(pictures / "a.jpg", (512, 513), turn=6)
    picture(pictures / "b.png", (233, 301), index=3)
    answers = paddleport("run", *name, "-b", "openvino", "pictures", "--json", **environ)
    of_bundle = paddleport("run", "bundle", "pictures", "--json", **environ)
    assert of_bundle.code == 0, of_bundle.err
    _same_answers(of_bundle, answers)
    by_file = paddleport("run", "bundle/bundle.json", "-b", "cpp", "pictures", **environ)
    assert by_file.out.startswith("bundle · weights seeded") and "cpp fp32" in by_file.out
    _same_answers(_program(tmp_path, programs, "pictures", "--json"), answers)
    done = paddleport("validate", *name, "--target-file", "bundle", **environ)
    one_line_error(done, "--backend cpp")
    validate = ("validate", *name, "--quick", "--seconds", 0, "-b", "cpp", "--json")
    done = paddleport(*validate, "--target-file", "bundle", **environ)
    assert done.code == 0, done.err
    row = json.loads(done.out)["rows"][1]
    assert (row["name"], row["verdict"]) == ("cpp", "agrees")
    done = paddleport("locate", *name, "-b", "cpp", "--target-file", "bundle", **environ)
    assert done.code in (0, 2), done.err


def _program(tmp_path: Path, programs: Path, *words: str) -> Done:
    """What the bundle's program itself prints."""
    folder = tmp_path / "bundle"
    program, library = built_program(folder, "openvino")
    done = subprocess.run(
        [str(program), "--bundle", str(folder), *library.arguments, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PADDLEPORT_CACHE": str(programs)},
    )
    return Done(done.returncode, done.stdout, done.stderr)


def _same_answers(found: Done, wanted: Done) -> None:
    ours, theirs = json.loads(found.out), json.loads(wanted.out)
    assert [item["picture"] for item in ours] == [item["picture"] for item in theirs]
    for one, other in zip(ours, theirs, strict=True):
        pairs = zip(one["predictions"], other["predictions"], strict=True)
        for mine, its in pairs:
            assert (mine["index"], mine["label"]) == (its["index"], its["label"])
            assert abs(mine["score"] - its["score"]) <= 1.001e-5  # rounded to 5 decimals


def test_bad_pictures_are_the_same_lines_and_codes(
    paddleport: Command, tmp_path: Path, programs: Path
) -> None:
    environ = {"PADDLEPORT_CACHE": str(programs)}
    name = ("MobileNetV2_x0_25", "--weights", "seeded")
    done = paddleport("convert", *name, "--to", "cpp", "-o", "bundle", **environ)
    assert done.code == 0, done.err
    folder = tmp_path / "pictures"
    folder.mkdir()
    sample_files(folder, PICTURES, quick=True)
    (tmp_path / "none").mkdir()
    for words in (
        ["pictures"],
        ["pictures/cut.jpg"],
        ["absent.jpg", "pictures/cut.jpg"],
        ["pictures/empty.jpg", "pictures/exif-6.jpg", "pictures/text.png"],
        ["none"],
    ):
        wanted = paddleport("run", *name, "-b", "openvino", *words, **environ)
        found = _program(tmp_path, programs, *words)
        assert found.code == wanted.code, (words, found.err)
        assert _errors(found) == _errors(wanted), words


def _errors(done: Done) -> list[str]:
    return [line for line in done.err.splitlines() if line.startswith("error:")]


def test_threads_are_what_was_asked(source: SourceModel, tmp_path: Path) -> None:
    made = made_bundle(cached_onnx(source), tmp_path / "b")
    for threads in (1, 2):
        with open_runner("cpp", made, RunnerOptions(threads=threads)) as runner:
            assert runner.options.threads == threads


def test_sources_that_do_not_build_fail_by_name(source: SourceModel, tmp_path: Path) -> None:
    made = made_bundle(cached_onnx(source), tmp_path / "b")
    patched(made, "src/preprocess.cpp", "namespace paddleport {", "namespace paddleport { int;;x")
    row = row_of(source, made)
    assert row.verdict == "failed"
    assert "does not build" in row.reason


def test_a_conversion_is_held_to_pictures_too(
    source: SourceModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the folder gets its name: what a backend prepares otherwise is no conversion."""
    monkeypatch.setattr(
        "paddleport.convert.target_proof.check_pictures",
        _with_rules(replace(PICTURES, channels="BGR")),
    )
    done = convert(source, tmp_path / "c", to="cpp")
    assert (done.verdict, done.cause, done.place) == ("differs", "preprocessing", None)
    assert "pictures are prepared otherwise" in done.explanation
    assert not (tmp_path / "c").exists()


def _with_rules(rules: Preprocess) -> object:
    from paddleport.validate.own_preprocessing.picture_check import check_pictures

    def check(backend: str, session: object, spec: object, _: Preprocess) -> object:
        return check_pictures(backend, session, spec, rules, quick=True)  # type: ignore[arg-type]

    return check
