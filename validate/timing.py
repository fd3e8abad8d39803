"""The latency side of a validation: what is measured, and what it is set against."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from paddleport import runners
from paddleport.models.card import OnnxModel
from paddleport.models.cost import cost
from paddleport.models.resolve import SourceModel
from paddleport.models.samples import sample_picture
from paddleport.tensors import Array, Feed
from paddleport.validate.feeds import NamedFeed, batch_feeds
from paddleport.validate.judge import Judge
from paddleport.validate.latency import Budget, Latency, Measured, Photo, Subject, measure
from paddleport.validate.peak import peak_gflops
from paddleport.validate.plan import Plan
from paddleport.validate.report import BackendRow
from paddleport.validate.session import Session

SPEED_REFERENCE = "paddle"
_BATCHES = (4, 8)  # beside the smallest: the columns of the published tables
_JPEG_QUALITY = 95


class Timing:
    """Measures the sessions that a judge has left open.

    Attributes:
        speed_reference: what the speed is judged against, or why there is nothing.
        peak_gflops: threads (as text) to this machine's GFLOP/s on a large matrix product.
        model_figures: parameters and floating-point operations of the model.
    """

    def __init__(self, source: SourceModel, onnx: OnnxModel, plan: Plan, judge: Judge) -> None:
        """Nothing is measured yet."""
        self._source, self._onnx, self._plan, self._judge = source, onnx, plan, judge
        self.speed_reference = "nothing: latency was not measured"
        self.peak_gflops: dict[str, float] = {}
        self.model_figures: dict[str, Any] = {}

    def measured(
        self, rows: Sequence[BackendRow], progress: Callable[[float], None]
    ) -> list[BackendRow]:
        """The rows with latencies, costs and speed-ups."""
        self._count()
        if not self._plan.seconds_each:
            return list(rows)
        subjects = {
            name: self._subject(name, session)
            for name, session in self._judge.sessions.items()
            if runners.runner_class(name.split()[0]).timed and self._is_wanted(name)
        }
        found = measure(subjects, Budget(main_s=self._plan.seconds_each), on_round=progress)
        threads = {item.threads for one in found.values() for item in one.latencies}
        self.peak_gflops = {str(count): peak_gflops(count) for count in sorted(threads)}
        timed = [
            self._with_latency(row, found[row.name]) if row.name in found else row for row in rows
        ]
        return self._with_speed_up(timed)

    def _count(self) -> None:
        (first,) = self._judge.onnx_feeds.of(self._judge.feeds[:1])
        counted = cost(self._onnx.path, {name: item.shape for name, item in first.items()})
        self.model_figures = {"parameters": counted.parameters, "flops": counted.flops}
        if counted.uncounted:
            self.model_figures["not counted in flops"] = ", ".join(counted.uncounted)

    def _is_wanted(self, name: str) -> bool:
        """The plain reference is slow; a quick validation does without its latency."""
        return not self._plan.quick or name in runners.names()

    def _subject(self, name: str, session: Session) -> Subject:
        judge = self._judge
        plain = name not in runners.names()
        grid = not (plain or self._plan.quick)
        feeds = {_size(item.tensors): judge.feed_for(name, item) for item in self._batches(grid)}
        return Subject(
            session,
            feeds,
            photo=self._photo(next(iter(feeds.values()))) if grid else None,
            reopen=(lambda threads: judge.open(name, threads)) if grid else None,
            grid=grid,
        )

    def _batches(self, grid: bool) -> list[NamedFeed]:
        singles = [feed for feed in self._judge.feeds if not feed.parts]
        if not grid or len(singles) == len(self._judge.feeds):  # no batch was taken
            return singles[:1]
        return singles[:1] + batch_feeds(singles, self._source.program.inputs, _BATCHES)

    def _photo(self, feed: Feed) -> Photo | None:
        """A JPEG to start from, where the model is fed with pictures and nothing else."""
        given = self._judge.feeds[0]
        if self._source.preprocess is None or given.picture is None or len(feed) != 1:
            return None
        drawn = given.name.startswith("sample ")  # small, as there are many of them
        picture = sample_picture() if drawn else given.picture
        return Photo(_jpeg(picture), self._source.preprocess, next(iter(feed)))

    def _with_latency(self, row: BackendRow, found: Measured) -> BackendRow:
        session = self._judge.sessions[row.name]
        load = replace(row.load, peak_memory_bytes=session.peak_memory_bytes())
        row = replace(row, latencies=found.latencies, notes=(*row.notes, *found.notes), load=load)
        if found.error is not None:
            return replace(
                row,
                verdict="failed",
                reason=f"while measuring: {found.error}",
                log=getattr(found.error, "log", ""),
            )
        return self._with_throughput(row, row.latency)

    def _with_throughput(self, row: BackendRow, latency: Latency | None) -> BackendRow:
        flops = self.model_figures.get("flops")
        if latency is None or not flops:
            return row
        reached = flops / latency.p50_ms / 1e6
        share = reached / self.peak_gflops[str(latency.threads)]
        return replace(row, load=replace(row.load, gflops_per_s=reached, share_of_peak=share))

    def _with_speed_up(self, rows: list[BackendRow]) -> list[BackendRow]:
        base = next((row for row in rows if row.name == SPEED_REFERENCE), None)
        if base is None or base.latency is None:
            why = "was not among the backends" if base is None else f"{base.verdict}: {base.reason}"
            self.speed_reference = f"nothing: {SPEED_REFERENCE} {why}"
            return rows
        self.speed_reference = f"paddle with oneDNN, {self._plan.threads} threads"
        p50_ms = base.latency.p50_ms
        return [
            replace(row, speed_up=p50_ms / row.latency.p50_ms) if row.latency else row
            for row in rows
        ]


def _size(tensors: Mapping[str, Array]) -> int:
    """The batch size of a feed; 1 where its tensors have no dimension."""
    first = next(iter(tensors.values()))
    return len(first) if first.ndim else 1


def _jpeg(picture: Array) -> bytes:
    """A picture, [H, W, 3] uint8 BGR, as a JPEG file's bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture[:, :, ::-1])).save(
        buffer, "JPEG", quality=_JPEG_QUALITY
    )
    return buffer.getvalue()
