"""Tensors that came back from a device: verdicts, causes, and refusals in one line."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import planted_device
import pytest
import small_network
from jsonschema import Draft202012Validator
from planted_device import answers, write_npz, write_raw

from paddleport.convert.device.folder_texts import preprocess_text
from paddleport.errors import FeedError, ModelFileError, UsageError
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array
from paddleport.validate.compare.comparison import FeedName
from paddleport.validate.device.answer_check import AnswerCheck
from paddleport.validate.device.answer_mistakes import find_mistake
from paddleport.validate.device.folder import DeviceFolder, read_folder
from paddleport.validate.device.manifest import MANIFEST, Manifest, file_names
from paddleport.validate.device.returned_answers import read_answers
from paddleport.validate.parity.parity_report import BackendRow
from paddleport.validate.reports.brought_in import MeasuredFile

ROOT = Path(__file__).parent.parent
Answers = list[dict[str, Array]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> DeviceFolder:
    return read_folder(planted_device.write_folder(tmp_path_factory.mktemp("device") / "small"))


def judged(folder: DeviceFolder, path: Path, **options: Any) -> BackendRow:
    check = AnswerCheck(folder=folder, answers=read_answers(path, folder), **options)
    return check.report().rows[1]


def softmax(tensor: Array) -> Array:
    powers = np.exp(tensor - tensor.max(axis=-1, keepdims=True))
    found: Array = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return found


def swapped_feeds(found: Answers) -> Answers:
    return [found[0], found[2], found[1], found[3]]


def channels_swapped(found: Answers) -> Answers:
    return answers([np.ascontiguousarray(tensor[:, ::-1]) for tensor in planted_device.feeds()])


def half(found: Answers) -> Answers:
    return [
        {key: item.astype(np.float16).astype(np.float32) for key, item in feed.items()}
        for feed in found
    ]


def softmax_twice(found: Answers) -> Answers:
    return [{**feed, "scores": softmax(feed["scores"])} for feed in found]


def softmax_missing(found: Answers) -> Answers:
    return [{**feed, "scores": feed["logits"] + 3} for feed in found]


def swapped_outputs(found: Answers) -> Answers:
    return [{"logits": feed["scores"], "scores": feed["logits"]} for feed in found]


def one_nan(found: Answers) -> Answers:
    found[1]["logits"][0, 2] = np.nan
    return found


def all_nan(found: Answers) -> Answers:
    return [{key: np.full_like(item, np.nan) for key, item in feed.items()} for feed in found]


def last_everywhere(found: Answers) -> Answers:
    return [found[-1]] * len(found)


def first_everywhere(found: Answers) -> Answers:
    return [found[0]] * len(found)


def one_weight(found: Answers) -> Answers:
    weights = small_network.weights
    changed = weights()
    changed["linear"][2, 1] += 0.5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_network, "weights", lambda: changed)
        return answers()


@pytest.mark.parametrize(
    ("plant", "cause", "says"),
    [
        (swapped_feeds, "preprocessing", "under feed 1 (noise 1) stands the answer to feed 2"),
        (channels_swapped, "preprocessing", "channels swapped"),
        (half, "runtime", "fits into fp16"),
        (softmax_twice, "runtime", "scores is the softmax of native Paddle's"),
        (softmax_missing, "runtime", "The softmax of scores is native Paddle's"),
        (swapped_outputs, "runtime", "under logits stands scores, under scores stands logits"),
        (one_nan, "runtime", "1 values are not finite, the reference has 0"),
        (all_nan, "runtime", "answers are NaN or infinite throughout"),
        (last_everywhere, "runtime", "copies each answer before the next run"),
        (first_everywhere, "preprocessing", "gives each feed to the model"),
        (one_weight, "runtime", "The file is right: on these feeds onnxruntime 1.0 agreed"),
    ],
)
def test_a_planted_fault_is_named(
    folder: DeviceFolder,
    tmp_path: Path,
    plant: Callable[[Answers], Answers],
    cause: str,
    says: str,
) -> None:
    row = judged(folder, write_npz(tmp_path / "answers.npz", plant(answers())))
    assert (row.verdict, row.cause) == ("differs", cause)
    assert says in row.explanation


@pytest.mark.parametrize("write", [write_npz, write_raw])
def test_right_answers_agree_however_they_come(
    folder: DeviceFolder, tmp_path: Path, write: Callable[[Path, Answers], Path]
) -> None:
    found = answers()
    for feed in found:
        feed["logits"] = feed["logits"] * np.float32(1 + 1e-6)
    row = judged(folder, write(tmp_path / "answers.npz", found))
    assert row.verdict == "agrees"
    assert not row.notes
    assert all(item.sensitivity and item.sensitivity.holds for item in row.comparisons)


def test_axes_of_one_and_halves_are_taken_and_said(folder: DeviceFolder, tmp_path: Path) -> None:
    found = [{key: item[0].astype(np.float16) for key, item in feed.items()} for feed in answers()]
    path = write_npz(tmp_path / "answers.npz", found)
    row = judged(folder, path, precision="fp16")
    assert row.verdict == "agrees"
    assert any("came as [5], taken as [1, 5]" in note for note in row.notes)
    assert any("came as float16" in note for note in row.notes)
    assert judged(folder, path).verdict == "differs"


def test_copied_answers_are_said_to_be(folder: DeviceFolder, tmp_path: Path) -> None:
    row = judged(folder, write_raw(tmp_path / "answers", answers()))
    assert any("bit for bit" in note for note in row.notes)


def test_the_expected_answers_themselves_are_refused(folder: DeviceFolder, tmp_path: Path) -> None:
    copy = tmp_path / "copied.npz"
    copy.write_bytes((folder.path / "expected.npz").read_bytes())
    for path in (folder.path, folder.path / "expected.npz", copy):
        with pytest.raises(UsageError, match="the expected answers themselves"):
            read_answers(path, folder)


def test_a_precision_finer_than_the_files_is_refused(folder: DeviceFolder, tmp_path: Path) -> None:
    path = write_raw(tmp_path / "answers", answers())
    lowered = msgspec.structs.replace(folder.manifest, precision="int8")
    with pytest.raises(UsageError, match="no answer of it is finer"):
        judged(replace(folder, manifest=lowered), path, precision="fp16")


class TestRefusals:
    """What can't be answers is one line."""

    def refused(self, folder: DeviceFolder, path: Path, says: str) -> None:
        with pytest.raises(FeedError) as error:
            read_answers(path, folder)
        assert says in str(error.value)
        assert "\n" not in str(error.value)

    def test_missing_feeds(self, folder: DeviceFolder, tmp_path: Path) -> None:
        np.savez(
            tmp_path / "a.npz", allow_pickle=True, **{"logits.0": np.zeros((1, 5), np.float32)}
        )
        self.refused(folder, tmp_path / "a.npz", "has no scores.0, logits.1, scores.1, logits.2")

    def test_extra_names(self, folder: DeviceFolder, tmp_path: Path) -> None:
        found = {**planted_device.packed(answers()), "logits.4": np.zeros(5)}
        np.savez(tmp_path / "a.npz", allow_pickle=False, **found)
        self.refused(folder, tmp_path / "a.npz", "has logits.4, which")

    def test_a_truncated_archive(self, folder: DeviceFolder, tmp_path: Path) -> None:
        whole = write_npz(tmp_path / "a.npz", answers()).read_bytes()
        (tmp_path / "a.npz").write_bytes(whole[:-200])
        self.refused(folder, tmp_path / "a.npz", "is not a .npz file of numbers")

    def test_a_truncated_raw_file(self, folder: DeviceFolder, tmp_path: Path) -> None:
        raw = write_raw(tmp_path / "a", answers())
        (raw / "logits.2.bin").write_bytes(bytes(19))
        self.refused(folder, raw, "logits.2.bin has 19 bytes, and [1, 5] of float32 has 20")

    def test_raw_halves(self, folder: DeviceFolder, tmp_path: Path) -> None:
        raw = write_raw(tmp_path / "a", answers())
        (raw / "logits.2.bin").write_bytes(bytes(10))
        self.refused(folder, raw, "as float16 would have")

    def test_a_pickle(self, folder: DeviceFolder, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", allow_pickle=True, **{"logits.0": np.array([{}], object)})
        self.refused(folder, tmp_path / "a.npz", "allow_pickle=False")

    def test_texts(self, folder: DeviceFolder, tmp_path: Path) -> None:
        found = {**planted_device.packed(answers()), "logits.0": np.array(["a"])}
        np.savez(tmp_path / "a.npz", allow_pickle=False, **found)
        self.refused(folder, tmp_path / "a.npz", "and numbers are taken")

    def test_nothing(self, folder: DeviceFolder, tmp_path: Path) -> None:
        self.refused(folder, tmp_path / "a.npz", "does not exist")
        self.refused(folder, tmp_path, "has no .bin and no .npy files")

    def test_another_size_is_a_difference(self, folder: DeviceFolder, tmp_path: Path) -> None:
        found = answers()
        found[3]["logits"] = np.zeros((1, 4), np.float32)
        row = judged(folder, write_npz(tmp_path / "a.npz", found))
        assert row.verdict == "differs"
        assert "shape [1, 4], the reference has [1, 5]" in row.explanation


def test_another_layout_is_named() -> None:
    generator = np.random.default_rng(3)
    wanted = [generator.normal(size=(1, 3, 4, 5)).astype(np.float32) for _ in range(3)]
    raw = [np.ascontiguousarray(item.transpose(0, 2, 3, 1)).reshape(item.shape) for item in wanted]
    names = [FeedName(f"feed {number}", "given", 1) for number in range(3)]
    expected, found = ([{"y": item} for item in side] for side in (wanted, raw))
    mistake = find_mistake(expected, found, names, 1e-4)
    assert mistake is not None
    assert "in the order of the axes [0, 2, 3, 1]" in mistake.explanation
    other = [{"y": item * np.float32(1.1)} for item in wanted]
    assert find_mistake(expected, other, names, 1e-4) is None


class TestFolder:
    """A folder that is not as it was written."""

    def test_a_changed_file(self, tmp_path: Path) -> None:
        path = planted_device.write_folder(tmp_path / "small")
        (path / "model" / "small.onnx").write_bytes(b"other")
        with pytest.raises(ModelFileError, match="not what was written there"):
            read_folder(path)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        path = planted_device.write_folder(tmp_path / "small")
        (path / "feeds.npz").unlink()
        with pytest.raises(ModelFileError, match=r"has no feeds\.npz"):
            read_folder(path)

    @pytest.mark.parametrize(
        "change",
        [{"schema": 2}, {"feeds": []}, {"files": {"../../x": "0" * 64}}, {"added": 1}],
        ids=str,
    )
    def test_another_manifest(self, tmp_path: Path, change: dict[str, Any]) -> None:
        path = planted_device.write_folder(tmp_path / "small")
        values = json.loads((path / MANIFEST).read_text())
        (path / MANIFEST).write_text(json.dumps({**values, **change}))
        with pytest.raises(ModelFileError):
            read_folder(path)

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ModelFileError, match="is no device folder"):
            read_folder(tmp_path)


