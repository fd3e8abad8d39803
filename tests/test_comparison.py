import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from made_report import made_report

from paddleport.tensors import Array
from paddleport.validate.compare.comparison import (
    FeedName,
    OutputComparison,
    compare_outputs,
    overall,
    remarks,
)
from paddleport.validate.compare.error_scale import choose_error_scale
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.diagnose.output_patterns import describe_pattern, find_batch_dependence
from paddleport.validate.feeds.named_feed import NamedFeed

LIMIT = TOLERANCES["fp32"].limit


def logits(count: int = 4, classes: int = 10, scale: float = 3.0) -> list[Array]:
    generator = np.random.Generator(np.random.PCG64(1))
    return [generator.normal(0, scale, (1, classes)).astype(np.float32) for _ in range(count)]


def softmax(tensor: Array) -> Array:
    powers = np.exp(tensor - tensor.max(axis=-1, keepdims=True))
    result: Array = (powers / powers.sum(axis=-1, keepdims=True)).astype(tensor.dtype)
    return result


def compare(
    reference: list[Array], candidate: list[Array], *, batch: int = 1, classes: int = 0
) -> OutputComparison:
    (found,) = compare_outputs(
        [{"a": tensor} for tensor in reference],
        [{"b": tensor} for tensor in candidate],
        TOLERANCES["fp32"],
        feeds=[FeedName(str(index), "given", batch) for index in range(len(reference))],
        classes=classes,
    )
    return found


def test_equal_outputs_agree() -> None:
    found = compare(logits(), logits(), classes=10)
    assert (found.verdict, found.worst_error, found.reason, found.note) == ("agrees", 0.0, "", "")
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


SHAPES = [
    *((size,) * rank for rank in range(5) for size in (range(4) if rank else (1,))),
    *((1, 0), (0, 6), (1, 2, 3), (2, 1), (3, 2, 1, 2), (0, 3, 0)),
]
TYPES = ["float16", "float32", "float64", "int32", "int64", "bool"]


def drawn(shape: tuple[int, ...], dtype: str, count: int) -> list[Array]:
    generator = np.random.Generator(np.random.PCG64(len(shape)))
    made = [np.asarray(generator.normal(0, 3, shape)) for _ in range(count)]
    if dtype == "bool":
        return [np.asarray(tensor > 0) for tensor in made]
    return [tensor.astype(dtype) for tensor in made]


def changed(tensor: Array) -> Array:
    """With its last element moved by more than any limit."""
    found = tensor.copy()
    found.flat[-1] = not found.flat[-1] if found.dtype == np.bool_ else found.flat[-1] + 20
    return found


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("count", [1, 3])
def test_every_shape_and_type_is_compared(count: int, dtype: str) -> None:
    for shape in SHAPES:
        reference = drawn(shape, dtype, count)
        equal = compare(reference, [tensor.copy() for tensor in reference])
        assert equal.verdict in ("agrees", "unproven"), equal.reason
        assert equal.worst_error == 0
        if not math.prod(shape):
            assert equal.reason == "the output is empty for every feed: nothing is proven"
            continue
        differs = compare(reference, [*reference[:-1], changed(reference[-1])])
        assert differs.verdict == "differs"
        assert differs.worst_error
        for other in (reference[-1][None], reference[-1].reshape(-1)[:0]):
            mixed = [*reference[:-1], other]
            assert compare(reference, mixed).verdict == "differs"
            assert compare(mixed, reference).verdict == "differs"
        if count > 1 and dtype.startswith("float"):
            assert equal.verdict == "agrees"


