"""What the measuring rig takes and what it gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from paddleport.errors import PortError
from paddleport.models.card import Preprocess
from paddleport.tensors import Feed
from paddleport.validate.benchmark.track import Latency
from paddleport.validate.parity.session import Session


@dataclass(frozen=True)
class Budget:
    """Most counted seconds; settling and warming up come on top.

    Attributes:
        main_s: of each subject's main configuration.
        grid_s: of every other configuration.
    """

    main_s: float = 3.0
    grid_s: float = 0.4


@dataclass(frozen=True)
class Photo:
    """Where the end-to-end scope starts.

    Attributes:
        jpeg: a JPEG file's bytes.
        preprocess: how the picture becomes a tensor.
    """

    jpeg: bytes
    preprocess: Preprocess


@dataclass(frozen=True)
class Subject:
    """One row to be measured.

    Attributes:
        session: open, with the main number of threads; it stays the caller's to close.
        feeds: batch size to feed; the smallest is the main configuration's.
        photo: what to start the end-to-end scope from; ``None`` leaves it out.
        reopen: opens the same backend with another number of threads; ``measure`` closes what
            it opens. ``None`` measures no other number of threads.
        grid: whether anything but the main configuration is measured.
    """

    session: Session
    feeds: Mapping[int, Feed]
    photo: Photo | None = None
    reopen: Callable[[int], Session] | None = None
    grid: bool = True


@dataclass(frozen=True)
class Measured:
    """What came of one subject.

    Attributes:
        latencies: the main configuration first, then the others; empty if the first round failed.
        error: what ended it (a crash, or the main configuration failing); the latencies that
            were complete or under way before it are kept.
        notes: configurations that were not measured though the process lived, with the reason.
    """

    latencies: tuple[Latency, ...]
    error: PortError | None = None
    notes: tuple[str, ...] = ()
