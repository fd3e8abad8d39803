"""``evaluate`` on trained networks beside native Paddle, and in constant memory."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import openvino
import pytest
from colour_pictures import save_classifier
from drawn_digits import _EDGE, SIDE, digits_model, draw_digits
from PIL import Image
from sklearn.metrics import accuracy_score, top_k_accuracy_score
from trained import normalised

import paddleport as pp
from paddleport.convert.artifact_cache import cached_onnx
from paddleport.models.resolve import resolve
from paddleport.tensors import Array
from paddleport.validate.evaluate.report.evaluation_report import EvaluationReport

pytestmark = pytest.mark.slow

PICTURES = 200
# A pass of so many pictures; prints the most memory that the process has held.
MEMORY = """
import sys
from pathlib import Path
import paddleport as pp
from paddleport.process import peak_resident_bytes
model, data = sys.argv[1:]
report = pp.evaluate(model, data, backends=["onnxruntime"], reference=False, batch_size=64,
                     out=Path(data).parent / "out")
print(report.data.pictures, peak_resident_bytes())
"""
FEW, MANY = 10_000, 50_000
GROWTH_BYTES = 16e6  # for five times as many; their preprocessed tensors alone are 31 MB


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that reads digits, and labelled digits in ``val``."""
    folder = tmp_path_factory.mktemp("digits")
    draw_digits(folder / "val", PICTURES, seed=5)
    shutil.copytree(digits_model(tmp_path_factory), folder / "digits")
    return folder


@pytest.fixture(scope="module")
def report(digits: Path) -> EvaluationReport:
    return pp.evaluate(
        digits / "digits",
        digits / "val",
        backends=["onnxruntime", "openvino"],
        precisions=["fp32", "bf16", "int8"],
        out=digits / "out",
    )


def own_scores(digits: Path, names: list[str]) -> Array:
    """The ONNX file's scores by ONNX Runtime itself, in a few lines."""
    session = ort.InferenceSession(cached_onnx(resolve(digits / "digits")).path)
    crop, rows = slice(_EDGE, _EDGE + SIDE), []
    for name in names:
        picture = np.asarray(Image.open(digits / "val" / name).convert("RGB"))
        assert min(picture.shape[:2]) == 256  # so nothing is resized
        tensor = normalised(picture[crop, crop]).transpose(2, 0, 1)[None]
        rows.append(session.run(None, {session.get_inputs()[0].name: tensor})[0][0])
    return np.stack(rows)


def test_the_digits_are_counted_as_scikit_learn_counts_them(
    digits: Path, report: EvaluationReport
) -> None:
    names = [str(file.relative_to(digits / "val")) for file in (digits / "val").rglob("*.png")]
    labels = np.array([int(name.split("/")[0]) for name in names])
    scores = own_scores(digits, names)
    rows = {row.name: row for row in report.rows}
    assert next(iter(rows)) == report.reference == "paddle fp32"
    for name in ("paddle fp32", "onnxruntime fp32", "openvino fp32"):
        found = rows[name]
        assert found.top1.share == accuracy_score(labels, scores.argmax(axis=1))
        assert found.topk is not None
        assert found.topk.share == top_k_accuracy_score(labels, scores, k=5)
    assert rows["paddle fp32"].top1.share > 0.85
    assert rows["openvino int8"].precision == "int8"
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        assert rows["openvino bf16"].precision == "bf16"
    assert rows["onnxruntime int8"].precision == "int8"
    assert "a file in int8" in rows["onnxruntime int8"].notes
    changes = rows["onnxruntime fp32"].changes
    assert changes is not None
    assert (changes.lost, changes.gained, changes.other) == (0, 0, 0)
    assert report.exit_code in (1, 2)  # bf16 has no kernels in ONNX Runtime on a CPU


def test_shifted_labels_are_seen(digits: Path) -> None:
    """Every folder is renamed to the class after it."""
    shifted = digits / "shifted"
    for folder in (digits / "val").iterdir():
        shutil.copytree(folder, shifted / str((int(folder.name) + 1) % 10))
    found = pp.evaluate(
        digits / "digits", shifted, backends=["onnxruntime"], limit=100, out=digits / "out"
    )
    assert found.rows[0].top1.share < 0.1
    assert found.label_problem
    assert (found.verdict, found.exit_code) == ("unproven", 2)


def test_a_fault_of_one_backend_is_a_lower_accuracy(digits: Path, tmp_path: Path) -> None:
    """The file's classifier answers two classes for each other."""
    import onnx
    from onnx import numpy_helper

    proto = onnx.load(str(cached_onnx(resolve(digits / "digits")).path))
    (last,) = [node for node in proto.graph.node if node.op_type in ("Gemm", "MatMul")]
    (weight,) = [item for item in proto.graph.initializer if item.name == last.input[1]]
    values = numpy_helper.to_array(weight).copy()
    axis = values.shape.index(10)
    order = [1, 0, *range(2, 10)]
    weight.CopyFrom(numpy_helper.from_array(values.take(order, axis=axis), weight.name))
    faulty = tmp_path / "faulty.onnx"
    onnx.save(proto, str(faulty))
    found = pp.evaluate(
        digits / "digits",
        digits / "val",
        backends=["onnxruntime"],
        onnx=[faulty],
        out=tmp_path / "out",
    )
    row = {item.name: item for item in found.rows}["onnxruntime faulty.onnx"]
    assert row.verdict == "lower"
    assert (found.verdict, found.exit_code) == ("lower", 1)


@pytest.mark.usefixtures("openvino_bf16")
def test_a_tuned_profile_is_a_row(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "tune.toml").write_text(
        'model = "digits"\ngoal = "throughput"\nbackend = "openvino"\nprecision = "bf16"\n'
        'threads = 2\nbatch = 4\n[options]\nstreams = "2"\n'
    )
    command = [sys.executable, "-m", "paddleport", "evaluate", digits / "digits", digits / "val"]
    command += ["--profile", tmp_path / "tune.toml", "--limit", "40", "--json", "--out", tmp_path]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=300
    )
    rows = json.loads(done.stdout)["rows"]
    assert [row["name"] for row in rows] == ["paddle fp32", "openvino bf16 tuned"]
    assert rows[1]["precision"] == "bf16"


def test_fifty_thousand_pictures_take_no_more_memory_than_ten(tmp_path: Path) -> None:
    save_classifier(tmp_path / "colours.onnx", described=True)
    random = np.random.default_rng(0)
    for count in (FEW, MANY):
        for label in range(3):
            (tmp_path / str(count) / str(label)).mkdir(parents=True)
        for index in range(count):
            _, file = cv2.imencode(".png", random.integers(0, 256, (8, 8, 3)).astype(np.uint8))
            (tmp_path / str(count) / str(index % 3) / f"{index}.png").write_bytes(file.tobytes())
    peaks = []
    for count in (FEW, MANY):
        words = [tmp_path / "colours.onnx", tmp_path / str(count)]
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, *map(str, words)],
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, done.stderr
        pictures, peak = map(int, done.stdout.split()[-2:])
        assert pictures == count
        peaks.append(peak)
    assert peaks[1] - peaks[0] < GROWTH_BYTES, peaks
