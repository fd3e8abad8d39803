"""Units of error, metrics and the proof of sensitivity."""

from typing import ClassVar

import numpy as np
import pytest

from paddleport.runners.tasks.classification import is_softmax
from paddleport.tensors import Array
from paddleport.validate.compare.comparison import (
    FeedName,
    OutputComparison,
    compare_outputs,
)
from paddleport.validate.compare.error_scale import choose_error_scale
from paddleport.validate.compare.metrics import compare_rankings, measure_error
from paddleport.validate.compare.sensitivity import prove_sensitivity
from paddleport.validate.compare.tolerance import TOLERANCES

GENERATOR = np.random.Generator(np.random.PCG64(3))


def feeds(shape: tuple[int, ...] = (1, 10), scale: float = 3.0) -> list[Array]:
    return [GENERATOR.normal(0, scale, shape).astype(np.float32) for _ in range(4)]


def softmax(tensor: Array) -> Array:
    powers = np.exp(tensor.astype(np.float64))
    result: Array = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result


def test_figures_by_hand() -> None:
    reference = [np.array([[3.0, 4.0]], np.float32)]
    candidate = [np.array([[3.0, 4.5]], np.float32)]
    error_scale = choose_error_scale(reference, candidate)
    rms = np.sqrt(12.5)
    found = measure_error(candidate, reference, error_scale)
    assert found is not None
    assert found.max_abs == 0.5
    assert found.scaled == pytest.approx(0.5 / (4 + rms))
    assert found.max_rel == pytest.approx(0.125)
    assert found.rmse == pytest.approx(0.5 / np.sqrt(2))
    assert found.cosine == pytest.approx((9 + 18) / (5 * np.sqrt(9 + 20.25)))
    assert found.snr_db == pytest.approx(10 * np.log10(25 / 0.25))
    assert found.ulp == pytest.approx(0.5 / 2**-21)  # float32 steps are 2^-21 from 4 to 8
    assert (found.log_probability, found.kl) == (None, None)


def test_figures_of_equal_and_of_zero_tensors() -> None:
    values = feeds()
    found = measure_error(values, values, choose_error_scale(values, values))
    assert found is not None
    assert (found.max_abs, found.ulp, found.snr_db) == (0, 0, None)
    zeros = [np.zeros((1, 3), np.float32)] * 2
    found = measure_error(zeros, zeros, choose_error_scale(zeros, zeros))
    assert found is not None
    assert (found.cosine, found.snr_db) == (None, None)


def test_probabilities_are_measured_by_their_logarithms() -> None:
    reference = [softmax(tensor) for tensor in feeds()]
    candidate = [softmax(np.log(tensor) + np.eye(10)[:1] * 1e-3) for tensor in reference]
    error_scale = choose_error_scale(reference, candidate)
    assert error_scale.measure == "log-probabilities"
    found = measure_error(candidate, reference, error_scale)
    assert found is not None
    assert found.log_probability is not None
    assert 5e-4 < found.log_probability < 2e-3
    assert found.kl is not None
    assert 0 < found.kl < 1e-5


def test_a_nearly_uniform_softmax_has_no_false_alarm() -> None:
    # float32 probabilities cannot carry logits of 1e-7
    reference = [softmax(tensor * np.float32(1e-7)) for tensor in feeds((1, 1000))]
    candidate = [tensor + np.spacing(tensor) for tensor in reference]
    error_scale = choose_error_scale(reference, candidate)
    assert all(error_scale.error(a, b) < 1e-4 for a, b in zip(candidate, reference, strict=True))


@pytest.mark.parametrize(
    "tensors",
    [
        feeds(),
        feeds(scale=1e-7),
        feeds((2, 5, 7)),
        [softmax(tensor) for tensor in feeds()],
        [softmax(tensor) for tensor in feeds((3, 2))],
        [np.clip(tensor, 0, 1) for tensor in feeds((1, 1, 8, 8))],
        [tensor.astype(np.int64) for tensor in feeds()],
        [tensor > 0 for tensor in feeds()],
    ],
)
@pytest.mark.parametrize("limit", [1e-4, 5e-2])
def test_the_proof_of_sensitivity_holds_and_can_fail(tensors: list[Array], limit: float) -> None:
    error_scale = choose_error_scale(tensors, tensors)
    limit = 0.0 if error_scale.measure == "equality" else limit

    def agrees(candidate: list[Array]) -> bool:
        return all(
            error_scale.error(one, other) <= limit
            for one, other in zip(candidate, tensors, strict=True)
        )

    found = prove_sensitivity(tensors, error_scale, limit, agrees)
    assert found is not None
    assert found.holds
    blind = prove_sensitivity(tensors, error_scale, limit, lambda candidate: True)
    deaf = prove_sensitivity(tensors, error_scale, limit, lambda candidate: False)
    assert blind is not None
    assert deaf is not None
    assert not blind.holds
    assert not deaf.holds


