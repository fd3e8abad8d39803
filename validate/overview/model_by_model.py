"""The loop over several models: one at a time, each kept, a failure is a row."""

import gc
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from paddleport.errors import PortError
from paddleport.files import full_disk, make_folder
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress, no_progress
from paddleport.validate.overview.kept_rows import keep, kept, key_of, surroundings
from paddleport.validate.overview.model_overview import ModelOverview, OverviewRow
from paddleport.validate.parity.describe import describe_environment

NO_ANSWER, CRASHED = 2, 70  # exit codes, as the command line has them
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelTask:
    """What is done with each model.

    Attributes:
        name: ``validate`` or ``convert``.
        asked: every option that makes another result, of JSON's types.
        resolve: from a name to the model; raises PortError.
        measure: from the model, the overview's folder and the model's own in it to its row;
            raises PortError.
    """

    name: Literal["validate", "convert"]
    asked: Mapping[str, Any]
    resolve: Callable[[str, Progress], SourceModel]
    measure: Callable[[SourceModel, Path, Path, Progress], OverviewRow]


def log_crash(error: Exception) -> None:
    """What a fault of paddleport's own leaves behind where there is no command line."""
    _logger.error("paddleport itself failed", exc_info=error)


@dataclass(frozen=True, kw_only=True)
class ModelByModel:
    """A run over several models.

    Attributes:
        task: what is done with each.
        names: of the models, each once.
        folder: where reports and overview go; each model has a folder of its own in it.
        title: of the overview.
        fresh: measure what an earlier run has measured as well.
        command: what was typed.
        on_crash: called with an exception that nobody foresaw; the model is a row then.
        progress: called with each step and the share done.
    """

    task: ModelTask
    names: Sequence[str]
    folder: Path
    title: str
    fresh: bool = False
    command: str = ""
    on_crash: Callable[[Exception], None] = log_crash
    progress: Progress = no_progress

    def run(self) -> ModelOverview:
        """Go through the models; the overview is written after each, so that it can be watched.

        Raises:
            OutputError: a report or the overview cannot be written.
        """
        make_folder(self.folder)  # found out before a model has taken hours
        rows: list[OverviewRow] = []
        around = surroundings(self.task.asked)
        clock = _Clock(len(self.names), self.progress)
        overview = self._overview(rows)
        for name, place in zip(self.names, _places(self.names), strict=True):
            rows.append(self._row(name, place, around, clock.of_model(len(rows), name)))
            clock.done(counts=not rows[-1].from_before)
            overview = self._overview(rows)
            overview.write(self.folder)
            gc.collect()  # what a model has left behind must not add up
        return overview

    def _overview(self, rows: Sequence[OverviewRow]) -> ModelOverview:
        return ModelOverview(
            task=self.task.name,
            title=self.title,
            rows=tuple(rows),
            total=len(self.names),
            environment=describe_environment(),
            command=self.command,
            created=_now(),
        )

    def _row(
        self, name: str, place: str, around: Mapping[str, Any], progress: Progress
    ) -> OverviewRow:
        started = time.monotonic()
        try:
            return self._measured(name, place, around, progress)
        except PortError as error:
            reason, code = str(error), NO_ANSWER
        except MemoryError as error:
            reason, code = f"out of memory: {error or 'this machine has too little'}", NO_ANSWER
        except Exception as error:
            full = full_disk(error) if isinstance(error, OSError) else None
            if full is not None:
                raise full from None  # the next model would meet it, too
            self.on_crash(error)
            said = " ".join(str(error).split())[:300]
            reason, code = f"paddleport itself failed: {type(error).__name__}: {said}", CRASHED
        return OverviewRow(
            name=place,
            verdict="failed",
            exit_code=code,
            reason=" ".join(reason.split()),
            published=_published(name),
            seconds=time.monotonic() - started,
            measured=_now(),
        )

    def _measured(
        self, name: str, place: str, around: Mapping[str, Any], progress: Progress
    ) -> OverviewRow:
        started = time.monotonic()
        source = self.task.resolve(name, progress)
        key, own = key_of(source, around), self.folder / place
        file = own / f"{self.task.name}.row.json"
        found = None if self.fresh else kept(key, file, self.folder)
        if found is not None:
            _logger.info("%s: taken from %s", name, file)
            return found
        row = self.task.measure(source, self.folder, own, progress)
        row = replace(
            row,
            name=row.name if place == _shown(name) else place,
            warning=source.warning,
            seconds=time.monotonic() - started,
            measured=row.measured or _now(),
        )
        keep(row, key, file, self.folder)
        return row


class _Clock:
    """Progress over all models, with the time left by those that were measured."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total, self._progress = total, progress
        self._position, self._measured, self._share = 0, 0, 0.0
        self._last, self._spent_s = time.monotonic(), 0.0

    def of_model(self, position: int, name: str) -> Progress:
        """What one model's steps are reported to."""
        self._position, self._share = position, 0.0
        count = f"{position + 1} of {self._total}"

        def report(step: str, share: float | None) -> None:
            self._share = self._share if share is None else max(self._share, min(share, 1.0))
            text = f"{count} · {_shown(name)}: {step}{self._left()}"
            self._progress(text, (self._position + self._share) / self._total)

        report("find the model", 0.0)
        return report

    def done(self, *, counts: bool) -> None:
        """A model is through; one from before says nothing of how long the others take."""
        now = time.monotonic()
        if counts:
            self._measured += 1
            self._spent_s += now - self._last
        self._last = now

    def _left(self) -> str:
        if not self._measured:
            return ""
        mean_s = self._spent_s / self._measured
        seconds = mean_s * (self._total - self._position - self._share)
        return f" · {time_left(seconds)} left"


def time_left(seconds: float) -> str:
    """Such as ``40 s``, ``12 min`` or ``3 h 20 min``."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _places(names: Sequence[str]) -> list[str]:
    """A folder for each model, whatever two of them are called."""
    places: list[str] = []
    for name in names:
        shown, number = _shown(name), 2
        while shown.casefold() in map(str.casefold, places):
            shown, number = f"{_shown(name)}-{number}", number + 1
        places.append(shown)
    return places


def _shown(name: str) -> str:
    """A model's name, or the last part of its path."""
    path = Path(name)
    return (path.resolve().name.removesuffix(".tar") or "model") if path.exists() else name


def _published(name: str) -> dict[str, Any]:
    from paddleport.models.zoo import registry as zoo

    return dict(zoo.lookup(name).published) if name in zoo.names() else {}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
