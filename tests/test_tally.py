"""The tally counts what an independent few lines count, in any batches and after any pause."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_evaluation import (
    FACTS,
    answers_of,
    changed_answers,
    drawn_labels,
    scores_of,
    tallied,
)
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, top_k_accuracy_score

from paddleport.errors import OutputError, UsageError
from paddleport.runners.tasks.classification import top_k
from paddleport.validate.evaluate.counts import confusion_counts
from paddleport.validate.evaluate.counts.changed_pictures import KEPT
from paddleport.validate.evaluate.counts.confusion_counts import ConfusionCounts, most_confused
from paddleport.validate.evaluate.counts.tally import Tally
from paddleport.validate.evaluate.report.evaluation_report import (
    EvaluationReport,
    evaluation_report,
)

CLASSES = 12


def softmax(scores: NDArray[Any]) -> NDArray[np.float64]:
    powers = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    made: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return made


def drawn(count: int = 900, seed: int = 0) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    labels = drawn_labels(count, CLASSES, seed)
    own = answers_of(labels, CLASSES, 0.7)
    new = changed_answers(labels, own, CLASSES, lost=0.08, gained=0.03)
    return labels, {"paddle": scores_of(own, CLASSES), "other": scores_of(new, CLASSES, 9)}


def report_of(tally: Tally) -> EvaluationReport:
    return evaluation_report(tally, FACTS)


def as_saved(tally: Tally) -> dict[str, Any]:
    state = tally.state()
    return {**state, "plain": json.loads(json.dumps(state["plain"]))}


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(one[key], other[key]) if key != "plain" else one[key] == other[key]
        for key in one
    )


@pytest.mark.parametrize("probabilities", [False, True])
def test_the_counts_are_scikit_learns(probabilities: bool) -> None:
    labels, outputs = drawn()
    given = {name: softmax(item).astype(np.float32) for name, item in outputs.items()}
    tally = tallied(labels, given if probabilities else outputs, batch=64)
    rows = {row.name: row for row in report_of(tally).rows}
    for name, scores in outputs.items():
        row, answers = rows[name], scores.argmax(axis=1)
        assert row.top1.right == accuracy_score(labels, answers, normalize=False)
        assert row.topk is not None
        every = list(range(CLASSES))
        wanted = top_k_accuracy_score(labels, scores, k=5, labels=every, normalize=False)
        assert row.topk.right == wanted
        assert row.loss == pytest.approx(log_loss(labels, softmax(scores), labels=every), rel=1e-5)
        matrix = confusion_matrix(labels, answers, labels=every)
        known = tally.rows[name].confusion
        found = np.diag(known.right)
        for label, answer, count in most_confused(known, 10**6):
            found[label, answer] = count
        assert np.array_equal(found, matrix)
        assert np.array_equal(tally.rows[name].answers, matrix.sum(axis=0))
        assert row.calibration_error == pytest.approx(plain_calibration(scores, labels), abs=1e-6)


def plain_calibration(scores: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Guo et al. 2017, as it is written there."""
    shares = softmax(scores)
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == labels
    error = 0.0
    for place in range(15):
        inside = (confidence > place / 15) & (confidence <= (place + 1) / 15)
        if inside.any():
            error += abs(right[inside].mean() - confidence[inside].mean()) * inside.mean()
    return error


def test_the_changed_answers() -> None:
    labels, outputs = drawn()
    changes = report_of(tallied(labels, outputs)).rows[1].changes
    one, other = (outputs[name].argmax(axis=1) for name in ("paddle", "other"))
    assert changes is not None
    assert changes.lost == np.sum((one == labels) & (other != labels)) > 0
    assert changes.gained == np.sum((one != labels) & (other == labels)) > 0
    both_wrong = (one != labels) & (other != labels)
    assert changes.other == np.sum(both_wrong & (one != other))
    assert changes.drop == (changes.lost - changes.gained) / len(labels)


