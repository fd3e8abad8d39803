"""Build an inference model of the MobileNetV2 family from a state dict, with Paddle in a worker."""

from collections.abc import Mapping
from pathlib import Path

from paddleport.errors import ModelFileError, OutputError
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.vendor import import_paddle
from paddleport.models.zoo.mobilenet_v2 import State, architecture, build_network, state_entries
from paddleport.tensors import Array
from paddleport.worker import Worker

TIMEOUT_S = 300.0  # takes 5 s, of which 2 s are the import of paddle
_PREFIX = "inference"


def build_inference_model(
    state: State, scale: float, folder: Path, *, image_side: int | None = 224
) -> Artifact:
    """Write ``inference.json`` and ``inference.pdiparams`` as PaddleClas's export does.

    The network with a softmax behind it; input ``x``, float32 [?, 3, side, side]. The same
    state gives the same bytes under the same Paddle.

    Args:
        state: fits ``architecture(scale, classes)`` exactly (see ``fit_state``); the number of
            classes is that of ``out.bias``.
        scale: width multiplier.
        folder: where the files go; it must exist.
        image_side: height and width of the input in pixels, ``None`` for any.

    Raises:
        ModelFileError: the state does not fit the architecture.
        BackendUnavailableError: paddle is not installed.
        OutputError: the files cannot be written.
        WorkerCrashed: Paddle crashed.
    """
    check_state(state, scale, "the state")
    with Worker(environ={"FLAGS_enable_pir_api": "1"}) as worker:  # the user's may say 0
        worker.call(_build, TIMEOUT_S, dict(state), scale, str(folder), image_side)
    return paddle_artifact(folder / f"{_PREFIX}.json", folder / f"{_PREFIX}.pdiparams", "pir")


def check_state(state: State, scale: float, source: str) -> None:
    """Hold keys, shapes and dtypes of a state dict against the architecture.

    Args:
        state: tensors by PaddleClas's keys.
        scale: width multiplier of the architecture.
        source: what to call the state in an error.

    Raises:
        ModelFileError: names the first key, shape or dtype that differs.
    """
    shape = state["out.bias"].shape if "out.bias" in state else ()
    expected = {
        entry.key: entry.shape
        for entry in state_entries(architecture(scale, shape[0] if len(shape) == 1 else 1000))
    }
    fits_not = f"{source} is no state of MobileNetV2 at scale {scale:g}"
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


def _build(state: Mapping[str, Array], scale: float, folder: str, side: int | None) -> None:
    paddle = import_paddle()
    paddle.device.set_device("cpu")
    network = build_network(architecture(scale, len(state["out.bias"])), softmax=True)
    tensors = {key: paddle.to_tensor(value) for key, value in state.items()}
    missing, unexpected = network.set_state_dict(tensors)
    if missing or unexpected:
        raise RuntimeError(f"state keys missing {missing}, unexpected {unexpected}")
    network.eval()
    spec = paddle.static.InputSpec([None, 3, side, side], "float32", "x")
    try:
        paddle.jit.save(
            paddle.jit.to_static(network, input_spec=[spec], full_graph=True),
            str(Path(folder) / _PREFIX),
        )
    except OSError as error:
        raise OutputError(f"the model cannot be written to {folder}: {error.strerror}") from None
