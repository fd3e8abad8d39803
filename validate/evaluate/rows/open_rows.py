"""The rows of a pass that are open: started together, run in turn, ended one by one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paddleport.errors import BackendUnavailableError, OutputError, PortError
from paddleport.runners.preprocessing.prepare_image import takes_pixels
from paddleport.tensors import Array, TensorSpec
from paddleport.validate.evaluate.picture_chunks import SLOTS, PictureChunk, PictureReader
from paddleport.validate.evaluate.rows.picture_slots import PictureSlots
from paddleport.validate.evaluate.rows.row_process import RowProcess
from paddleport.validate.evaluate.rows.row_request import RowRequest
from paddleport.worker import close_all


@dataclass(frozen=True, kw_only=True)
class ChunkAnswers:
    """What the rows made of one chunk.

    Attributes:
        chunk: the pictures.
        outputs: [n, classes] by row; none of a row that has ended.
        seconds: by row.
        failed: why a row ended with this chunk.
    """

    chunk: PictureChunk
    outputs: Mapping[str, Array]
    seconds: Mapping[str, float]
    failed: Mapping[str, str] = field(default_factory=dict)


class OpenRows:
    """A process for each row; ``close`` ends them all.

    Attributes:
        processes: by the row's name.
        failed: why a row did not start, by its name.
        skipped: likewise, where its backend is not to be had here.
        slots: for each kind of input [SLOTS, pictures, ...]; empty before ``share``.
    """

    def __init__(self, rows: Sequence[RowRequest], on_start: Callable[[str], Any]) -> None:
        """Start them.

        Args:
            rows: those that are to run.
            on_start: called with each name.

        Raises:
            BackendUnavailableError: a row that was named is not to be had.
        """
        self.processes: dict[str, RowProcess] = {}
        self.failed: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self.slots: list[Array] = []
        try:
            for row in rows:
                on_start(row.name)
                self._start(row)
        except BaseException:
            self.close()
            raise

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """One input of each kind that the rows have: they share what is prepared for it."""
        kinds: dict[bool, TensorSpec] = {}
        for process in self.processes.values():
            spec = process.facts.inputs[0]
            kinds.setdefault(takes_pixels(spec), spec)
        return tuple(kinds.values())

    def share(self, reader: PictureReader, pictures: int) -> None:
        """Reserve the slots, with room for so many pictures, and have every process map its own."""
        for spec, (shape, dtype) in zip(reader.inputs, reader.shapes, strict=True):
            slots = PictureSlots(SLOTS, pictures, shape, dtype)
            try:
                for process in self.processes.values():
                    if takes_pixels(process.facts.inputs[0]) == takes_pixels(spec):
                        process.share(slots.layout)
            finally:
                slots.unlink()
            self.slots.append(slots.arrays)

    def compute(self, chunk: PictureChunk, batch: int, classes: int) -> ChunkAnswers:
        """Every row in turn: at the same time they would take each other's CPUs.

        A row that fails, or answers of another number of classes, is ended; the others go on.
        """
        outputs: dict[str, Array] = {}
        seconds: dict[str, float] = {}
        failed: dict[str, str] = {}
        for name, process in list(self.processes.items()) if chunk.names else ():
            try:
                found, took = process.answers(chunk.slot, len(chunk.names), batch)
                if found.shape[1] != classes:
                    raise OutputError(
                        f"it gives {found.shape[1]} scores a picture, and the model has {classes} "
                        "classes: this is another model"
                    )
                outputs[name], seconds[name] = found, took
            except PortError as error:
                failed[name] = str(error)
                del self.processes[name]
                process.close()
        return ChunkAnswers(chunk=chunk, outputs=outputs, seconds=seconds, failed=failed)

    def close(self) -> None:
        """End every process."""
        close_all(process.worker for process in self.processes.values())

    def _start(self, row: RowRequest) -> None:
        try:
            self.processes[row.name] = RowProcess(row)
        except BackendUnavailableError as error:
            if row.named:
                raise
            self.skipped[row.name] = str(error)
        except PortError as error:
            self.failed[row.name] = str(error)
