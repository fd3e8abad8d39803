"""PaddleClas's networks as the zoo builds them: the module that their cards name.

``paddleclas_wheel`` fetches and imports their sources; a card's arguments are ``network``, the
constructor's name, and the constructor's own but for ``class_num`` and ``pretrained``.
"""

from typing import TYPE_CHECKING, Any

from paddleport.errors import ModelFileError, PortError, unknown_name
from paddleport.models.zoo.architecture import Arguments
from paddleport.models.zoo.paddleclas.paddleclas_wheel import (
    VERSION,
    import_networks,
    unpacked_wheel,
)
from paddleport.models.zoo.seeded_weights import LOGIT_STD, first_output, seed_network
from paddleport.models.zoo.seeded_weights import RECIPE as RECIPE
from paddleport.models.zoo.seeding import SeededStream
from paddleport.progress import Progress
from paddleport.tensors import TensorSpec

if TYPE_CHECKING:
    from paddle import nn


def prepare(progress: Progress) -> None:
    """Fetch the networks' sources, which takes a connection the first time.

    Raises:
        DownloadError, OutputError: as ``unpacked_wheel``.
    """
    unpacked_wheel(progress)


def build(arguments: Arguments, classes: int | None) -> "nn.Layer":
    """The network as PaddleClas exports it: its first output, of a classifier after a softmax."""
    return exported(backbone(arguments, classes), softmax=classes is not None)


def seed(
    network: "nn.Layer",
    arguments: Arguments,
    classes: int | None,
    stream: SeededStream,
    fed: TensorSpec,
) -> None:
    """Set every weight by the recipe for any network of pictures.

    Raises:
        ModelFileError: the wheel's network cannot compute pictures of the card's size.
        UsageError: as ``seed_network``.
    """
    try:
        seed_network(network.backbone, stream, fed, None if classes is None else LOGIT_STD)
    except PortError:
        raise
    except Exception as error:  # the wheel's own Python: a size it does not take, a fault of it
        lines = str(error).strip().splitlines() or [""]
        raise ModelFileError(
            f"PaddleClas {VERSION}'s {arguments['network']} does not compute {fed}: "
            f"{type(error).__name__}: {lines[-1].strip()}"
        ) from error


def backbone(arguments: Arguments, classes: int | None) -> "nn.Layer":
    """What the constructor gives, with logits or features as its output.

    Raises:
        ModelFileError: the wheel has no such network, or the constructor refuses the arguments.
    """
    networks = import_networks(unpacked_wheel())
    known = [name for name in networks.__all__ if name[:1].isupper() or "_" in name]
    name = arguments.get("network")
    if not isinstance(name, str) or name not in known:
        raise ModelFileError(f"PaddleClas {VERSION}: {unknown_name('network', str(name), known)}")
    values = {key: _number(value) for key, value in arguments.items() if key != "network"}
    if classes is not None:
        values["class_num"] = classes
    try:
        network: nn.Layer = getattr(networks, name)(**values)
    except TypeError as error:
        raise ModelFileError(f"PaddleClas {VERSION} does not build {name}: {error}") from error
    return network


def exported(network: "nn.Layer", *, softmax: bool) -> "nn.Layer":
    """A layer around the network that gives what PaddleClas exports; its state is the network's."""
    import paddle

    take_first = paddle.jit.not_to_static(first_output)  # plain Python, settled while tracing

    class Exported(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = network

        def forward(self, x: Any) -> Any:
            outputs = take_first(self.backbone(x))
            return paddle.nn.functional.softmax(outputs, axis=-1) if softmax else outputs

        def state_dict(self, *args: Any, **kwargs: Any) -> Any:
            return self.backbone.state_dict(*args, **kwargs)

        def set_state_dict(self, *args: Any, **kwargs: Any) -> Any:
            return self.backbone.set_state_dict(*args, **kwargs)

    return Exported()


def _number(value: Any) -> Any:
    """A text such as ``1e-6``, which YAML 1.1 and so PaddleClas's own files take for no number."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value
