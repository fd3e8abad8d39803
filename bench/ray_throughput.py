"""``run`` in one process against ``--engine ray`` with 1, 2 and 4 actors, start-up apart."""

import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
from claims import NO_LIMIT, Claim, Results, spread

from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import draw_picture
from paddleport.progress import no_progress
from paddleport.runners.predictor import PredictorSpec
from paddleport.runners.runner_options import RunnerOptions

ACTORS = (1, 2, 4)
PICTURES, SIDE, DIFFERENT = 1024, 512, 24
_LEAST_SHARE = 0.9


def ray_results(
    onnx: Artifact, preprocess: Preprocess, folder: Path, rounds: int = 5, pictures: int = PICTURES
) -> Results:
    """Pictures per second on one thread and as many actors, all in turn.

    Args:
        onnx: the model.
        preprocess: how it is fed.
        folder: for pictures and answers.
        rounds: of every configuration.
        pictures: of a round.
    """
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    draw_files(folder / "pictures", pictures)
    spec = PredictorSpec(
        model=onnx,
        backend="onnxruntime",
        preprocess=preprocess,
        options=RunnerOptions(threads=1),
        workers=1,
    )
    series: dict[str, list[float]] = {"run": [], "start": []}
    series |= {str(actors): [] for actors in ACTORS}
    begun = time.perf_counter()
    ray.init(num_cpus=max(ACTORS), include_dashboard=False, log_to_driver=False)
    joined = time.perf_counter() - begun
    try:
        for number in range(rounds):
            series["run"].append(_plain(spec, folder / "pictures"))
            for actors in ACTORS:
                out = folder / f"answers-{actors}-{number}"
                speed, start = _on_ray(spec, folder / "pictures", out, actors)
                series[str(actors)].append(speed)
                series["start"].append(start)
    finally:
        ray.shutdown()
    return Results(_claims(series, joined), {}, {"ray_pictures_per_s": series})


def draw_files(folder: Path, count: int) -> None:
    """JPEG files, ``DIFFERENT`` of them and the rest links to these."""
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"{number:05}.jpg"
        if number < DIFFERENT:
            cv2.imwrite(str(path), draw_picture(number, (SIDE, SIDE)))
        else:
            path.hardlink_to(folder / f"{number % DIFFERENT:05}.jpg")


def _plain(spec: PredictorSpec, folder: Path) -> float:
    """Pictures per second of a predictor that is open, with an actor's threads."""
    with spec.open() as predictor:
        begun = time.perf_counter()
        count = sum(1 for _ in predictor.predict_many(sorted(folder.iterdir())))
        return count / (time.perf_counter() - begun)


def _on_ray(spec: PredictorSpec, folder: Path, out: Path, actors: int) -> tuple[float, float]:
    """Pictures per second once an actor was ready, and the seconds until then."""
    from paddleport.integrations.ray_run import RayRequest, run_on_ray

    request = RayRequest(spec=spec, names=[str(folder)], out=str(out), actors=actors, part_size=64)
    found = run_on_ray(request, no_progress, lambda error: None)
    return found.pictures / found.seconds, found.start_s


def _claims(series: dict[str, list[float]], joined: float) -> list[Claim]:
    cores = os.cpu_count() or 1
    claims = [
        _ratio(
            "ray, 1 actor / run, 1 thread and 1 worker"
            if actors == 1
            else f"ray, {actors} actors on {cores} CPUs / 1 actor",
            series[str(actors)],
            series["run" if actors == 1 else "1"],
            _LEAST_SHARE if actors == 1 else None,
        )
        for actors in ACTORS
    ]
    start = statistics.median(series["start"])
    detail = f"until the first actor has the model: {spread(series['start'])} s"
    for what, value in (("Ray itself", joined), ("an actor", start)):
        claims.append(
            Claim(what=f"start of {what}", value=value, limit=NO_LIMIT, unit="s", detail=detail)
        )
    return claims


def _ratio(
    what: str, ours: Sequence[float], other: Sequence[float], at_least: float | None
) -> Claim:
    return Claim(
        what=what,
        value=statistics.median(one / two for one, two in zip(ours, other, strict=True)),
        limit=NO_LIMIT if at_least is None else at_least,
        unit="x",
        detail=f"{spread(ours)} against {spread(other)} pictures/s",
        at_least=at_least is not None,
    )
