"""``paddleport explain-input`` as a user types it: the sentence, exit codes, one-line errors."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddleport.errors import UsageError
from paddleport.models.onnx.onnx_file import PREPROCESS_KEY
from paddleport.models.preprocess import Preprocess
from paddleport.models.resolve import resolve_preprocess
from paddleport.models.synthetic.samples import sample_picture
from paddleport.models.zoo import registry as zoo
from paddleport.runners.preprocessing.prepare_image import decode_image, preprocess_image
from paddleport.tensors import Array


@dataclass(frozen=True)
class Given:
    """A picture's file and what the model is fed for it."""

    picture: Path
    ours: Array

    def run(self, tensor: Array, *options: str) -> subprocess.CompletedProcess[str]:
        file = self.picture.with_name("tensor.npy")
        np.save(file, tensor)
        return explain(self.picture, file, *options)


def explain(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "paddleport", "explain-input", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


@pytest.fixture
def given(tmp_path: Path) -> Given:
    picture = tmp_path / "photo.png"
    cv2.imwrite(str(picture), sample_picture())
    preprocess = zoo.lookup("MobileNetV2").preprocess
    assert preprocess is not None
    return Given(picture, preprocess_image(decode_image(picture), preprocess))


def test_the_same_tensor(given: Given) -> None:
    done = given.run(given.ours[None])
    assert done.returncode == 0, done.stderr
    assert "the same, bit for bit" in done.stdout
    assert "differs" not in done.stdout


def test_swapped_channels_and_json(given: Given) -> None:
    std = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)
    mean = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
    swapped = ((given.ours * std + mean)[::-1] - mean) / std
    done = given.run(swapped[None])
    assert done.returncode == 1, done.stderr
    assert "BGR where the model takes RGB" in done.stdout
    found = json.loads(given.run(swapped[None], "--json").stdout)
    assert (found["verdict"], found["parts"]) == ("explained", ["channel order"])


def test_a_picture_without_detail_is_no_answer(given: Given) -> None:
    cv2.imwrite(str(given.picture), np.full((300, 300, 3), 90, np.uint8))
    assert given.run(given.ours[None]).returncode == 2


@pytest.mark.parametrize(
    ("name", "content", "telling"),
    [
        ("text.npy", b"no numbers", "not a .npy file of numbers"),
        ("text.npz", b"no archive", "not a .npz file of numbers"),
        ("none.npy", None, "none.npy"),
    ],
)
def test_bad_tensors_are_one_line(
    given: Given, name: str, content: bytes | None, telling: str
) -> None:
    file = given.picture.with_name(name)
    if content is not None:
        file.write_bytes(content)
    done = explain(given.picture, file)
    assert (done.returncode, done.stdout) == (2, "")
    assert telling in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_bad_pictures_and_models_are_one_line(given: Given) -> None:
    np.save(given.picture.with_name("t.npy"), given.ours)
    tensor = given.picture.with_name("t.npy")
    for words, telling in (
        ((given.picture.with_name("no.jpg"), tensor), "no.jpg"),
        ((given.picture, tensor, "--model", "MobilNetV2"), "Did you mean 'MobileNetV2'"),
        ((given.picture, tensor, "--model", "no.onnx"), "no.onnx does not exist"),
    ):
        done = explain(*words)
        assert done.returncode == 2
        assert telling in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_an_archive_of_one_is_taken_and_of_two_is_not(given: Given) -> None:
    file = given.picture.with_name("t.npz")
    np.savez(file, x=given.ours)
    assert explain(given.picture, file).returncode == 0
    np.savez(file, x=given.ours, y=given.ours)
    done = explain(given.picture, file)
    assert done.returncode == 2
    assert "holds 2 arrays" in done.stderr


def test_whose_preprocessing(tmp_path: Path) -> None:
    import onnx
    from small_network import save_onnx

    assert resolve_preprocess("MobileNetV2") == zoo.lookup("MobileNetV2").preprocess
    path = tmp_path / "own.onnx"
    save_onnx(path)
    with pytest.raises(UsageError, match="not known how"):
        resolve_preprocess(str(path))
    proto = onnx.load(str(path))
    own = Preprocess(mean=(0.5, 0.5, 0.5))
    proto.metadata_props.add(key=PREPROCESS_KEY, value=json.dumps(own.to_dict()))
    onnx.save(proto, str(path))
    assert resolve_preprocess(str(path)) == own