def test_every_constant_of_a_preprocessing_is_explained() -> None:
    text = json.loads(preprocess_text(Preprocess(resize_backend="pil", interpolation="bicubic")))
    assert text.keys() - {"schema", "meaning"} == text["meaning"].keys()
    assert (text["resize_backend"], text["layout"], text["mean"][0]) == ("pil", "NCHW", 0.485)


def test_file_names_are_safe_and_differ() -> None:
    assert file_names(["/fc/out:0", "fc_out_0", "FC.out.0", "…"]) == [
        *("fc_out_0", "fc_out_0_2", "FC_out_0_3", "tensor")
    ]


@pytest.mark.parametrize(
    ("kind", "place", "name"),
    [
        (Manifest, "validate/device/manifest.schema.json", "device-folder"),
        (MeasuredFile, "validate/reports/measured.schema.json", "measured"),
    ],
)
def test_the_published_schema_is_that_of_the_code(kind: type, place: str, name: str) -> None:
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:paddleport:schema:{name}:1",
        **msgspec.json.schema(kind),
    }
    Draft202012Validator.check_schema(made)
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    assert (ROOT / place).read_text("utf-8") == text, f"write this into {place}:\n{text}"


def test_what_is_written_is_as_the_schema_says(folder: DeviceFolder, tmp_path: Path) -> None:
    validators = [
        Draft202012Validator(json.loads((ROOT / place).read_text("utf-8")))
        for place in (
            "validate/device/manifest.schema.json",
            "validate/reports/measured.schema.json",
        )
    ]
    manifest = json.loads((folder.path / MANIFEST).read_text())
    latency = json.loads(planted_device.write_latency(tmp_path / "a.json").read_text())
    for validator, values in zip(validators, (manifest, latency), strict=True):
        assert not list(validator.iter_errors(values))
        assert list(validator.iter_errors({**values, "added": 1}))


def test_the_command(folder: DeviceFolder, tmp_path: Path) -> None:
    """Exit codes, the report's files, and latencies that are brought in."""
    latency = planted_device.write_latency(tmp_path / "latency.json")
    wrong = write_npz(tmp_path / "wrong.npz", swapped_feeds(answers()))
    right = write_raw(tmp_path / "right", answers())

    def run(*words: object) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "paddleport", "check-answers", *map(str, words)],
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout, done.stderr

    code, text, _ = run(folder.path, wrong)
    assert code == 1
    assert "differs: preprocessing" in text
    assert text.endswith("not all agree\n")  # and no report's name after it
    code, text, errors = run(folder.path, tmp_path / "none.npz")
    assert (code, text) == (2, "")
    assert errors.startswith("error: ") and errors.count("\n") == 1
    out = tmp_path / "out"
    code, text, _ = run(folder.path, right, "--latency", latency, "--out", out, "--json")
    assert code == 0
    report = json.loads(text)
    assert report == json.loads((out / "parity.json").read_text())
    assert [item["p50_ms"] for item in report["brought_in"]] == [7.0, 2.5]
    assert [row["speed_up"] for row in report["rows"]] == [None, None]
    assert "Brought in" in (out / "parity.html").read_text()