def test_there_is_no_proof_without_scale() -> None:
    zeros = [np.zeros((1, 3), np.float32)] * 2
    assert (
        prove_sensitivity(zeros, choose_error_scale(zeros, zeros), 1e-4, lambda candidate: True)
        is None
    )
    nans = [np.full((1, 3), np.nan, np.float32)]
    assert (
        prove_sensitivity(nans, choose_error_scale(nans, nans), 1e-4, lambda candidate: True)
        is None
    )


def test_ranking_names_a_change_and_its_margin() -> None:
    reference = [np.array([[1.0, 3.0, 2.5]], np.float32), np.array([[5.0, 1.0, 2.0]], np.float32)]
    candidate = [np.array([[1.0, 2.9, 3.0]], np.float32), reference[1]]
    found = compare_rankings(reference, candidate, ["first", "second"], classes=3)
    assert found is not None
    assert (found.top1_agreeing, found.total, found.top5_overlap) == (1, 2, 1.0)
    (change,) = found.changes
    assert (change.feed, change.expected, change.found, change.margin) == ("first", 1, 2, 0.5)
    assert found.smallest_margin == 0.5
    assert compare_rankings(feeds((1, 3, 4)), feeds((1, 3, 4)), ["a"] * 4) is None


def test_softmax_outputs_are_recognised() -> None:
    assert is_softmax(softmax(feeds()[0]))
    assert not is_softmax(feeds()[0])
    assert not is_softmax(np.ones((3, 1), np.float32))
    assert not is_softmax(np.array([[0, 1]]))


def test_nothing_but_zeros_is_far_from_everything_else() -> None:
    zeros = [np.zeros((1, 3), np.float32)] * 2
    other = [np.array([[0, 5, 0]], np.float32), zeros[1]]
    assert choose_error_scale(zeros, other).error(other[0], zeros[0]) == np.inf
    (found,) = compare_outputs([{"y": item} for item in zeros], [{"y": item} for item in other],
                               TOLERANCES["fp32"])  # fmt: skip
    assert found.verdict == "differs"
    (found,) = compare_outputs([{"y": item} for item in zeros], [{"y": item} for item in zeros],
                               TOLERANCES["fp32"])  # fmt: skip
    assert found.verdict == "unproven"


def clipped(logits: Array) -> Array:
    """Softmax as native Paddle's plain CPU kernel has it: no logit is 64 below the largest."""
    below = np.maximum(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True), -64)
    return softmax(below)


def exact_softmax(logits: Array) -> Array:
    return softmax(logits - logits.max(axis=-1, keepdims=True))


def compared(reference: list[Array], candidate: list[Array]) -> OutputComparison:
    (found,) = compare_outputs(
        [{"y": item} for item in reference],
        [{"y": item} for item in candidate],
        TOLERANCES["fp32"],
        feeds=[FeedName(str(index), "given", len(item)) for index, item in enumerate(reference)],
    )
    return found


