"""Planted drops, moved labels, guessed answers and broken pictures get the verdict they should."""

from dataclasses import replace

import numpy as np
import pytest
from made_evaluation import (
    FACTS,
    answers_of,
    changed_answers,
    drawn_labels,
    paired,
    scores_of,
    tallied,
)

from paddleport.errors import UsageError
from paddleport.validate.evaluate.accuracy.evaluated_row import EvaluatedRow
from paddleport.validate.evaluate.counts.tally import Tally
from paddleport.validate.evaluate.report.evaluation_report import (
    EvaluationReport,
    evaluation_report,
)
from paddleport.validate.evaluate.report.evaluation_summary import reasons


def judged(
    tally: Tally, published: float | None = None, max_drop: float = 0.01
) -> EvaluationReport:
    return evaluation_report(tally, replace(FACTS, published_top1=published, max_drop=max_drop))


def candidate(report: EvaluationReport) -> EvaluatedRow:
    (row,) = (row for row in report.rows if row.verdict != "reference")
    return row


def test_a_drop_of_three_points_is_found() -> None:
    report = judged(paired(8000, lost=0.04, gained=0.01))
    assert (report.verdict, report.exit_code) == ("lower", 1)
    row = candidate(report)
    assert row.changes is not None and row.changes.at_least > 0.01
    assert "points lower" in row.reason and "by more than chance explains" in row.reason
    assert "no noise" in row.reason


def test_too_few_pictures_say_how_many_would_do_and_those_do() -> None:
    few = judged(paired(150, lost=0.04, gained=0.01, seed=3))
    assert (few.verdict, few.exit_code) == ("unproven", 2)
    needed = candidate(few).pictures_needed
    assert needed is not None and needed > 150
    assert f"about {needed:,} would do" in candidate(few).reason
    many = judged(paired(needed, lost=0.04, gained=0.01, seed=6))
    assert (many.verdict, many.exit_code) == ("lower", 1)


def test_a_tenth_of_a_point_is_noise() -> None:
    report = judged(paired(20_000, lost=0.006, gained=0.005, seed=1))
    assert (report.verdict, report.exit_code) == ("passed", 0)
    assert "noise" in candidate(report).reason and "no noise" not in candidate(report).reason


def test_a_real_drop_within_what_is_let_pass_is_no_noise_and_passes() -> None:
    report = judged(paired(40_000, lost=0.006, gained=0.002))
    assert report.verdict == "passed"
    assert "no noise" in candidate(report).reason


def test_more_may_be_let_pass() -> None:
    tally = paired(8000, lost=0.04, gained=0.01)
    assert judged(tally, max_drop=0.05).verdict == "passed"


def test_a_better_backend_passes() -> None:
    report = judged(paired(3000, lost=0.0, gained=0.02))
    assert report.verdict == "passed"
    assert "points higher" in candidate(report).reason


@pytest.mark.parametrize("max_drop", [0, -0.01, 1.0, float("nan")])
def test_what_cannot_be_let_pass(max_drop: float) -> None:
    with pytest.raises(UsageError, match="--max-drop"):
        judged(paired(100, lost=0, gained=0), max_drop=max_drop)


class TestLabels:
    classes, count = 30, 3000

    def report(self, labels: "np.typing.NDArray[np.int64]", right: float = 0.8) -> EvaluationReport:
        truth = drawn_labels(self.count, self.classes)
        own = answers_of(truth, self.classes, right)
        new = changed_answers(truth, own, self.classes, lost=0.01, gained=0.01)
        scores = {"paddle": scores_of(own, self.classes), "other": scores_of(new, self.classes)}
        return judged(tallied(labels, scores), published=0.8)

    @property
    def truth(self) -> "np.typing.NDArray[np.int64]":
        return drawn_labels(self.count, self.classes)

    def test_the_right_ones_are_not_suspected(self) -> None:
        report = self.report(self.truth)
        assert report.label_problem == ""
        assert report.verdict != "lower"

    @pytest.mark.parametrize(
        ("moved", "what"),
        [(1, "moved by +1"), (-1, "moved by -1"), (4, "moved by +4")],
    )
    def test_moved_labels(self, moved: int, what: str) -> None:
        report = self.report((self.truth + moved).clip(0, self.classes - 1))
        assert (report.verdict, report.exit_code) == ("unproven", 2)
        assert what in report.label_problem
        assert candidate(report).reason == report.label_problem

    def test_labels_that_count_from_one(self) -> None:
        truth = self.truth
        labels = np.where(truth == self.classes - 1, truth, truth + 1)
        assert "count from 1 and the model from 0" in self.report(labels).label_problem

    def test_labels_in_the_order_of_their_texts(self) -> None:
        """Folders 0, 1, 10, 11, ..., 2, ... counted as they are listed."""
        order = sorted(range(self.classes), key=str)
        places = np.array([order.index(label) for label in range(self.classes)])
        report = self.report(places[self.truth])
        assert "another order of the classes" in report.label_problem
        assert report.verdict == "unproven"

    def test_labels_of_another_model(self) -> None:
        labels = np.random.default_rng(8).permutation(self.truth)
        report = self.report(labels)
        assert "are these the labels of this model?" in report.label_problem
        assert report.verdict == "unproven"
        assert report.to_markdown().count("are these the labels of this model?") == 1

    def test_a_model_that_confuses_much_is_not_suspected_of_another_order(self) -> None:
        report = self.report(self.truth, right=0.3)
        assert report.label_problem == ""

    def test_two_classes_swapped(self) -> None:
        truth = drawn_labels(600, 2)
        scores = scores_of(answers_of(truth, 2, 0.95), 2)
        report = judged(tallied(1 - truth, {"paddle": scores, "other": scores}))
        assert "0 as 1, 1 as 0" in report.label_problem


