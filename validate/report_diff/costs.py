"""What became of load times, memory and the model's size."""

from collections.abc import Iterator, Mapping
from typing import Any

from paddleport.validate.report_diff.changes import MODEL, Change, ratio, times
from paddleport.validate.report_diff.snapshot import Row
from paddleport.validate.reports import figures

# Loading is timed once: eight loads of one small model took 180 to 310 ms on ONNX Runtime and
# OpenVINO, and one of them 630 ms.
LOAD_GROWN, LOAD_GROWN_MS = 2.0, 100.0
MEMORY_GROWN = 1.2
_FILE_GROWN = 1.01  # the metadata inside names versions
_COUNTS = {"parameters": "parameters", "flops": "FLOP of one inference"}


def compare_costs(name: str, old: Row, new: Row) -> Iterator[Change]:
    """A backend's load times and peak memory, on one machine."""
    yield from _loads(name, "load ms", old.load_ms, new.load_ms)
    yield from _loads(name, "warm load ms", old.warm_load_ms, new.warm_load_ms)
    before, after = old.peak_memory_bytes, new.peak_memory_bytes
    if before and after and max(before, after) > MEMORY_GROWN * min(before, after):
        texts = figures.size(int(before)), figures.size(int(after))
        yield _change(name, "peak memory", before, after, *texts)


def compare_models(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """The size of the file and what is counted in it."""
    before, after = _count(old, "onnx bytes"), _count(new, "onnx bytes")
    if before and after and max(before, after) > _FILE_GROWN * min(before, after):
        yield _change(MODEL, "ONNX file", before, after, figures.size(before), figures.size(after))
    for key, what in _COUNTS.items():
        before, after = _count(old, key), _count(new, key)
        if before is not None and after is not None and before != after:
            yield _change(MODEL, what, before, after, f"{before:,}", f"{after:,}")


def _loads(name: str, what: str, before: float | None, after: float | None) -> Iterator[Change]:
    if (
        before is not None
        and after is not None
        and abs(after - before) >= LOAD_GROWN_MS
        and max(before, after) >= LOAD_GROWN * min(before, after)
    ):
        yield _change(name, what, before, after, f"{before:.0f}", f"{after:.0f}")


def _count(model: Mapping[str, Any], key: str) -> int | None:
    found = model.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _change(backend: str, what: str, before: float, after: float, old: str, new: str) -> Change:
    factor = ratio(before, after)
    return Change(backend, what, old, new, times(factor), "change", factor)