def test_equal_scores_are_ordered_as_run_orders_them() -> None:
    random = np.random.default_rng(4)
    scores = random.integers(0, 3, (300, CLASSES)).astype(np.float32)
    labels = drawn_labels(300, CLASSES)
    order = [[item.index for item in picture] for picture in top_k(scores, 5)]
    row = report_of(tallied(labels, {"paddle": scores})).rows[0]
    assert row.top1.right == sum(found[0] == label for found, label in zip(order, labels))  # noqa: B905
    assert row.topk is not None
    assert row.topk.right == sum(label in found for found, label in zip(order, labels))  # noqa: B905


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.data())
def test_a_pause_anywhere_changes_nothing(sizes: list[int], data: st.DataObject) -> None:
    """Whatever the batches are, and wherever the pass was interrupted and saved."""
    labels, outputs = drawn(sum(sizes))
    outputs["other"][: sum(sizes) // 9] = np.nan
    whole = tallied(labels, outputs, batch=len(labels), thumbnails=lambda _: b"jpeg")
    stops = data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    made, start = Tally(list(outputs), "paddle", CLASSES), 0
    for size, stop in zip(sizes, stops, strict=True):
        part = slice(start, start + size)
        names = [f"picture_{index:05d}.jpg" for index in range(start, start + size)]
        scores = {name: found[part] for name, found in outputs.items()}
        made.add(names, labels[part], scores, lambda _: b"jpeg")
        start += size
        if stop:
            made = Tally.from_state(as_saved(made))
    assert equal(as_saved(made), as_saved(whole))
    assert report_of(made).to_json() == report_of(whole).to_json()


def test_a_pause_that_forgets_would_be_seen() -> None:
    labels, outputs = drawn(200)
    state = as_saved(tallied(labels, outputs))
    again = as_saved(Tally.from_state(state))
    assert equal(state, again)
    again["0.confusion.pairs"][2, 0] += 1
    assert not equal(state, again)


def test_another_versions_pause_is_refused() -> None:
    state = as_saved(tallied(*drawn(20)))
    state["plain"]["version"] = 99
    with pytest.raises(OutputError, match="without --resume"):
        Tally.from_state(state)


def test_scores_that_are_not_finite_are_wrong_and_named() -> None:
    labels, outputs = drawn(600)
    outputs["other"] = outputs["paddle"].copy()
    outputs["other"][[3, 77]] = np.nan
    outputs["other"][200, 5] = np.inf
    report = report_of(tallied(labels, outputs, batch=50))
    own, row = report.rows
    assert row.not_finite == 3
    assert row.not_finite_listed == ("picture_00003.jpg", "picture_00077.jpg", "picture_00200.jpg")
    right = outputs["paddle"].argmax(axis=1) == labels
    assert own.top1.right - row.top1.right == right[[3, 77, 200]].sum()
    assert "no finite scores for 3 pictures ('picture_00003.jpg'" in row.notes[0]
    assert {item.answer for item in row.changed_pictures} == {-1}
    assert report.class_name(-1) == "no answer"
    report.to_json()


def test_a_reference_that_is_not_finite_proves_nothing() -> None:
    labels, outputs = drawn(600)
    outputs["other"] = outputs["paddle"].copy()
    outputs["paddle"][3] = np.nan
    row = report_of(tallied(labels, outputs)).rows[1]
    assert row.verdict == "unproven"
    assert "native Paddle's own scores are not finite for 1" in row.reason


@pytest.mark.parametrize(("classes", "k"), [(2, 1), (3, 2), (5, 2), (6, 5)])
def test_top_k_of_few_classes(classes: int, k: int) -> None:
    labels = drawn_labels(300, classes)
    scores = scores_of(answers_of(labels, classes, 0.8), classes)
    report = report_of(tallied(labels, {"paddle": scores}))
    assert report.k == k
    found = report.rows[0].topk
    if k == 1:
        assert found is None
        assert "top-1 %" in report.table().columns
        assert not any("top-2" in column or "top-5" in column for column in report.table().columns)
    else:
        ranks = (scores > scores[np.arange(300), labels][:, None]).sum(axis=1)
        assert found is not None and found.right == np.sum(ranks < k)


def test_sigmoids_have_no_cross_entropy() -> None:
    labels, outputs = drawn(200)
    sigmoids = {name: 1 / (1 + np.exp(-item)) for name, item in outputs.items()}
    rows = report_of(tallied(labels, sigmoids)).rows
    assert [row.loss for row in rows] == [row.calibration_error for row in rows] == [None, None]


def test_coarse_probabilities_are_probabilities_where_paddles_are() -> None:
    """An int8 softmax does not add up to 1; its loss is taken as its reference's is."""
    labels, outputs = drawn(400)
    exact = softmax(outputs["paddle"]).astype(np.float32)
    coarse = (np.round(exact * 64) / 64).astype(np.float32)
    own, row = report_of(tallied(labels, {"paddle": exact, "other": coarse})).rows
    assert row.loss is not None and own.loss is not None
    assert own.loss < row.loss < 64


def test_huge_logits() -> None:
    labels = drawn_labels(50, CLASSES)
    scores = np.full((50, CLASSES), -3e38, np.float32)
    scores[:, 0] = 3e38
    row = report_of(tallied(labels, {"paddle": scores})).rows[0]
    assert row.loss is not None and 0 < row.loss <= 64


def test_what_cannot_be_added() -> None:
    tally = Tally(["paddle"], "paddle", 4)
    with pytest.raises(UsageError, match="label 4 is no class: the model has 4 classes"):
        tally.add(["a"], np.array([4]), {"paddle": np.zeros((1, 4))})
    with pytest.raises(OutputError, match=r"paddle gives \[1, 5\] for 1 pictures"):
        tally.add(["a"], np.array([0]), {"paddle": np.zeros((1, 5))})
    assert tally.pictures == 0


def test_thumbnails_are_made_for_what_is_kept_alone() -> None:
    labels, outputs = drawn(3000)
    asked: list[int] = []

    def made(place: int) -> bytes:
        asked.append(place)
        return b"jpeg"

    row = report_of(tallied(labels, outputs, batch=100, thumbnails=made)).rows[1]
    assert row.changes is not None
    changed = row.changes.lost + row.changes.gained + row.changes.other
    assert len(asked) < changed / 2
    kinds = [item.kind for item in row.changed_pictures]
    assert {kind: kinds.count(kind) for kind in KEPT if kind in kinds} == {
        kind: count for kind, count in KEPT.items() if kind in kinds
    }
    assert all(item.thumbnail.startswith("data:image/jpeg") for item in row.changed_pictures)
    lost = [item.margin for item in row.changed_pictures if item.kind == "lost"]
    assert lost == sorted(lost, reverse=True)
    one, other = outputs["paddle"], outputs["other"]
    away = (one.argmax(axis=1) == labels) & (other.argmax(axis=1) != labels)
    shares, places = softmax(one), np.arange(len(labels))
    margins = shares.max(axis=1) - shares[places, other.argmax(axis=1)]
    assert lost == pytest.approx(sorted(margins[away], reverse=True)[: KEPT["lost"]], abs=1e-6)


def test_many_classes_are_counted_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frequent pairs survive among rare ones, and no count is more than ``missed`` too low."""
    monkeypatch.setattr(confusion_counts, "DENSE_CLASSES", 10)
    monkeypatch.setattr(confusion_counts, "_KEPT_PAIRS", 50)
    random = np.random.default_rng(3)
    labels = random.integers(0, 5000, 6000)
    answers = random.integers(0, 5000, 6000)
    labels[::4], answers[::4] = 17, 4000
    sparse = ConfusionCounts(5000)
    for start in range(0, 6000, 100):
        sparse.add(labels[start : start + 100], answers[start : start + 100])
    label, answer, count = next(most_confused(sparse, 1))
    truly = int(np.sum((labels == 17) & (answers == 4000)))
    assert (label, answer) == (17, 4000)
    assert truly - sparse.missed <= count <= truly
    assert sparse.missed <= 6000 // 50
    assert len(sparse.wrong_answers()[0]) <= 50
    again = ConfusionCounts.from_state(5000, sparse.state())
    assert list(most_confused(again, 60)) == list(most_confused(sparse, 60))


def test_the_memory_does_not_grow_with_the_pictures() -> None:
    labels, outputs = drawn(3000)
    sizes = []
    for times in (1, 4):
        tally = Tally(list(outputs), "paddle", CLASSES)
        for _ in range(times):
            tally.add([f"{index:09d}" for index in range(3000)], labels, outputs)
        for index in range(1000 * times):
            tally.unreadable(f"{index:09d}", "broken")
        state = tally.state()
        arrays = sum(item.nbytes for key, item in state.items() if key != "plain")
        sizes.append(arrays + len(json.dumps(state["plain"])))
    assert sizes[1] < 1.05 * sizes[0]
