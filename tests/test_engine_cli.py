"""``convert --to tensorrt-rtx``, as a user types it."""

import json
from pathlib import Path

import pytest
from engines import need_rtx
from test_cli import Command, cache, one_line_error, paddleport

from paddleport.models.artifact import Artifact
from paddleport.runners.gpu import find_driver

__all__ = ["cache", "paddleport"]


def test_an_engine_and_what_is_known_of_it(
    paddleport: Command, small_pir: Artifact, tmp_path: Path
) -> None:
    need_rtx()
    folder = small_pir.path.parent
    words = ("--to", "tensorrt-rtx", "--compute-capability", "8.9", "--precision", "fp16")
    done = paddleport("convert", folder, *words, "--json", "--shape", "x=1,3,9,9:2,3,9,9:4,3,9,9")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    engine = tmp_path / f"{folder.name}.tensorrt-rtx.engine"
    assert engine.stat().st_size == told["size_bytes"]
    assert json.loads(engine.with_name(f"{engine.name}.json").read_text()) == told
    assert (told["computes_in"], told["tf32"], told["capabilities"]) == ("fp16", False, ["8.9"])
    assert told["profile"]["x"]["opt"] == [2, 3, 9, 9]
    assert len(told["onnx_sha256"]) == len(told["source_sha256"]) == 64

    done = paddleport("convert", folder, "--to", "tensorrt-rtx", "-o", "again.engine")
    assert done.code == 0, done.err
    assert (tmp_path / "again.engine").is_file()
    for word in ("again.engine", "fp32, TF32 off", "x float32 [?, 3, 9, 9]", "to [8, 3, 9, 9]"):
        assert word in done.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--to", "tensorrtx"), "Did you mean 'tensorrt'"),
        (("--compute-capability", "8.9"), "--to tensorrt-rtx"),
        (("--to", "tensorrt-rtx", "--compute-capability", "89"), "write 8.9"),
        (("--to", "tensorrt-rtx", "--keep"), "--keep"),
        (("--to", "tensorrt-rtx", "--shape", "x=1,3,9,9:8,3,9,9"), "min:opt:max"),
        (("--to", "tensorrt-rtx", "--shape", "x=1,3,8,8"), "x float32 [?, 3, 9, 9]"),
        (("--to", "tensorrt-rtx", "--precision", "int8"), "QuantizeLinear"),
    ],
)
def test_impossible_engine_options_are_one_line_errors(
    words: tuple[str, ...], told: str, paddleport: Command, small_pir: Artifact
) -> None:
    one_line_error(paddleport("convert", small_pir.path.parent, *words), told)


@pytest.mark.skipif(not find_driver().missing, reason="there is a GPU")
def test_tensorrt_itself_needs_the_gpu(paddleport: Command, small_pir: Artifact) -> None:
    done = paddleport("convert", small_pir.path.parent, "--to", "tensorrt")
    one_line_error(done, "tensorrt needs a GPU: no NVIDIA driver")


@pytest.mark.skipif(not find_driver().missing, reason="there is a GPU")
def test_insisting_on_paddle_tensorrt(paddleport: Command, small_pir: Artifact) -> None:
    done = paddleport("validate", small_pir.path.parent, "--reference", "paddle-tensorrt")
    one_line_error(done, "--reference paddle-tensorrt can't be", "no NVIDIA driver")


def test_the_first_line_says_which_reference_and_why(
    paddleport: Command, small_pir: Artifact
) -> None:
    folder = small_pir.path.parent
    done = paddleport("validate", folder, "--quick", "--seconds", 0, "-b", "onnxruntime")
    (line,) = (line for line in done.out.splitlines() if line.startswith("reference "))
    if find_driver().missing:
        assert "paddle-tensorrt can't run here: no NVIDIA driver" in line
    done = paddleport(
        "validate", folder, "--quick", "--seconds", 0, "-b", "onnxruntime", "--reference", "paddle"
    )
    (line,) = (line for line in done.out.splitlines() if line.startswith("reference "))
    assert "paddle-tensorrt" not in line
