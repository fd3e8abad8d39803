"""Models whose outputs nobody has given a meaning: the answer is the outputs themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from paddleport.errors import UsageError
from paddleport.runners.tasks.base import (
    DIM,
    NOISE,
    PLAIN,
    Agreement,
    Outputs,
    Task,
    alike,
    easiest_share,
    rows,
)
from paddleport.runners.tasks.classification import Classification
from paddleport.tensors import Array, TensorSpec, format_shape


@dataclass(frozen=True, kw_only=True)
class Tensors(Task[dict[str, Array]]):
    """Any model: several inputs and outputs, pictures or not.

    Two answers are the same when every output is the other's but for ``NOISE``.
    """

    name: ClassVar[str] = "tensors"
    changed: ClassVar[str] = "the outputs changed"

    @classmethod
    def fits(cls, inputs: Sequence[TensorSpec], outputs: Sequence[Sequence[int | None]]) -> bool:
        """Always."""
        return True

    def picture_input(
        self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
    ) -> TensorSpec:
        """The only input, which must be 4-D."""
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            raise UsageError(
                f"this model does not take one picture (one 4-D input). {feed_tensors(inputs)}"
            )
        return inputs[0]

    def answers(self, outputs: Outputs, batch: int) -> list[dict[str, Array]]:
        """Every output, each example with its batch dimension."""
        return [rows(outputs, place, batch) for place in range(batch)]

    def compare(
        self,
        reference: Sequence[Outputs],
        candidate: Sequence[Outputs],
        labels: Sequence[int] | None = None,
        *,
        noise: float = NOISE,
    ) -> Agreement:
        """Example by example, every output; labels say nothing here."""
        same = [
            all(alike(one[name], other[name], noise) for name in one)
            for one, other in zip(reference, candidate, strict=True)
        ]
        outputs = ([item[name] for item in reference] for name in reference[0])
        return Agreement(same=np.array(same), constant=easiest_share(outputs, noise))

    def disagreement(self, agreement: float, needed: float, noise: float, examples: str) -> str:
        """In units of the reference."""
        return (
            f"{agreement:.1%} of the outputs are within {noise:g} of the reference's root "
            f"mean square, {needed:.1%} is needed"
        )

    def sameness(self, constant: float, examples: str) -> str:
        """Of outputs that do not depend on the input."""
        more = "pictures that differ with --images" if examples == "pictures" else "telling --feed"
        return f"the output hardly differs between {constant:.1%} of the {examples}: give {more}"

    def lines(self, answer: dict[str, Array], *, styled: bool = False) -> list[str]:
        """A line per output: its name, type and shape, and its range."""
        dim, plain = (DIM, PLAIN) if styled else ("", "")
        return [
            f"{name}  {dim}{item.dtype} [{format_shape(item.shape)}]{plain}{_range(item)}"
            for name, item in answer.items()
        ]

    def plain(self, answer: dict[str, Array] | None) -> dict[str, Any]:
        """Nested lists by output name."""
        return {"outputs": {name: item.tolist() for name, item in (answer or {}).items()}}


def feed_tensors(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec] = ()) -> str:
    """What to type, or to do, where a model can't be fed with pictures as it is.

    Args:
        inputs: of the model; none where its file alone does not say them.
        outputs: of a Paddle model, which may be of the zoo.
    """
    named = " ".join(f"--feed {spec.name}=FILE.npy" for spec in inputs)
    text = f"Feed it tensors: {named or '--feed FILE.npz, with an array for each input'}"
    if not outputs or len(inputs) != 1 or len(inputs[0].shape) != 4:
        return text
    text += "; or put an inference.yml with its preprocessing beside the program"
    if Classification.fits(inputs, [spec.shape for spec in outputs]):
        text += "; or, for a model of the zoo with your files: paddleport run NAME -w FOLDER"
    return text


def _range(item: Array) -> str:
    if not item.size or item.dtype.kind not in "biuf":
        return ""
    return f"  {item.min():g} to {item.max():g}"
