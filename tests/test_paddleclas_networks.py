"""Networks of PaddleClas's wheel: seeded, from checkpoints, and those that fix the batch."""

import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import skip_or_fail

from paddleport.errors import DownloadError, ModelFileError
from paddleport.models.paddle.model_builder import build_seeded_model, new_network
from paddleport.models.paddle.source import find_model
from paddleport.models.weights.obtain import obtain
from paddleport.models.zoo import paddleclas
from paddleport.models.zoo.model_card import ModelCard
from paddleport.models.zoo.seeded_weights import CALIBRATION_PICTURES, calibration_batch
from paddleport.models.zoo.seeding import LOGIT_STD, SeededStream
from paddleport.tensors import Array, TensorSpec
from paddleport.worker import run_in_worker

TIMEOUT_S = 300.0


def card(network: str, *, side: int = 224, classes: int = 1000, **arguments: Any) -> ModelCard:
    return ModelCard(
        name=network,
        family="any",
        task="classification",
        architecture="paddleport.models.zoo.paddleclas",
        arguments={"network": network, **arguments},
        input=TensorSpec("x", "float32", (None, 3, side, side)),
        classes=classes,
    )


@pytest.fixture(scope="module")
def wheel() -> None:
    if find_spec("paddle") is None:
        pytest.skip("paddle is not installed")
    try:
        paddleclas.prepare(lambda step, share: None)
    except DownloadError as error:
        skip_or_fail("paddleclas", str(error))


@pytest.mark.parametrize("kind", ["refuses", "mixes"])
def test_a_batch_that_the_network_s_python_computes_with_is_fixed(
    tmp_path: Path, kind: str
) -> None:
    if find_spec("paddle") is None:
        pytest.skip("paddle is not installed")
    fixed = ModelCard(
        name="Fixed",
        family="Fixed",
        task="classification",
        architecture="fixed_batch_network",
        arguments={"kind": kind},
        input=TensorSpec("x", "float32", (None, 3, 2, 2)),
        classes=5,
    )
    obtained = obtain(fixed, "seeded", cache=tmp_path)
    assert obtained.source == (
        "seeded here from the name Fixed, recipe 1; takes a batch of 1 alone, since Paddle traces "
        "Fixed with no free one"
    )
    assert find_model(obtained.model.path).program.inputs[0].shape == (1, 3, 2, 2)


def logits(card: ModelCard, swapped: bool) -> Array:
    """Of pictures that no statistic is from; runs in a worker."""
    import paddle

    network: Any = new_network(paddleclas, card, card.classes)
    stream = SeededStream(card.name, paddleclas.RECIPE)
    paddleclas.seed(network, card.arguments, card.classes, stream, card.known_input())
    feed = unseen(card)
    with paddle.no_grad():
        found: Array = network.backbone(paddle.to_tensor(feed[:, ::-1] if swapped else feed))
    return np.asarray(found)


def unseen(card: ModelCard) -> Array:
    """Drawn pictures after those that calibrate."""
    from paddleport.models.synthetic.samples import sample_pictures

    height, width = (side or 0 for side in card.known_input().shape[2:])
    pictures = sample_pictures(CALIBRATION_PICTURES + 6, (height, width))[CALIBRATION_PICTURES:]
    rgb = np.stack(pictures)[..., ::-1] / np.float32(255)
    scaled = (rgb - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), np.float32)


def test_every_picture_calibrates_twice_and_differently() -> None:
    batch = calibration_batch(card("any", side=32).known_input())
    assert batch.shape == (2 * CALIBRATION_PICTURES, 3, 32, 32)
    half = batch[CALIBRATION_PICTURES:]
    np.testing.assert_allclose(half[2], batch[2, ::-1] * 1.5, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("wheel")
@pytest.mark.parametrize("network", ["ShuffleNetV2_x0_25", "DeiT_tiny_distilled_patch16_224"])
def test_seeded_weights_have_scale_and_are_the_same_in_every_process(
    tmp_path: Path, network: str
) -> None:
    contents = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        model = build_seeded_model(card(network), tmp_path / name)
        assert model.weights_file is not None
        contents.append((model.path.read_bytes(), model.weights_file.read_bytes()))
    assert contents[0] == contents[1]
    found = run_in_worker(logits, TIMEOUT_S, card(network), False)
    assert found.shape == (6, 1000)
    assert LOGIT_STD / 3 < found.std(axis=1).mean() < LOGIT_STD * 3
    assert len(set(found.argmax(axis=1).tolist())) >= 4
    swapped = run_in_worker(logits, TIMEOUT_S, card(network), True)
    assert np.abs(found - swapped).max() > 1


def state_of(card: ModelCard, classes: int) -> dict[str, Array]:
    """What the wheel's constructor gives, in a worker."""

    network = new_network(paddleclas, card, classes)
    return {key: value.numpy() for key, value in network.state_dict().items()}


@pytest.mark.slow
@pytest.mark.usefixtures("wheel")
@pytest.mark.parametrize("network", ["SqueezeNet1_1", "DeiT_tiny_distilled_patch16_224"])
def test_a_checkpoint_counts_its_classes(tmp_path: Path, network: str) -> None:
    """A convolution that classifies, and two heads."""
    state = run_in_worker(state_of, TIMEOUT_S, card(network), 7)
    path = tmp_path / "tuned.pdparams"
    path.write_bytes(pickle.dumps(state))
    obtained = obtain(card(network), str(path), cache=tmp_path)
    program = find_model(obtained.model.path).program
    assert program.outputs[0].shape == (None, 7)
    assert program.operators["softmax"] >= 1
    distilled = {f"Student.{key}": value for key, value in state.items()} | {
        "Teacher.any": np.zeros(1, np.float32)
    }
    path.write_bytes(pickle.dumps(distilled))
    student = obtain(card(network), str(path), cache=tmp_path)
    assert student.source == f"{path}, its Student"
    assert student.sha256 == obtained.sha256
    first = next(iter(state))
    path.write_bytes(pickle.dumps(state | {first: state[first][..., :1]}))
    with pytest.raises(ModelFileError, match=f"{path} is no state of .*: {first} has the shape"):
        obtain(card(network), str(path), cache=tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("wheel")
def test_what_the_wheel_does_not_have_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="Did you mean 'ResNet18_vd'"):
        obtain(card("ResNet18vd"), "seeded", cache=tmp_path)
    with pytest.raises(ModelFileError, match=r"does not build AlexNet: .*'depht'"):
        obtain(card("AlexNet", depht=3), "seeded", cache=tmp_path)
    wrong = card("SwinTransformerV2_tiny_patch4_window8_256", side=224)
    with pytest.raises(ModelFileError, match=r"does not compute x float32 .*224\*224"):
        obtain(wrong, "seeded", cache=tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("wheel")
def test_a_network_that_the_wheel_has_wrong_is_corrected(tmp_path: Path) -> None:
    chosen = card("SwinTransformerV2_tiny_patch4_window8_256", side=256)
    found = run_in_worker(logits, TIMEOUT_S, chosen, False)
    assert len(set(found.argmax(axis=1).tolist())) >= 4
