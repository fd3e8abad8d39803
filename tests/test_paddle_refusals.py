"""What Paddle says where it takes a program or not, in words for people."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small_network
from conftest import skip_or_fail

from paddleport.convert import convert
from paddleport.errors import ConversionError, FeedError, ModelFileError
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.params import parameter_header, read_stored_parameters
from paddleport.models.resolve import resolve
from paddleport.runners import installed_version, open_runner, runner_class
from paddleport.runners.paddle.paddle_refusals import why_refused
from paddleport.runners.runner_options import RunnerOptions
from paddleport.runners.vendor_message import one_line


@pytest.fixture
def _paddle() -> None:
    if not installed_version(runner_class("paddle")):
        skip_or_fail("paddle", "not installed")


def operations(document: Any, name: str) -> list[Any]:
    block = document["program"]["regions"][0]["blocks"][0]["ops"]
    return [op for op in block if op["#"].endswith(name)]


def rename(document: Any) -> None:
    operations(document, "relu")[0]["#"] = "1.newer_relu"


def make_custom(document: Any) -> None:
    operations(document, "relu")[0]["#"] = "custom_op.relu_x"


def drop_attribute(document: Any) -> None:
    (convolution,) = operations(document, "conv2d")
    convolution["A"] = [item for item in convolution["A"] if item["N"] != "groups"]


CHANGES: dict[str, tuple[Callable[[Any], None], str]] = {
    "newer": (rename, "does not know one of the operators. .*saved by another Paddle"),
    "custom": (make_custom, "has no operators 'custom_op'. .*operators of its own"),
    "attribute": (drop_attribute, "misses the attribute groups of an operator"),
}


@pytest.mark.usefixtures("_paddle")
@pytest.mark.parametrize("change", CHANGES)
def test_a_program_of_another_paddle(change: str, small_pir: Artifact, tmp_path: Path) -> None:
    alter, expected = CHANGES[change]
    document = json.loads(small_pir.path.read_text())
    alter(document)
    program = tmp_path / "other.json"
    program.write_text(json.dumps(document))
    with pytest.raises(ModelFileError, match=rf"^paddle 3\.\d+\.\d+ {expected}") as caught:
        open_runner("paddle", paddle_artifact(program, small_pir.weights_file, "pir"))
    assert "/paddle/" not in str(caught.value)


@pytest.mark.usefixtures("_paddle")
def test_an_old_program_of_another_paddle(small_protobuf: Artifact, tmp_path: Path) -> None:
    program = tmp_path / "other.pdmodel"
    program.write_bytes(small_protobuf.path.read_bytes().replace(b"reduce_mean", b"reduce_mexn"))
    model = paddle_artifact(program, small_protobuf.weights_file, "protobuf")
    with pytest.raises(ModelFileError, match=r"has no operator reduce_mexn\. The model was saved"):
        open_runner("paddle", model)


def in_half_precision(model: Artifact, folder: Path) -> Artifact:
    """A PIR program in float16, and weights of zeros."""
    program, params = folder / "half.json", folder / "half.pdiparams"
    program.write_text(model.path.read_text().replace("t_f32", "t_f16"))
    stored = read_stored_parameters(Path(str(model.weights_file)))
    params.write_bytes(
        b"".join(
            parameter_header("float16", item.spec.shape) + bytes(item.size_bytes // 2)
            for item in stored
        )
    )
    return paddle_artifact(program, params, "pir")


@pytest.mark.slow
@pytest.mark.usefixtures("_paddle")
def test_no_shape_is_asked_for_where_none_would_help(small_pir: Artifact, tmp_path: Path) -> None:
    in_half_precision(small_pir, tmp_path)
    with pytest.raises(ConversionError, match="nothing to compare with: native paddle") as caught:
        convert(tmp_path, tmp_path / "half.onnx")
    assert "no kernel of conv2d" in str(caught.value)
    assert "--shape" not in str(caught.value)


@pytest.mark.usefixtures("_paddle")
def test_half_precision_on_a_cpu(small_pir: Artifact, tmp_path: Path) -> None:
    model, plain = in_half_precision(small_pir, tmp_path), RunnerOptions(extras={"onednn": "false"})
    with pytest.raises(ModelFileError, match=r"no kernel of conv2d for this device.*in float32"):
        open_runner("paddle", model, plain)


@pytest.mark.usefixtures("_paddle")
@pytest.mark.parametrize("fixture", ["small_pir", "small_protobuf"])
def test_a_feed_that_does_not_fit_is_no_fault_of_the_model(
    fixture: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paddleport.runners.base.check_feed", lambda specs, feed: None)
    x = small_network.feed(1)["x"][:, :2]
    expected = "number of input's channels should be"
    runner = open_runner("paddle", request.getfixturevalue(fixture))
    with runner, pytest.raises(FeedError, match=expected) as caught:
        runner.run({"x": x})
    message = str(caught.value)
    assert "/paddle/" not in message
    assert "In user code" not in message


def test_texts_are_told_apart() -> None:
    key = "The kernel with key (CPU, Undefined(AnyLayout), float16) of kernel `matmul` is not "
    cases = {
        f"(NotFound) {key}registered. Selected wrong": "has no float16 kernel of matmul for CPU",
        "(Unimplemented) There are no kernels which are registered in the mul operator.": (
            "has no kernel of mul for this device and type"
        ),
        "(Fatal) Op x should have corresponding OpInfo pd_op.x (at": "has no operator x",
        "(InvalidArgument) The input's size is 3": "",
        "": "",
    }
    for text, expected in cases.items():
        assert why_refused(text).startswith(expected)
        assert bool(why_refused(text)) == bool(expected)


def test_whoever_saved_a_model_is_not_quoted() -> None:
    text = (
        'In user code:\n\n    File "/srv/export.py", line 9, in <module>\n'
        "      paddle.jit.save(net)\n\n"
        "    InvalidArgumentError: The shape is wrong.\n"
        "      [Hint: Expected a == b.] (at /paddle/paddle/phi/infermeta/binary.cc:649)\n"
        "      [operator < conv2d > error]"
    )
    assert one_line(ValueError(text)) == (
        "InvalidArgumentError: The shape is wrong. [Hint: Expected a == b.] "
        "[operator < conv2d > error]"
    )


def test_a_type_that_numpy_lacks(small_pir: Artifact, tmp_path: Path) -> None:
    for file in small_pir.files:
        shutil.copy(file, tmp_path)
    document = json.loads(small_pir.path.read_text())
    (data,) = operations(document, "data")
    text = json.dumps(document).replace(json.dumps(data), json.dumps(data).replace("f32", "bf16"))
    (tmp_path / small_pir.path.name).write_text(text)
    with pytest.raises(ModelFileError, match="input x in bfloat16, which numpy has no type for"):
        resolve(tmp_path)
