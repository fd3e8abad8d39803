"""The export itself: file names, bytes, leftovers, and failures in one line."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from exported import export_onnx

from paddleport.convert.paddle2onnx.export import explain_crash
from paddleport.errors import ConversionError, ModelFileError, WorkerCrashed
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.worker import Worker

pytestmark = pytest.mark.conversion
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def worker(scratch: Path) -> Iterator[Worker]:
    with Worker(preload=("paddle",), environ={"TMPDIR": str(scratch)}) as found:
        yield found


def opset_of(file: Path) -> int:
    (item,) = onnx.load(file).opset_import
    return int(item.version)


@pytest.mark.parametrize("kind", ["small_pir", "small_protobuf"])
def test_any_file_names(
    kind: str, worker: Worker, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model: Artifact = request.getfixturevalue(kind)
    program, params = tmp_path / "the program", tmp_path / "weights.of.another.stem"
    program.write_bytes(model.path.read_bytes())
    params.write_bytes((model.weights_file or Path()).read_bytes())
    renamed = paddle_artifact(program, params, model.encoding)
    contents = []
    for number, given in enumerate((model, renamed, renamed)):
        file = tmp_path / f"{number}.onnx"
        result = worker.call(export_onnx, TIMEOUT_S, given, file, opset=13)
        assert (result.path, result.opset, opset_of(file)) == (file, 13, 13)
        contents.append(file.read_bytes())
    assert contents[0] == contents[1] == contents[2], "the same model gives the same bytes"


def test_nothing_is_left_behind(
    worker: Worker, small_protobuf: Artifact, scratch: Path, tmp_path: Path
) -> None:
    worker.call(export_onnx, TIMEOUT_S, small_protobuf, tmp_path / "x.onnx", opset=11)
    with pytest.raises(ModelFileError):
        broken = tmp_path / "broken.json"
        broken.write_text(
            '{"base_code": {"magic": "pir", "version": 3}, "program": {"regions": []}}'
        )
        worker.call(
            export_onnx,
            TIMEOUT_S,
            paddle_artifact(broken, None, "pir"),
            tmp_path / "y.onnx",
            opset=11,
        )
    assert [item.name for item in scratch.iterdir()] == []
    assert sorted(item.name for item in tmp_path.iterdir()) == ["broken.json", "x.onnx"]


def test_too_low_an_opset_names_the_lowest(tmp_path: Path, worker: Worker) -> None:
    model = worker.call(save_circular_pad, TIMEOUT_S, str(tmp_path / "pad"))
    with pytest.raises(ConversionError, match=r"opset 17 is too low: .* is 19\. Try: --opset 19"):
        worker.call(export_onnx, TIMEOUT_S, model, tmp_path / "x.onnx", opset=17)
    assert not (tmp_path / "x.onnx").exists()
    result = worker.call(
        export_onnx, TIMEOUT_S, model, tmp_path / "x.onnx", opset=17, allow_upgrade=True
    )
    assert result.opset == opset_of(tmp_path / "x.onnx") == 19
    for opset in (19, 20):
        file = tmp_path / f"{opset}.onnx"
        assert worker.call(export_onnx, TIMEOUT_S, model, file, opset=opset).opset == opset


def save_circular_pad(prefix: str) -> Artifact:
    import paddle

    paddle.enable_static()
    static: Any = paddle.static
    main, start = static.Program(), static.Program()
    with static.program_guard(main, start):
        x = static.data("x", [1, 2, 4, 4], "float32")
        padded = paddle.nn.functional.pad(x, [1, 1, 1, 1], mode="circular")
        executor = static.Executor(paddle.CPUPlace())
        static.save_inference_model(prefix, [x], [padded], executor, program=main)
    return paddle_artifact(Path(f"{prefix}.json"), None, "pir")


def test_an_abort_is_told_in_one_line(tmp_path: Path, small_pir: Artifact) -> None:
    with Worker(preload=("paddle",)) as own, pytest.raises(WorkerCrashed) as caught:
        own.call(export_onnx, TIMEOUT_S, small_pir, tmp_path / "x.onnx", opset=99)
    message = str(explain_crash(caught.value))
    assert message.startswith("Paddle2ONNX ended with SIGABRT: ")
    assert "\n" not in message
    assert "it printed no reason" not in message


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", "it printed no reason"),
        (
            "[Paddle2ONNX] Start export pd_op.pool2d, op_id: 3",
            "it printed no reason (at the operator pool2d)",
        ),
        (
            "[Paddle2ONNX] Start export pd_op.assign_value_, op_id: 3\n[ERROR][Paddle2ONNX] None.",
            "None (at the operator assign_value_)",
        ),
        (
            "\x1b[31m[ERROR][Paddle2ONNX] [OP: pd_op.conv2d] No NHWC.\x1b[0m\n"
            "[ERROR][Paddle2ONNX] There are unsupported features.",
            "Paddle2ONNX does not convert the operator conv2d here: No NHWC",
        ),
        (
            "[ERROR][Paddle2ONNX] Unsupported data type exists in PaddlePirParser::TransPir.",
            "Paddle2ONNX does not write a data type that this model computes in, such as int16 or "
            "an 8-bit float: save it again with others",
        ),
        (
            "[ERROR][Paddle2ONNX] [OP: pd_op.pool2d] Adaptive only support static input shape.",
            "Paddle2ONNX does not convert the adaptive operator pool2d where the size of its input "
            "is free",
        ),
    ],
)
def test_the_reason_is_found_in_the_log(log: str, told: str) -> None:
    crash = WorkerCrashed("it died", reason="no answer within 5 s", log=log)
    ended = "Paddle2ONNX ended with no answer within 5 s: "
    message = str(explain_crash(crash))
    assert message == (told if told.startswith("Paddle2ONNX") else ended + told)


def test_the_temporary_folder_is_the_workers(scratch: Path, worker: Worker) -> None:
    assert worker.call(tempfile.gettempdir, TIMEOUT_S) == str(scratch)
