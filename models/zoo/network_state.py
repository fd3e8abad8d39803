"""A state dict held against a network of Paddle's, and set in it; for a worker."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from paddleport.errors import ModelFileError
from paddleport.tensors import Array

if TYPE_CHECKING:
    from paddle import nn

State = Mapping[str, Array]


def set_state(network: "nn.Layer", state: State, complaint: str) -> None:
    """Set every parameter and buffer of ``network``, by its key or its parameter's name.

    Buffers that the constructor has computed may be missing; running statistics are none.

    Args:
        network: what it must fit exactly.
        state: tensors by the layers' keys, or all by the parameters' names.
        complaint: how a refusal begins, as in ``it is no state of ResNet``.

    Raises:
        ModelFileError: names the first key, shape or dtype that differs.
    """
    expected = network.state_dict()
    state = keyed(network, state)
    computed = {key for key, _ in network.named_buffers()} - {
        key for key, _ in network.named_parameters()
    }
    for key in expected:
        if key not in state and key not in computed:
            raise ModelFileError(f"{complaint}: {key} is missing{_under_a_prefix(expected, state)}")
    for key in state:
        if key not in expected:
            raise ModelFileError(f"{complaint}: it has no place for {key}")
    for key, value in state.items():
        wanted = list(expected[key].shape)
        if list(value.shape) != wanted:
            raise ModelFileError(
                f"{complaint}: {key} has the shape {list(value.shape)}, not {wanted}"
            )
        dtype = _dtype(expected[key])
        if value.dtype != dtype:
            raise ModelFileError(f"{complaint}: {key} is {_another_type(value, dtype)}")
    tensors: Any = dict(state)  # it takes arrays as well as tensors
    network.set_state_dict(tensors)


def counted_classes(network: "nn.Layer", state: State, classes: int) -> int:
    """How many classes a state has, of a network that was built with ``classes`` of them.

    A classifier's tensors are those that differ in the side that counts the classes and in no
    other: of any kind (a convolution, several heads). Whether the number is right shows when the
    network is built with it.
    """
    found = classes
    expected = network.state_dict()
    for key, value in keyed(network, state).items():
        wanted = list(expected[key].shape) if key in expected else []
        if len(wanted) != value.ndim:
            continue
        sides = [(a, b) for a, b in zip(wanted, value.shape, strict=True) if a != b]
        if len(sides) == 1 and sides[0][0] == classes:
            found = sides[0][1]
    return found


def keyed(network: "nn.Layer", state: State) -> State:
    """The state by the layers' keys; it may have the parameters' names, as old checkpoints do."""
    keys = {tensor.name: key for key, tensor in network.state_dict().items()}
    if not any(name in keys for name in state):
        return state
    return {keys.get(name, name): value for name, value in state.items()}


def _under_a_prefix(expected: Iterable[str], state: State) -> str:
    """What to add where the whole network is in the state, each key behind the same words."""
    first, *others = expected
    for name in state:
        prefix = name.removesuffix(first)
        if name.endswith(f".{first}") and all(f"{prefix}{key}" in state for key in others):
            return f", since all keys of the network stand behind {prefix!r}: save them without it"
    return ""


def _another_type(value: Array, wanted: str) -> str:
    """A dtype that is not the network's, with what to do where weights are in another precision."""
    if wanted != "float32" or value.dtype not in ("float16", "uint16", "float64"):
        return f"{value.dtype}, not {wanted}"
    found = "bfloat16" if value.dtype == "uint16" else value.dtype  # which paddle.save writes so
    return f"{found}, not {wanted}: save every tensor as it is after astype({wanted!r})"


def _dtype(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("paddle.")
