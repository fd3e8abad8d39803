"""Pictures through a runner: order, memory, errors in their places, and no thread left behind."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

from paddleport.errors import FeedError, UsageError
from paddleport.models.artifact import onnx_artifact
from paddleport.models.preprocess import Preprocess
from paddleport.runners.base import Runner
from paddleport.runners.onnxruntime.ort_runner import OnnxRuntimeRunner
from paddleport.runners.picture_pipeline import Work
from paddleport.runners.predictor import Predictor, PredictorSpec, extras_for_pictures
from paddleport.runners.preprocessing.prepare_image import fed_picture
from paddleport.runners.runner_options import Precision, RunnerOptions
from paddleport.tensors import Array, Feed, TensorSpec

PLAIN = Preprocess(
    resize_short=None, resize=(8, 8), crop=None, interpolation="nearest", channels="BGR",
    scale=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0),
)  # fmt: skip
CLASSES = 256


class Brightest(Runner):
    """Its class is the value of a picture of one colour."""

    name: ClassVar[str] = "brightest"
    formats: ClassVar[tuple[str, ...]] = ("onnx",)
    distributions: ClassVar[tuple[str, ...]] = ("numpy",)

    outputs = (TensorSpec("y", "float32", (None, CLASSES)),)
    batch: int | None = None
    fails_at: int | None = None

    def load(self, model: Any) -> None:
        self.inputs = (TensorSpec("x", "float32", (self.batch, 3, 8, 8)),)
        self.batches: list[int] = []

    @property
    def computes_in(self) -> Precision:
        return "fp32"

    def infer(self, feed: Feed) -> dict[str, Array]:
        self.batches.append(len(feed["x"]))
        if len(self.batches) == self.fails_at:
            raise FeedError("the runtime fails")
        values = feed["x"][:, 0, 0, 0].astype(int)
        return {"y": np.eye(CLASSES, dtype=np.float32)[values]}


class BrightestInFours(Brightest):
    batch = 4


class FailsAtTheThird(Brightest):
    fails_at = 3


class TakesPixels(Brightest):
    def load(self, model: Any) -> None:
        super().load(model)
        self.inputs = (TensorSpec("x", "uint8", (None, 8, 8, 3)),)


def opened(kind: type[Runner] = Brightest) -> Any:
    return kind(onnx_artifact(Path("none.onnx")), RunnerOptions())


def classify(runner: Runner, pictures: Any, *, work: Work | None = None, **how: Any) -> Any:
    spec = PredictorSpec(
        model=onnx_artifact(Path("none.onnx")), backend="brightest", preprocess=PLAIN, **how
    )
    return Predictor(spec, runner=runner).predict_many(pictures, work=work)


def picture(value: int) -> tuple[str, Array]:
    return f"picture {value}", np.full((20, 20, 3), value, np.uint8)


def found(answers: Iterator[Any]) -> list[int | str]:
    return [item.error or item.answer[0].index for item in answers]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_answers_are_in_the_order_of_the_pictures(workers: int, batch_size: int) -> None:
    runner = opened()
    pictures = [picture(value) for value in range(50)]
    answers = classify(runner, pictures, batch_size=batch_size, workers=workers)
    assert found(answers) == list(range(50))
    assert max(runner.batches) == min(batch_size, 50)
    assert sum(runner.batches) == 50


def test_the_last_batch_of_a_fixed_batch_is_filled() -> None:
    runner = opened(BrightestInFours)
    pictures = [picture(value) for value in range(6)]
    assert found(classify(runner, pictures, batch_size=4)) == list(range(6))
    assert runner.batches == [4, 4]


def test_pictures_that_cannot_be_read_are_answered_in_their_places(tmp_path: Path) -> None:
    files = []
    for value in range(12):
        file = tmp_path / f"{value}.png"
        cv2.imwrite(str(file), picture(value)[1])
        if value in (0, 4, 5, 11):
            file.write_bytes(b"no picture")
        files.append(file)
    work = Work()
    answers = found(classify(opened(), files, batch_size=3, work=work))
    assert [item if isinstance(item, int) else -1 for item in answers] == [
        -1, 1, 2, 3, -1, -1, 6, 7, 8, 9, 10, -1,
    ]  # fmt: skip
    assert (work.pictures, work.answered) == (12, 8)
    assert work.pictures_per_s > 0
    assert sum(work.shares().values()) == pytest.approx(1)
    assert min(work.decode_s, work.preprocess_s, work.inference_s) > 0


def test_only_unreadable_pictures_are_answered_as_they_come() -> None:
    def endless() -> Iterator[Path]:
        while True:
            yield Path("missing.jpg")

    runner = opened()
    answers = classify(runner, endless(), batch_size=8)
    assert "missing.jpg" in next(answers).error
    answers.close()
    assert runner.batches == []


def test_pictures_are_not_read_far_ahead() -> None:
    taken: list[int] = []

    def endless() -> Iterator[tuple[str, Array]]:
        value = 0
        while True:
            taken.append(value)
            yield picture(value % CLASSES)
            value += 1

    answers = classify(opened(), endless(), batch_size=2, workers=3)
    for place in range(200):
        assert found(iter([next(answers)])) == [place % CLASSES]
        assert len(taken) <= place + 2 * 3 + 2 + 2 * 2
    answers.close()


def test_decoding_goes_on_while_the_runner_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = threading.Event()
    overlapped = threading.Event()

    class Waits(Brightest):
        def infer(self, feed: Feed) -> dict[str, Array]:
            inside.set()
            overlapped.wait(10)
            return super().infer(feed)

    def noted(image: Array, *given: Any, **named: Any) -> Array:
        if image[0, 0, 0] == 3 and inside.wait(10):
            overlapped.set()
        return fed_picture(image, *given, **named)

    monkeypatch.setattr("paddleport.runners.picture_pipeline.fed_picture", noted)
    pictures = [picture(value) for value in range(5)]
    assert found(classify(opened(Waits), pictures, workers=2)) == list(range(5))
    assert overlapped.is_set()


def test_a_runner_that_raises_raises_in_its_place() -> None:
    pictures = [picture(value) for value in range(9)]
    answers = classify(opened(FailsAtTheThird), pictures)
    assert found(iter([next(answers), next(answers)])) == [0, 1]
    with pytest.raises(FeedError, match="the runtime fails"):
        next(answers)


def test_a_source_that_raises_is_told_after_the_pictures_before_it() -> None:
    def pictures() -> Iterator[tuple[str, Array]]:
        yield picture(1)
        yield picture(2)
        raise UsageError("no file fits *.jpg")

    answers = classify(opened(), pictures())
    assert found(iter([next(answers), next(answers)])) == [1, 2]
    with pytest.raises(UsageError, match=r"\*\.jpg"):
        next(answers)


def test_leaving_early_ends_promptly(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*given: Any, **named: Any) -> Array:
        time.sleep(0.05)
        return fed_picture(*given, **named)

    monkeypatch.setattr("paddleport.runners.picture_pipeline.fed_picture", slow)
    pictures = [picture(value) for value in range(200)]
    answers = classify(opened(), pictures, workers=2, batch_size=32)
    next(answers)
    started = time.perf_counter()
    answers.close()
    assert time.perf_counter() - started < 0.5


def test_a_model_that_takes_pixels_is_fed_with_pixels() -> None:
    pictures = [picture(value) for value in range(9)]
    assert found(classify(opened(TakesPixels), pictures)) == list(range(9))


def test_no_worker_is_refused() -> None:
    with pytest.raises(UsageError, match="--workers 0"):
        next(classify(opened(), [picture(1)], workers=0))


def test_what_is_good_for_run_is_not_added_where_the_provider_does_not_take_it() -> None:
    on_cpu, on_gpu = RunnerOptions(threads=2), RunnerOptions(device="cuda", threads=2)
    assert extras_for_pictures(OnnxRuntimeRunner, on_cpu, 2) == {"cache": "true", "streams": "2"}
    assert extras_for_pictures(OnnxRuntimeRunner, on_gpu, 2) == {}
    asked = RunnerOptions(threads=2, extras={"streams": "1", "cache": "off"})
    assert extras_for_pictures(OnnxRuntimeRunner, asked, 2) == asked.extras
