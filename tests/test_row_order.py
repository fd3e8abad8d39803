"""Rows that change places: equal scores may, nothing else may, and what it is gets its name."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from test_causes import BASE

from paddleport.tensors import Array
from paddleport.validate.compare.comparison import (
    FeedName,
    OutputComparison,
    Outputs,
    compare_outputs,
    overall,
    remarks,
)
from paddleport.validate.compare.error_scale import choose_error_scale
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.diagnose.causes import name_cause
from paddleport.validate.diagnose.output_patterns import describe_pattern

LIMIT = TOLERANCES["fp32"].limit
FEEDS = 3


def compared(
    reference: Outputs, candidate: Outputs, batches: int | Sequence[int] = 1
) -> list[OutputComparison]:
    known = [batches] * len(reference) if isinstance(batches, int) else batches
    feeds = [FeedName(str(index), "given", batch) for index, batch in enumerate(known)]
    return compare_outputs(reference, candidate, TOLERANCES["fp32"], feeds=feeds)


def verdict(reference: Outputs, candidate: Outputs, batches: int | Sequence[int] = 1) -> str:
    return overall(compared(reference, candidate, batches))


def reordered(
    outputs: Sequence[dict[str, Array]], order: Sequence[int], *names: str, axis: int = 0
) -> list[dict[str, Array]]:
    """The last feed's outputs with the rows of ``names`` in another order."""
    last = {name: np.take(outputs[-1][name], order, axis=axis) for name in names}
    return [*outputs[:-1], {**outputs[-1], **last}]


def floats(values: object) -> Array:
    return np.array(values, np.float32)


def table(seed: int, scores: Sequence[float] = (0.9, 0.8, 0.8, 0.6, 0.5)) -> Array:
    """A detector's rows: label, score, box."""
    generator = np.random.Generator(np.random.PCG64(seed))
    labels = generator.integers(0, 3, len(scores))
    boxes = generator.uniform(0, 300, (len(scores), 4))
    return np.column_stack([labels, scores, boxes]).astype(np.float32)


def detector(scores: Sequence[float] = (0.9, 0.8, 0.8, 0.6, 0.5)) -> list[dict[str, Array]]:
    return [
        {
            "boxes": table(seed, scores),
            "count": np.array([len(scores)], np.int32),
            "index": (7 * np.arange(len(scores))[:, None] + seed).astype(np.int32),
        }
        for seed in range(FEEDS)
    ]


TIED, UNTIED = (0, 2, 1, 3, 4), (1, 0, 2, 3, 4)


