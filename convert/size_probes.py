"""Feeds of other sizes, where a program leaves sizes free: does a file take what Paddle takes?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from paddleport.errors import PortError, WorkerCrashed
from paddleport.tensors import Array, Feed, TensorSpec
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.session import Session

Change = Literal["batch", "size"]
_STEP, _SHORT_STEP = 32, 8  # networks halve a picture's sides up to five times
_PICTURE_RANK = 4


@dataclass(frozen=True, kw_only=True)
class SizeProbe:
    """One feed and what is other in it.

    Attributes:
        changes: ``batch``, ``size`` (every free dimension but the first), or both.
        tensors: input name to tensor.
        pixels: what a file that normalises pictures itself is fed instead.
    """

    changes: tuple[Change, ...]
    tensors: Feed = field(repr=False)
    pixels: Array | None = field(default=None, repr=False)

    @property
    def to_file(self) -> Feed:
        """What the ONNX file is fed, under Paddle's names."""
        return self.tensors if self.pixels is None else dict.fromkeys(self.tensors, self.pixels)


def size_probes(inputs: Sequence[TensorSpec], feeds: Sequence[NamedFeed]) -> list[SizeProbe]:
    """Twice the batch, another size, or both at once where both are free: that one first.

    They are made of the first feeds, since indices and masks cannot be invented.
    """
    first, second = feeds[0], feeds[1] if len(feeds) > 1 else feeds[0]
    if {name: item.shape for name, item in first.tensors.items()} != {
        name: item.shape for name, item in second.tensors.items()
    }:
        second = first
    sized = first.pixels is None and first.kind != "given"  # whose sizes may depend on each other
    changes: list[Change] = ["batch"] if any(_free(spec)[:1] == [0] for spec in inputs) else []
    if sized and any(set(_free(spec)) - {0} for spec in inputs):
        changes.append("size")
    combinations = [tuple(changes)] if changes else []
    if len(changes) > 1:
        combinations += [(change,) for change in changes]
    return [_probe(inputs, first, second, chosen) for chosen in combinations]


def _probe(
    inputs: Sequence[TensorSpec], first: NamedFeed, second: NamedFeed, changes: tuple[Change, ...]
) -> SizeProbe:
    tensors, pixels = {}, first.pixels
    for spec in inputs:
        tensor = first.tensors[spec.name]
        if "batch" in changes and _free(spec)[:1] == [0]:
            tensor = np.concatenate([tensor, second.tensors[spec.name]])
        for axis in _free(spec) if "size" in changes else ():
            if axis and tensor.shape[axis]:
                tensor = tensor.take(_indices(tensor, axis), axis, mode="wrap")
        tensors[spec.name] = tensor
    if "batch" in changes and pixels is not None and second.pixels is not None:
        pixels = np.concatenate([pixels, second.pixels])
    return SizeProbe(changes=changes, tensors=tensors, pixels=pixels)


def _indices(tensor: Array, axis: int) -> Array:
    """One step smaller where that leaves most of it, else larger."""
    size = tensor.shape[axis]
    step = _STEP if tensor.ndim == _PICTURE_RANK and axis > 1 else _SHORT_STEP
    return np.arange(size - step if size > 4 * step else size + step)


def _free(spec: TensorSpec) -> list[int]:
    return [axis for axis, size in enumerate(spec.shape) if size is None]


@dataclass(frozen=True)
class ProbeAnswers:
    """What native Paddle made of probes, by what they change.

    Attributes:
        outputs: of those that it takes.
        refused: why it takes the others not.
    """

    outputs: dict[tuple[Change, ...], Mapping[str, Array]] = field(default_factory=dict)
    refused: dict[tuple[Change, ...], str] = field(default_factory=dict)

    def ask(self, session: Session, probes: Sequence[SizeProbe]) -> None:
        """Run the first probe, and the others only where Paddle does not take that one."""
        for probe in probes:
            try:
                (self.outputs[probe.changes],) = session.run_all([probe.tensors])
            except WorkerCrashed as error:
                self.refused[probe.changes] = f"it ended with {error.reason}"
                return
            except PortError as error:
                self.refused[probe.changes] = str(error)
            else:
                if len(probe.changes) == len(probes[0].changes):
                    return
