"""How long ``paddleport run`` on one picture takes, against a script that does the same."""

import os
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from claims import Claim, spread
from command_timing import BINARIES, RUNS, in_turn, seconds
from missed_limits import imports

from paddleport.models.artifact import Artifact
from paddleport.models.synthetic.samples import sample_picture

LIMIT = 1.5
COLD_RUNS = 3
THREADS = 2

_ONNXRUNTIME = """
import sys
import numpy
import onnxruntime
settings = onnxruntime.SessionOptions()
settings.intra_op_num_threads = int(sys.argv[2])
session = onnxruntime.InferenceSession(sys.argv[1], settings)
zeros = numpy.zeros((1, 3, 224, 224), numpy.float32)
session.run(None, {session.get_inputs()[0].name: zeros})
"""
_OPENVINO = """
import sys
import numpy
import openvino
core = openvino.Core()
settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": int(sys.argv[2])}
compiled = core.compile_model(core.read_model(sys.argv[1]), "CPU", settings)
compiled(numpy.zeros((1, 3, 224, 224), numpy.float32))
"""
SCRIPTS = {"onnxruntime": _ONNXRUNTIME, "openvino": _OPENVINO}
"""What anybody would write: import the runtime, load the file, infer once on zeros."""


def startup_claims(onnx: Artifact, folder: Path) -> list[Claim]:
    """Each backend's ratio with warm caches, and how long its cold start takes."""
    import cv2

    picture = folder / "picture.jpg"
    cv2.imwrite(str(picture), sample_picture())
    return [_claim(backend, onnx, picture, folder) for backend in SCRIPTS]


def _claim(backend: str, onnx: Artifact, picture: Path, folder: Path) -> Claim:
    cache, environ = folder / "startup-cache", environment(folder / "startup-cache")
    arguments = ["run", onnx.path, "-b", backend, "--threads", THREADS, picture]
    ours = [BINARIES / "paddleport", *arguments]
    bare = [sys.executable, "-c", SCRIPTS[backend], onnx.path, THREADS]
    cold = []
    for _ in range(COLD_RUNS):
        shutil.rmtree(cache, ignore_errors=True)
        cold.append(seconds(ours, folder, environ))
    times = in_turn(
        lambda: seconds(ours, folder, environ), lambda: seconds(bare, folder, environ), RUNS
    )
    claim = startup_claim(backend, *times, cold)
    if claim.missed:
        reason = imports([*("-m", "paddleport"), *arguments], bare[1:], folder, environ)
        claim = replace(claim, reason=reason)
    return claim


def startup_claim(
    backend: str, ours: Sequence[float], bare: Sequence[float], cold: Sequence[float]
) -> Claim:
    """The ratio of the medians; all in seconds."""
    ratio = statistics.median(ours) / statistics.median(bare)
    detail = f"{spread(ours)} s against {spread(bare)} s; with empty caches {spread(cold)} s"
    return Claim(
        what=f"run on one picture, {backend} / bare script",
        value=ratio,
        limit=LIMIT,
        unit="x",
        detail=detail,
    )


def environment(cache: Path) -> dict[str, str]:
    """A cache of its own; and Python may keep bytecode, without which no start is warm."""
    kept = {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PADDLEPORT_CACHE": str(cache)}