class TestTheFloorOfPaddlesSoftmax:
    """Logits spread over more than 64, which native Paddle's softmax and log-softmax cut off."""

    LOGITS: ClassVar[list[Array]] = [
        np.random.Generator(np.random.PCG64(seed)).normal(0, 40, (1, 40)).astype(np.float32)
        for seed in range(4)
    ]
    REFERENCE: ClassVar[list[Array]] = [clipped(item) for item in LOGITS]

    @staticmethod
    def log(tensor: Array) -> Array:
        return np.log(tensor.astype(np.float64)).astype(np.float32)

    def test_what_is_below_it_is_the_same(self) -> None:
        for candidate in (
            [exact_softmax(item) for item in self.LOGITS],
            [clipped(item) for item in self.LOGITS],
            [np.where(item < 1e-38, 0, item) for item in map(exact_softmax, self.LOGITS)],
        ):
            for pair in ((self.REFERENCE, candidate), (candidate, self.REFERENCE)):
                found = compared(*pair)
                assert (found.verdict, found.measure) == ("agrees", "log-probabilities")
                assert found.worst_error is not None and found.worst_error < 1e-6
                assert found.against_reference is not None
                assert found.against_reference.log_probability is not None
                assert found.against_reference.log_probability < 1e-5
                assert found.sensitivity is not None and found.sensitivity.holds

    def test_so_is_it_of_a_log_softmax(self) -> None:
        reference = [self.log(item) for item in self.REFERENCE]
        candidate = [self.log(np.maximum(exact_softmax(item), 1e-40)) for item in self.LOGITS]
        assert compared(reference, candidate).verdict == "agrees"
        moved = [item.copy() for item in candidate]
        place = int(np.argsort(moved[2][0])[-3])
        moved[2][0, place] += np.float32(4e-4 * (abs(moved[2][0, place]) + 60))
        assert compared(reference, moved).verdict == "differs"
        maps = [
            np.stack([item[0].reshape(8, 5)] * 2)[None].transpose(0, 2, 1, 3) for item in candidate
        ]
        assert compared(maps, maps).verdict == "agrees"

    def test_so_is_it_of_a_log_softmax_over_channels(self) -> None:
        logits = [item.reshape(1, 8, 5, 1) for item in self.LOGITS]
        logs = [item - np.log(np.exp(item - item.max(1)).sum(1)) - item.max(1) for item in logits]
        cut = [np.maximum(item, item.max(1) - 64) for item in logs]
        assert compared(cut, logs).verdict == "agrees"
        wrong = [item.copy() for item in logs]
        wrong[0][0, int(cut[0][0, :, 0, 0].argmin()), 0, 0] = -9
        assert compared(cut, wrong).verdict == "differs"

    def test_a_difference_above_it_is_found(self) -> None:
        for rank in (2, 3, 5):
            wrong = [exact_softmax(item) for item in self.LOGITS]
            place = int(np.argsort(wrong[1][0])[-rank])
            depth = abs(float(np.log(wrong[1][0, place] / wrong[1].max())))
            assert depth < 64
            wrong[1][0, place] *= np.exp(np.float32(4e-4 * (depth + 60)))
            assert compared(self.REFERENCE, wrong).verdict == "differs", rank

    def test_who_is_not_at_it_where_the_other_is_differs(self) -> None:
        lowest = int(self.REFERENCE[1].argmin())
        assert self.REFERENCE[1][0, lowest] < 1e-27
        for value in (1e-10, 1e-20, 1e-26):
            wrong = [item.copy() for item in self.REFERENCE]
            wrong[1][0, lowest] = value
            assert compared(self.REFERENCE, wrong).verdict == "differs", value
        third = int(np.argsort(self.REFERENCE[1][0])[-3])
        for value in (0.0, 1e-35):
            wrong = [item.copy() for item in self.REFERENCE]
            wrong[1][0, third] = value
            assert compared(self.REFERENCE, wrong).verdict == "differs", value

    @pytest.mark.parametrize("classes", [3, 10, 1000])
    @pytest.mark.parametrize("spread", [25, 60, 300])
    def test_the_proof_disturbs_what_can_be_seen(self, classes: int, spread: float) -> None:
        for seed in range(5):
            generator = np.random.Generator(np.random.PCG64(seed))
            logits = [generator.normal(0, spread, (2, classes)) for _ in range(3)]
            reference = [clipped(item) for item in logits]
            found = compared(reference, reference)
            seen = [item > item.max(axis=1, keepdims=True) * 1.7e-28 for item in reference]
            telling = any((item.sum(axis=1) > 1).any() for item in seen)
            assert (found.verdict == "agrees") == telling
            scale = choose_error_scale(reference, reference)
            for item in reference:
                hidden = (item < item.max(axis=1, keepdims=True) * 1.7e-28) & scale.shows(item)
                assert not hidden.any() or scale.floor_axis is None
            assert found.sensitivity is None or found.sensitivity.holds

    def test_what_it_hides_is_seen_between_two_answers_of_float64(self) -> None:
        powers = [np.exp([[0.0, second - 200, -200, -30]]) for second in (71.0, 20.0, 150.0)]
        near, far, above = (item / item.sum() for item in powers)
        scale = choose_error_scale([near], [far])
        assert scale.floor_axis == -1 and scale.error(far, near) == 0
        unit = 64 + scale.scale
        assert scale.error_below_floor(far, near) == pytest.approx(51 / unit)
        assert scale.error(above, near) == pytest.approx(14 / unit)  # to the floor, and no farther
        assert scale.error_below_floor(above, near) == pytest.approx(79 / unit)
        logs = [np.log(np.maximum(item, 1e-300)) for item in (near, far)]
        scale = choose_error_scale([logs[0]], [logs[1]])
        assert scale.floor_axis == -1 and scale.error(logs[1], logs[0]) == 0
        assert scale.error_below_floor(logs[1], logs[0]) == pytest.approx(51 / (64 + scale.scale))
        plain = choose_error_scale([softmax(feeds()[0])], [softmax(feeds()[1])])
        pair = softmax(feeds()[0]), softmax(feeds()[1])
        assert plain.error_below_floor(*pair) == plain.error(*pair)

    def test_nothing_but_the_likeliest_class_proves_nothing(self) -> None:
        one_hot = [clipped(np.eye(10)[[place]] * 100) for place in (3, 3, 3)]
        others = [clipped(np.eye(10)[[place]] * 100) for place in (3, 5, 7)]
        for reference in (one_hot, others):
            found = compared(reference, reference)
            assert (found.verdict, found.sensitivity) == ("unproven", None)
        assert compared(others, [others[0], others[2], others[1]]).verdict == "differs"

    def test_a_softmax_above_it_is_measured_as_ever(self) -> None:
        reference = [softmax(tensor) for tensor in feeds()]
        scale = choose_error_scale(reference, reference)
        assert scale.floor_axis is None
        logs = np.log(reference[0].astype(np.float64))
        assert scale.values(reference[0]) == pytest.approx(logs - logs.mean())
