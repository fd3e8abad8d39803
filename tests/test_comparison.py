from collections.abc import Callable

import numpy as np
import pytest

from paddleport.tensors import Array
from paddleport.validate.compare.comparison import OutputComparison, compare_outputs, overall
from paddleport.validate.compare.tolerance import TOLERANCES

LIMIT = TOLERANCES["fp32"].limit


def logits(count: int = 4, classes: int = 10, scale: float = 3.0) -> list[Array]:
    generator = np.random.Generator(np.random.PCG64(1))
    return [generator.normal(0, scale, (1, classes)).astype(np.float32) for _ in range(count)]


def softmax(tensor: Array) -> Array:
    powers = np.exp(tensor - tensor.max(axis=-1, keepdims=True))
    result: Array = (powers / powers.sum(axis=-1, keepdims=True)).astype(tensor.dtype)
    return result


def compare(reference: list[Array], candidate: list[Array]) -> OutputComparison:
    (found,) = compare_outputs(
        [{"a": tensor} for tensor in reference],
        [{"b": tensor} for tensor in candidate],
        TOLERANCES["fp32"],
    )
    return found


def test_equal_outputs_agree() -> None:
    found = compare(logits(), logits())
    assert (found.verdict, found.worst_error) == ("agrees", 0.0)
    assert found.ranking is not None
    assert (found.ranking.top1_agreeing, found.ranking.top5_overlap) == (4, 1.0)


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e5])
def test_the_limit_means_the_same_at_every_scale(scale: float) -> None:
    reference = logits(scale=scale)
    rms = float(np.sqrt(np.mean(np.concatenate(reference).astype(np.float64) ** 2)))
    for factor, verdict in ((0.5, "agrees"), (3.0, "differs")):
        candidate = [tensor.astype(np.float64) for tensor in reference]
        candidate[2][0, 4] += factor * LIMIT * (abs(candidate[2][0, 4]) + rms)
        assert compare(reference, candidate).verdict == verdict


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda t: t.T, "shape"),
        (lambda t: t[:, :-1], "shape"),
        (lambda t: t.astype(np.int64), "type"),
        (lambda t: np.where(t == t.max(), np.float32(np.nan), t), "not finite"),
        (lambda t: np.where(t == t.max(), np.float32(np.inf), t), "not finite"),
        (lambda t: t[:, ::-1], "above the limit"),
        (lambda t: t * np.float32(1.001), "above the limit"),
        (lambda t: np.zeros_like(t), "above the limit"),
    ],
)
def test_faults_are_seen(fault: Callable[[Array], Array], reason: str) -> None:
    reference = logits()
    candidate = [reference[0], *(fault(tensor) for tensor in reference[1:])]
    found = compare(reference, candidate)
    assert found.verdict == "differs"
    assert reason in found.reason


def test_softmax_is_judged_by_its_logits() -> None:
    # Probabilities of 1e-7 that are wrong by a factor of 2 are far below any absolute limit.
    wrong = [tensor.copy() for tensor in logits()]
    wrong[1][0, int(wrong[1].argmin())] -= np.float32(0.7)
    reference = [softmax(tensor) for tensor in logits()]
    found = compare(reference, [softmax(tensor) for tensor in wrong])
    assert (found.verdict, found.measure) == ("differs", "log-probabilities")
    assert compare(reference, reference).verdict == "agrees"


def test_an_output_that_ignores_its_input_proves_nothing() -> None:
    constant = [logits()[0]] * 4
    assert compare(constant, constant).verdict == "unproven"
    zeros = [np.zeros((1, 10), np.float32)] * 4
    assert compare(zeros, zeros).verdict == "unproven"
    classes = [np.array([7], np.int64)] * 3
    assert compare(classes, classes).verdict == "unproven"


def test_integers_must_be_equal() -> None:
    reference = [np.array([1, 2, 3]), np.array([3, 2, 1])]
    assert compare(reference, reference).verdict == "agrees"
    found = compare(reference, [reference[0], np.array([3, 2, 2])])
    assert (found.verdict, found.reason) == ("differs", "1 of 6 values are not equal")


def test_outputs_are_matched_by_name_where_names_are_the_same() -> None:
    first, second = logits()[:2]
    feeds = [{"p": first, "q": second}, {"p": second, "q": first}]
    turned = [{"q": outputs["q"], "p": outputs["p"]} for outputs in feeds]
    assert overall(compare_outputs(feeds, turned, TOLERANCES["fp32"])) == "agrees"
    renamed = [{"x": outputs["q"], "y": outputs["p"]} for outputs in feeds]
    assert overall(compare_outputs(feeds, renamed, TOLERANCES["fp32"])) == "differs"


def test_a_missing_output_differs() -> None:
    first, second = logits()[:2]
    found = compare_outputs([{"p": first, "q": second}], [{"p": first}], TOLERANCES["fp32"])
    assert [item.verdict for item in found] == ["differs"]
