import numpy as np
import pytest

from paddleport.errors import ModelFileError, OutputError, UsageError
from paddleport.runners.tasks.classification import Prediction, top_k


def test_highest_first_with_labels_and_rounded_scores() -> None:
    scores = np.array([[0.1, 0.2000049, 0.6999951], [0.5, 0.25, 0.25]], np.float32)
    best, second = top_k(scores, 2, ("cat", "dog", "duck"))
    assert best == (Prediction(2, "duck", 0.7), Prediction(1, "dog", 0.2))
    assert second == (Prediction(0, "cat", 0.5), Prediction(1, "dog", 0.25))
    assert all(type(p.index) is int and type(p.score) is float for p in best)


def test_order_is_decided_before_rounding() -> None:
    scores = np.array([[0.1234561, 0.1234564]])
    assert [p.index for p in top_k(scores, 2)[0]] == [1, 0]
    assert len({p.score for p in top_k(scores, 2)[0]}) == 1


def test_equal_scores_keep_the_order_of_classes() -> None:
    scores = np.zeros((1, 1000), np.float32)
    scores[0, [7, 500, 900]] = 0.25
    assert [p.index for p in top_k(scores, 5)[0]] == [7, 500, 900, 0, 1]


def test_topk_agrees_with_paddleclas_where_scores_differ() -> None:
    random = np.random.default_rng(0)
    scores = random.permutation(5000).reshape(5, 1000).astype(np.float32) / 5000
    for probs, predictions in zip(scores, top_k(scores, 5), strict=True):
        index = probs.argsort(axis=0)[-5:][::-1]  # as PaddleClas's Topk writes it
        rounded = np.around([probs[i].item() for i in index], decimals=5).tolist()
        assert [p.index for p in predictions] == index.tolist()
        assert [p.score for p in predictions] == rounded


def test_logits_are_shown_as_they_are() -> None:
    predictions = top_k(np.array([[-3.5, 12.25, 0.0]], np.float32), 3)[0]
    assert [p.score for p in predictions] == [12.25, 0.0, -3.5]


def test_more_than_all_classes_gives_all() -> None:
    assert len(top_k(np.eye(3), 10)[2]) == 3
    assert top_k(np.eye(3), 1)[2] == (Prediction(2, None, 1.0),)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_broken_score_is_an_error_not_a_label(value: float) -> None:
    scores = np.zeros((3, 4), np.float32)
    scores[1, 2] = value
    with pytest.raises(OutputError, match="picture 2"):
        top_k(scores, 1)


@pytest.mark.parametrize("shape", [(4,), (1, 4, 2), (0, 4), (2, 0), ()])
def test_only_class_scores_have_a_top(shape: tuple[int, ...]) -> None:
    with pytest.raises(OutputError, match="classifier"):
        top_k(np.zeros(shape), 1)


def test_labels_of_another_model_are_refused() -> None:
    with pytest.raises(ModelFileError, match="2 scores and has 3 labels"):
        top_k(np.zeros((1, 2)), 1, ("a", "b", "c"))


def test_k_is_at_least_one() -> None:
    with pytest.raises(UsageError, match="--topk 0"):
        top_k(np.zeros((1, 2)), 0)