def test_one_answer_for_all_proves_nothing() -> None:
    labels = drawn_labels(2000, 10)
    scores = np.tile(np.arange(10, dtype=np.float32), (2000, 1))
    report = judged(tallied(labels, {"paddle": scores, "other": scores}))
    assert (report.verdict, report.exit_code) == ("unproven", 2)
    assert "one constant answer" in report.label_problem


def test_pictures_of_one_class_prove_nothing() -> None:
    labels = np.full(2000, 3)
    scores = scores_of(labels, 10)
    report = judged(tallied(labels, {"paddle": scores, "other": scores}))
    assert report.verdict == "unproven"
    assert "one constant answer on 100.0%" in report.label_problem


def test_a_constant_backend_is_lower() -> None:
    labels = drawn_labels(2000, 10)
    own = scores_of(answers_of(labels, 10, 0.8), 10)
    constant = np.tile(np.arange(10, dtype=np.float32), (2000, 1))
    assert judged(tallied(labels, {"paddle": own, "other": constant})).verdict == "lower"


def test_paddles_own_accuracy_is_no_backends_fault() -> None:
    report = judged(paired(8000, lost=0, gained=0, right=0.7), published=0.76)
    assert report.verdict == "passed"
    assert "native Paddle itself is right on" in report.notes[0]
    assert "published is 76%" in report.notes[0]
    assert not judged(paired(8000, lost=0, gained=0, right=0.7), published=0.7).notes
    assert not judged(paired(8000, lost=0, gained=0, right=0.7)).notes


def test_without_paddle_the_published_figure_is_held_against() -> None:
    labels = drawn_labels(20_000, 20)
    scores = {"onnxruntime": scores_of(answers_of(labels, 20, 0.7), 20)}
    tally = tallied(labels, scores, reference=None)
    assert judged(tally, published=0.70).verdict == "passed"
    assert judged(tally, published=0.76).verdict == "lower"
    near = judged(tally, published=0.711)
    assert near.verdict == "unproven" and near.rows[0].pictures_needed
    nothing = judged(tally)
    assert (nothing.verdict, nothing.exit_code) == ("unproven", 2)
    assert "nothing to hold it against" in nothing.rows[0].reason


def test_paddle_alone_is_held_against_the_published_figure() -> None:
    labels = drawn_labels(20_000, 20)
    tally = tallied(labels, {"paddle": scores_of(answers_of(labels, 20, 0.7), 20)})
    assert judged(tally, published=0.70).rows[0].verdict == "passed"


def test_pictures_that_cannot_be_read_are_told_and_change_the_exit_code() -> None:
    tally = paired(3000, lost=0, gained=0)
    assert judged(tally).exit_code == 0
    for index in range(60):
        tally.unreadable(f"broken{index}.jpg", "truncated")
    report = judged(tally)
    assert (report.verdict, report.exit_code) == ("passed", 1)
    assert "60 of 3,060 pictures (1.96%) could not be read (" in report.notes[0]
    assert report.data.unreadable == 60
    assert len(report.data.unreadable_listed) == 50
    assert report.rows[0].top1.count == 3000


