"""How much memory a conversion takes: all its processes together, sampled while it runs."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

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
class Sample:
    """What a command and the processes it started held at a moment; bytes by process id."""

    at_s: float
    held: Mapping[int, int]

    @property
    def total(self) -> int:
        """Of all of them; pages that they share are counted for each."""
        return sum(self.held.values())


@dataclass(frozen=True)
class Taken:
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
    ours: tuple[Sample, ...]
    vendor: tuple[Sample, ...]
    vendor_imports_bytes: int

    @property
    def times_model(self) -> float:
        """Our peak above the imports, in sizes of the model."""
        return (peak(self.ours).total - self.imports_bytes) / self.model_bytes

    @property
    def vendor_times_model(self) -> float:
        """The bare command's."""
        return (peak(self.vendor).total - self.vendor_imports_bytes) / self.model_bytes


def peak(samples: Sequence[Sample]) -> Sample:
    """When most was held."""
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


def sampled(pid: int, ended: Callable[[], bool]) -> tuple[Sample, ...]:
    """Samples of a process and all below it, until ``ended``."""
    samples, started = [], time.perf_counter()
    while not ended():
        samples.append(Sample(time.perf_counter() - started, _held(pid)))
        time.sleep(EVERY_S)
    return tuple(samples)


def of_command(command: Sequence[object], folder: Path) -> tuple[Sample, ...]:
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


def conversion_memory(model: Artifact, folder: Path, binaries: Path) -> Taken:
    """Convert with our command and with the bare one, and watch both."""
    params = Path(str(model.weights_file))
    ours = [binaries / "paddleport", "convert", "--model", model.path, "--params", params]
    bare = [binaries / "paddle2onnx", "--model_dir", model.path.parent]
    bare += ["--model_filename", model.path.name, "--params_filename", params.name]
    bare += ["--optimize_tool", "None", "--save_file", folder / "bare.onnx"]
    return Taken(
        model.path.stat().st_size + params.stat().st_size,
        peak(of_command([sys.executable, "-c", _IMPORTS], folder)).total,
        of_command([*ours, "--opset", 17, "--output", folder / "ours.onnx"], folder),
        of_command([*bare, "--opset_version", 17], folder),
        peak(of_command([sys.executable, "-c", _BARE_IMPORTS], folder)).total,
    )


def large_model(folder: Path) -> Artifact:
    """The model of ``save_large``."""
    place = folder / "large"
    place.mkdir()
    run_in_worker(save_large, TIMEOUT_S, str(place / "inference"))
    return paddle_artifact(place / "inference.json", place / "inference.pdiparams", "pir")
