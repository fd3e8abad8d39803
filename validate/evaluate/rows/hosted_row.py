"""A backend inside its own process: it answers the pictures of a slot in batches."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from paddleport.errors import OutputError
from paddleport.models.artifact import Artifact
from paddleport.runners import runner_class
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed, TensorSpec, format_shape
from paddleport.validate.evaluate.rows.picture_slots import SlotLayout


@dataclass(frozen=True, kw_only=True)
class LoadedFacts:
    """What a runner says of itself once it is loaded.

    Attributes:
        computes_in: the precision read back from the runtime.
        device: what it runs on.
        notes: what differs from the plain case.
        inputs, outputs: what it takes and gives.
    """

    computes_in: str
    device: str
    notes: tuple[str, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class HostedRow:
    """A loaded runner and the pictures that it reads."""

    def __init__(self, backend: str, model: Artifact, options: RunnerOptions) -> None:
        """Import, load and compile; raises what the runner does."""
        self._runner = runner_class(backend)(model, options)
        self._slots: Array | None = None

    def facts(self) -> LoadedFacts:
        """What it says of itself."""
        runner = self._runner
        return LoadedFacts(
            computes_in=runner.computes_in,
            device=runner.device,
            notes=tuple(runner.notes),
            inputs=runner.inputs,
            outputs=runner.outputs,
        )

    def share(self, layout: SlotLayout) -> None:
        """Map the slots."""
        self._slots = layout.mapped()

    def answers(self, slot: int, count: int, batch: int) -> tuple[Array, float]:
        """The first output [count, classes] for the first pictures of a slot, and the seconds.

        A batch that the model or its compilation fixes is filled up with the last picture; what
        is filled is not answered.

        Raises:
            OutputError: the output is no row of scores for each picture.
        """
        if self._slots is None:
            raise OutputError("no pictures are shared with this process")
        started = time.perf_counter()
        pictures = self._slots[slot]
        fixed = self._runner.inputs[0].shape[0]
        found: list[Array] = []
        with closing(self._runner.run_many(self._feeds(pictures[:count], fixed, batch))) as runs:
            for outputs in runs:
                place = len(found) * (fixed or batch)
                fed = fixed or min(batch, count - place)
                found.append(_scores(outputs, fed)[: count - place])
        return np.concatenate(found), time.perf_counter() - started

    def _feeds(self, pictures: Array, fixed: int | None, batch: int) -> Iterator[Feed]:
        name, size = self._runner.inputs[0].name, fixed or batch
        for start in range(0, len(pictures), size):
            tensor = np.asarray(pictures[start : start + size])
            if fixed and len(tensor) < fixed:
                missing = fixed - len(tensor)
                tensor = np.concatenate([tensor, np.repeat(tensor[-1:], missing, axis=0)])
            yield {name: tensor}


def _scores(outputs: dict[str, Array], pictures: int) -> Array:
    name, scores = next(iter(outputs.items()))
    if scores.ndim != 2 or len(scores) != pictures or scores.dtype.kind != "f":
        raise OutputError(
            f"{name} is {scores.dtype} [{format_shape(scores.shape)}] for {pictures} pictures, "
            "not a row of scores for each"
        )
    return scores
