"""A program in Paddle Lite's form: what Paddle 3 leaves out is added, and nothing else changes."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_network

from paddleport.convert.paddle_lite.program_form import LACKED_ATTRIBUTES, lite_form
from paddleport.convert.paddle_lite.protobuf_program import protobuf_program
from paddleport.errors import BackendUnavailableError, ModelFileError
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.paddle_program import read_program
from paddleport.models.paddle.program_graph import ProgramOperation, read_program_graph
from paddleport.models.paddle_lite.nb_file import clear_padding, read_nb
from paddleport.models.resolve import resolve
from paddleport.runners import open_runner
from paddleport.worker import Worker


def save_activations(prefix: str) -> None:
    """A network with the operators that lack something, in a worker without PIR."""
    import paddle
    from paddle import nn

    from paddleport.models.paddle.old_functions import old_functions

    maths: Any = paddle
    sqrt = maths.sqrt

    class Activations(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(9, 9)

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads this source
            x = nn.functional.relu6(self.linear(x)) + nn.functional.swish(x)
            x = x + maths.pow(x, 2.0)
            x = maths.multiply(x, nn.functional.sigmoid(x)) + maths.sqrt(maths.maximum(x, x * x))
            x = x.matmul(x, transpose_y=True) + maths.roll(x, 1, axis=2)
            return maths.flatten(x, 1)

    network = Activations()
    network.eval()
    spec = [paddle.static.InputSpec([None, 3, 9, 9], "float32", "x")]
    np.save(f"{prefix}.npy", network(paddle.to_tensor(small_network.feed(2)["x"])).numpy())
    with old_functions():
        paddle.jit.save(paddle.jit.to_static(network, input_spec=spec, full_graph=True), prefix)
    assert maths.sqrt is sqrt


@pytest.fixture(scope="module")
def activations(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    prefix = tmp_path_factory.mktemp("activations") / "network"
    with Worker(environ={"FLAGS_enable_pir_api": "0"}) as worker:
        worker.call(save_activations, 120, str(prefix))
    return paddle_artifact(
        prefix.with_suffix(".pdmodel"), prefix.with_suffix(".pdiparams"), "protobuf"
    )


def operations(path: Path) -> dict[str, ProgramOperation]:
    return {item.kind: item for item in read_program_graph(path).operations}


def test_what_is_lacking_is_added_and_native_paddle_computes_the_same(
    activations: Artifact, tmp_path: Path
) -> None:
    form = lite_form(activations.path.read_bytes())
    path = tmp_path / "lite.pdmodel"
    path.write_bytes(form.content)
    before, after = operations(activations.path), operations(path)
    assert set(before) - {"pow"} == set(after) - {"square"}
    assert before["pow"].attributes["factor"] == 2.0 and "factor" not in after["square"].attributes
    assert before["pow"].argument("X") == after["square"].argument("X")
    for kind, lacking in LACKED_ATTRIBUTES.items():
        assert not set(lacking) & set(before[kind].attributes)
        assert {**before[kind].attributes, **lacking} == after[kind].attributes
    flatten = "flatten_contiguous_range"
    assert len(before[flatten].outputs) == 1 and len(after[flatten].outputs) == 2
    own, new = read_program(activations.path), read_program(path)
    assert (new.inputs, new.outputs, new.parameters) == (own.inputs, own.outputs, own.parameters)
    assert [re.sub(r" \(.*", "", item) for item in form.fixups] == [
        "relu6 is given the attribute threshold=6.0",
        "swish is given the attribute beta=1.0",
        "pow with factor=2 is written as square, since pow of a negative number is wrong on x86",
        "flatten_contiguous_range is given the output XShape",
    ]
    assert lite_form(form.content).fixups == ()  # a program that has it all is left as it is
    assert lite_form(form.content).content == form.content
    right = np.load(activations.path.with_suffix(".npy"))
    with open_runner("paddle", paddle_artifact(path, activations.weights_file, "protobuf")) as it:
        (found,) = it.run(small_network.feed(2)).values()
    np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-5)


def test_a_pir_program_is_refused_with_what_to_type(
    small_pir: Artifact, small_protobuf: Artifact
) -> None:
    assert protobuf_program(resolve(small_protobuf.path)).path == small_protobuf.path
    with pytest.raises(BackendUnavailableError, match="FLAGS_enable_pir_api=0 in the environment"):
        protobuf_program(resolve(small_pir.path))


def nb(kernels: bytes, head: bytes = b"\2\0v2.13-rc\0garbage") -> bytes:
    return head + len(kernels).to_bytes(8, "little") + kernels + b"weights"


def test_an_nb_file_says_what_it_is_for(tmp_path: Path) -> None:
    path = tmp_path / "a.nb"
    path.write_bytes(nb(b"feed/def/1/4/2\0..conv2d/def/4/1/1\0fc/def/4/5/1\0"))
    found = read_nb(path)
    assert (found.optimiser, found.device) == ("v2.13-rc", "arm")
    assert found.devices == {"host": 1, "arm": 2}
    assert found.precisions == {"fp32": 1, "fp16": 1}
    clear_padding(path)
    assert path.read_bytes().startswith(b"\2\0v2.13-rc" + bytes(8) + b"\x2f")
    assert read_nb(path) == found


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no .nb file"),
        (b"onnx" * 20, "is no .nb file"),
        (nb(b"nothing in it"), "holds no operator"),
        (nb(b"conv2d/def/4/1/1\0")[:30], "is truncated"),
    ],
)
def test_what_is_no_nb_file(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.nb"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=said):
        read_nb(path)
