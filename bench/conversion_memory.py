"""How much memory a conversion takes, all its processes together, sampled while it runs."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from claims import NO_LIMIT, Claim, Results
from plots import plot

from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.worker import run_in_worker

EVERY_S = 0.01
TIMEOUT_S = 300.0

# The processes of a conversion, which answer when they have imported, and end.
_IMPORTS = """
import os, time
import paddleport.cli, paddleport.convert.pipeline
from paddleport.convert.tools import Tools
with Tools() as tools:
    for worker in (tools.paddle, tools.onnx):
        worker.call(os.getpid, 120)
    time.sleep(0.1)
"""
_BARE_IMPORTS = "import paddle, paddle2onnx, time; time.sleep(0.1)"


@dataclass(frozen=True)
class MemorySample:
    """What a command and the processes it started held at one moment, as bytes by process id."""

    at_s: float
    held: Mapping[int, int]

    @property
    def total(self) -> int:
        """Of all of them; pages that they share are counted for each."""
        return sum(self.held.values())


@dataclass(frozen=True, kw_only=True)
class ConversionMemory:
    """The memory of one conversion.

    Attributes:
        model_bytes: program and parameters.
        imports_bytes: what the same processes hold when they have imported and do nothing.
        ours: samples of ``paddleport convert``.
        vendor: samples of the bare paddle2onnx command on the same model.
        vendor_imports_bytes: what that command holds when it has imported.
    """

    model_bytes: int
    imports_bytes: int
    ours: tuple[MemorySample, ...]
    vendor: tuple[MemorySample, ...]
    vendor_imports_bytes: int

    @property
    def times_model(self) -> float:
        """Our peak above the imports, in sizes of the model."""
        return (peak(self.ours).total - self.imports_bytes) / self.model_bytes

    @property
    def vendor_times_model(self) -> float:
        """The bare command's."""
        return (peak(self.vendor).total - self.vendor_imports_bytes) / self.model_bytes


def peak(samples: Sequence[MemorySample]) -> MemorySample:
    """The sample in which most was held."""
    return max(samples, key=lambda sample: sample.total)


def _held(pid: int) -> dict[int, int]:
    held = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for item in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended
                # A fork before its exec still is its parent, memory and all: it would count twice.
                is_fork = item != parent and item.cmdline() == psutil.Process(item.ppid()).cmdline()
                if not is_fork:
                    held[item.pid] = item.memory_info().rss
    return held


def sampled(pid: int, ended: Callable[[], bool]) -> tuple[MemorySample, ...]:
    """Samples of a process and all below it, until ``ended``."""
    samples, started = [], time.perf_counter()
    while not ended():
        samples.append(MemorySample(time.perf_counter() - started, _held(pid)))
        time.sleep(EVERY_S)
    return tuple(samples)


def of_command(command: Sequence[object], folder: Path) -> tuple[MemorySample, ...]:
    """A whole command that must succeed."""
    with tempfile.TemporaryFile("w+") as log:
        running = subprocess.Popen([*map(str, command)], stdout=log, stderr=log, cwd=folder)
        samples = sampled(running.pid, lambda: running.poll() is not None)
        if running.returncode:
            log.seek(0)
            raise RuntimeError(f"{command[0]} ended with {running.returncode}: {log.read()[-500:]}")
    return samples


def save_large(prefix: str) -> None:
    """A VGG-11 of 0.5 GB, whose weights outweigh its activations; in a process of its own."""
    import paddle
    import paddle.vision.models as vision

    paddle.seed(7)
    network = vision.vgg11(pretrained=False)
    network.eval()
    spec = [paddle.static.InputSpec([None, 3, 224, 224], "float32", name="x")]
    paddle.jit.save(paddle.jit.to_static(network, input_spec=spec, full_graph=True), prefix)


def measure_conversion(model: Artifact, folder: Path, binaries: Path) -> ConversionMemory:
    """Sample the memory of our command and of the bare one on the same model."""
    params = Path(str(model.weights_file))
    ours = [binaries / "paddleport", "convert", "--model", model.path, "--params", params]
    bare = [binaries / "paddle2onnx", "--model_dir", model.path.parent]
    bare += ["--model_filename", model.path.name, "--params_filename", params.name]
    bare += ["--optimize_tool", "None", "--save_file", folder / "bare.onnx"]
    return ConversionMemory(
        model_bytes=model.path.stat().st_size + params.stat().st_size,
        imports_bytes=peak(of_command([sys.executable, "-c", _IMPORTS], folder)).total,
        ours=of_command([*ours, "--opset", 17, "--output", folder / "ours.onnx"], folder),
        vendor=of_command([*bare, "--opset_version", 17], folder),
        vendor_imports_bytes=peak(of_command([sys.executable, "-c", _BARE_IMPORTS], folder)).total,
    )


def large_model(folder: Path) -> Artifact:
    """The model of ``save_large``."""
    place = folder / "large"
    place.mkdir()
    run_in_worker(save_large, TIMEOUT_S, str(place / "inference"))
    return paddle_artifact(place / "inference.json", place / "inference.pdiparams", "pir")


def memory_results(folder: Path, binaries: Path) -> Results:
    """What converting a model that is large beside all else takes."""
    taken = measure_conversion(large_model(folder), folder, binaries)
    samples = [
        {"s": sample.at_s, "MB": [held / 1e6 for held in sample.held.values()]}
        for sample in taken.ours
    ]
    series = {"every_s": EVERY_S, "model_bytes": taken.model_bytes, "ours": samples}
    return Results(
        memory_claims(taken), {"conversion": _memory_plot(taken)}, {"conversion": series}
    )


def memory_claims(taken: ConversionMemory) -> list[Claim]:
    """Our command against the limit, and the bare command's for comparison."""
    most, size = peak(taken.ours), taken.model_bytes / 1e6
    parts = " + ".join(f"{held / 1e6:.0f}" for held in most.held.values())
    detail = (
        f"{parts} MB in its processes at once, {taken.imports_bytes / 1e6:.0f} MB of imports, "
        f"a model of {size:.0f} MB"
    )
    claim = Claim(
        what="convert: memory above the imports / model",
        value=taken.times_model,
        limit=3,
        unit="x",
        detail=detail,
    )
    if claim.missed:
        reason = (
            f"Paddle2ONNX's own export holds {taken.vendor_times_model:.1f} x"
            f" (bare command); most of ours was held at {most.at_s / taken.ours[-1].at_s:.0%} "
            "of the conversion's time"
        )
        claim = replace(claim, reason=reason)
    bare = Claim(
        what="bare paddle2onnx: memory above the imports / model",
        value=taken.vendor_times_model,
        limit=NO_LIMIT,
        unit="x",
        detail=(
            f"{peak(taken.vendor).total / 1e6:.0f} MB, {taken.vendor_imports_bytes / 1e6:.0f} MB "
            "of imports; it checks nothing"
        ),
    )
    return [claim, bare]


def _memory_plot(taken: ConversionMemory) -> str:
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
