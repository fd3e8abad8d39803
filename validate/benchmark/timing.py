"""The latencies of a validation: what is measured, and what the speed is compared with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from paddleport import runners
from paddleport.errors import PortError
from paddleport.models.onnx.cost import cost
from paddleport.runners.runner_options import available_threads
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Array
from paddleport.validate.benchmark.interleaved_rounds import measure
from paddleport.validate.benchmark.latency import Latency
from paddleport.validate.benchmark.machine import peak_gflops
from paddleport.validate.benchmark.timed_backend import (
    Budget,
    JpegInput,
    MeasuredLatencies,
    TimedBackend,
    jpeg_of,
)
from paddleport.validate.feeds.make_feeds import batch_feeds
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.parity.backend_sessions import BackendSessions, backend_of
from paddleport.validate.parity.parity_report import BackendRow
from paddleport.validate.parity.validation_plan import NATIVE, PLAIN
from paddleport.validate.session import Session

_BATCHES = (4, 8)  # beside the smallest: the columns of the published tables
_NOT_COUNTED = "not counted in flops"


class Timing:
    """Measures the sessions of a validation.

    Attributes:
        speed_reference: what the speed is compared with, or why there is nothing.
        peak_gflops: threads (as text) to this machine's GFLOP/s on a large matrix product.
        model_figures: parameters and floating-point operations of the model.
    """

    def __init__(self, backends: BackendSessions, feeds: Sequence[NamedFeed]) -> None:
        """Nothing is measured yet."""
        self._backends, self._plan, self._feeds = backends, backends.plan, feeds
        self.speed_reference = "nothing: latency was not measured"
        self.peak_gflops: dict[str, float] = {}
        self.model_figures: dict[str, Any] = {}
        self._notes: list[str] = []  # on every row that has a grid

    def measured(
        self, rows: Sequence[BackendRow], progress: Callable[[float], None]
    ) -> list[BackendRow]:
        """The rows with latencies, costs and speed-ups."""
        self._count()
        if not self._plan.seconds_each:
            return list(rows)
        backends = self._timed_backends()
        found = measure(backends, Budget(main_s=self._plan.seconds_each), on_round=progress)
        self._find_peaks(found)
        timed = [
            self._with_latency(row, backends[row.name], found[row.name])
            if row.name in found
            else row
            for row in rows
        ]
        return self._with_speed_up(timed)

    def _count(self) -> None:
        (first,) = self._backends.onnx_feeds.of(self._feeds[:1])
        shapes = {name: item.shape for name, item in first.items()}
        try:
            counted = cost(self._backends.onnx.path, shapes)
        except Exception as error:  # ONNX's shape inference raises what it likes
            nothing = {"parameters": None, "flops": None}
            self.model_figures = {**nothing, _NOT_COUNTED: f"anything: {one_line(error)}"}
            return
        self.model_figures = {"parameters": counted.parameters, "flops": counted.flops}
        if counted.uncounted:
            self.model_figures[_NOT_COUNTED] = ", ".join(counted.uncounted)

    def _timed_backends(self) -> dict[str, TimedBackend]:
        wanted = {
            name: session
            for name, session in self._backends.sessions.items()
            if runners.runner_class(backend_of(name)).timed and self._is_wanted(name)
        }
        batches, jpeg = self._batches(), self._jpeg()
        return {
            name: self._timed_backend(name, session, batches, jpeg)
            for name, session in wanted.items()
        }

    def _is_wanted(self, name: str) -> bool:
        """The reference at its plainest is slow; a quick validation does without its latency.

        Unless the speed reference has broken, whose place it takes.
        """
        backends = self._backends
        needed = name == backends.reference and backends.speed_reference not in backends.sessions
        return not self._plan.quick or name in runners.names() or needed

    def _timed_backend(
        self, name: str, session: Session, batches: Sequence[NamedFeed], jpeg: bytes | None
    ) -> TimedBackend:
        backends = self._backends
        grid = name in runners.names() and not self._plan.quick
        given = batches if grid else batches[:1]
        feeds = {_size(item.tensors): backends.tensors(name, [item])[0] for item in given}
        preprocess = backends.source.preprocess
        uses_threads = runners.runner_class(backend_of(name)).uses_threads
        jpeg_input = None
        if jpeg is not None and preprocess is not None:
            pixels = None if backends.reads_paddle(name) else backends.onnx_feeds.pixels
            rules = preprocess if pixels is None else pixels.file
            jpeg_input = JpegInput(jpeg, rules)
        return TimedBackend(
            session=session,
            feeds=feeds,
            jpeg_input=jpeg_input if grid else None,
            reopen=self._reopener(name) if grid and uses_threads else None,
            grid=grid,
        )

    def _reopener(self, name: str) -> Callable[[int], Session]:
        options = self._backends.options_for(name)
        return lambda threads: self._backends.open(name, replace(options, threads=threads))

    def _batches(self) -> list[NamedFeed]:
        """The main configuration's feed, and larger batches if the model took any."""
        singles = [feed for feed in self._feeds if not feed.parts]
        if self._plan.quick or len(singles) == len(self._feeds):
            return singles[:1]
        sizes = [size for size in _BATCHES if self._plan.takes_batch(size)]
        return singles[:1] + batch_feeds(singles, self._backends.source.program.inputs, sizes)

    def _jpeg(self) -> bytes | None:
        """A JPEG to start from, where the model is fed with pictures and nothing else."""
        first, preprocess = self._feeds[0], self._backends.source.preprocess
        fed_with_pictures = first.picture is not None and len(first.tensors) == 1
        if self._plan.quick or preprocess is None or not fed_with_pictures:
            return None
        try:
            return jpeg_of(first, preprocess)
        except PortError as error:
            self._notes.append(f"end to end was not measured: {error}")
            return None

    def _find_peaks(self, found: Mapping[str, MeasuredLatencies]) -> None:
        if self._plan.device not in (None, "cpu") or not self.model_figures["flops"]:
            return
        for threads in sorted({item.threads for one in found.values() for item in one.latencies}):
            try:
                self.peak_gflops[str(threads)] = peak_gflops(threads)
            except PortError:  # a report without the share of it is better than none
                continue

    def _with_latency(
        self, row: BackendRow, backend: TimedBackend, found: MeasuredLatencies
    ) -> BackendRow:
        load = replace(row.load, peak_memory_bytes=backend.session.peak_memory_bytes())
        notes = [*row.notes, *found.notes, *(self._notes if backend.grid else ())]
        if not backend.session.facts.pinned:
            notes.append("its threads were not pinned to CPUs")
        row = replace(row, latencies=found.latencies, load=load, notes=tuple(notes))
        if row.latency is not None:
            device = backend.session.facts.device
            row = self._with_throughput(row, row.latency, device)
        return row if found.error is None else _failed(row, found.error)

    def _with_throughput(self, row: BackendRow, latency: Latency, device: str) -> BackendRow:
        flops = self.model_figures["flops"]
        if not flops:
            return row
        reached = flops / latency.p50_ms / 1e6
        peak = self.peak_gflops.get(str(latency.threads)) if device == "cpu" else None
        share = None if peak is None else reached / peak
        return replace(row, load=replace(row.load, gflops_per_s=reached, share_of_peak=share))

    def _with_speed_up(self, rows: list[BackendRow]) -> list[BackendRow]:
        name = self._backends.speed_reference
        by_name = {row.name: row for row in rows}
        base, why = by_name.get(name), "was not among the backends"
        if base is not None and base.latency is None:
            why = f"{base.verdict}: {base.reason}"
            base = by_name.get(self._backends.reference) if self._is_native_reference() else None
        if base is None or base.latency is None:
            self.speed_reference = f"nothing: {name} {why}"
            return rows
        self.speed_reference = self._speed_reference(base.name)
        if base.name != name:
            self.speed_reference += f", since {name} {_why_absent(by_name[name])}"
        p50_ms = base.latency.p50_ms
        return [
            replace(row, speed_up=p50_ms / row.latency.p50_ms) if row.latency else row
            for row in rows
        ]

    def _is_native_reference(self) -> bool:
        return self._backends.reference_backend in NATIVE

    def _speed_reference(self, name: str) -> str:
        options = self._backends.options_for(name)
        checked = runners.runner_class(backend_of(name)).check_options(options)
        extras = checked.extras
        if backend_of(name) != PLAIN:
            return f"{name} {checked.precision}"
        if checked.device != "cpu":
            return f"{name} on {checked.device}"
        graph = "" if extras.ir_optim else " and graph optimisation off"
        kernels = "with oneDNN" if extras.onednn else "without oneDNN"
        if not extras.onednn and graph:
            graph = " and graph optimisation"
        cpus = available_threads()
        shared = f" on {cpus} CPUs" if options.threads > cpus else ""
        return f"{name} {kernels}{graph}, {options.threads} threads{shared}"


def _why_absent(row: BackendRow) -> str:
    """What is said of a row without latency: what it can't do where it was passed over."""
    return row.reason.removeprefix(f"{row.name} ") if row.verdict == "skipped" else "failed"


def _failed(row: BackendRow, error: PortError) -> BackendRow:
    """A row whose measurement failed; that its numbers differ remains its verdict."""
    reason, log = f"while measuring: {error}", getattr(error, "log", "")
    if row.verdict == "differs":
        return replace(row, notes=(*row.notes, reason), log=log)
    return replace(row, verdict="failed", reason=reason, log=log)


def _size(tensors: Mapping[str, Array]) -> int:
    """The batch size of a feed; 1 where its tensors have no dimension."""
    first = next(iter(tensors.values()), None)
    return len(first) if first is not None and first.ndim else 1
