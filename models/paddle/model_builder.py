"""Paddle, imported in a worker, and an inference model built there from a card and weights."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleport.errors import (
    BackendUnavailableError,
    ModelFileError,
    ModelNotFoundError,
    OutputError,
    UsageError,
)
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.import_paddle import import_paddle
from paddleport.models.paddle.old_functions import old_functions
from paddleport.models.paddle.source import open_model
from paddleport.models.zoo.architecture import Architecture, load_architecture, prepare
from paddleport.models.zoo.model_card import ModelCard
from paddleport.models.zoo.network_state import State, counted_classes, set_state
from paddleport.models.zoo.seeding import SeededStream
from paddleport.progress import Progress, no_progress
from paddleport.tensors import TensorSpec
from paddleport.worker import Worker

if TYPE_CHECKING:
    from paddle import nn

TIMEOUT_S = 1800.0  # MobileNetV2 takes 5 s, of which 2 s are the import of paddle
_PREFIX = "inference"
PROTOBUF_PROGRAM = f"{_PREFIX}.pdmodel"
_CLASSES = 1000  # of a classifier whose card says no number, until its checkpoint does
_TRIAL_BATCH = 2
_FREE_SIDE = 224
_TRACED_TOLERANCE = 0.1  # of the largest output: rounding is far below, mixed-up pictures above


def build_inference_model(
    card: ModelCard,
    state: State,
    folder: Path,
    *,
    source: str = "the state",
    progress: Progress = no_progress,
) -> Artifact:
    """Write ``inference.json`` and ``inference.pdiparams`` as PaddleClas's export does.

    The card's architecture with the card's input; its batch is 1 where the network cannot be
    traced with a free one. The same state gives the same bytes under the same Paddle.

    Args:
        card: the model.
        state: fits the architecture exactly (see ``set_state``), but for the number of classes,
            which is the state's own.
        folder: where the files go; it must exist.
        source: what to call the state in an error.
        progress: called with what is going on.

    Raises:
        UsageError: the card names no architecture or no input.
        ModelFileError: the state does not fit the architecture, or Paddle cannot export it.
        DownloadError: the architecture needs something that cannot be had.
        BackendUnavailableError: paddle is not installed.
        OutputError: the files cannot be written, or not whole.
        WorkerCrashed: Paddle crashed.
    """
    prepare(card, progress)
    progress(f"building {card.name} with Paddle", 0.5)
    return _in_worker(folder, _build, card, dict(state), str(folder), source)


def build_seeded_model(
    card: ModelCard, folder: Path, *, progress: Progress = no_progress
) -> Artifact:
    """The same with the weights that the architecture seeds from the card's name.

    Raises:
        UsageError: the card names no architecture, or no number of classes.
        PortError: as ``build_inference_model``.
    """
    if _classes(card) != card.classes:
        raise UsageError(f"{card.name} cannot be seeded, since its card says no number of classes")
    prepare(card, progress)
    progress(f"making seeded weights for {card.name}", 0.0)
    return _in_worker(folder, _build_seeded, card, str(folder))


def build_protobuf_program(card: ModelCard, classes: int | None, folder: Path) -> None:
    """Write the card's network as ``PROTOBUF_PROGRAM``; its parameters are of no meaning.

    A program and its parameters are separate files, so that the parameters of another build of
    the same network go with it.

    Raises:
        BackendUnavailableError: this Paddle cannot save the network so.
        PortError: as ``build_inference_model``.
    """
    prepare(card, no_progress)
    with Worker(environ={"FLAGS_enable_pir_api": "0"}) as worker:
        try:
            worker.call(_build_protobuf, TIMEOUT_S, card, classes, str(folder))
        except ModelFileError as error:
            raise BackendUnavailableError(
                f"{error}, as .pdmodel with FLAGS_enable_pir_api=0"
            ) from None
    for file in folder.iterdir():
        if file.name != PROTOBUF_PROGRAM:
            file.unlink()


def _build_protobuf(card: ModelCard, classes: int | None, folder: str) -> None:
    network = new_network(load_architecture(card), card, classes)
    network.eval()
    with old_functions():
        save_network(network, card.known_input(), Path(folder) / _PREFIX, card.name)


def _in_worker(folder: Path, function: Any, *arguments: object) -> Artifact:
    with Worker(environ={"FLAGS_enable_pir_api": "1"}) as worker:  # the user's may say 0
        worker.call(function, TIMEOUT_S, *arguments)
    program, params = folder / f"{_PREFIX}.json", folder / f"{_PREFIX}.pdiparams"
    try:  # on a full disk Paddle writes less and says nothing
        open_model(program, params)
    except (ModelFileError, ModelNotFoundError) as error:
        raise _not_whole(folder, str(error)) from None
    return paddle_artifact(program, params, "pir")


def _build(card: ModelCard, state: State, folder: str, source: str) -> None:
    architecture, classes = load_architecture(card), _classes(card)
    network = new_network(architecture, card, classes)
    if classes is not None:
        counted = counted_classes(network, state, classes)
        if counted != classes:
            del network  # before there is another: some have a billion weights
            network = new_network(architecture, card, counted)
    set_state(network, state, f"{source} is no state of {card.describe_architecture()}")
    save_network(network, card.known_input(), Path(folder) / _PREFIX, card.name)


def _build_seeded(card: ModelCard, folder: str) -> None:
    architecture, classes = load_architecture(card), _classes(card)
    network = new_network(architecture, card, classes)
    stream = SeededStream(card.name, architecture.RECIPE)
    architecture.seed(network, card.arguments, classes, stream, card.known_input())
    save_network(network, card.known_input(), Path(folder) / _PREFIX, card.name)


def _classes(card: ModelCard) -> int | None:
    """How many to build a network with; ``None`` where it is no classifier."""
    if card.classes is None and card.task == "classification":
        return _CLASSES
    return card.classes


def new_network(architecture: Architecture, card: ModelCard, classes: int | None) -> "nn.Layer":
    """Build it on the CPU; what a constructor draws is the same each time, and so are names."""
    paddle = import_paddle()
    paddle.device.set_device("cpu")
    paddle.seed(0)
    with paddle.utils.unique_name.guard():  # the names may be taken by a network built before
        return architecture.build(card.arguments, classes)


def save_network(network: "nn.Layer", fed: TensorSpec, prefix: Path, name: str) -> int | None:
    """Export a network, with a batch of 1 where its Python computes with the batch.

    Args:
        network: in eval mode afterwards.
        fed: its input.
        prefix: of the files, as ``paddle.jit.save`` takes it.
        name: what to call the network in an error.

    Returns:
        The batch that the program is fixed to; ``None`` where it is as free as ``fed`` says.

    Raises:
        ModelFileError: Paddle cannot export it, or what it traces computes something else.
        OutputError: the files cannot be written.
    """
    network.eval()
    if fed.shape and fed.shape[0] is None:
        why = _saved(network, fed, prefix)
        if why:
            print(f"{name} is not traced with a free batch, one of 1 is tried: {why}")
            fed = TensorSpec(fed.name, fed.dtype, (1, *fed.shape[1:]))
        else:
            return None
    why = _saved(network, fed, prefix)
    if why:
        raise ModelFileError(f"Paddle {import_paddle().__version__} cannot export {name}: {why}")
    return fed.shape[0] if fed.shape else None


def _saved(network: "nn.Layer", fed: TensorSpec, prefix: Path) -> str:
    """Trace, write, and hold what was written against the network itself; empty, or why not."""
    paddle = import_paddle()
    spec = paddle.static.InputSpec(list(fed.shape), fed.dtype, fed.name)
    feed = _trial_feed(fed)
    try:
        with paddle.no_grad():
            expected = None if feed is None else network(paddle.to_tensor(feed)).numpy()
            traced = paddle.jit.to_static(network, input_spec=[spec], full_graph=True)
            paddle.jit.save(traced, str(prefix))
            if expected is not None:
                # Calling ``traced`` would trace it a second time.
                found = _read_back(prefix)(paddle.to_tensor(feed)).numpy()
                if found.shape != expected.shape or np.abs(found - expected).max() > (
                    _TRACED_TOLERANCE * np.abs(expected).max()
                ):
                    return "what is traced computes something else than the network"
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"the model cannot be written to {prefix.parent}: {error.strerror}"
        ) from None
    except Exception as error:  # the network's Python, or a kernel that a shape does not suit
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"{type(error).__name__}: {lines[-1] if lines else 'it says nothing'}"
    finally:
        rollback = getattr(network.forward, "rollback", None)
        if rollback is not None:
            rollback()
    return ""


def _read_back(prefix: Path) -> "nn.Layer":
    """What was saved; on a full disk Paddle writes less and says nothing."""
    try:
        layer: nn.Layer = import_paddle().jit.load(str(prefix))
    except Exception:  # whatever Paddle says of half a file
        raise _not_whole(prefix.parent, "Paddle cannot read it") from None
    return layer


def _not_whole(folder: Path, why: str) -> OutputError:
    return OutputError(
        f"the model was not written whole, the disk of {folder.parent} may be full: {why}"
    )


def _trial_feed(fed: TensorSpec) -> Any:
    """Two different inputs (one, where the batch is fixed to that); ``None`` for integers."""
    if not fed.dtype.startswith("float") or not fed.shape:
        return None
    batch = _TRIAL_BATCH if fed.shape[0] is None else fed.shape[0]
    shape = (batch, *(_FREE_SIDE if side is None else side for side in fed.shape[1:]))
    return np.random.default_rng(0).standard_normal(shape).astype(fed.dtype)
