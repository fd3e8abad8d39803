"""Read a .pdparams training checkpoint: a pickle, which is read and never run."""

from pathlib import Path
from typing import Any

import numpy as np

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.models.paddle.build import check_state
from paddleport.models.paddle.pickled import PickledArray, Refused, read_pickle
from paddleport.models.zoo.architecture import load_architecture
from paddleport.models.zoo.model_card import ModelCard
from paddleport.tensors import Array

MAX_BYTES = 2 << 30
_NAMES_KEY = "StructuredToParameterName@@"  # paddle.save's own table, no tensor


def read_checkpoint(path: Path, card: ModelCard) -> dict[str, Array]:
    """Read a checkpoint of a model of the zoo: a state dict that fits its architecture.

    Its keys may be those of the layers (``conv1._conv.weight``) or the parameters' names
    (``conv1_1_weights``). The number of classes is that of its classifier.

    Args:
        path: a .pdparams file.
        card: the model that it must fit.

    Returns:
        float32 tensors by the layers' keys, in the order of the architecture.

    Raises:
        ModelNotFoundError: there is no such file.
        UsageError: the card names no architecture.
        ModelFileError: the file is no checkpoint, asks for something a checkpoint does not
            need, or does not fit: the message names the first key or shape.
    """
    tensors = read_tensors(path)
    entries = list(load_architecture(card).state_entries(card.arguments, card.classes or 0))
    if any(entry.name in tensors for entry in entries):
        keys = {entry.name: entry.key for entry in entries}
        tensors = {keys.get(name, name): value for name, value in tensors.items()}
    check_state(card, tensors, str(path))
    for key, value in tensors.items():
        if not np.isfinite(value).all():
            raise ModelFileError(f"{path} holds values in {key} that are not finite")
    return {entry.key: tensors[entry.key] for entry in entries}


def read_tensors(path: Path) -> dict[str, Array]:
    """Every tensor of a .pdparams file by its key.

    Raises:
        ModelNotFoundError, ModelFileError: as ``read_checkpoint``.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"no checkpoint {path}")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ModelFileError(
            f"{path} has {size:,} bytes, more than the {MAX_BYTES:,} that are read"
        )
    try:
        content = read_pickle(path.read_bytes())
        if not isinstance(content, dict):
            raise Refused("it holds no table of tensors")
        return {str(key): _tensor(value) for key, value in content.items() if key != _NAMES_KEY}
    except Refused as error:
        raise ModelFileError(f"{path} is not a checkpoint that can be read: {error}") from None
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError) as error:
        raise ModelFileError(f"{path} is not a .pdparams file, or is damaged ({error})") from None


def _tensor(value: Any) -> Array:
    # paddle.save writes a tensor as an array, or as (name, array) where it is given no state dict
    if isinstance(value, tuple) and len(value) == 2:
        value = value[1]
    if not isinstance(value, PickledArray) or value.values is None:
        raise Refused("it holds something else than tensors")
    return value.values