class TestDetector:
    def test_a_tie_may_come_in_either_order(self) -> None:
        reference = detector()
        candidate = reordered(reference, TIED, "boxes", "index")
        found = compared(reference, candidate)
        assert overall(found) == "agrees"
        note = "the same rows in another order, where their scores are equal, for 1 feed"
        assert [item.note for item in found] == [note, "", note]
        assert remarks(found)[0] == f"boxes: {note}"
        assert all(item.worst_error == 0 for item in found)

    def test_nearly_equal_scores_are_a_tie(self) -> None:
        reference, candidate = detector(), detector((0.9, 0.80003, 0.8, 0.6, 0.5))
        assert verdict(reference, reordered(candidate, TIED, "boxes", "index")) == "agrees"
        candidate = detector((0.9, 0.801, 0.8, 0.6, 0.5))
        assert verdict(reference, reordered(candidate, TIED, "boxes", "index")) == "differs"

    def test_other_scores_may_not(self) -> None:
        reference = detector()
        candidate = reordered(reference, UNTIED, "boxes", "index")
        found = compared(reference, candidate)
        assert [item.verdict for item in found] == ["differs", "unproven", "differs"]
        assert not any(item.note for item in found)

    def test_outputs_that_go_together_change_places_together(self) -> None:
        reference = detector()
        for alone in ("boxes", "index"):
            assert verdict(reference, reordered(reference, TIED, alone)) == "differs"

    def test_what_is_wrong_besides_is_found(self) -> None:
        reference = detector()
        for place, error in ((4, 1.0), (0, 1.0), (1, 0.1)):
            candidate = reordered(reference, TIED, "boxes", "index")
            boxes = candidate[-1]["boxes"] = candidate[-1]["boxes"].copy()
            boxes[1, place] += error
            assert verdict(reference, candidate) == "differs", place

    def test_the_examples_of_a_batch_may_not(self) -> None:
        reference = detector()
        candidate = reordered(reference, TIED, "boxes", "index")
        for batch in (5, 0):  # a row each, or who knows
            assert verdict(reference, candidate, batch) == "differs"

    def test_in_a_batch_they_stay_with_their_picture(self) -> None:
        reference = detector()
        for outputs in reference:
            outputs["count"] = np.array([3, 2], np.int32)
        within = reordered(reference, TIED, "boxes", "index")
        assert verdict(reference, within, 2) == "agrees"
        for outputs in reference:
            outputs["count"] = np.array([2, 3], np.int32)
        across = reordered(reference, TIED, "boxes", "index")
        assert verdict(reference, across, 2) == "differs"

    def test_scores_of_two_values_are_no_order(self) -> None:
        reference = detector((1, 1, 1, 0, 0))
        assert verdict(reference, reordered(reference, TIED, "boxes", "index")) == "differs"

    def test_rows_without_a_box_are_filled_up(self) -> None:
        rows = [np.concatenate([table(seed), np.full((2, 6), -1, np.float32)]) for seed in range(3)]
        reference = [{"boxes": item[None]} for item in rows]
        order = (*TIED, 6, 5)
        assert verdict(reference, reordered(reference, order, "boxes", axis=1)) == "agrees"
        order = (*UNTIED, 6, 5)
        assert verdict(reference, reordered(reference, order, "boxes", axis=1)) == "differs"


class TestSeparateOutputs:
    """Boxes, labels and scores in outputs of their own, with the batch in front or without."""

    def outputs(self, lead: tuple[int, ...] = (1,)) -> list[dict[str, Array]]:
        made: list[dict[str, Array]] = []
        for seed in range(FEEDS):
            generator = np.random.Generator(np.random.PCG64(seed))
            scores: Array = np.broadcast_to(floats([0.9, 0.8, 0.8, 0.6, 0.5]), (*lead, 5))
            made.append(
                {
                    "boxes": generator.uniform(0, 9, (*lead, 5, 4)).astype(np.float32),
                    "scores": scores * np.float32(1 - seed / 10),
                    "labels": generator.permutation(5 * max((1, *lead))).reshape(*lead, 5),
                }
            )
        return made

    @pytest.mark.parametrize("lead", [(), (1,), (2,)])
    def test_ties_alone_may_change_places(self, lead: tuple[int, ...]) -> None:
        reference, batch, axis = self.outputs(lead), (lead or (1,))[0], len(lead)
        names = ("boxes", "scores", "labels")
        moved = reordered(reference, TIED, *names, axis=axis)
        assert verdict(reference, moved, batch) == "agrees"
        moved = reordered(reference, UNTIED, *names, axis=axis)
        assert verdict(reference, moved, batch) == "differs"
        for some in (("boxes",), ("labels", "scores"), ("boxes", "scores")):
            moved = reordered(reference, TIED, *some, axis=axis)
            assert verdict(reference, moved, batch) == "differs", some

    def test_pictures_may_not(self) -> None:
        reference = self.outputs((2,))
        for outputs in reference:
            outputs["scores"] = np.stack([outputs["scores"][0]] * 2)
        swapped = reordered(reference, (1, 0), "boxes", "scores", "labels")
        assert verdict(reference, swapped, 2) == "differs"

    def test_nor_may_they_where_the_batch_is_behind(self) -> None:
        reference = []
        for seed in range(FEEDS):
            boxes = np.stack([table(10 * seed + step, (0.8, 0.8)) for step in range(4)])
            boxes[:, :, 1] -= floats(np.arange(4)[:, None] / 10)
            reference.append({"boxes": boxes})  # [time, batch, 6]
        swapped = reordered(reference, (1, 0), "boxes", axis=1)
        assert verdict(reference, swapped, 2) == "differs"
        assert verdict(reference, swapped, 1) == "agrees"

    def test_untied_scores_do_not_excuse_moved_boxes(self) -> None:
        reference = self.outputs()
        moved = reordered(reference, UNTIED, "boxes", axis=1)
        assert verdict(reference, moved) == "differs"

    def test_a_mask_is_no_score(self) -> None:
        reference = self.outputs()
        for outputs in reference:
            outputs["scores"] = floats([[1, 1, 1, 0, 0]])
        moved = reordered(reference, TIED, "boxes", "labels", axis=1)
        assert verdict(reference, moved) == "differs"


