"""Units of error, metrics and the proof of sensitivity."""

import numpy as np
import pytest

from paddleport.runners.tasks.classification import is_softmax
from paddleport.tensors import Array
from paddleport.validate.compare.comparison import compare_outputs
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
    found = compare_rankings(reference, candidate, ["first", "second"])
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
