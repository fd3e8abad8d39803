import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mobilenet import forward, mobilenet_card, seeded_state

from paddleport.models.paddle.model_builder import build_inference_model
from paddleport.models.paddle.paddle_program import read_program
from paddleport.models.synthetic.samples import sample_pictures
from paddleport.models.zoo import mobilenet_v2 as module
from paddleport.models.zoo.architecture import Architecture
from paddleport.models.zoo.mobilenet_v2 import build_network, mobilenet_v2
from paddleport.tensors import Array
from paddleport.worker import Worker

# Counted in PaddleClas 2.6's own class for each of the series
PARAMETERS = {
    0.25: 1_517_392,
    0.5: 1_965_736,
    0.75: 2_628_592,
    1.0: 3_505_960,
    1.5: 6_852_712,
    2.0: 11_262_312,
}

# sha256 over "key name shape" of every entry of the state dict of PaddleClas 2.6's own class
PADDLECLAS = {
    0.25: "c62f5ac61572ca230361839f375d7ccada0f44519da1ed110dcda34d5ae4f4f4",
    0.5: "dea4196d79b6e933ae9e5a4c674d9f6dc9b8823936b9fc021bddd848f87b761c",
    0.75: "a4afb83cdc121541fe1d9d7a4d2fb6bc760fa588b6c768b047395aa46c62f073",
    1.0: "1e2ed376f2cafba4cb502f18fbb6bc4f9cf030813be15035fbf7f2b1a3ee979c",
    1.5: "6aa0a44440b5a04e3f8c8c7b0d2b3e9cd371c7e285f0ec7605063cefdc127603",
    2.0: "845194b32090f65e529c1ee9f422a48a743035bc80bc82bd9710ae0ee5639c02",
}

Entry = tuple[str, str, tuple[int, ...]]


def digest(entries: list[Entry]) -> str:
    lines = [f"{key} {name} {list(shape)}\n" for key, name, shape in entries]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_module_offers_what_a_card_needs() -> None:
    offered: Architecture = module  # held by mypy
    assert offered.RECIPE == 1


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("conv1._conv.weight", "conv1_1_weights"),
        ("conv1._batch_norm._mean", "conv1_1_bn_mean"),
        ("conv2._first_block._expand_conv._conv.weight", "conv2_1_expand_weights"),
        ("conv3.conv3_2._bottleneck_conv._batch_norm._variance", "conv3_2_dwise_bn_variance"),
        ("conv6.conv6_3._linear_conv._batch_norm.weight", "conv6_3_linear_bn_scale"),
        ("conv9._batch_norm.bias", "conv9_bn_offset"),
        ("out.weight", "fc10_weights"),
        ("out.bias", "fc10_offset"),
    ],
)
def test_some_keys_and_names_in_plain_sight(worker: Worker, key: str, name: str) -> None:
    entries, _, _ = worker.call(in_paddle, 120.0, 1.0, 1000, None, None)
    assert (key, name) in {entry[:2] for entry in entries}


def in_paddle(scale: float, classes: int, state: dict[str, Array] | None, x: Array | None) -> Any:
    """What Paddle's network has and, with a state, its logits; runs in a worker."""
    import paddle

    network = build_network(mobilenet_v2(scale, classes), softmax=False)
    found = network.state_dict()
    entries = [(key, value.name, tuple(value.shape)) for key, value in found.items()]
    trainable = sum(int(p.size) for p in network.parameters() if not p.stop_gradient)
    if state is None or x is None:
        return entries, trainable, None
    network.set_state_dict({key: paddle.to_tensor(value) for key, value in state.items()})
    network.eval()
    return entries, trainable, network(paddle.to_tensor(x)).numpy()


@pytest.fixture(scope="module")
def worker() -> Any:
    if find_spec("paddle") is None:
        pytest.skip("paddle is not installed")
    with Worker() as worker:
        yield worker


@pytest.mark.parametrize("scale", list(PARAMETERS))
def test_keys_names_and_shapes_are_those_of_paddleclas(worker: Worker, scale: float) -> None:
    entries, trainable, _ = worker.call(in_paddle, 120.0, scale, 1000, None, None)
    assert digest(entries) == PADDLECLAS[scale]
    assert trainable == PARAMETERS[scale]


def pictures(side: int) -> Array:
    planes = np.stack(sample_pictures(2, (side, side))).transpose(0, 3, 1, 2)
    scaled: Array = planes.astype(np.float32) / np.float32(64) - np.float32(2)
    return scaled


# Logits have a standard deviation of 3. float32 on float64 differs by up to 1e-4 over networks
# and kernels (measured with trained weights as well); a wrong stride, pad, epsilon or shortcut
# by 0.1 or more.
LOGIT_TOLERANCE = 1e-3


@pytest.mark.parametrize("side", [64, 75])
def test_paddle_and_float64_agree(worker: Worker, side: int) -> None:
    model = mobilenet_v2(0.5, 40)
    state = seeded_state("agree", 0.5, 40)
    x = pictures(side)
    _, _, logits = worker.call(in_paddle, 120.0, 0.5, 40, state, x)
    expected = forward(model, state, x)
    assert expected.std() > 1
    np.testing.assert_allclose(logits, expected, rtol=0, atol=LOGIT_TOLERANCE)
    faulty = state | {"conv5.conv5_3._linear_conv._batch_norm.bias": np.zeros(32, np.float32)}
    assert np.abs(forward(model, faulty, x) - expected).max() > 10 * LOGIT_TOLERANCE


def test_the_exported_program_has_paddleclas_s_operators(tmp_path: Path, worker: Worker) -> None:
    state = seeded_state("operators", 0.25, 10)
    model = build_inference_model(mobilenet_card(0.25), state, tmp_path)
    assert model.weights_file is not None
    program = read_program(model.path)
    assert [str(spec) for spec in program.inputs] == ["x float32 [?, 3, 224, 224]"]
    counts = program.operators
    assert counts["conv2d"] + counts["depthwise_conv2d"] == 53
    assert counts["batch_norm_"] == 53
    assert counts["relu6"] == 36
    assert counts["add"] == 10 + 1  # and the classifier's bias
    assert counts["softmax"] == 1
    entries, _, _ = worker.call(in_paddle, 120.0, 0.25, 10, None, None)
    assert set(program.parameters) == {name for _, name, _ in entries}