class TestTopK:
    VALUES = floats([[0.9, 0.5, 0.5, 0.3, 0.1, 0.1], [0.8, 0.7, 0.2, 0.2, 0.2, 0.2]])
    INDICES = np.array([[3, 1, 4, 15, 9, 2], [6, 5, 8, 7, 10, 11]])

    def outputs(self, *indices: Array, axis: int = 1) -> list[dict[str, Array]]:
        first = {"values": self.VALUES[::-1], "indices": self.INDICES[::-1]}
        made = [first, *({"values": self.VALUES, "indices": item} for item in indices)]
        return [{key: np.moveaxis(item, 1, axis) for key, item in one.items()} for one in made]

    def changed(self, *places: tuple[int, int, int]) -> Array:
        found = self.INDICES.copy()
        for row, column, index in places:
            found[row, column] = index
        return found

    @pytest.mark.parametrize("axis", [0, 1])
    def test_indices_of_equal_values_may_be_others(self, axis: int) -> None:
        reference = self.outputs(self.INDICES, axis=axis)
        for places in (
            [(0, 1, 4), (0, 2, 1)],
            [(0, 4, 2), (0, 5, 9)],
            [(0, 4, 30)],  # cut off at the end, where two are seen to be equal
            [(1, 2, 11), (1, 5, 30), (0, 1, 4), (0, 2, 1)],
        ):
            candidate = self.outputs(self.changed(*places), axis=axis)
            found = compared(reference, candidate, 2)
            assert overall(found) == "agrees", places
            assert found[1].note == "other indices of equal values, for 1 feed"

    @pytest.mark.parametrize("axis", [0, 1])
    def test_others_may_not(self, axis: int) -> None:
        reference = self.outputs(self.INDICES, axis=axis)
        for places in (
            [(0, 0, 1), (0, 1, 3)],
            [(0, 0, 30)],
            [(0, 1, 30)],  # equal, but none is cut off there
            [(0, 3, 9), (0, 4, 15)],
            [(0, 1, 4)],  # one index twice
            [(0, 4, 3)],
        ):
            candidate = self.outputs(self.changed(*places), axis=axis)
            assert verdict(reference, candidate, 2) == "differs", places

    def test_a_lone_value_at_the_end_must_be_seen_twice_somewhere(self) -> None:
        short = [
            {key: item[:, :5] for key, item in one.items()} for one in self.outputs(self.INDICES)
        ]
        wrong = [dict(item) for item in short]
        wrong[1]["indices"] = self.changed((0, 4, 30))[:, :5]
        assert verdict(short, wrong, 2) == "differs"
        values = np.array([[0.5, 0.1, 0.1], [0.7, 0.3, 0.1]], np.float32)
        reference = [{"v": values, "i": np.array([[1, 2, 3], [4, 5, 6]]) + seed} for seed in (0, 9)]
        candidate = [reference[0], {"v": values, "i": np.array([[10, 11, 12], [13, 14, 77]])}]
        assert verdict(reference, candidate, 2) == "agrees"

    def test_values_in_no_order_excuse_nothing(self) -> None:
        values = floats([[0.5, 0.9, 0.5, 0.3]])
        outputs = [{"v": values * scale, "i": np.array([[4, 3, 2, 1]])} for scale in (1, 2)]
        moved = [outputs[0], {**outputs[1], "i": np.array([[2, 3, 4, 1]])}]
        assert verdict(outputs, moved) == "differs"

    def test_values_that_differ_excuse_nothing(self) -> None:
        reference = self.outputs(self.INDICES)
        candidate = self.outputs(self.changed((0, 1, 4), (0, 2, 1)))
        candidate[0]["values"] = candidate[0]["values"] * np.float32(1.01)
        assert verdict(reference, candidate, 2) == "differs"

    def test_the_batch_stays_in_order(self) -> None:
        values = floats([[0.9, 0.5, 0.3]] * 3)
        indices = np.arange(9).reshape(3, 3)
        reference = [{"v": values, "i": indices + seed} for seed in (0, 50)]
        swapped = [reference[0], {"v": values, "i": indices[[1, 0, 2]] + 50}]
        assert verdict(reference, swapped, 3) == "differs"


