"""A predictor: turns on the runner, what it takes, and what may hold one."""

import pickle
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
import small_network

from paddleport.errors import FeedError, ImageError, UsageError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.preprocess import Preprocess
from paddleport.runners.base import Runner
from paddleport.runners.in_order import Done, Pending
from paddleport.runners.predictor import Predictor, PredictorSpec
from paddleport.runners.runner_options import Precision, RunnerOptions
from paddleport.runners.tasks import TASKS, task_named, task_of
from paddleport.runners.tasks.classification import Prediction
from paddleport.tensors import Array, Feed, TensorSpec
from paddleport.worker import Worker

PLAIN = Preprocess(resize_short=None, resize=(9, 9), crop=None)
PICTURE = np.full((20, 30, 3), (255, 0, 0), np.uint8)


class Counts(Runner):
    """Notes how many inferences overlap."""

    name: ClassVar[str] = "counts"
    formats: ClassVar[tuple[str, ...]] = ("onnx",)
    distributions: ClassVar[tuple[str, ...]] = ("numpy",)
    inputs = (TensorSpec("x", "float32", (None, 3, 9, 9)),)
    outputs = (TensorSpec("y", "float32", (None, 3)),)
    closed = 0

    def load(self, model: Any) -> None:
        self.inside = self.most = 0

    @property
    def computes_in(self) -> Precision:
        return "fp32"

    def infer(self, feed: Feed) -> dict[str, Array]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.01)
        self.inside -= 1
        return {"y": feed["x"].mean(axis=(2, 3))}

    def release(self) -> None:
        assert not self.inside, "closed while it computes"
        self.closed += 1


class Streams(Counts):
    """Begins at once, and computes where the result is waited for."""

    streams = 2
    in_flight = 3

    def start(self, feed: Feed) -> Pending[dict[str, Array]]:
        runner = self

        class Later(Done[dict[str, Array]]):
            def result(self) -> dict[str, Array]:
                return runner.infer(feed)

        return Later({})


def described(**how: Any) -> PredictorSpec:
    return PredictorSpec(
        **{"model": onnx_artifact(Path("x.onnx")), "backend": "counts", "preprocess": PLAIN, **how}
    )


def opened(kind: type[Counts] = Counts, **how: Any) -> tuple[Predictor, Counts]:
    runner = kind(onnx_artifact(Path("x.onnx")), RunnerOptions())
    return Predictor(described(**how), runner=runner), runner


