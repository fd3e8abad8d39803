"""Paddle, imported in a worker, and an inference model built there from a state dict."""

from pathlib import Path

import numpy as np

from paddleport.errors import (
    ModelFileError,
    ModelNotFoundError,
    OutputError,
)
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.import_paddle import import_paddle
from paddleport.models.paddle.source import open_model
from paddleport.models.zoo.architecture import State, load_architecture
from paddleport.models.zoo.model_card import ModelCard
from paddleport.worker import Worker

TIMEOUT_S = 300.0  # takes 5 s, of which 2 s are the import of paddle
_PREFIX = "inference"


def build_inference_model(card: ModelCard, state: State, folder: Path) -> Artifact:
    """Write ``inference.json`` and ``inference.pdiparams`` as PaddleClas's export does.

    The card's architecture with the card's input. The same state gives the same bytes under the
    same Paddle.

    Args:
        card: the model.
        state: fits the architecture exactly (see ``check_state``), but for the number of classes,
            which is the state's own.
        folder: where the files go; it must exist.

    Raises:
        UsageError: the card names no architecture or no input.
        ModelFileError: the state does not fit the architecture.
        BackendUnavailableError: paddle is not installed.
        OutputError: the files cannot be written, or not whole.
        WorkerCrashed: Paddle crashed.
    """
    check_state(card, state, "the state")
    with Worker(environ={"FLAGS_enable_pir_api": "1"}) as worker:  # the user's may say 0
        worker.call(_build, TIMEOUT_S, card, dict(state), str(folder))
    program, params = folder / f"{_PREFIX}.json", folder / f"{_PREFIX}.pdiparams"
    try:  # on a full disk Paddle writes less and says nothing
        open_model(program, params)
    except (ModelFileError, ModelNotFoundError) as error:
        raise OutputError(
            f"the model was not written whole, the disk of {folder.parent} may be full: {error}"
        ) from None
    return paddle_artifact(program, params, "pir")


def check_state(card: ModelCard, state: State, source: str) -> None:
    """Hold keys, shapes and dtypes of a state dict against the card's architecture.

    Args:
        card: the model.
        state: tensors by the architecture's keys.
        source: what to call the state in an error.

    Raises:
        UsageError: the card names no architecture.
        ModelFileError: names the first key, shape or dtype that differs.
    """
    architecture = load_architecture(card)
    classes = _classes(card, state)
    expected = {
        entry.key: entry.shape for entry in architecture.state_entries(card.arguments, classes)
    }
    fits_not = f"{source} is no state of {card.describe_architecture()}"
    for key in expected:
        if key not in state:
            raise ModelFileError(f"{fits_not}: {key} is missing")
    for key in state:
        if key not in expected:
            raise ModelFileError(f"{fits_not}: it has no place for {key}")
    for key, wanted in expected.items():
        if state[key].shape != wanted:
            raise ModelFileError(
                f"{fits_not}: {key} has the shape {list(state[key].shape)}, not {list(wanted)}"
            )
        if state[key].dtype != "float32":
            raise ModelFileError(f"{fits_not}: {key} is {state[key].dtype}, not float32")


def _classes(card: ModelCard, state: State) -> int:
    """How many classes a state has; the card's own number where it does not say."""
    counting = state.get(load_architecture(card).CLASSES_KEY, np.zeros(()))
    return counting.shape[-1] if counting.ndim else card.classes or 0


def _build(card: ModelCard, state: State, folder: str) -> None:
    paddle = import_paddle()
    paddle.device.set_device("cpu")
    network = load_architecture(card).build(card.arguments, _classes(card, state))
    tensors = {key: paddle.to_tensor(value) for key, value in state.items()}
    missing, unexpected = network.set_state_dict(tensors)
    if missing or unexpected:
        raise RuntimeError(f"state keys missing {missing}, unexpected {unexpected}")
    network.eval()
    taken = card.known_input()
    spec = paddle.static.InputSpec(list(taken.shape), taken.dtype, taken.name)
    try:
        paddle.jit.save(
            paddle.jit.to_static(network, input_spec=[spec], full_graph=True),
            str(Path(folder) / _PREFIX),
        )
    except OSError as error:
        raise OutputError(f"the model cannot be written to {folder}: {error.strerror}") from None
