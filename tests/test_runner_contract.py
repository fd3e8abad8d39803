"""Every registered runner keeps the contract, and a runner that doesn't is caught."""

import threading
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any, ClassVar

import contract
import numpy as np
import pytest
import small_network
from conftest import skip_or_fail
from contract import Subject

from paddleport.runners import installed_version, names, runner_class
from paddleport.runners.base import Runner
from paddleport.runners.in_order import Pending
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array, Feed, TensorSpec

FIXTURES = {
    "onnx": ("small_onnx",),
    "paddle": ("small_pir", "small_protobuf"),
    "paddle-lite": ("small_lite",),
    "ncnn": ("small_ncnn",),
    "mnn": ("small_mnn",),
    "cpp": ("small_cpp",),
}
# What needs a GPU keeps the contract in test_gpu_backends.py.
SUBJECTS = [
    pytest.param((name, fixture), marks=pytest.mark.slow if name == "cpp" else ())  # is built
    for name in names()
    if runner_class(name).devices != ("cuda",)
    for fixture in FIXTURES[runner_class(name).formats[0]]
]


@pytest.fixture(params=SUBJECTS, ids=lambda value: "-".join(value))
def subject(request: pytest.FixtureRequest) -> Subject:
    name, fixture = request.param
    runner = runner_class(name)
    if installed_version(runner) is None:
        skip_or_fail(name, runner.how_to_install())
    return Subject(runner, request.getfixturevalue(fixture))


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(subject: Subject, check: Callable[[Subject], None]) -> None:
    check(subject)


def test_broken_files(subject: Subject, tmp_path: Path) -> None:
    contract.check_broken_files(subject, tmp_path)


class NumpyRunner(Runner):
    """Keeps the contract; the faults below are planted into it."""

    name: ClassVar[str] = "numpy"
    formats: ClassVar[tuple[str, ...]] = ("onnx",)
    distributions: ClassVar[tuple[str, ...]] = ("numpy",)
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "bf16")

    inputs = (TensorSpec("x", "float32", (None, 3, 9, 9)),)
    outputs = tuple(TensorSpec(name, "float32", (None, 5)) for name in small_network.OUTPUTS)

    def load(self, model: Any) -> None:
        self.loaded = model

    @property
    def computes_in(self) -> Precision:
        return self.precision

    def infer(self, feed: Feed) -> dict[str, Array]:
        found = small_network.expected(feed["x"])
        return {
            spec.name: item.astype(np.float32)
            for spec, item in zip(self.outputs, found, strict=True)
        }


class ReturnsItsBuffer(NumpyRunner):
    buffer: dict[str, Array]

    def infer(self, feed: Feed) -> dict[str, Array]:
        if not hasattr(self, "buffer") or len(self.buffer["logits"]) != len(feed["x"]):
            self.buffer = {
                spec.name: np.empty((len(feed["x"]), 5), np.float32) for spec in self.outputs
            }
        for name, item in super().infer(feed).items():
            self.buffer[name][:] = item
        return self.buffer


class SwapsOutputs(NumpyRunner):
    def infer(self, feed: Feed) -> dict[str, Array]:
        found = super().infer(feed)
        return {"logits": found["scores"], "scores": found["logits"]}


class ReordersOutputs(NumpyRunner):
    def infer(self, feed: Feed) -> dict[str, Array]:
        return dict(reversed(super().infer(feed).items()))


class IgnoresPrecision(NumpyRunner):
    @property
    def computes_in(self) -> Precision:
        return "fp32"