def together(action: Any, count: int = 4) -> None:
    threads = [threading.Thread(target=action) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


@pytest.mark.parametrize("kind", [Counts, Streams])
def test_inferences_take_turns_unless_the_runner_has_streams(kind: type[Counts]) -> None:
    predictor, runner = opened(kind)
    together(lambda: [predictor.predict(PICTURE) for _ in range(3)])
    assert (runner.most > 1) == (kind is Streams)


def test_without_turns_they_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, runner = opened()
    monkeypatch.setattr(predictor, "_turn", nullcontext())
    together(lambda: [predictor.predict(PICTURE) for _ in range(3)])
    assert runner.most > 1


@pytest.mark.parametrize("kind", [Counts, Streams])
def test_closing_waits_for_what_is_computed_and_happens_once(kind: type[Counts]) -> None:
    predictor, runner = opened(kind)
    ended: list[str] = []

    def until_closed() -> None:
        while True:
            try:
                predictor.predict(PICTURE)
            except UsageError as error:
                ended.append(str(error))
                return

    closer = threading.Timer(0.1, predictor.close)
    closer.start()
    together(until_closed)
    closer.join()
    predictor.close()
    assert ended == ["this predictor is closed"] * 4
    assert runner.closed == 1


def test_it_is_opened_when_it_is_first_used_and_once(small_onnx: Artifact) -> None:
    spec = PredictorSpec(model=small_onnx, backend="onnxruntime", task="tensors")
    with Predictor(spec) as predictor:
        found: list[Runner] = []
        assert predictor._runner is None
        together(lambda: found.append(predictor.runner))
        assert len(found) == 4
        assert len(set(map(id, found))) == 1
    missing = described(backend="onnxruntime")
    lazy = Predictor(missing)
    for _ in range(2):
        with pytest.raises(Exception, match="does not exist"):
            lazy.run({})


def test_predict_takes_paths_bytes_arrays_and_named_pictures(tmp_path: Path) -> None:
    predictor, _ = opened()
    file = tmp_path / "blue.png"
    cv2.imwrite(str(file), PICTURE)
    wanted = predictor.predict(PICTURE)
    assert wanted[0] == Prediction(2, None, wanted[0].score)
    for same in (file, str(file), file.read_bytes(), ("it", PICTURE), ("it", file)):
        assert predictor.predict(same) == wanted
    many = predictor.predict_many([file, str(file), ("it", PICTURE), PICTURE])
    assert [item.picture for item in many] == [str(file), str(file), "it", "the picture"]
    with pytest.raises(ImageError, match="it is text, not a picture"):
        predictor.predict(("it", b"no picture"))
    with pytest.raises(FeedError, match="the model takes 'x'"):
        predictor.run({"z": np.zeros((1, 3, 9, 9), np.float32)})
    tensors, _ = opened(preprocess=None, task="tensors")
    with pytest.raises(UsageError, match="Feed it tensors: --feed"):
        tensors.predict(PICTURE)
    assert list(tensors.run({"x": np.zeros((2, 3, 9, 9), np.float32)})) == ["y"]


def test_a_worker_may_hold_one(small_onnx: Artifact) -> None:
    feed = small_network.feed(2)
    spec = PredictorSpec(model=small_onnx, backend="onnxruntime", task="tensors")
    with Predictor(spec) as predictor, Worker() as worker:
        right = predictor.run(feed)
        held: Any = worker.hold(pickle.loads, 60, pickle.dumps(predictor))
        found = worker.call(Predictor.run, 60, held, feed)
    for name, item in right.items():
        assert np.array_equal(found[name], item)


def test_tasks_are_found_by_name() -> None:
    labelled = task_named("classification", labels=("a", "b"), options={"topk": 1})
    assert labelled.labels == ("a", "b")
    with pytest.raises(UsageError, match="Did you mean 'tensors'"):
        task_named("tensor")
    with pytest.raises(UsageError, match="Did you mean 'topk'"):
        task_named("classification", options={"topkk": 1})
    with pytest.raises(UsageError, match="unknown tensors option 'topk'"):
        described(task="tensors", task_options={"topk": 1}).open()


@pytest.mark.parametrize(
    ("inputs", "outputs", "name"),
    [
        ([(None, 3, 8, 8)], [(1, 10)], "classification"),
        ([(None, 3, 8, 8)], [(1, 10), (1, 10)], "classification"),
        ([(None, 3, 8, 8)], [(1, 1, 8, 8)], "tensors"),
        ([(None, 3, 8, 8)], [(7, 6)], "tensors"),  # boxes
        ([(None, 3, 8, 8)], [(1, 1)], "tensors"),
        ([(None, 16)], [(1, 10)], "tensors"),
        ([(None, 3, 8, 8), (None, 2)], [(1, 10)], "tensors"),
        ([], [], "tensors"),
    ],
)
def test_the_task_of_a_model(inputs: Any, outputs: Any, name: str) -> None:
    specs = [TensorSpec(f"x{place}", "float32", shape) for place, shape in enumerate(inputs)]
    assert task_of(specs, outputs).name == name


def test_how_tensors_are_shown() -> None:
    task = task_named("tensors")
    outputs = {"y": np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), "count": np.array([2])}
    first, second = task.answers(outputs, 2)
    assert task.plain(second) == {"outputs": {"y": [[3.0, 4.0]], "count": [2]}}
    assert task.lines(first) == ["y  float32 [1, 2]  1 to 2", "count  int64 [1]  2 to 2"]
    assert task.plain(None) == {"outputs": {}}


NOISY = np.random.default_rng(0).normal(size=(1, 500)).astype(np.float32)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (NOISY, True),
        (NOISY * 1.09, True),
        (NOISY * 1.11, False),
        (NOISY.astype(np.float64), True),
        (NOISY[:, ::-1], False),
        (NOISY[:, :-1], False),
        (np.where(np.arange(500) == 3, np.nan, NOISY), False),
    ],
)
def test_tensors_are_the_same_but_for_noise(other: Array, same: bool) -> None:
    task = TASKS["tensors"]()
    steady = np.arange(3)
    found = task.compare([{"y": NOISY, "n": steady}], [{"y": other, "n": steady}])
    assert found.same.tolist() == [same]
    assert not task.compare([{"y": NOISY, "n": steady}], [{"y": NOISY, "n": steady[::-1]}]).same[0]