def test_the_rows_of_a_classifiers_batch_may_never_change_places() -> None:
    for rows in (np.eye(6, dtype=np.float32)[[2, 3, 4]], table(1, (0.8, 0.8, 0.7))):
        reference = [{"y": rows}, {"y": rows[::-1] + 0}, {"y": rows}]
        for batch in (3, 0):
            swapped = reordered(reference, (1, 0, 2), "y")
            assert verdict(reference, swapped, batch) == "differs"


def pattern(reference: Array, candidate: Array) -> str:
    scale = choose_error_scale([reference], [candidate])
    return describe_pattern(candidate, reference, scale, LIMIT * (scale.measure != "equality"))


class TestItsName:
    def test_rows_in_another_order_are_named(self) -> None:
        rows = table(1)
        said = "It holds the reference's rows in another order."
        assert pattern(rows, rows[list(UNTIED)] * np.float32(1 + 1e-7)) == said
        assert pattern(rows.astype(np.int64), rows[::-1].astype(np.int64)) == said
        assert pattern(np.arange(5), np.arange(5)[::-1]) == said.replace("rows", "values")
        along = "It holds the reference's rows along axis 1 in another order."
        assert pattern(rows[None], rows[None, ::-1]) == along

    def test_other_rows_are_not(self) -> None:
        rows = table(1)
        wrong = rows[::-1] + floats([[0, 0, 0, 0, 0, 1]])
        assert pattern(rows, wrong) == ""
        assert pattern(rows, np.where(rows == rows.max(), np.float32(np.nan), rows)) == ""
        mask = np.array([0, 1, 1, 0, 1])
        assert pattern(mask, mask[::-1] ^ 1) == ""
        assert pattern(mask, np.roll(mask, 1)) == ""  # any two maps of as many ones are that

    def test_it_is_the_cause_where_nothing_divides_converter_and_runtime(self) -> None:
        said = pattern(table(1), table(1)[::-1])
        alone = replace(
            BASE,
            from_float64=None,
            reference_from_float64=None,
            no_float64="no NonMaxSuppression",
            pattern=said,
        )
        cause, explanation = name_cause(alone)
        assert cause == "row-order"
        assert explanation.startswith(said)
        assert "no NonMaxSuppression" in explanation
        cause, explanation = name_cause(replace(alone, pattern="Divided by 2 it is."))
        assert cause == "undetermined"
        assert "Divided by 2 it is." in explanation


def test_outputs_of_any_shape_go_together_or_not() -> None:
    generator = np.random.Generator(np.random.PCG64(5))
    for _ in range(30):
        lead = tuple(generator.integers(0, 5, generator.integers(0, 3)).tolist())
        shapes = [(*lead, *generator.integers(0, 5, generator.integers(0, 2))) for _ in range(3)]
        scores = np.sort(generator.normal(0, 1, shapes[0]), axis=-1) if lead else floats(1)
        others = [generator.integers(0, 9, shape) for shape in shapes[1:]]
        named: dict[str, Array] = dict(
            zip("abc", (np.asarray(scores, np.float32), *others), strict=True)
        )
        reference = [named, {name: item.copy() for name, item in named.items()}]
        moved = {name: np.flip(item, 0) if item.ndim else item for name, item in named.items()}
        cut = {name: item[:1] if item.ndim else item for name, item in named.items()}
        for batch in (0, 1, 2):
            assert verdict(reference, reference, batch) != "differs"
            for wrong in (moved, cut, {**moved, "a": named["a"]}):
                same = all(np.array_equal(wrong[name], named[name]) for name in named)
                found = verdict(reference, [named, wrong], batch)
                assert same or found == "differs" or batch, (named, wrong)
