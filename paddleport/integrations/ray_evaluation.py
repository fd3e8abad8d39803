"""``evaluate --engine ray``: chunks of labelled pictures decoded and computed by Ray's actors."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from paddleport.integrations.ray_actors import ActorNeeds, answered_once, connect
from paddleport.integrations.shipped_model import ShippedFiles, ship_files
from paddleport.models.artifact import Artifact
from paddleport.validate.evaluate.chunk_engine import ChunkRows, ChunkSetup
from paddleport.validate.evaluate.rows.open_rows import ChunkAnswers
from paddleport.validate.evaluate.rows.row_request import RowRequest, RowSource
from paddleport.validate.labelled.labelled_data import LabelledPicture


@dataclass(frozen=True, kw_only=True)
class ChunkPart:
    """A chunk's pictures, and how many of the listing come before them."""

    start: int
    pictures: tuple[LabelledPicture, ...]

    @property
    def name(self) -> str:
        """Of its own."""
        return str(self.start)

    @property
    def first(self) -> str:
        """The first of its pictures, for messages."""
        return self.pictures[0].name


@dataclass(frozen=True, kw_only=True)
class ShippedSetup:
    """What computes a chunk, with the bytes of every row's model.

    Attributes:
        setup: with the paths of the machine that made it.
        models: of its rows, in their order; rows of the same files share them.
    """

    setup: ChunkSetup
    models: tuple[ShippedFiles, ...]

    def here(self) -> ChunkSetup:
        """With paths of this machine; raises as ``ShippedFiles.here`` does."""
        rows = [
            _with_file(row, model.here())
            for row, model in zip(self.setup.rows, self.models, strict=True)
        ]
        return replace(self.setup, rows=rows)


def ship_setup(setup: ChunkSetup) -> ShippedSetup:
    """Read what the rows load, to be sent elsewhere."""
    models = [row.sources[0].make() for row in setup.rows]
    shipped = {model.files: model for model in models}
    read = {files: ship_files(model) for files, model in shipped.items()}
    return ShippedSetup(
        setup=setup, models=tuple(replace(read[model.files], model=model) for model in models)
    )


def _with_file(row: RowRequest, model: Artifact) -> RowRequest:
    (source,) = row.sources
    return replace(row, sources=(RowSource.of_file(model, source.options, source.note),))


class ChunkActor:
    """Every row of a pass, in a process of Ray's and its children."""

    def __init__(self, shipped: ShippedSetup) -> None:
        self._rows = ChunkRows(shipped.here())

    def ready(self) -> None:
        """Answered once every row is loaded."""

    def answer(self, part: ChunkPart) -> tuple[int, ChunkAnswers]:
        """Where the chunk begins, and its answers."""
        return part.start, self._rows.answer(part.pictures, part.start)


@dataclass(frozen=True, kw_only=True)
class RayChunks:
    """Computes a pass on a cluster; pictures must lie there at the same paths, models travel.

    Attributes:
        address: of a cluster; ``None`` is ``RAY_ADDRESS``, or one that is started here.
        actors: ``None`` for as many as the cluster holds.
        cpus: that an actor takes.
        gpus: likewise.
    """

    address: str | None = None
    actors: int | None = None
    cpus: int = 1
    gpus: int = 0

    def answers(
        self, setup: ChunkSetup, pictures: Iterator[LabelledPicture], start: int
    ) -> Generator[ChunkAnswers, None, None]:
        """As ``ChunkEngine`` has it."""
        shipped = ship_setup(setup)
        leave = connect(self.address)
        import ray

        ready: dict[int, ChunkAnswers] = {}
        wanted = start
        needs = ActorNeeds(actors=self.actors, cpus=self.cpus, gpus=self.gpus)
        done = answered_once(
            ChunkActor, (ray.put(shipped),), _parts(pictures, setup.chunk, start), needs
        )
        try:
            for begins, answers in done:
                ready[begins] = answers
                while wanted in ready:
                    found = ready.pop(wanted)
                    yield found
                    wanted = found.chunk.end
        finally:
            done.close()
            if leave:
                ray.shutdown()


def _parts(
    pictures: Iterator[LabelledPicture], size: int, start: int
) -> Generator[ChunkPart, None, None]:
    while listed := tuple(islice(pictures, size)):
        yield ChunkPart(start=start, pictures=listed)
        start += len(listed)
