"""One predictor per worker process: its description is small and picklable, the model is not.

    python examples/predictor_in_workers.py FOLDER

Classifies every picture below FOLDER in two processes. A server or a cluster's actor holds a
predictor in the same way.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import paddleport as pp
from paddleport.runners.predictor import Predictor

PREDICTORS: dict[str, Predictor] = {}  # of this process


def open_predictor(predictor: Predictor) -> None:
    """What arrives in a worker is not open yet: the first picture opens it."""
    PREDICTORS["mine"] = predictor


def classify(picture: Path) -> str:
    """The likeliest class of one picture."""
    best = PREDICTORS["mine"].predict(picture)[0]
    return f"{picture.name}: {best.score:.5f} {best.label}"


def answers(pictures: list[Path]) -> Iterator[str]:
    """One line per picture, in order."""
    predictor = pp.load("MobileNetV2", "onnxruntime", weights="seeded", threads=1)
    with ProcessPoolExecutor(
        2, mp_context=get_context("spawn"), initializer=open_predictor, initargs=(predictor,)
    ) as pool:
        yield from pool.map(classify, pictures)


if __name__ == "__main__":
    for line in answers(sorted(Path(sys.argv[1]).rglob("*.png"))):
        print(line)
