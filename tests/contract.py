"""What every runner must keep, one plain function per promise, so that each can be seen to fail."""

import pickle
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import small_network

from paddleport.errors import (
    BackendUnavailableError,
    FeedError,
    ModelFileError,
    ModelNotFoundError,
    UsageError,
)
from paddleport.models.artifact import Artifact, onnx_artifact, paddle_artifact
from paddleport.models.preprocess import Preprocess
from paddleport.runners import names
from paddleport.runners.base import Runner
from paddleport.runners.piped_process import PipedProcess
from paddleport.runners.predictor import Predictor, PredictorSpec
from paddleport.runners.runner_options import Precision, RunnerOptions
from paddleport.tensors import Array, TensorSpec

# Relative to the largest value. fp32: 36 products and sums of rounding 6e-8, with a margin of ten;
# bf16: one rounding of 2**-9 per layer and value, with a margin of ten. So bf16 that poses as
# fp32 is seen.
# int8: steps of 1/127 of a range, likewise.
TOLERANCES: dict[Precision, float] = {
    "fp64": 1e-12,
    "fp32": 2e-5,
    "bf16": 4e-2,
    "fp16": 5e-3,
    "int8": 1e-1,
}
ONE_THREAD_SHARE = 0.8  # of all CPU time; two busy threads have a half each
THREADS, ROUNDS = 4, 3  # that share a predictor; what each does in turn
MEASURED_CPU_S = 0.4  # forty ticks of the kernel's clock


@dataclass(frozen=True)
class Subject:
    """A runner under test, and the small network in the format it takes.

    Attributes:
        options: what it is opened with where a check does not say otherwise.
    """

    runner: type[Runner]
    model: Artifact
    options: Mapping[str, Any] = field(default_factory=dict)

    def open(self, **options: Any) -> Runner:
        return self.runner(self.model, RunnerOptions(**{**self.options, **options}))


def check_specs(subject: Subject) -> None:
    with subject.open() as runner:
        assert list(runner.inputs) == [TensorSpec("x", "float32", (None, 3, 9, 9))]
        assert [spec.shape for spec in runner.outputs] == [(None, 5)] * 2
        assert len({spec.name for spec in runner.outputs}) == 2
        if "onnx" in subject.runner.formats:
            assert tuple(spec.name for spec in runner.outputs) == small_network.OUTPUTS


def check_values(subject: Subject) -> None:
    with subject.open() as runner:
        for batch in (1, 3, 1):
            feed = small_network.feed(batch, seed=batch)
            _assert_right(runner, feed)


def check_fresh_arrays(subject: Subject) -> None:
    with subject.open() as runner:
        feed = small_network.feed(2)
        first = runner.run(feed)
        kept = {name: item.copy() for name, item in first.items()}
        second = runner.run(small_network.feed(2, seed=9))
        for name, item in first.items():
            assert np.array_equal(item, kept[name]), f"{name} changed with the next run"
        everything = [*first.values(), *second.values(), *feed.values()]
        for index, one in enumerate(everything):
            for other in everything[index + 1 :]:
                assert not np.shares_memory(one, other), "two arrays share memory"
        for item in second.values():
            item.fill(7)  # the caller's to write into
        _assert_right(runner, feed)