@pytest.mark.parametrize("dtype", TYPES)
def test_every_shape_and_type_is_described(dtype: str) -> None:
    for shape in SHAPES:
        first, second, third = tensors = drawn(shape, dtype, 3)
        scale = choose_error_scale(tensors, tensors)
        limit = 0.0 if scale.measure == "equality" else LIMIT
        batch = np.zeros((len(first) if shape else 1, 2), np.float32)
        for fed in ({"x": batch}, {"x": np.array(1.0), "y": batch}):
            alone = [NamedFeed(name=str(i), kind="noise", tensors=fed) for i in range(2)]
            feeds = [*alone, replace(alone[0], parts=(0,) * len(batch))]
            found = find_batch_dependence(tensors, feeds, scale, limit)
            assert found is None or len(batch) > 1
        for other in (second, first[None], first.reshape(-1), first.reshape(-1)[:0]):
            assert isinstance(describe_pattern(other, first, scale, limit), str)
        assert describe_pattern(third, third[None], scale, limit) == (
            "Its values are right and only the shape is another." if third.size else ""
        ) or third.ndim == 4  # fmt: skip


def test_reports_take_every_shape() -> None:
    made = made_report()
    pairs = [
        (drawn(shape, dtype, count), drawn(shape, dtype, count))
        for shape in ((), (0,), (0, 6), (2, 2))
        for dtype in ("float32", "bool")
        for count in (1, 3)
    ]
    pairs += [(one, [*other[:-1], changed(other[-1])]) for one, other in pairs if one[0].size]
    comparisons = tuple(compare(*pair) for pair in pairs)
    reference, row = replace(made.rows[0], comparisons=comparisons[:1]), made.rows[1]
    agrees = replace(row, name="agrees", comparisons=comparisons)
    differs = replace(row, name="differs", verdict="differs", comparisons=comparisons)
    report = replace(made, rows=(reference, agrees, differs))
    texts = report.to_json(), report.to_markdown(), report.to_html(), report.to_junit()
    assert all("the output is empty for every feed" in text for text in texts[:1])


def test_a_scalar_is_compared() -> None:
    loss = [np.array(value, np.float32) for value in (0.7, 1.3, 0.2)]
    assert compare(loss, loss).verdict == "agrees"
    assert compare(loss, [*loss[:2], np.array(0.2003, np.float32)]).verdict == "differs"
    assert compare(loss[:1], loss[:1]).verdict == "unproven"
    zeros = [np.array(0, np.float32)] * 3
    assert compare(zeros, zeros).verdict == "unproven"


class TestEmptyOutputs:
    BOXES = np.array([[0, 0.9, 1, 2, 3, 4], [1, 0.8, 2, 3, 4, 5], [2, 0.7, 3, 4, 5, 6]], "float32")
    NONE = BOXES[:0]

    def test_empty_agrees_with_empty_feed_by_feed(self) -> None:
        boxes = [self.BOXES, self.NONE, self.BOXES[:2] + 1]
        assert compare(boxes, boxes).verdict == "agrees"
        found = compare(boxes, [self.BOXES, self.BOXES, boxes[2]])
        assert (found.verdict, found.reason) == ("differs", "1: 3 rows, the reference has 0")
        found = compare([self.BOXES, self.BOXES], [self.BOXES, self.NONE])
        assert (found.verdict, found.reason) == ("differs", "1: 0 rows, the reference has 3")

    def test_nothing_at_all_proves_nothing(self) -> None:
        found = compare([self.NONE] * 3, [self.NONE] * 3)
        assert (found.verdict, found.reason) == (
            "unproven",
            "the output is empty for every feed: nothing is proven",
        )

    def test_an_empty_output_vetoes_what_others_prove(self) -> None:
        outputs = [{"boxes": self.NONE, "features": tensor} for tensor in logits()]
        assert overall(compare_outputs(outputs, outputs, TOLERANCES["fp32"])) == "unproven"


