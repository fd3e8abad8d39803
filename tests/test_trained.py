"""The trained model that other tests run: it fits PaddleClas's network and means what it did."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from mobilenet import forward, mobilenet_card
from trained import CLASSES, SIDE, keras_logits, normalised, trained_state

from paddleport.models.paddle.model_builder import build_inference_model
from paddleport.models.paddle.source import open_model
from paddleport.models.synthetic.samples import sample_pictures
from paddleport.models.zoo.mobilenet_v2 import mobilenet_v2
from paddleport.tensors import Array

# Logits have a standard deviation of 1.7. Both sides are float64; what differs is the variance
# plus epsilon, which is rounded to float32 (6e-8) in each of 52 layers.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def state() -> dict[str, Array]:
    return trained_state()


@pytest.fixture(scope="module")
def pictures() -> Array:
    """N x side x side x 3, normalised."""
    return normalised(np.stack(sample_pictures(3, (SIDE, SIDE)))[..., ::-1])


@pytest.fixture(scope="module")
def expected(pictures: Array) -> Array:
    logits = keras_logits(pictures)
    assert logits.shape == (3, CLASSES)
    assert logits.std() > 1
    assert len(set(logits.argmax(axis=1).tolist())) > 1
    return logits


def test_it_means_what_keras_means(
    state: dict[str, Array], pictures: Array, expected: Array
) -> None:
    model = mobilenet_v2(1.0, CLASSES)
    x = pictures.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(forward(model, state, x), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("key", ["conv1._batch_norm._variance", "conv8._first_block._expand_conv"])
def test_a_wrong_epsilon_or_kernel_would_show(
    state: dict[str, Array], pictures: Array, expected: Array, key: str
) -> None:
    faulty = dict(state)
    if key.endswith("_variance"):
        faulty[key] = state[key] - np.float32(1e-3 - 1e-5)
    else:
        faulty[f"{key}._conv.weight"] = state[f"{key}._conv.weight"][::-1]
    logits = forward(mobilenet_v2(1.0, CLASSES), faulty, pictures.transpose(0, 3, 1, 2))
    assert np.abs(logits - expected).max() > 10 * TOLERANCE


def test_it_builds(state: dict[str, Array], tmp_path: Path) -> None:
    if find_spec("paddle") is None:
        pytest.skip("paddle is not installed")
    model = build_inference_model(mobilenet_card(1.0, SIDE), state, tmp_path)
    found = open_model(model.path, model.weights_file)
    assert found.program.inputs[0].shape == (None, 3, SIDE, SIDE)
    assert found.program.parameters["fc10_weights"].shape == (1280, CLASSES)
