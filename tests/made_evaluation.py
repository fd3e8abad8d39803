"""Made-up passes over labelled pictures: scores that are right as often as is wanted."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from made_report import WORSE
from numpy.typing import NDArray
from PIL import Image

from paddleport.models.labels import imagenet_labels
from paddleport.models.synthetic.samples import draw_picture
from paddleport.validate.evaluate.counts.picture_thumbnail import picture_thumbnail
from paddleport.validate.evaluate.counts.tally import Tally
from paddleport.validate.evaluate.report.evaluation_report import (
    EvaluationFacts,
    EvaluationReport,
    RowFacts,
    evaluation_report,
)

Scores = NDArray[np.float32]
FACTS = EvaluationFacts(
    title="MobileNetV2 x1.0 · pretrained weights",
    name="MobileNetV2",
    weights="pretrained",
    data="class folders in val",
    rows=(),
)


def drawn_labels(count: int, classes: int, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, classes, count)


def scores_of(answers: NDArray[np.int64], classes: int, seed: int = 1) -> Scores:
    """Logits whose likeliest class is the answer."""
    random = np.random.default_rng(seed)
    made = random.normal(size=(len(answers), classes)).astype(np.float32)
    made[np.arange(len(answers)), answers] = made.max(axis=1) + random.gamma(3, 2, len(answers))
    return made


def answers_of(
    labels: NDArray[np.int64], classes: int, right: float, seed: int = 2
) -> NDArray[np.int64]:
    """True classes, but for a share that is another one."""
    random = np.random.default_rng(seed)
    wrong = random.random(len(labels)) >= right
    moved = (labels + random.integers(1, classes, len(labels))) % classes
    return np.where(wrong, moved, labels)


def changed_answers(
    labels: NDArray[np.int64],
    answers: NDArray[np.int64],
    classes: int,
    *,
    lost: float,
    gained: float,
    seed: int = 3,
) -> NDArray[np.int64]:
    """A candidate's answers: a share of all pictures is lost, another is gained."""
    random = np.random.default_rng(seed)
    right = answers == labels
    chance = random.random(len(labels))
    moved = (labels + random.integers(1, classes, len(labels))) % classes
    made = np.where(right & (chance < lost / right.mean()), moved, answers)
    return np.where(~right & (chance < gained / max((~right).mean(), 1e-9)), labels, made)


def tallied(
    labels: NDArray[np.int64],
    outputs: Mapping[str, Scores],
    *,
    reference: str | None = "paddle",
    batch: int = 500,
    thumbnails: Callable[[int], bytes | None] | None = None,
    names: Callable[[int], str] = "picture_{:05d}.jpg".format,
) -> Tally:
    """All of it, in batches."""
    made = Tally(list(outputs), reference, next(iter(outputs.values())).shape[1])
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        made.add(
            [names(index) for index in range(start, start + len(labels[part]))],
            labels[part],
            {name: found[part] for name, found in outputs.items()},
            thumbnails,
        )
    return made


def paired(
    count: int, *, lost: float, gained: float, right: float = 0.7, classes: int = 20, seed: int = 0
) -> Tally:
    """Native Paddle and a candidate that loses and gains such shares of all pictures."""
    labels = drawn_labels(count, classes, seed)
    own = answers_of(labels, classes, right, seed + 1)
    new = changed_answers(labels, own, classes, lost=lost, gained=gained, seed=seed + 2)
    scores = {"paddle": scores_of(own, classes), "candidate": scores_of(new, classes)}
    return tallied(labels, scores)


@cache
def drawn_thumbnail(index: int) -> bytes | None:
    stream = BytesIO()
    Image.fromarray(draw_picture(index, (180, 240))).save(stream, format="PNG")
    return picture_thumbnail(stream.getvalue())