def check_feed_is_left_alone(subject: Subject) -> None:
    with subject.open() as runner:
        feed = small_network.feed(2)
        before = feed["x"].copy()
        plain = runner.run(feed)
        assert np.array_equal(feed["x"], before), "the feed was written to"
        assert list(feed) == ["x"]
        feed["x"].flags.writeable = False
        strided = np.ascontiguousarray(before.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        for other in (feed["x"], strided):
            again = runner.run({"x": other})
            for name, item in plain.items():
                assert np.array_equal(again[name], item), "the memory layout changed the result"


def check_feed_errors(subject: Subject) -> None:
    good = small_network.feed(1)["x"]
    wrong: dict[str, dict[str, Array]] = {
        "no input": {},
        "other name": {"y": good},
        "one too many": {"x": good, "y": good},
        "rank": {"x": good[0]},
        "dimension": {"x": good[:, :2]},
        "no samples": {"x": good[:0]},
        "dtype": {"x": good.astype(np.float64)},
        "byte order": {"x": good.astype(">f4")},
    }

    def refuse(feed: object) -> dict[str, Array]:
        raise AssertionError("a wrong feed got as far as the vendor")

    with subject.open() as runner:
        infer = runner.infer
        runner.infer = refuse  # type: ignore[method-assign]  # to see what gets there
        for what, feed in wrong.items():
            try:
                runner.run(feed)
            except FeedError as error:
                assert "\n" not in str(error), f"{what}: more than one line"
            else:
                raise AssertionError(f"{what} was taken")
        runner.infer = infer  # type: ignore[method-assign]
        _assert_right(runner, {"x": good})


def check_closing(subject: Subject) -> None:
    runner = subject.open()
    runner.run(small_network.feed(1))
    runner.close()
    runner.close()
    _assert_raises(UsageError, lambda: runner.run(small_network.feed(1)))
    with subject.open() as other:
        _assert_right(other, small_network.feed(1))
    _assert_raises(UsageError, lambda: other.run(small_network.feed(1)))


def check_refusals(subject: Subject) -> None:
    _assert_raises(UsageError, lambda: subject.open(extras={"no_such_option": "1"}))
    _assert_raises(UsageError, lambda: subject.open(threads=0))
    _assert_raises(BackendUnavailableError, lambda: subject.open(device="no_such_device"))
    _assert_raises(BackendUnavailableError, lambda: subject.open(precision="int3"))
    other = (
        onnx_artifact(Path("x"))
        if "paddle" in subject.runner.formats
        else paddle_artifact(Path("x"), None, "pir")
    )
    _assert_raises(UsageError, lambda: subject.runner(other))


def check_devices(subject: Subject) -> None:
    """Each device that is listed runs, or says why it can't."""
    for device in subject.runner.devices:
        try:
            runner = subject.open(device=device)
        except BackendUnavailableError as error:
            assert device != "cpu", f"no cpu: {error}"
            assert device in str(error) and "\n" not in str(error)
        else:
            with runner:
                _assert_right(runner, small_network.feed(1))


def check_precisions(subject: Subject) -> None:
    """Each precision that is listed is what runs, by its own word and by its numbers."""
    for precision in subject.runner.precisions:
        try:
            runner = subject.open(precision=precision)
        except BackendUnavailableError as error:
            assert precision != subject.runner.precisions[0], f"not even its default: {error}"
            continue
        with runner:
            assert runner.computes_in == precision, f"asked {precision}, got {runner.computes_in}"
            _assert_right(runner, small_network.feed(8))
    with subject.open() as runner:
        assert runner.computes_in == subject.runner.precisions[0]


def check_one_thread(subject: Subject) -> None:
    """With one thread nearly all CPU time is one thread's, however busy the machine is."""
    if not subject.runner.uses_threads or not sys.platform.startswith("linux"):
        return
    feed = small_network.feed(512)
    with subject.open(threads=1) as runner:
        runner.run(feed)
        time.sleep(0.5)  # idle OpenMP threads of earlier runners spin for 0.2 s
        process = _computing(runner)
        total, each = sum(process.cpu_times()[:2]), _cpu_seconds(process)
        while sum(process.cpu_times()[:2]) - total < MEASURED_CPU_S:
            runner.run(feed)
        total = sum(process.cpu_times()[:2]) - total
        spent = _cpu_seconds(process)
        busiest = max(seconds - each.get(thread, 0) for thread, seconds in spent.items())
    share = busiest / total
    assert share > ONE_THREAD_SHARE, f"one thread has only {share:.0%} of the CPU time"


def _computing(runner: Runner) -> psutil.Process:
    """The process that computes: its own where a runner has one, else this."""
    own = getattr(runner, "_process", None)
    return psutil.Process(own.pid if isinstance(own, PipedProcess) else None)


def _cpu_seconds(process: psutil.Process) -> dict[int, float]:
    """User and system time of each living thread."""
    threads = process.threads()
    return {thread.id: thread.user_time + thread.system_time for thread in threads}


def check_same_bits_twice(subject: Subject) -> None:
    feed = small_network.feed(3)
    with subject.open(threads=1) as runner:
        first, second = runner.run(feed), runner.run(feed)
    for name, item in first.items():
        assert np.array_equal(item, second[name]), f"{name} differs between two equal runs"


def check_two_at_once(subject: Subject) -> None:
    with subject.open() as one, subject.open() as other:
        for seed in range(3):
            _assert_right(one, small_network.feed(1 + seed, seed=seed))
            _assert_right(other, small_network.feed(2, seed=10 + seed))
        one.close()
        _assert_right(other, small_network.feed(2))


def check_many(subject: Subject) -> None:
    """Many feeds give what each gives alone, in order, in arrays of their own."""
    feeds = [small_network.feed(1 + seed % 3, seed=seed) for seed in range(9)]
    for extras in _streamed(subject):
        with subject.open(threads=2, **extras) as runner:
            answers = list(runner.run_many(iter(feeds)))
            assert len(answers) == len(feeds), f"{len(answers)} answers for {len(feeds)} feeds"
            _assert_right(runner, feeds[0])
            for feed, found in zip(feeds, answers, strict=True):
                _assert_found_right(runner, feed, found)
            arrays = [item for answer in answers for item in answer.values()]
            for index, one in enumerate(arrays):
                assert not any(np.shares_memory(one, other) for other in arrays[index + 1 :])
            assert list(runner.run_many(iter(()))) == []


def check_many_that_end_early(subject: Subject) -> None:
    """A wrong feed is reported in its place, and a consumer that leaves leaves nothing running."""
    good, wrong = small_network.feed(2), {"y": small_network.feed(1)["x"]}
    for extras in _streamed(subject):
        runner = subject.open(threads=2, **extras)
        answers = runner.run_many(iter([good, good, wrong, good]))
        for _ in range(2):
            _assert_found_right(runner, good, next(answers))
        _assert_raises(FeedError, lambda answers=answers: next(answers))  # type: ignore[misc]
        taken: list[int] = []
        many = runner.run_many(good for number in range(1000) if not taken.append(number))  # type: ignore[func-returns-value]
        next(many)
        assert len(taken) <= runner.in_flight, f"{len(taken)} feeds taken for one answer"
        many.close()
        _assert_right(runner, good)
        many = runner.run_many(iter([good] * 9))
        next(many)
        runner.close()
        _assert_raises(UsageError, lambda many=many: list(many))  # type: ignore[misc]


def _streamed(subject: Subject) -> list[dict[str, Any]]:
    """How it is opened: plainly, and in two streams if it has such an option."""
    given = dict(subject.options.get("extras", {}))
    plain: list[dict[str, Any]] = [{}]
    if "streams" not in subject.runner.option_names():
        return plain
    return [*plain, {"extras": {**given, "streams": "2"}}]


def check_predictor_from_several_threads(subject: Subject) -> None:
    """One predictor, hammered from several threads: every answer has the bits it has alone."""
    feeds = [small_network.feed(1 + seed % 2, seed=seed) for seed in range(4)]
    pictures = [_picture(seed) for seed in range(4)]
    for options in _streamed(subject):
        threads = 2 if options else 1  # per stream; with more, sums may be in another order
        runner = subject.open(threads=threads, **options)
        with Predictor(_described(subject), runner=runner) as predictor:
            alone = [predictor.run(feed) for feed in feeds]
            answers = [predictor.predict(picture) for picture in pictures]

            def hammer(
                place: int,
                predictor: Predictor = predictor,
                alone: list[dict[str, Array]] = alone,
                answers: list[dict[str, Array]] = answers,
            ) -> None:
                for turn in range(ROUNDS):
                    at = (place + turn) % len(feeds)
                    assert_same_bits(predictor.run(feeds[at]), alone[at])
                    assert_same_bits(predictor.predict(pictures[at]), answers[at])
                    many = predictor.predict_many(pictures)
                    for item, wanted in zip(many, answers, strict=True):
                        assert not item.error
                        assert_same_bits(item.answer, wanted)

            _in_threads(hammer)


def check_predictor_closing(subject: Subject) -> None:
    """Closing waits for what is computed; a later call is refused, and a pickle is not open."""
    feed = small_network.feed(1)
    for options in _streamed(subject):
        predictor = Predictor(_described(subject), runner=subject.open(threads=2, **options))
        right = predictor.run(feed)
        many = predictor.predict_many([_picture(seed) for seed in range(9)])
        next(many)
        told = threading.Event()

        def run_on(
            place: int,
            predictor: Predictor = predictor,
            right: dict[str, Array] = right,
            told: threading.Event = told,
        ) -> None:
            if not place:
                told.wait(10)
                predictor.close()
                return
            deadline, turn = time.monotonic() + 30, 0
            while time.monotonic() < deadline:
                try:
                    found = predictor.run(feed)
                except UsageError as error:
                    assert "closed" in str(error)
                    return
                assert list(found) == list(right)
                turn += 1
                if turn == 3:
                    told.set()
            raise AssertionError("a closed predictor went on")

        _in_threads(run_on)
        _assert_raises(UsageError, lambda predictor=predictor: predictor.run(feed))  # type: ignore[misc]
        _assert_raises(UsageError, lambda many=many: list(many))  # type: ignore[misc]
        predictor.close()
        again = pickle.loads(pickle.dumps(predictor))
        assert again.spec == predictor.spec
        assert again._runner is None
        if subject.runner.name in names():
            with again:
                assert_same_bits(again.run(feed), Predictor(again.spec).run(feed))


def assert_same_bits(found: Mapping[str, Array], wanted: Mapping[str, Array]) -> None:
    assert list(found) == list(wanted)
    for name, item in found.items():
        assert item.tobytes() == wanted[name].tobytes(), f"{name} has other bits"


def _described(subject: Subject) -> PredictorSpec:
    return PredictorSpec(
        model=subject.model,
        backend=subject.runner.name,
        options=RunnerOptions(**{**subject.options, "threads": 1}),
        preprocess=Preprocess(resize_short=None, resize=(9, 9), crop=None),
        task="tensors",
    )


def _picture(seed: int) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)


