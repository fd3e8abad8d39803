"""``run --engine ray``: pictures from anywhere to Parquet files, on the machines of a cluster."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from paddleport.errors import OutputError, UsageError
from paddleport.integrations.answer_parts import AnswerParts, told
from paddleport.integrations.ray_actors import (
    ActorNeeds,
    NamedPart,
    connect,
    gpus_for,
    parts_done,
)
from paddleport.integrations.shipped_model import ShippedModel, ship
from paddleport.integrations.stored_pictures import StoredPart, file_stamp, stored_parts
from paddleport.progress import Progress
from paddleport.runners import runner_class
from paddleport.runners.predictor import PredictorSpec

FORMAT = 2  # of the folder: what the parts' names stand for
PART_SIZE = 256  # pictures; what a lost actor costs, and a file of some 20 KB


@dataclass(frozen=True, kw_only=True)
class RayRequest:
    """What is to be computed, and where.

    Attributes:
        spec: the model and how it is fed.
        names: files, folders, globs, Parquet files; paths or addresses of fsspec.
        out: a folder, as a path or an address.
        address: of a cluster; ``None`` is ``RAY_ADDRESS``, or one that is started here.
        actors: ``None`` for as many as the cluster holds.
        part_size: pictures in one file of answers, rounded up to whole batches.
    """

    spec: PredictorSpec
    names: Sequence[str]
    out: str
    address: str | None = None
    actors: int | None = None
    part_size: int = PART_SIZE


@dataclass(frozen=True, kw_only=True)
class RaySummary:
    """What was done.

    Attributes:
        pictures: answered, now and before.
        failed: of these, not read.
        resumed: of these, answered by a run before.
        parts: files in the folder.
        start_s: until the first actor had the model.
        seconds: since then.
        out: the folder.
    """

    pictures: int
    failed: int
    resumed: int
    parts: int
    start_s: float
    seconds: float
    out: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with the pictures per second of this run."""
        done = self.pictures - self.resumed
        return {**asdict(self), "pictures_per_s": done / self.seconds if self.seconds else None}


def run_on_ray(
    request: RayRequest, progress: Progress, tell: Callable[[str], object]
) -> RaySummary:
    """Answer every picture that the folder has no answer to.

    Args:
        request: what, and where.
        progress: told how many are done.
        tell: gets why a picture could not be read, for each that could not, now or before.

    Raises:
        UsageError: no pictures, no cluster, or a folder of another run or in memory.
        OutputError: the folder cannot be written, or not every picture has its answer.
        PortError: what opening the model does.
    """
    model, out = ship(request.spec), _folder(request.out)
    size = -(-request.part_size // request.spec.batch_size) * request.spec.batch_size
    asked = _asked(model, size)
    total, names = 0, set()
    for part in _named(request, size, asked):
        total += part.pictures.size
        names.add(part.name)
    out.check(asked)
    pictures, failed, done = _done_before(out, names, tell)
    resumed, begun = pictures, time.perf_counter()
    if done == names:
        return _summary(pictures, failed, resumed, names, begun, begun, request.out)
    leave = connect(request.address)
    progress(f"{pictures:,} of {total:,} pictures", pictures / total)
    spec = request.spec
    device = spec.options.device or runner_class(spec.backend).devices[0]
    needs = ActorNeeds(
        actors=request.actors, cpus=max(1, spec.options.threads or 1), gpus=gpus_for(device)
    )
    listed = _named(request, size, asked)  # again, rather than held
    left = (part for part in listed if part.name not in done)
    first: list[float] = []
    try:
        out.begin(asked)
        for result in parts_done(model, request.out, asked, _timed(left, first), needs):
            if result.content is not None:
                out.write_part(result.name, result.content, asked)
            for error in result.errors:
                tell(error)
            pictures, failed = pictures + result.pictures, failed + len(result.errors)
            progress(f"{pictures:,} of {total:,} pictures, {failed} not read", pictures / total)
        if pictures != total:
            raise OutputError(
                f"{pictures:,} of {total:,} pictures were answered: they came or went meanwhile. "
                "Give another -o"
            )
        out.check(asked)
        out.names_among(names)
    finally:
        if leave:
            import ray

            ray.shutdown()
    return _summary(pictures, failed, resumed, names, begun, first[0], request.out)


def _folder(address: str) -> AnswerParts:
    if "memory://" in address:
        raise UsageError(f"{address} would be each actor's own memory: give a folder or store")
    return AnswerParts(address)


def _summary(
    pictures: int, failed: int, resumed: int, names: set[str], begun: float, first: float, out: str
) -> RaySummary:
    return RaySummary(
        pictures=pictures,
        failed=failed,
        resumed=resumed,
        parts=len(names),
        start_s=first - begun,
        seconds=time.perf_counter() - first if pictures > resumed else 0.0,
        out=out,
    )


def _timed(parts: Iterator[NamedPart], first: list[float]) -> Iterator[NamedPart]:
    """The parts; ``first`` gets when the first was asked for, which is when an actor was ready."""
    for part in parts:
        if not first:
            first.append(time.perf_counter())
        yield part


def _named(request: RayRequest, size: int, asked: Mapping[str, Any]) -> Iterator[NamedPart]:
    note = told(asked)
    for number, part in enumerate(stored_parts(request.names, size, but_in=request.out)):
        yield NamedPart(name=f"part-{number:08}-{_digest(part, note)}.parquet", pictures=part)


def _digest(part: StoredPart, note: bytes) -> str:
    """By it a part is known again: the pictures' names, what the file system says, the options."""
    words = "\0".join((*part.names, str(part.rows), *map(file_stamp, part.names)))
    return hashlib.sha256(note + words.encode(errors="surrogateescape")).hexdigest()[:12]


def _asked(model: ShippedModel, size: int) -> dict[str, Any]:
    """All that the answers depend on besides the pictures."""
    spec = model.spec
    return {
        "format": FORMAT,
        "model": model.files.digest,
        "backend": spec.backend,
        "device": spec.options.device,
        "precision": spec.options.precision,
        "extras": dict(spec.options.extras),
        "threads": spec.options.threads,
        "preprocess": str(spec.preprocess),
        "labels": hashlib.sha256("\0".join(spec.labels or ()).encode()).hexdigest(),
        "task": spec.task,
        "task_options": dict(spec.task_options),
        "batch_size": spec.batch_size,
        "fast_decode": spec.fast_decode,
        "part_size": size,
    }


def _done_before(
    out: AnswerParts, names: set[str], tell: Callable[[str], object]
) -> tuple[int, int, set[str]]:
    """Pictures, those not read, which are told again, and the names of the parts that are whole.

    Raises:
        UsageError: the folder has answers that these names do not stand for.
    """
    pictures, failed, done = 0, 0, set()
    for name in sorted(out.names_among(names)):
        seen = out.seen(name)
        if seen is None:
            continue
        count, errors = seen
        for error in errors:
            tell(error)
        pictures, failed = pictures + count, failed + len(errors)
        done.add(name)
    return pictures, failed, done
