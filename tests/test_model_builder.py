from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from mobilenet import mobilenet_card, seeded_state

from paddleport.errors import ModelFileError
from paddleport.models.paddle.model_builder import build_inference_model, check_state
from paddleport.models.paddle.source import open_model
from paddleport.tensors import Array

SCALE = 0.25
CARD = mobilenet_card(SCALE)


@pytest.fixture(scope="module")
def state() -> dict[str, Array]:
    return seeded_state("build", SCALE, 19)


@pytest.mark.slow
def test_the_same_state_gives_the_same_bytes(state: dict[str, Array], tmp_path: Path) -> None:
    if find_spec("paddle") is None:
        pytest.skip("paddle is not installed")
    contents = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        model = build_inference_model(CARD, state, tmp_path / name)
        assert model.weights_file is not None
        contents.append((model.path.read_bytes(), model.weights_file.read_bytes()))
        assert sorted(item.name for item in (tmp_path / name).iterdir()) == [
            "inference.json",
            "inference.pdiparams",
        ]
    assert contents[0] == contents[1]
    found = open_model(model.path, model.weights_file)
    assert found.program.parameters["fc10_weights"].shape == (1280, 19)


def test_a_state_that_fits(state: dict[str, Array]) -> None:
    check_state(CARD, state, "it")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"conv1._conv.weight": None}, "conv1._conv.weight is missing"),
        ({"out.bias": None}, "out.bias is missing"),
        ({"conv1.extra": np.zeros(1)}, "it has no place for conv1.extra"),
        (
            {"conv1._conv.weight": np.zeros((32, 3, 3, 3), np.float32)},
            r"conv1._conv.weight has the shape \[32, 3, 3, 3\], not \[8, 3, 3, 3\]",
        ),
        (
            {"out.bias": np.zeros(20, np.float32)},
            r"out.weight has the shape \[1280, 19\], not \[1280, 20\]",
        ),
        ({"out.bias": np.zeros(19, np.float16)}, "out.bias is float16, not float32"),
    ],
)
def test_a_state_that_does_not_fit(
    state: dict[str, Array], change: dict[str, Array | None], reason: str
) -> None:
    changed = {key: value for key, value in (state | change).items() if value is not None}
    with pytest.raises(
        ModelFileError, match=f"it is no state of MobileNetV2 at scale 0.25: {reason}"
    ):
        check_state(CARD, changed, "it")
