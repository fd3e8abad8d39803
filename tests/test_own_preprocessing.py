"""Pictures that a backend reads itself: what is held against Python, and how it is told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from made_bundles import picture

from paddleport.convert.fp32_proof import Proof, with_findings
from paddleport.errors import ImageError
from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.runners.preprocessing.prepare_image import (
    decode_image,
    opencv_version,
    preprocess_image,
)
from paddleport.tensors import Array, Feed, TensorSpec
from paddleport.validate.own_preprocessing.picture_check import check_pictures, picture_input
from paddleport.validate.own_preprocessing.picture_findings import PictureFindings
from paddleport.validate.own_preprocessing.sample_files import sample_files
from paddleport.validate.own_preprocessing.tensor_difference import tensor_difference
from paddleport.validate.parity import backend_comparison
from paddleport.validate.parity.parity_report import BackendRow
from paddleport.validate.session import Session

pytestmark = pytest.mark.slow

RULES = Preprocess()
SPEC = TensorSpec("x", "float32", (None, 3, 224, 224))


class Reads:
    """A session whose runner prepares pictures with rules that may be others."""

    def __init__(self, rules: Preprocess = RULES, library: str = "") -> None:
        self.rules, self.library = rules, library or f"OpenCV {opencv_version()}"

    def picture_library(self) -> str:
        return self.library

    def prepared(self, file: Path) -> Array:
        return preprocess_image(decode_image(file), self.rules, name=str(file))[None]

    def run_all(self, feeds: list[Feed]) -> list[dict[str, Array]]:
        return [{"y": self.answer(feed["x"])} for feed in feeds]

    def classified(self, file: Path) -> dict[str, Array]:
        return {"y": self.answer(self.prepared(file))}

    def answer(self, tensor: Array) -> Array:
        return tensor.reshape(1, -1)[:, ::997].copy()


class RoundsAwayFromZero(Reads):
    def prepared(self, file: Path) -> Array:
        pixels = decode_image(file)
        height, width = pixels.shape[:2]
        percent = 256 / min(height, width)
        size = int(height * percent + 0.5), int(width * percent + 0.5)
        exact = replace(RULES, resize_short=None, resize=size)
        return preprocess_image(pixels, exact, name=str(file))[None]


class ReadsAnything(Reads):
    def prepared(self, file: Path) -> Array:
        try:
            return super().prepared(file)
        except ImageError:
            return np.zeros((1, 3, 224, 224), np.float32)


class RefusesJpeg(Reads):
    def prepared(self, file: Path) -> Array:
        if file.suffix == ".jpg":
            raise ImageError(f"{file} is not read")
        return super().prepared(file)


class AnswersOtherwise(Reads):
    def classified(self, file: Path) -> dict[str, Array]:
        return {"y": super().classified(file)["y"][:, ::-1]}


class OffByALevel(Reads):
    """As another decoder: one value of some pixels is a level higher."""

    def prepared(self, file: Path) -> Array:
        tensor = super().prepared(file)
        if file.suffix == ".jpg":
            tensor[:, 0, ::7, ::5] += np.float32(RULES.scale / RULES.std[0])
        return tensor


def found(session: Reads, files: list[Path] | tuple[Path, ...] = ()) -> PictureFindings:
    return check_pictures("cpp", cast("Session", session), SPEC, RULES, files, quick=True)


def test_the_same_bits_agree() -> None:
    findings = found(Reads())
    assert findings.agree and findings.cause == "" and findings.explanation == ""
    assert findings.pictures >= 12
    assert "bit for bit (OpenCV" in findings.note and "as in Python" in findings.note
    assert "Python's is" in found(Reads(library="OpenCV 4.6.0")).note


@pytest.mark.parametrize(
    ("session", "said"),
    [
        (RoundsAwayFromZero(), "257"),
        (Reads(replace(RULES, channels="BGR")), "BGR"),
        (Reads(replace(RULES, interpolation="nearest")), "nearest"),
    ],
    ids=["rounding", "channel order", "interpolation"],
)
def test_what_is_done_otherwise_is_named(session: Reads, said: str) -> None:
    findings = found(session)
    assert findings.cause == "preprocessing"
    assert "of 255 levels" in findings.reason and "of the pixels" in findings.reason
    assert said in findings.explanation
    assert "Its OpenCV" not in findings.explanation


def test_another_opencv_is_said_beside_what_differs() -> None:
    findings = found(OffByALevel(library="OpenCV 4.6.0"))
    assert findings.cause == "preprocessing"
    assert "up to 1 of 255 levels" in findings.reason
    assert "(jpg)" in findings.explanation
    assert "Its OpenCV 4.6.0 is another than Python's" in findings.explanation


@pytest.mark.parametrize(
    ("session", "said"),
    [
        (ReadsAnything(), "it is read there, and not here"),
        (RefusesJpeg(), "it is not read there"),
    ],
)
def test_what_one_side_alone_reads_differs(session: Reads, said: str) -> None:
    findings = found(session)
    assert findings.cause == "preprocessing"
    assert said in findings.reason


def test_an_answer_that_is_not_its_tensors_is_the_runtimes(tmp_path: Path) -> None:
    findings = found(AnswersOtherwise(), [picture(tmp_path / "a.png", (300, 280))])
    assert (findings.cause, findings.apart) == ("runtime", ())
    assert "a.png is not the answer to its tensor" in findings.reason


def test_the_row_of_a_backend() -> None:
    good, bad = found(Reads()), found(Reads(replace(RULES, channels="BGR")))
    row = BackendRow(name="cpp", verdict="agrees")
    told = backend_comparison.with_findings(row, good)
    assert (told.verdict, told.notes) == ("agrees", (good.note,))
    told = backend_comparison.with_findings(row, bad)
    assert (told.verdict, told.cause, told.reason) == ("differs", "preprocessing", bad.reason)
    differs = replace(row, verdict="differs", cause="converter", explanation="why")
    told = backend_comparison.with_findings(differs, bad)
    assert (told.cause, told.explanation, told.notes) == ("converter", "why", (bad.reason,))


def test_the_proof_of_a_conversion() -> None:
    bad = found(Reads(replace(RULES, channels="BGR")))
    proof = Proof(verdict="agrees", comparisons=())
    good = with_findings(proof, [found(Reads())])
    assert good.verdict == "agrees" and "pictures by path" in good.pictures
    told = with_findings(proof, [bad])
    assert (told.verdict, told.cause, told.reason) == ("differs", "preprocessing", bad.reason)
    differs = Proof(verdict="differs", comparisons=(), cause="converter")
    assert with_findings(differs, [bad]) is differs


@pytest.mark.parametrize(
    ("change", "levels", "share"),
    [
        (lambda tensor: tensor, None, None),
        (lambda tensor: tensor + np.float32(2 * RULES.scale / RULES.std[1]), 2.0, 1.0),
        (lambda tensor: _one(tensor, np.float32(-0.0)), 0.0, 1 / 16),
        (lambda tensor: _one(tensor, np.float32(np.nan)), float("inf"), 1 / 16),
    ],
)
def test_how_far_two_tensors_are_apart(
    change: Callable[[Array], Array], levels: float | None, share: float | None
) -> None:
    ours = np.zeros((1, 3, 4, 4), np.float32)
    theirs = change(ours.copy())
    difference = tensor_difference(theirs.astype(np.float32), ours, RULES)
    if levels is None:
        assert difference is None
        return
    assert difference is not None
    assert difference.share == pytest.approx(share)
    assert difference.levels == pytest.approx(levels, rel=0.03)


def _one(tensor: Array, value: np.float32) -> Array:
    tensor[0, 1, 2, 3] = value
    return tensor


def test_other_shapes_and_pixels() -> None:
    ours = np.zeros((1, 3, 4, 4), np.float32)
    difference = tensor_difference(ours[:, :, :3], ours, RULES)
    assert difference is not None and "[1, 3, 3, 4] instead of float32" in difference.text
    pixels = np.zeros((1, 4, 4, 3), np.uint8)
    other = pixels.copy()
    other[0, 0, 0] = 9
    difference = tensor_difference(other, pixels, RULES)
    assert difference is not None
    assert (difference.levels, difference.share) == (9.0, 1 / 16)


def test_sample_files_try_what_they_are_to_try(tmp_path: Path) -> None:
    files = sample_files(tmp_path, RULES)
    assert len({file.name for file in files}) == len(files) == len(list(tmp_path.iterdir()))
    halves = 0
    for file in files:
        try:
            height, width = decode_image(file).shape[:2]
        except ImageError:
            continue
        sides = [side * (256 / min(height, width)) for side in (height, width)]
        halves += any(side % 1 == 0.5 and int(side) % 2 == 0 for side in sides)
    assert halves >= 4
    names = {file.name for file in files}
    assert {f"exif-{turn}.jpg" for turn in range(2, 9)} <= names
    assert {"cut.jpg", "text.png", "empty.jpg", "cmyk.jpg", "palette.png"} <= names
    turned = decode_image(tmp_path / "exif-6.jpg")
    assert turned.shape[0] > turned.shape[1]


def test_only_those_that_read_pictures_are_asked() -> None:
    output = TensorSpec("y", "float32", (None, 5))
    classifier = Artifact(format="cpp", files=(Path("x"),), inputs=(SPEC,), outputs=(output,))
    assert picture_input("cpp", classifier) == SPEC
    assert picture_input("onnxruntime", classifier) is None
    assert picture_input("cpp", replace(classifier, outputs=(output, output))) is None
