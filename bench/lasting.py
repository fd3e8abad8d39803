"""The lines of point 8: whether time and memory stay flat, and what a conversion holds."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from growth import WINDOW, Course, course, draw_files
from lines import NO_LIMIT, Found, Line, ratio_detail
from memory import EVERY_S, Taken, conversion_memory, large_model, peak
from plots import Series, plot

from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel

BACKENDS = ("openvino", "onnxruntime")
LEAST_PICTURES = 1000  # below, the first tenth is hardly a window


def growth(source: SourceModel, onnx: Artifact, folder: Path, pictures: int) -> Found:
    """One long run on each backend."""
    if source.preprocess is None or pictures < LEAST_PICTURES:
        raise SystemExit(f"growth needs at least {LEAST_PICTURES} pictures, not {pictures}")
    files = draw_files(folder)
    courses = {
        backend: course(backend, onnx, source.preprocess, files, pictures) for backend in BACKENDS
    }
    lines = [line for backend, found in courses.items() for line in growth_lines(backend, found)]
    series = {
        name: {"ms": [window.ms for window in one.windows], "bytes": one.peaks, "pairs": one.pairs}
        for name, one in courses.items()
    }
    return Found(lines, _growth_plots(courses), {"growth": {"window": WINDOW, **series}})


def growth_lines(backend: str, found: Course) -> list[Line]:
    """Time and memory."""
    pictures = len(found.windows) * WINDOW
    away = abs(found.drift - 1) * 100
    old, young = zip(*found.pairs, strict=True)
    detail = f"a process that has done them all / one that has done {WINDOW}: "
    detail += ratio_detail(old, young, "ms")
    megabytes = f"{found.peaks[-1] / 1e6:.1f} MB at the end / after the first tenth"
    return [
        Line(f"{backend}: time a picture after {pictures}", away, 5, "%", detail),
        Line(f"{backend}: peak memory after {pictures}", found.growth, 1.05, "x", megabytes),
    ]


def _growth_plots(courses: Mapping[str, Course]) -> dict[str, str]:
    def over(values: Callable[[Course], Sequence[float]]) -> Series:
        return {
            name: ([(index + 1) * WINDOW for index in range(len(found.windows))], values(found))
            for name, found in courses.items()
        }

    ms = over(lambda found: [window.ms for window in found.windows])
    megabytes = over(lambda found: [held / 1e6 for held in found.peaks])
    return {
        "time": plot("Time a picture", "pictures", "ms", ms),
        "memory": plot("Peak memory", "pictures", "MB", megabytes),
    }


def memory(folder: Path, binaries: Path) -> Found:
    """A conversion of a model that is large beside everything else."""
    taken = conversion_memory(large_model(folder), folder, binaries)
    samples = [
        {"s": sample.at_s, "MB": [held / 1e6 for held in sample.held.values()]}
        for sample in taken.ours
    ]
    series = {"every_s": EVERY_S, "model_bytes": taken.model_bytes, "ours": samples}
    return Found(memory_lines(taken), {"conversion": _memory_plot(taken)}, {"conversion": series})


def memory_lines(taken: Taken) -> list[Line]:
    """Ours against the limit, and the bare command's for comparison."""
    most, size = peak(taken.ours), taken.model_bytes / 1e6
    parts = " + ".join(f"{held / 1e6:.0f}" for held in most.held.values())
    detail = (
        f"{parts} MB in its processes at once, {taken.imports_bytes / 1e6:.0f} MB of imports, "
        f"a model of {size:.0f} MB"
    )
    line = Line("convert: memory above the imports / model", taken.times_model, 3, "x", detail)
    if line.missed:
        reason = (
            f"Paddle2ONNX's own export holds {taken.vendor_times_model:.1f} x"
            f" (bare command); most of ours was held at {most.at_s / taken.ours[-1].at_s:.0%} "
            "of the conversion's time"
        )
        line = Line(line.what, line.value, line.limit, line.unit, detail, reason=reason)
    bare = Line(
        "bare paddle2onnx: memory above the imports / model",
        taken.vendor_times_model,
        NO_LIMIT,
        "x",
        f"{peak(taken.vendor).total / 1e6:.0f} MB, {taken.vendor_imports_bytes / 1e6:.0f} MB "
        "of imports; it checks nothing",
    )
    return [line, bare]


def _memory_plot(taken: Taken) -> str:
    sides = {"paddleport convert, all processes": taken.ours, "bare paddle2onnx": taken.vendor}
    allowed = (taken.imports_bytes + 3 * taken.model_bytes) / 1e6
    return plot(
        f"A conversion's memory, model of {taken.model_bytes / 1e6:.0f} MB",
        "s",
        "MB",
        {
            name: ([one.at_s for one in samples], [one.total / 1e6 for one in samples])
            for name, samples in sides.items()
        },
        levels={"imports": taken.imports_bytes / 1e6, "imports + 3 x model": allowed},
    )