@cache
def made_evaluation() -> EvaluationReport:
    """Every verdict, with thumbnails and what could not be read."""
    classes, count = 1000, 2400
    labels = drawn_labels(count, 40) * 25
    own = np.where(labels % 3 == 0, labels // 2, answers_of(labels, classes, 0.99))
    own = np.where(drawn_labels(count, 10, 9) > 2, labels, own)
    changes = {
        "onnxruntime": (0, 0),
        "openvino bf16": (0.008, 0.01),
        "openvino int8": (0.06, 0.01),
    }
    outputs = {"paddle": scores_of(own, classes)}
    for name, (lost, gained) in changes.items():
        new = changed_answers(labels, own, classes, lost=lost, gained=gained)
        moved = scores_of(new, classes, 5)
        outputs[name] = np.where((new == own)[:, None], outputs["paddle"], moved)
    outputs["onnxruntime fp16"] = outputs["onnxruntime"]

    def drawn(place: int) -> bytes | None:
        return None if place % 7 == 6 else drawn_thumbnail(place % 12)

    tally = tallied(labels, outputs, thumbnails=drawn, names="n01440764/val_{:08d}.JPEG".format)
    tally.stop("onnxruntime fp16", "worker ended: signal 9 (out of memory)")
    tally.unreadable("n01440764/val_broken.JPEG", "the file is truncated")
    return evaluation_report(tally, made_facts())


def made_facts() -> EvaluationFacts:
    rows = (
        RowFacts(name="paddle", backend="paddle", precision="fp32", version="3.2.2"),
        RowFacts(
            name="onnxruntime",
            backend="onnxruntime",
            precision="fp32",
            version="1.22.0",
            pictures_per_second=121.4,
        ),
        RowFacts(name="openvino bf16", backend="openvino", precision="bf16", notes=("as asked",)),
        RowFacts(name="openvino int8", backend="openvino", precision="int8"),
    )
    return replace(
        FACTS,
        rows=rows,
        published_top1=0.7215,
        published_top5=0.9065,
        published_source="PaddleClas",
        data_sha256="ab" * 32,
        count=50000,
        limit=2401,
        labels=imagenet_labels(),
        seconds=193.0,
        pictures_per_second=38.2,
        command="paddleport evaluate MobileNetV2 val --backend onnxruntime --backend openvino",
        created="2026-01-02T03:04:05+00:00",
        environment={"python": "3.11.4", "cpu": "Made-up CPU", "packages": {"paddleport": "0.1.0"}},
        model={"paddle sha256": "cd" * 32, "opset": 17},
    )


def agreeing_evaluation() -> EvaluationReport:
    """As most are: native Paddle and one backend with the same answers."""
    tally = paired(2000, lost=0, gained=0, right=0.72)
    return evaluation_report(tally, replace(FACTS, published_top1=0.722))


def bare_evaluation() -> EvaluationReport:
    """One row, two classes, nothing published, and nothing read."""
    return evaluation_report(Tally(["onnxruntime"], None, 2), FACTS)


def hostile_evaluation() -> EvaluationReport:
    """Every text of somebody else's is hostile."""
    labels = drawn_labels(400, 8)
    own = answers_of(labels, 8, 0.8)
    new = changed_answers(labels, own, 8, lost=0.1, gained=0.05)
    outputs = {"paddle": scores_of(own, 8), WORSE: scores_of(new, 8)}
    tally = tallied(labels, outputs, names=lambda index: f"{index}{WORSE}")
    tally.unreadable(WORSE, WORSE)
    values: dict[str, Any] = dict.fromkeys(("title", "name", "weights", "data", "command"), WORSE)
    facts = EvaluationFacts(
        rows=(RowFacts(name=WORSE, backend=WORSE, precision=WORSE, notes=(WORSE,)),),
        labels=(WORSE,) * 8,
        published_top1=0.5,
        published_source=WORSE,
        environment={WORSE: WORSE, "packages": {WORSE: WORSE}},
        model={WORSE: WORSE},
        notes=(WORSE,),
        **values,
    )
    return evaluation_report(tally, facts)