def test_a_backend_that_stopped() -> None:
    tally = paired(3000, lost=0, gained=0)
    labels = drawn_labels(10, 20)
    tally.stop("candidate", "worker ended: signal 9")
    tally.add(["a"] * 10, labels, {"paddle": scores_of(labels, 20)})
    report = judged(tally)
    assert (report.verdict, report.exit_code) == ("unproven", 2)
    row = candidate(report)
    assert (row.verdict, row.reason) == ("failed", "worker ended: signal 9")
    assert (row.top1.count, report.rows[0].top1.count) == (3000, 3010)
    assert row.changes is None
    # the ten pictures that it was not given are no wrong answers
    assert (row.worst_classes, row.confused_pairs) == ((), ())
    assert "its figures are of the 3,000 pictures before" in dict(reasons(report))["candidate"]


def test_a_row_that_never_answered_has_no_share() -> None:
    tally = Tally(["paddle", "candidate"], "paddle", 20)
    tally.stop("candidate", "it does not load")
    labels = drawn_labels(30, 20)
    tally.add(["a"] * 30, labels, {"paddle": scores_of(labels, 20)})
    table = judged(tally).table()
    line = dict(zip(table.columns, table.lines[1], strict=True))
    shares = {line[name] for name in ("top-1 %", "95 %", "top-5 %", "loss", "ECE")}
    assert shares == {"–"}, line


def test_paddle_that_stopped_leaves_nothing_to_compare_with() -> None:
    tally = paired(3000, lost=0, gained=0)
    tally.stop("paddle", "worker ended: signal 11")
    report = judged(tally)
    assert [row.verdict for row in report.rows] == ["failed", "unproven"]
    assert "native Paddle stopped" in report.rows[1].reason


def test_paddle_that_never_started_does_not_tell_what_scores_are() -> None:
    labels = drawn_labels(30, 20)
    chances = np.exp(scores_of(answers_of(labels, 20, 0.5), 20))
    chances /= chances.sum(axis=1, keepdims=True)
    stopped, alone = Tally(["paddle", "candidate"], "paddle", 20), Tally(["candidate"], None, 20)
    stopped.stop("paddle", "it does not load")
    for tally in (stopped, alone):
        tally.add(["a"] * 30, labels, {"candidate": chances})
    row, expected = judged(stopped).rows[1], judged(alone).rows[0]
    assert row.loss == pytest.approx(-np.log(chances[np.arange(30), labels]).mean(), rel=1e-6)
    assert (row.loss, row.calibration_error) == (expected.loss, expected.calibration_error)
    assert row.worst_classes == expected.worst_classes  # with nothing of Paddle's beside them


def test_one_lower_row_is_enough() -> None:
    labels = drawn_labels(4000, 20)
    own = answers_of(labels, 20, 0.7)
    new = changed_answers(labels, own, 20, lost=0.06, gained=0.0)
    scores = {"paddle": scores_of(own, 20), "good": scores_of(own, 20), "bad": scores_of(new, 20)}
    report = judged(tallied(labels, scores))
    assert [row.verdict for row in report.rows] == ["reference", "passed", "lower"]
    assert report.verdict == "lower"


def test_no_picture_at_all() -> None:
    report = judged(Tally(["paddle", "other"], "paddle", 10))
    assert (report.verdict, candidate(report).reason) == ("unproven", "no picture was read")
    report.to_json()


def test_the_worst_classes_and_pairs() -> None:
    labels = np.repeat(np.arange(10), 100)
    answers = labels.copy()
    answers[:60] = 7  # of class 0
    answers[100:130] = 3  # of class 1
    scores = {"paddle": scores_of(labels, 10), "other": scores_of(answers, 10)}
    row = candidate(judged(tallied(labels, scores)))
    worst = row.worst_classes
    assert [(item.label, item.right, item.reference_right) for item in worst] == [
        (0, 40, 100),
        (1, 70, 100),
    ]
    assert [(item.answer, item.count) for item in worst[0].answers] == [(7, 60)]
    pairs = [(item.label, item.answer, item.count) for item in row.confused_pairs]
    assert pairs == [(0, 7, 60), (1, 3, 30)]


def test_one_picture_is_no_worst_class() -> None:
    labels = np.array([0] + [1] * 50 + [2] * 49)
    answers = labels.copy()
    answers[0] = 2
    answers[1:31] = 2
    row = candidate(
        judged(tallied(labels, {"paddle": scores_of(labels, 6), "other": scores_of(answers, 6)}))
    )
    assert [item.label for item in row.worst_classes] == [1, 0]