def _in_threads(action: Callable[[int], None]) -> None:
    """``action`` in ``THREADS`` threads at a time, each with its number; raises what one did."""
    with ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(action, place) for place in range(THREADS)]:
            future.result(60)


def check_broken_files(subject: Subject, folder: Path) -> None:
    missing, broken, empty = folder / "missing", folder / "broken", folder / "empty"
    broken.write_bytes(b"this is text and no model at all\n" * 9)
    empty.write_bytes(b"")
    for path, error in (
        (missing, ModelNotFoundError),
        (broken, ModelFileError),
        (empty, ModelFileError),
    ):
        model = replace(subject.model, files=(path, *subject.model.files[1:]))
        _assert_raises(error, lambda model=model: subject.runner(model))  # type: ignore[misc]


CHECKS: tuple[Callable[[Subject], None], ...] = (
    check_specs,
    check_values,
    check_fresh_arrays,
    check_feed_is_left_alone,
    check_feed_errors,
    check_closing,
    check_refusals,
    check_devices,
    check_precisions,
    check_one_thread,
    check_same_bits_twice,
    check_two_at_once,
    check_many,
    check_many_that_end_early,
    check_predictor_from_several_threads,
    check_predictor_closing,
)


def _assert_right(runner: Runner, feed: dict[str, Array]) -> None:
    _assert_found_right(runner, feed, runner.run(feed))


def _assert_found_right(runner: Runner, feed: dict[str, Array], results: dict[str, Array]) -> None:
    assert list(results) == [spec.name for spec in runner.outputs], "other names or another order"
    expected = small_network.expected(feed["x"])
    for spec, wanted in zip(runner.outputs, expected, strict=True):
        found = results[spec.name]
        assert found.shape == wanted.shape, f"{spec.name}: {found.shape} for {wanted.shape}"
        assert found.dtype == np.dtype(spec.dtype), f"{spec.name}: {found.dtype}, not {spec.dtype}"
        error = float(np.abs(found - wanted).max() / np.abs(wanted).max())
        limit = TOLERANCES[runner.computes_in]
        assert error <= limit, f"{spec.name} is wrong by {error:.1e}, {limit} is allowed"


def _assert_raises(kind: type[Exception], action: Callable[[], object]) -> None:
    with pytest.raises(kind) as caught:
        action()
    assert caught.type is kind, f"{caught.type.__name__} instead of {kind.__name__}"
    assert "\n" not in str(caught.value), f"more than one line: {caught.value}"
