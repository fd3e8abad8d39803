"""Who computes the chunks of a pass: this process's rows, or an engine's on other machines."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from platform import node
from typing import Protocol

from paddleport.errors import BackendUnavailableError
from paddleport.models.preprocess import Preprocess
from paddleport.validate.evaluate.picture_chunks import PictureReader, picture_chunks
from paddleport.validate.evaluate.rows.open_rows import ChunkAnswers, OpenRows
from paddleport.validate.evaluate.rows.row_request import RowRequest
from paddleport.validate.labelled.labelled_data import LabelledPicture


@dataclass(frozen=True, kw_only=True)
class ChunkSetup:
    """What computes a chunk as this pass does; small, and pickled to where that is done.

    Attributes:
        rows: each with the one source that was found to be had.
        preprocess: how pictures are fed.
        classes: how many the model tells apart.
        chunk: pictures in a chunk.
        batch: pictures in an inference.
        workers: threads that decode.
    """

    rows: Sequence[RowRequest]
    preprocess: Preprocess
    classes: int
    chunk: int
    batch: int
    workers: int


class ChunkEngine(Protocol):
    """Computes a pass's chunks elsewhere."""

    def answers(
        self, setup: ChunkSetup, pictures: Iterator[LabelledPicture], start: int
    ) -> Generator[ChunkAnswers, None, None]:
        """The answers to every chunk, in the listing's order.

        Args:
            setup: what computes them.
            pictures: from the first that is wanted on.
            start: how many pictures of the listing are through already.

        Raises:
            PortError: an engine that is not to be had, or that loses what it computes.
        """


class ChunkRows:
    """Rows that are open for chunks, where an engine has put them; ``close`` ends them."""

    def __init__(self, setup: ChunkSetup) -> None:
        """Start every row.

        Raises:
            PortError: one that started where the pass was begun does not start here.
        """
        self._setup = setup
        self._rows = OpenRows(setup.rows, lambda name: None)
        try:
            for name, why in {**self._rows.failed, **self._rows.skipped}.items():
                raise BackendUnavailableError(f"{name} does not start on {node()}: {why}")
            self._reader = PictureReader(setup.preprocess, self._rows.inputs)
            self._rows.share(self._reader, setup.chunk)
        except BaseException:
            self.close()
            raise

    def answer(self, pictures: Sequence[LabelledPicture], start: int) -> ChunkAnswers:
        """Decode and compute one chunk; ``start`` pictures of the listing come before it."""
        setup, rows = self._setup, self._rows
        (chunk,) = picture_chunks(
            iter(pictures), self._reader, rows.slots, start=start, workers=setup.workers
        )
        return rows.compute(chunk, setup.batch, setup.classes)

    def close(self) -> None:
        """End every row's process."""
        self._rows.close()
