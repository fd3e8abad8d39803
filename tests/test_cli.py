"""Every command as a user types it: exit codes, one-line errors, nothing half-written."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import old_programs
import onnx
import pytest
from conftest import lend_pnnx
from onnx import numpy_helper
from PIL import Image

from paddleport.models.artifact import Artifact
from paddleport.runners import default_names, describe_all
from paddleport.worker import run_in_worker

TIMEOUT_S = 200


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("cache")
    lend_pnnx(found)
    return found


@pytest.fixture
def paddleport(tmp_path: Path, cache: Path) -> Command:
    def run(*arguments: object, **environment: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "paddleport", *map(str, arguments)],
            cwd=tmp_path,
            env={
                **os.environ,
                "PADDLEPORT_CACHE": str(cache),
                "PADDLEPORT_OFFLINE": "1",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def no_leftovers(tmp_path: Path) -> Iterator[None]:
    before = set(tmp_path.rglob("*"))
    yield
    assert set(tmp_path.rglob("*")) == before


def one_line_error(done: Done, *words: str) -> None:
    assert done.code == 2, (done.out, done.err)
    lines = [line for line in done.err.splitlines() if not line.startswith(" warning ")]
    assert len(lines) == 1, done.err
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


def test_convert_run_validate(
    paddleport: Command, small_pir: Artifact, tmp_path: Path, cache: Path
) -> None:
    folder = small_pir.path.parent
    done = paddleport("convert", folder, "--opset", 11, "-o", "small.onnx", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["verdict"], told["opset"]) == ("agrees", 11)
    proto = onnx.load(str(tmp_path / "small.onnx"))
    assert proto.opset_import[0].version == 11
    provenance = {item.key: item.value for item in proto.metadata_props}["paddleport.provenance"]
    assert json.loads(provenance)["source"]["sha256"] == told["source_sha256"]

    done = paddleport("validate", folder, "--onnx", "small.onnx", "--seconds", 0, "--json")
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "out" / folder.name / "parity.json").read_text())
    assert report == json.loads(done.out)
    verdicts = {row["name"]: row["verdict"] for row in report["rows"]}
    assert verdicts.pop("paddle plain") == "reference"
    usable = {backend.name for backend in describe_all() if backend.usable} & {*default_names()}
    if not (cache / "pnnx").exists():  # a row with the reason
        usable.discard("ncnn")
    assert {verdicts.pop(name) for name in usable} == {"agrees"}
    assert set(verdicts.values()) <= {"skipped"}
    assert (tmp_path / "out" / folder.name / "parity.md").is_file()


@pytest.mark.slow
def test_a_transform_that_is_not_known_is_warned_of(
    paddleport: Command, small_pir: Artifact, tmp_path: Path
) -> None:
    folder = tmp_path / "padded"
    shutil.copytree(small_pir.path.parent, folder)
    (folder / "inference.yml").write_text("PreProcess: {transform_ops: [{Pad: {size: 3}}]}")
    done = paddleport("convert", folder)
    assert done.code == 0, done.err
    assert "warning  pictures can't be fed to the file" in done.err
    assert "unknown preprocessing operator Pad" in done.err


def test_the_same_bytes_twice(paddleport: Command, small_pir: Artifact, tmp_path: Path) -> None:
    for name in ("first.onnx", "second.onnx"):
        assert paddleport("convert", small_pir.path.parent, "-o", name).code == 0
    assert (tmp_path / "first.onnx").read_bytes() == (tmp_path / "second.onnx").read_bytes()


@pytest.mark.slow
def test_a_changed_weight_is_found(
    paddleport: Command, small_pir: Artifact, tmp_path: Path
) -> None:
    folder = small_pir.path.parent
    assert paddleport("convert", folder, "-o", "good.onnx").code == 0
    proto = onnx.load(str(tmp_path / "good.onnx"))
    weight = max(proto.graph.initializer, key=lambda item: len(item.raw_data))
    values = numpy_helper.to_array(weight).copy()
    values.flat[values.size // 2] += np.float32(0.05) + abs(values).max()
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(proto, str(tmp_path / "bad.onnx"))
    done = paddleport(
        "validate", folder, "--onnx", "bad.onnx", "--backend", "onnxruntime", "--seconds", 0
    )
    assert done.code == 1, done.out
    assert "differs" in done.out


def test_run_draws_its_own_picture(paddleport: Command) -> None:
    for backend in ("openvino", "paddle"):
        done = paddleport("run", "--backend", backend, "--json")
        assert done.code == 0, done.err
        assert "LABELS MEAN NOTHING" in done.err
        (answer,) = json.loads(done.out)
        scores = [item["score"] for item in answer["predictions"]]
        assert len(scores) == 5
        assert scores == sorted(scores, reverse=True)


def test_run_over_a_folder(paddleport: Command, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(5):
        Image.new("RGB", (300, 260), (40 * index, 90, 200)).save(pictures / f"{index}.jpg")
    (pictures / "2.jpg").write_text("no picture")
    done = paddleport("run", pictures, "--batch-size", 2, "--jsonl", "answers.jsonl")
    assert done.code == 1
    assert "2.jpg is text" in done.err
    assert "4 pictures · " in done.err  # those that were read
    assert all(word in done.err for word in ("pictures/s", "decode", "preprocess", "inference"))
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [Path(answer["picture"]).name for answer in answers] == [f"{i}.jpg" for i in range(5)]
    assert [bool(answer["error"]) for answer in answers] == [False, False, True, False, False]
    single = paddleport("run", pictures / "3.jpg", "--json")
    ours = json.loads(single.out)[0]["predictions"][0]
    theirs = answers[3]["predictions"][0]
    assert (ours["index"], ours["label"]) == (theirs["index"], theirs["label"])


def test_what_fast_decoding_changes_is_printed(paddleport: Command, tmp_path: Path) -> None:
    Image.effect_noise((1300, 1100), 90).convert("RGB").save(tmp_path / "noise.jpg")
    plain = paddleport("run", "noise.jpg", "--json")
    fast = paddleport("run", "noise.jpg", "--json", "--fast-decode")
    assert "fast decoding" not in plain.err
    assert "1 JPEG, 1 of them decoded smaller: pixels differ by up to" in fast.err
    assert "the likeliest class changed in" in fast.err
    assert json.loads(plain.out) != json.loads(fast.out)


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signal")
@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_run_ends_at_once_when_interrupted(
    paddleport: Command, tmp_path: Path, cache: Path, backend: str
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (300, 260), (40, 90, 200)).save(pictures / "0.jpg")
    paddleport("run", pictures, "-b", backend)  # converts
    for index in range(1, 3000):
        (pictures / f"{index}.jpg").symlink_to("0.jpg")
    command = [sys.executable, "-m", "paddleport", "run", str(pictures), "-b", backend]
    environment = {**os.environ, "PADDLEPORT_CACHE": str(cache), "PADDLEPORT_OFFLINE": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        for _ in range(20):
            assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        started = time.perf_counter()
        try:
            rest = process.communicate(timeout=30)[0]
        finally:
            process.kill()
        assert time.perf_counter() - started < 10
        assert process.returncode != 0
        assert rest.count(b".jpg") < 2500


@pytest.mark.usefixtures("no_leftovers")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["convert", "MobilNetV2"], ["Did you mean 'MobileNetV2'?"]),
        (["convert", "MobilNetV2", "--weights", "seeded"], ["Did you mean 'MobileNetV2'?"]),
        (["run", "MobilNetV2"], ["Did you mean 'MobileNetV2'?"]),
        (["run", "--backend", "openvno"], ["Did you mean 'openvino'?"]),
        (["validate", "MobileNetV2", "-b", "openvno"], ["Did you mean 'openvino'?"]),
        (["convert", "MobileNetV2", "--opset", "6"], ["opset 6", "7 to 21", "--opset 11"]),
        (["convert", "MobileNetV2", "--opset", "99"], ["opset 99", "--opset 21"]),
        (["convert", "MobileNetV2", "--shape", "x=1,4,8,8"], ["x=1,4,8,8 does not fit"]),
        (["convert", "MobileNetV2", "--shape", "y=1,3,8,8"], ["the model takes x"]),
        (["convert", "MobileNetV2", "--shape", "x"], ["NAME=1,3,224,224"]),
        (["convert", "MobileNetV2", "--feed", "x=none.npy"], ["none.npy"]),
        (["convert", "MobileNetV2", "--weights", "none.pdparams"], ["none.pdparams"]),
        (["convert", "MobileNetV2", "--weights", "pretrained"], ["PADDLEPORT_OFFLINE"]),
        (["convert", "MobileNetV2", "-o", "."], ["is a folder"]),
        (["convert", "MobileNetV2", "-o", "/dev/null/x.onnx"], ["cannot be written"]),
        (["validate"], ["no model is named"]),
        (["run", "--threads", "0"], ["--threads 0"]),
        (["run", "--precision", "fp8"], ["fp8", "fp32"]),
        (["run", "--device", "tpu"], ["tpu", "cpu"]),
        (["run", "-b", "openvino", "--precision", "fp16"], ["fp16", "fp32"]),
        (["run", "-o", "optimisation=all"], ["Did you mean 'optimization'?"]),
        (["run", "-b", "paddle", "-o", "onednn=perhaps"], ["onednn", "bool"]),
        (["run", "none.jpg"], ["none.jpg"]),
        (["run", "*.jpg"], ["*.jpg"]),
        (["run", "--batch-size", "0"], ["--batch-size 0"]),
        (["run", "--topk", "0"], ["--topk 0"]),
        (["run", "--workers", "0"], ["--workers 0"]),
        (["run", "--workers", "100000"], ["--workers 100000", "1 to 1024"]),
        (["run", "--batch-size", "1" + "0" * 22], ["--batch-size 1", "1 to 65536"]),
        (["evaluate", "MobileNetV2", ".", "--workers", "100000"], ["1 to 1024"]),
        (["run", "-b", "openvino", "-o", "streams=99"], ["streams=99", "threads"]),
        (["run", "-b", "onnxruntime", "-o", "streams=0"], ["streams=0", "threads"]),
    ],
)
def test_bad_arguments_are_one_line_errors(
    paddleport: Command, arguments: list[str], words: list[str]
) -> None:
    one_line_error(paddleport(*arguments), *words)


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "link"])
def test_bad_archives_are_one_line_errors(paddleport: Command, tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "model.tar", "w") as archive:
        member = tarfile.TarInfo(name)
        if name == "link":
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member, BytesIO())
    one_line_error(paddleport("convert", "model.tar"), name, "not unpacked")
    assert not (tmp_path.parent / "evil").exists()


def test_a_model_in_a_tar(paddleport: Command, small_protobuf: Artifact, tmp_path: Path) -> None:
    assert small_protobuf.weights_file is not None
    with tarfile.open(tmp_path / "small_infer.tar", "w") as archive:
        for file in (small_protobuf.path, small_protobuf.weights_file):
            archive.add(file, f"small_infer/{file.name}")
    done = paddleport("convert", "small_infer.tar")
    assert done.code == 0, done.err
    assert (tmp_path / "small_infer.onnx").is_file()


@pytest.mark.usefixtures("no_leftovers")
def test_files_that_are_not_onnx_are_refused(
    paddleport: Command, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("nonsense") / "no.onnx"
    for content in (b"", b"hello", b"\0" * 100):
        file.write_bytes(content)
        one_line_error(paddleport("run", file), "not an ONNX file")
        one_line_error(paddleport("validate", "MobileNetV2", "--onnx", file), "not an ONNX file")


@pytest.mark.usefixtures("no_leftovers")
def test_a_full_disk(small_pir: Artifact, tmp_path: Path, cache: Path) -> None:
    def few_bytes() -> None:  # a write beyond it fails as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))

    done = subprocess.run(
        [sys.executable, "-m", "paddleport", "convert", small_pir.path.parent],
        cwd=tmp_path,
        env={**os.environ, "PADDLEPORT_CACHE": str(cache)},
        preexec_fn=few_bytes,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    one_line_error(Done(done.returncode, done.stdout, done.stderr), "cannot be written")


@pytest.mark.slow
def test_two_conversions_into_one_cache(cache: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PADDLEPORT_CACHE": str(tmp_path / "cache"),
        "PADDLEPORT_OFFLINE": "1",
    }
    command = [sys.executable, "-m", "paddleport", "run", "MobileNetV2_x0_25", "--json"]
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=TIMEOUT_S)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert outputs[0] == outputs[1] != b""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_conversion_leaves_nothing(
    small_pir: Artifact, tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    scratch, work = tmp_path / "scratch", tmp_path / "work"
    scratch.mkdir()
    work.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "paddleport", "convert", small_pir.path.parent],
        cwd=work,
        env={**os.environ, "TMPDIR": str(scratch), "PADDLEPORT_CACHE": str(tmp_path / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not list(scratch.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(sent)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert not list(scratch.iterdir())
    assert not list(work.iterdir())


@pytest.mark.slow
def test_old_forms_are_converted(
    paddleport: Command, small_protobuf: Artifact, tmp_path: Path
) -> None:
    program = old_programs.separated(small_protobuf, tmp_path / "old")
    scalars = tmp_path / "scalars"
    run_in_worker(old_programs.save_with_scalars, 120, str(scalars))
    old_programs.swap_scalar_shapes(scalars / "inference.pdiparams")
    for arguments in (["old"], ["--model", program], ["scalars"]):
        done = paddleport("convert", *arguments, "-o", "model.onnx", "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["verdict"] == "agrees"
    (tmp_path / "old" / "conv2d_0.w_0").unlink()
    one_line_error(paddleport("convert", "old"), "conv2d_0.w_0 is missing")


def test_models_lists_the_zoo(paddleport: Command) -> None:
    listed = json.loads(paddleport("models", "--family", "MobileNetV2", "--json").out)
    assert len(listed) == 7
    assert listed[3]["top1"] == 0.722
    card = json.loads(paddleport("models", "MobileNetV2_ssld", "--json").out)
    assert card["published"]["top1"] == 0.7674
    shown = paddleport("models", "MobileNetV2").out
    assert "72.20 %" in shown


def test_backends_are_listed(paddleport: Command) -> None:
    listed = json.loads(paddleport("backends", "--json").out)
    assert {"onnxruntime", "openvino", "paddle", "reference"} <= {row["name"] for row in listed}
    assert all(row["usable"] or row["reason"] for row in listed)


def test_an_unproven_conversion_gets_no_file_name(paddleport: Command, tmp_path: Path) -> None:
    run_in_worker(save_constant, 120, str(tmp_path / "constant" / "inference"))
    done = paddleport("convert", "constant", "-o", "model.onnx")
    assert done.code == 2, done.out
    assert "is not proven" in done.err
    assert not (tmp_path / "model.onnx").exists()
    assert paddleport("convert", "constant", "-o", "model.onnx", "--keep").code == 2
    assert (tmp_path / "model.unproven.onnx").is_file()


def save_constant(prefix: str) -> None:
    import paddle

    class Constant(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.linear = paddle.nn.Linear(8, 8)

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads this source
            return self.linear(x * 0)

    spec = [paddle.static.InputSpec([None, 8], "float32", name="x")]
    paddle.jit.save(paddle.jit.to_static(Constant(), input_spec=spec, full_graph=True), prefix)