class PosesAsFp32(NumpyRunner):
    def infer(self, feed: Feed) -> dict[str, Array]:
        return {
            name: (item.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
            for name, item in super().infer(feed).items()
        }


class WritesIntoTheFeed(NumpyRunner):
    def infer(self, feed: Feed) -> dict[str, Array]:
        found = super().infer(feed)
        if feed["x"].flags.writeable:
            feed["x"][:] = 0
        return found


class ReadsPastTheStrides(NumpyRunner):
    def infer(self, feed: Feed) -> dict[str, Array]:
        flat = np.ravel(feed["x"], order="K").reshape(feed["x"].shape)
        return super().infer({"x": flat})


class ChecksNothing(NumpyRunner):
    def run(self, feed: Feed) -> dict[str, Array]:
        return self.infer(feed)


class DoesNotClose(NumpyRunner):
    def close(self) -> None:
        pass


class TakesAnything(NumpyRunner):
    devices: ClassVar[tuple[str, ...]] = ("cpu", "no_such_device")


class UsesTwoThreads(NumpyRunner):
    def infer(self, feed: Feed) -> dict[str, Array]:
        import hashlib
        import threading

        data = bytes(20_000_000)  # hashing lets go of Python's lock
        helper = threading.Thread(target=lambda: hashlib.sha256(data).digest())
        helper.start()
        hashlib.sha256(data).digest()
        helper.join()
        return super().infer({"x": feed["x"][:2]})


class GivesOtherBits(NumpyRunner):
    def infer(self, feed: Feed) -> dict[str, Array]:
        noise = np.random.default_rng().uniform(1 - 1e-4, 1 + 1e-4)
        return {
            name: (item * noise).astype(np.float32) for name, item in super().infer(feed).items()
        }


class SharesItsState(NumpyRunner):
    count = 0

    def load(self, model: Any) -> None:
        type(self).count += 1
        self.number = type(self).count

    def infer(self, feed: Feed) -> dict[str, Array]:
        wrong = self.number != type(self).count
        return {name: item * (1 - wrong) for name, item in super().infer(feed).items()}


class FixedBatch(NumpyRunner):
    def infer(self, feed: Feed) -> dict[str, Array]:
        return {name: item[:1] for name, item in super().infer(feed).items()}


class StartsAndForgetsWhich(NumpyRunner):
    in_flight = 3

    def start(self, feed: Feed) -> Pending[dict[str, Array]]:
        self.latest = super().infer(feed)
        return Late(self)


class Late(Pending[dict[str, Array]]):
    def __init__(self, runner: StartsAndForgetsWhich) -> None:
        self.runner = runner

    def result(self) -> dict[str, Array]:
        return self.runner.latest

    def cancel(self) -> None:
        pass


class TakesAllFeedsAtOnce(NumpyRunner):
    def run_many(self, feeds: Iterable[Feed]) -> Generator[dict[str, Array], None, None]:
        for feed in list(feeds):
            yield self.run(feed)


class AnswersByThread(NumpyRunner):
    def load(self, model: Any) -> None:
        self.thread = threading.get_ident()

    def infer(self, feed: Feed) -> dict[str, Array]:
        factor = 1 if threading.get_ident() == self.thread else 2
        return {name: item * factor for name, item in super().infer(feed).items()}


class LosesOutputs(NumpyRunner):
    count = 0

    def infer(self, feed: Feed) -> dict[str, Array]:
        self.count += 1
        found = super().infer(feed)
        return found if self.count < 3 else {"logits": found["logits"]}


FAULTS = (
    (ReturnsItsBuffer, contract.check_fresh_arrays),
    (SwapsOutputs, contract.check_values),
    (ReordersOutputs, contract.check_values),
    (IgnoresPrecision, contract.check_precisions),
    (PosesAsFp32, contract.check_values),
    (WritesIntoTheFeed, contract.check_feed_is_left_alone),
    (ReadsPastTheStrides, contract.check_feed_is_left_alone),
    (ChecksNothing, contract.check_feed_errors),
    (DoesNotClose, contract.check_closing),
    (TakesAnything, contract.check_refusals),
    (UsesTwoThreads, contract.check_one_thread),
    (GivesOtherBits, contract.check_same_bits_twice),
    (SharesItsState, contract.check_two_at_once),
    (FixedBatch, contract.check_values),
    (StartsAndForgetsWhich, contract.check_many),
    (TakesAllFeedsAtOnce, contract.check_many_that_end_early),
    (AnswersByThread, contract.check_predictor_from_several_threads),
    (LosesOutputs, contract.check_predictor_closing),
)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_a_good_runner_passes(check: Callable[[Subject], None], small_onnx: Any) -> None:
    check(Subject(NumpyRunner, small_onnx))


@pytest.mark.parametrize(("runner", "check"), FAULTS, ids=lambda item: item.__name__)
def test_a_planted_fault_is_caught(
    runner: type[Runner], check: Callable[[Subject], None], small_onnx: Any
) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(Subject(runner, small_onnx))


def test_each_check_has_been_seen_to_fail() -> None:
    seen = {check for _, check in FAULTS}
    assert {check.__name__ for check in contract.CHECKS if check not in seen} == {
        "check_specs",
        "check_devices",
    }


def test_required_backends_fail_instead_of_skipping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEPORT_REQUIRE", "paddle,openvino")
    with pytest.raises(pytest.fail.Exception):
        skip_or_fail("openvino", "not installed")
    with pytest.raises(pytest.skip.Exception):
        skip_or_fail("reference", "not installed")
