from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mobilenet import mobilenet_card, seeded_state

from paddleport.errors import ModelFileError
from paddleport.models.paddle.model_builder import build_inference_model, save_network
from paddleport.models.paddle.source import open_model
from paddleport.models.zoo.architecture import load_architecture
from paddleport.models.zoo.network_state import counted_classes, set_state
from paddleport.tensors import Array, TensorSpec
from paddleport.worker import Worker

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


@pytest.fixture(scope="module")
def worker() -> Any:
    if find_spec("paddle") is None:
        pytest.skip("paddle is not installed")
    with Worker() as worker:
        yield worker


def fit(state: dict[str, Array], classes: int) -> dict[str, Array]:
    """What the network holds once the state is set; runs in a worker."""
    network = load_architecture(CARD).build(CARD.arguments, classes)
    counted = counted_classes(network, state, classes)
    if counted != classes:
        network = load_architecture(CARD).build(CARD.arguments, counted)
    set_state(network, state, "it is no state")
    return {key: value.numpy() for key, value in network.state_dict().items()}


def names_of(classes: int) -> dict[str, str]:
    """Key to parameter's name; runs in a worker."""
    network = load_architecture(CARD).build(CARD.arguments, classes)
    return {key: value.name for key, value in network.state_dict().items()}


@pytest.mark.parametrize("classes", [19, 1000])
def test_a_state_that_fits_counts_its_own_classes(
    state: dict[str, Array], worker: Worker, classes: int
) -> None:
    found = worker.call(fit, 120.0, state, classes)
    assert found.keys() == state.keys()
    assert all(np.array_equal(found[key], state[key]) for key in state)


def test_keys_by_parameter_name(state: dict[str, Array], worker: Worker) -> None:
    names = worker.call(names_of, 120.0, 19)
    named = {names[key]: value for key, value in state.items()}
    assert "conv1_1_bn_mean" in named
    found = worker.call(fit, 120.0, named, 1000)
    assert all(np.array_equal(found[key], state[key]) for key in state)


def test_a_network_behind_a_prefix_is_said_and_not_guessed(
    state: dict[str, Array], worker: Worker
) -> None:
    wrapped = {f"module.{key}": value for key, value in state.items()}
    said = "conv1._conv.weight is missing, since all keys of the network stand behind 'module.'"
    with pytest.raises(ModelFileError, match=said):
        worker.call(fit, 120.0, wrapped, 19)
    wrapped.pop("module.out.bias")
    with pytest.raises(ModelFileError, match=r"conv1._conv.weight is missing$"):
        worker.call(fit, 120.0, wrapped, 19)


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
        (
            {"out.bias": np.zeros(19, np.float16)},
            r"out.bias is float16, not float32: save .* astype\('float32'\)",
        ),
        ({"out.bias": np.zeros(19, np.uint16)}, "out.bias is bfloat16, not float32: save"),
        ({"out.bias": np.zeros(19, np.int64)}, "out.bias is int64, not float32$"),
    ],
)
def test_a_state_that_does_not_fit(
    state: dict[str, Array], worker: Worker, change: dict[str, Array | None], reason: str
) -> None:
    changed = {key: value for key, value in (state | change).items() if value is not None}
    with pytest.raises(ModelFileError, match=f"it is no state: {reason}"):
        worker.call(fit, 120.0, changed, 1000)


def save_counting(prefix: str) -> None:
    """A network whose Python computes otherwise each time, so that a trace holds one of them."""
    import paddle

    class Counting(paddle.nn.Layer):
        calls = 0

        def forward(self, x: Any) -> Any:
            self.calls = self.calls + 1
            return x * float(self.calls)

    save_network(Counting(), TensorSpec("x", "float32", (1, 4)), Path(prefix), "Counting")


def test_a_trace_that_computes_something_else_is_no_model(worker: Worker, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="Counting: what is traced computes something else"):
        worker.call(save_counting, 120.0, str(tmp_path / "counting"))
