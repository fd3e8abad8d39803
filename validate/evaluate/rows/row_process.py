"""One row of a pass: its backend in a process of its own, crashes and all."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from paddleport import process
from paddleport.errors import BackendUnavailableError, PortError, WorkerCrashed
from paddleport.models.artifact import Artifact
from paddleport.runners import runner_class
from paddleport.tensors import Array
from paddleport.validate.evaluate.rows.hosted_row import HostedRow
from paddleport.validate.evaluate.rows.picture_slots import SlotLayout
from paddleport.validate.evaluate.rows.row_request import RowRequest, RowSource
from paddleport.validate.session import MEMORY_SHARE
from paddleport.worker import RemoteError, Worker

P = ParamSpec("P")
T = TypeVar("T")

START_TIMEOUT_S = 600.0  # importing, loading, compiling
RUN_TIMEOUT_S = 300.0  # for an inference, where nothing is known of it yet
_SLOWER = 20.0  # times the slowest answer so far: it hangs


class RowProcess:
    """A runner in a worker, which answers what lies in the shared slots.

    Every method raises ``WorkerCrashed`` if the process dies, hangs or takes too much memory, and
    if the runner raises anything but a ``PortError``; the message ends in the row's advice.

    Attributes:
        row: what it computes.
        facts: what the runner says of itself.
        source: the one of the row's sources that it was opened with.
        model: what it has loaded.
    """

    def __init__(self, row: RowRequest) -> None:
        """Start a process and load the model there.

        Raises:
            PortError: as the row's sources and the runner do, of the last source.
        """
        self.row = row
        self._slowest_s = 0.0
        for source in row.sources:
            try:
                self._start(source)
                return
            except BackendUnavailableError:
                if source is row.sources[-1]:
                    raise
            except PortError as error:
                if source.note and not row.named:  # not every runtime takes a file in bf16
                    raise BackendUnavailableError(f"{source.note}: {error}") from error
                raise

    def share(self, layout: SlotLayout) -> None:
        """Have the process map the slots."""
        self._call(HostedRow.share, START_TIMEOUT_S, self._hosted, layout)

    def answers(self, slot: int, count: int, batch: int) -> tuple[Array, float]:
        """The first output [count, classes] for the pictures of a slot, and its seconds."""
        timeout_s = RUN_TIMEOUT_S * (-(-count // batch))
        if self._slowest_s:
            timeout_s = max(RUN_TIMEOUT_S, _SLOWER * self._slowest_s)
        found = self._call(HostedRow.answers, timeout_s, self._hosted, slot, count, batch)
        self._slowest_s = max(self._slowest_s, found[1])
        return found

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    @property
    def settled(self) -> RowRequest:
        """The row with the one source and file that it was opened with; it can be pickled."""
        source = RowSource.of_file(self.model, self.source.options, self.source.note)
        return replace(self.row, sources=(source,), named=True)

    @property
    def worker(self) -> Worker:
        """Its process, to end several at once."""
        return self._worker

    def _start(self, source: RowSource) -> None:
        model = self._made(source)
        available = process.available_bytes()
        limit = None if available is None else round(available * MEMORY_SHARE)
        environ = runner_class(self.row.backend).environ
        self._worker = Worker(environ=environ, memory_limit_bytes=limit)
        try:
            # A handle, typed as what it stands for.
            self._hosted: Any = self._guarded(
                self._worker.hold,
                HostedRow,
                START_TIMEOUT_S,
                self.row.backend,
                model,
                source.options,
            )
            self.facts = self._call(HostedRow.facts, START_TIMEOUT_S, self._hosted)
        except BaseException:
            self._worker.close()
            raise
        self.source, self.model = source, model

    def _made(self, source: RowSource) -> Artifact:
        """The file; a target that refuses the model leaves a backend that nobody named out."""
        try:
            return source.make()
        except PortError as error:
            if self.row.named:
                raise
            raise BackendUnavailableError(str(error)) from error

    def _call(
        self, function: Callable[P, T], timeout_s: float, /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        result: T = self._guarded(self._worker.call, function, timeout_s, *args, **kwargs)
        return result

    def _guarded(self, call: Callable[..., T], /, *args: object, **kwargs: object) -> T:
        try:
            return call(*args, **kwargs)
        except RemoteError as error:
            trace = str(error).strip()
            reason = trace.splitlines()[-1]
            message = f"{self.row.backend} raised {reason}"
            raise WorkerCrashed(message, reason=reason, log=trace) from None
        except WorkerCrashed as error:
            if not self.row.advice:
                raise
            message = f"{error}. {self.row.advice}"
            raise WorkerCrashed(message, reason=error.reason, log=error.log) from None
