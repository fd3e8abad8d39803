import hashlib
from dataclasses import replace

import numpy as np
import pytest
from mobilenet import forward, seeded_state

from paddleport.models.synthetic.samples import sample_pictures
from paddleport.models.zoo import conv_norm
from paddleport.models.zoo.conv_norm import ConvNorm, convolve, normalise
from paddleport.models.zoo.mobilenet_v2 import mobilenet_v2, pooled_features
from paddleport.models.zoo.network_state import State
from paddleport.models.zoo.seeding import PICTURES
from paddleport.tensors import Array

# The weights themselves: whoever changes them raises RECIPE, or caches give the old ones.
DIGESTS = {
    ("MobileNetV2_x0_25", 0.25): "de7aa4cb94ba1ea565713d1d10bc4dd8c9e006afc59a24a15acd53610ccfcbc2",
    ("MobileNetV2", 1.0): "008619abedb1943db7d013b2cc95886f1e4ab76a3265475716f65c819a66be58",
}


def state_digest(state: State) -> str:
    """The sha256 of a state dict: keys, shapes and bytes in order."""
    digest = hashlib.sha256()
    for key, value in state.items():
        digest.update(f"{key} {value.dtype} {value.shape}\n".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def fed(pictures: tuple[Array, ...]) -> Array:
    """As PaddleClas feeds them, written down a second time."""
    rgb = np.stack(pictures)[..., ::-1] * 0.00392157
    scaled: Array = (rgb - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    return scaled.transpose(0, 3, 1, 2)


@pytest.fixture(scope="module")
def state() -> dict[str, Array]:
    return seeded_state("MobileNetV2_x0_25", 0.25)


@pytest.mark.parametrize(("name", "scale"), list(DIGESTS))
def test_the_same_on_every_machine(name: str, scale: float) -> None:
    assert state_digest(seeded_state(name, scale)) == DIGESTS[name, scale]


def test_the_last_bits_of_a_blas_do_not_show(
    state: dict[str, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(1)

    def disturb(size: float) -> str:
        def other(layer: ConvNorm, weight: Array, x: Array) -> Array:
            y = convolve(layer, weight, x)
            y += size * generator.standard_normal(y.shape) * y.std()
            return y

        monkeypatch.setattr(conv_norm, "convolve", other)
        return state_digest(seeded_state("MobileNetV2_x0_25", 0.25))

    assert disturb(1e-14) == state_digest(state)  # other orders of summation: some 1e-15
    assert disturb(1e-3) != state_digest(state)


def test_another_name_has_other_weights(state: dict[str, Array]) -> None:
    other = seeded_state("another", 0.25)
    convolutions = [key for key in state if key.endswith("_conv.weight")]
    assert convolutions
    assert all((state[key] != other[key]).mean() > 0.99 for key in convolutions)


def test_every_tensor_is_float32(state: dict[str, Array]) -> None:
    assert len(state) == 53 * 5 + 2
    assert {value.dtype for value in state.values()} == {np.dtype(np.float32)}


def test_convolutions_are_he_normal(state: dict[str, Array]) -> None:
    for layer in mobilenet_v2(0.25).layers():
        weight = state[f"{layer.key}._conv.weight"].astype(np.float64)
        he = np.sqrt(2 / (layer.weight_shape[1] * layer.kernel**2))
        mean = 0.75 * he if layer.groups > 1 else 0.0  # depthwise kernels blur
        error = 5 / np.sqrt(weight.size)  # five standard errors of a mean
        assert weight.mean() == pytest.approx(mean, abs=error * he), layer.key
        assert weight.std() == pytest.approx(he, rel=error), layer.key
    bell = state["conv9._conv.weight"].ravel() / state["conv9._conv.weight"].std()
    # 102,400 values: of a normal distribution 68.27 and 95.45 % lie within 1 and 2 deviations
    assert (np.abs(bell) < 1).mean() == pytest.approx(0.6827, abs=0.01)
    assert (np.abs(bell) < 2).mean() == pytest.approx(0.9545, abs=0.005)


@pytest.mark.parametrize("scale", [0.25, 1.0])
def test_every_layer_has_unit_scale_and_cuts_at_both_ends(scale: float) -> None:
    model = mobilenet_v2(scale)
    state = seeded_state("scale", scale)

    def check(layer: ConvNorm, x: Array) -> Array:
        y = convolve(layer, state[f"{layer.key}._conv.weight"], x)
        y = normalise(replace(layer, relu6=False), state, y)
        deviation = y.reshape(len(y), -1).std(axis=1)
        if not layer.relu6:
            assert deviation.min() > 0.45 and deviation.max() < 1.1, layer.key
            return y
        assert deviation.min() > 1.4 and deviation.max() < 2.6, layer.key
        assert (y > 6).mean() > 0.005, layer.key
        assert (y < 0).mean() > 0.05, layer.key
        assert ((y > 0) & (y < 6)).mean() > 0.5, layer.key
        clipped: Array = np.clip(y, 0, 6)
        return clipped

    x = fed(sample_pictures(PICTURES, (224, 224)))
    pooled_features(model, check, np.ascontiguousarray(x.transpose(1, 0, 2, 3)))


def test_logits_differ_between_pictures_that_it_never_saw(state: dict[str, Array]) -> None:
    unseen = fed(sample_pictures(12, (224, 224))[PICTURES:])
    logits = forward(mobilenet_v2(0.25), state, unseen)
    assert logits.std(axis=1).min() > 2 and logits.std(axis=1).max() < 6
    best = logits.argmax(axis=1)
    assert len(set(best.tolist())) >= 4
    ranked = np.sort(logits, axis=1)
    lead = ranked[:, -1] - ranked[:, -2]
    assert (lead > np.log(1.1)).sum() >= 4  # the winner is clearly more probable


def test_colours_matter(state: dict[str, Array]) -> None:
    x = fed(sample_pictures(2, (224, 224)))
    logits = forward(mobilenet_v2(0.25), state, x)
    swapped = forward(mobilenet_v2(0.25), state, x[:, ::-1])
    assert np.abs(logits - swapped).max() > 1