class TestWholeNumbers:
    def compared(self, *outputs: dict[str, Array]) -> list[OutputComparison]:
        return compare_outputs(outputs, [dict(item) for item in outputs], TOLERANCES["fp32"])

    def test_a_map_that_varies_inside_one_feed_is_evidence(self) -> None:
        for dtype in ("int64", "int32", "bool"):
            classes = (np.arange(16).reshape(1, 4, 4) % 2).astype(dtype)
            assert compare([classes], [classes]).verdict == "agrees"
            assert compare([classes], [changed(classes)]).verdict == "differs"

    def test_a_lone_number_is_not(self) -> None:
        for lone in (np.array(7), np.array([7]), np.array([[7, 7]]), np.array(True)):
            assert compare([lone], [lone]).verdict == "unproven"

    def test_several_feeds_must_differ(self) -> None:
        places = np.arange(16).reshape(1, 4, 4)
        assert compare([places] * 3, [places] * 3).verdict == "unproven"
        assert compare([places, places + 1], [places, places + 1]).verdict == "agrees"

    def test_a_longer_batch_alone_is_no_evidence(self) -> None:
        counts = [np.array([20]), np.array([20]), np.array([20, 20, 20])]
        feeds = [FeedName(str(index), "given", len(item)) for index, item in enumerate(counts)]
        outputs = [{"count": item} for item in counts]
        (found,) = compare_outputs(outputs, outputs, TOLERANCES["fp32"], feeds=feeds)
        assert found.verdict == "unproven"
        assert compare(counts, counts).verdict == "agrees"  # of one image each

    def test_a_constant_count_does_not_veto_what_others_prove(self) -> None:
        count = np.array([20], np.int32)
        found = self.compared(*({"boxes": tensor, "count": count} for tensor in logits()))
        assert [item.verdict for item in found] == ["agrees", "unproven"]
        assert overall(found) == "agrees"
        assert remarks(found) == (
            "count: the output does not change with the input: alone it proves nothing",
        )

    def test_a_dead_output_of_other_numbers_does(self) -> None:
        dead = np.zeros((1, 3), np.float32)
        found = self.compared(*({"boxes": tensor, "dead": dead} for tensor in logits()))
        assert overall(found) == "unproven"

    def test_nothing_but_counts_is_not_proven(self) -> None:
        count = np.array([20], np.int32)
        assert overall(self.compared(*({"count": count, "size": count} for _ in range(3)))) == (
            "unproven"
        )

    def test_a_wrong_count_differs(self) -> None:
        reference = [{"boxes": tensor, "count": np.array([20])} for tensor in logits()]
        candidate = [*reference[:3], {**reference[3], "count": np.array([19])}]
        assert overall(compare_outputs(reference, candidate, TOLERANCES["fp32"])) == "differs"


class TestNotFinite:
    NOTHING = np.full((1, 10), np.nan, np.float32)

    def test_a_reference_without_a_finite_value_proves_nothing(self) -> None:
        for other in (self.NOTHING, np.full_like(self.NOTHING, np.inf), logits()[0]):
            found = compare([self.NOTHING] * 3, [self.NOTHING, other, other])
            assert (found.verdict, found.reason) == (
                "unproven",
                "no value of the reference is finite: nothing is proven",
            )
        found = compare([self.NOTHING] * 3, [self.NOTHING[:, :9]] * 3)
        assert found.verdict == "differs"

    def test_one_feed_without_is_equal_or_not(self) -> None:
        reference = [*logits(), self.NOTHING]
        assert compare(reference, reference).verdict == "agrees"
        found = compare(reference, [*reference[:4], logits()[0]])
        assert found.verdict == "differs"
        assert "not finite" in found.reason
        found = compare(reference, [*reference[:3], self.NOTHING, self.NOTHING])
        assert found.verdict == "differs"


def test_top1_is_of_classifiers_alone() -> None:
    probabilities = [softmax(tensor) for tensor in logits()]
    assert compare(probabilities, probabilities).ranking is not None
    assert compare(logits(), logits()).ranking is None  # it may be an embedding
    assert compare(logits(), logits(), classes=10).ranking is not None
    assert compare(logits(), logits(), classes=6).ranking is None
    boxes = [np.concatenate(logits(5, 6)), np.concatenate(logits(4, 6))]
    assert compare(boxes, boxes, classes=6).ranking is None  # five rows of one picture
