"""The accuracy gate: what must pass passes, and everything else is caught, by how much."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddleport.convert.precision.gate_inputs import calibration_pictures
from paddleport.errors import FeedError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.models.resolve import resolve
from paddleport.runners.tasks import shapes_of, task_of
from paddleport.runners.tasks.classification import Classification
from paddleport.runners.tasks.raw_tensors import Tensors
from paddleport.tensors import Array, TensorSpec
from paddleport.validate.accuracy_gate import gate
from paddleport.validate.accuracy_gate.gate import GateLimits, GateResult, gate_set

PICTURES, CLASSES = 200, 10


def judge_gate(
    reference: list[Array],
    candidate: list[Array],
    labels: list[int] | None = None,
    limits: GateLimits = gate.DEFAULT_LIMITS,
) -> GateResult:
    """One output of a batch or several, judged picture by picture as its shape says."""
    task = Classification() if reference[0].ndim == 2 else Tensors()
    one, other = (
        [{"y": row[None]} for batch in side for row in batch] for side in (reference, candidate)
    )
    return gate.judge_gate(task, one, other, labels, limits)


def logits(seed: int = 0) -> Array:
    drawn = np.random.default_rng(seed).normal(size=(PICTURES, CLASSES)) * 4
    drawn[np.arange(PICTURES), np.arange(PICTURES) % CLASSES] += 6
    return drawn.astype(np.float32)


def softmax(scores: Array) -> Array:
    exact = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    result: Array = (exact / exact.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def noise(scale: float) -> Array:
    return (np.random.default_rng(1).normal(size=(PICTURES, CLASSES)) * scale).astype(np.float32)


FAULTS: dict[str, Callable[[Array], Array]] = {
    "constant": lambda scores: np.zeros_like(scores) + scores[:1],
    "two classes swapped": lambda scores: scores[:, [1, 0, *range(2, CLASSES)]],
    "another picture's answer": lambda scores: np.roll(scores, 1, axis=0),
    "random": lambda scores: logits(7),
    "much noise": lambda scores: scores + noise(4),
    "not a number": lambda scores: np.where(np.arange(PICTURES)[:, None] == 5, np.nan, scores),
    "a class less": lambda scores: scores[:, :-1],
}


@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize("labelled", [False, True])
def test_a_little_noise_passes(probabilities: bool, labelled: bool) -> None:
    scores = logits()
    labels = scores.argmax(axis=1).tolist() if labelled else None
    one, other = scores, scores + noise(0.01)
    if probabilities:
        one, other = softmax(one), softmax(other)
    result = judge_gate([one[:50], one[50:]], [other[:50], other[50:]], labels)
    assert result.passed, result
    assert (result.reason, result.pictures) == ("", PICTURES)
    assert (result.top1 is not None) == labelled
    assert result.log_probability_error is not None
    assert 0 < result.log_probability_error < 0.1


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_caught(fault: str, labelled: bool) -> None:
    scores = logits()
    labels = scores.argmax(axis=1).tolist() if labelled else None
    result = judge_gate([scores], [FAULTS[fault](scores)], labels)
    assert not result.passed
    assert result.reason
    assert not result.reason.startswith("unproven")


def test_probabilities_that_moved_are_caught_though_the_ranking_is_the_same() -> None:
    scores = logits()
    result = judge_gate([scores], [scores * 0.5])
    assert (result.passed, result.agreement) == (False, 1.0)
    assert "log-probabilities move by" in result.reason


def test_the_limit_is_one_point_and_one_percent() -> None:
    scores = logits()
    expected = scores.argmax(axis=1)
    for wrong, passed in ((2, True), (3, False)):  # of 200
        other = scores.copy()
        other[np.arange(wrong), (expected[:wrong] + 1) % CLASSES] = 99
        assert judge_gate([scores], [other]).passed == passed
        result = judge_gate([scores], [other], expected.tolist())
        assert result.passed == passed
        if not passed:
            assert "drops by 1.5 points" in result.reason
    assert judge_gate([scores], [other], limits=GateLimits(agreement=0.98)).passed


def test_a_gain_makes_up_for_a_loss_with_labels_only() -> None:
    scores = logits()
    labels = scores.argmax(axis=1)
    reference = scores.copy()
    reference[:20, :] = -scores[:20, :]  # wrong there, where the candidate is right
    result = judge_gate([reference], [scores], labels.tolist())
    assert result.passed and result.top1 == 1.0 and result.reference_top1 == 0.9
    assert not judge_gate([reference], [scores]).passed


def test_a_gate_that_could_not_fail_is_unproven() -> None:
    scores = logits()
    few = judge_gate([scores[:99]], [scores[:99]])
    assert "99 pictures cannot show 99 %" in few.reason
    one_answer = scores.copy()
    one_answer[: int(PICTURES * 0.95), 3] = 99
    assert "one answer" in judge_gate([one_answer], [one_answer]).reason
    strangers = np.random.default_rng(3).integers(0, CLASSES, PICTURES).tolist()
    assert "are these the labels" in judge_gate([scores], [scores], strangers).reason
    broken = np.full_like(scores, np.nan)
    for result in (
        few,
        judge_gate([one_answer], [one_answer]),
        judge_gate([scores], [scores], strangers),
        judge_gate([broken], [broken]),
    ):
        assert not result.passed
        assert result.reason.startswith("unproven")


def test_no_classifier_is_judged_by_its_noise() -> None:
    maps = np.random.default_rng(0).normal(size=(PICTURES, 1, 8, 8)).astype(np.float32)
    slight = maps + 0.05 * np.random.default_rng(1).normal(size=maps.shape).astype(np.float32)
    assert judge_gate(list(maps[:, None]), list(slight[:, None])).passed
    assert judge_gate([maps], [slight]).log_probability_error is None
    for wrong in (maps * 0, maps + 0.3, np.roll(maps, 1, axis=0)):
        result = judge_gate([maps], [wrong])
        assert not result.passed
        assert "is needed" in result.reason
    alike = maps[:1] + 0.01 * maps
    assert judge_gate([alike], [alike]).reason.startswith("unproven")


SPEC = TensorSpec("x", "float32", (None, 3, 8, 8))
PLAIN = Preprocess(resize_short=None, resize=(8, 8), crop=None)


def picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (9, 9), (value, 0, 0)).save(path)


def test_a_folder_a_class_and_a_list_are_the_same_set(tmp_path: Path) -> None:
    for label in (0, 1):
        picture(tmp_path / "tree" / str(label) / f"{label}.png", 100 * label)
        picture(tmp_path / "named" / ("cat", "dog")[label] / f"{label}.png", 100 * label)
    lines = ["0/0.png 0", "", "1/1.png\t1"]
    (tmp_path / "tree" / "my_list.txt").write_text("\n".join(lines))
    sets = [
        gate_set(PLAIN, SPEC, labelled=path, images=(), classes=("cat", "dog"))
        for path in (tmp_path / "tree", tmp_path / "named", tmp_path / "tree" / "my_list.txt")
    ]
    assert len({item.sha256 for item in sets}) == 1
    assert sets[0].labels == (0, 1)
    assert sets[0].examples[0][0].shape == (1, 3, 8, 8)
    (tmp_path / "tree" / "my_list.txt").write_text("0/0.png 1\n1/1.png 0\n")
    swapped = gate_set(PLAIN, SPEC, labelled=tmp_path / "tree" / "my_list.txt", images=())
    assert swapped.labels == (1, 0)
    assert swapped.sha256 != sets[0].sha256


def test_drawn_pictures_and_fixed_batches() -> None:
    first = gate_set(PLAIN, SPEC, labelled=None, images=(), samples=3)
    again = gate_set(PLAIN, SPEC, labelled=None, images=(), samples=3)
    others = gate_set(PLAIN, SPEC, labelled=None, images=(), samples=3, first=3)
    assert (first.source, first.sha256) == ("3 drawn pictures", again.sha256)
    assert first.sha256 != others.sha256
    fixed = TensorSpec("x", "float32", (4, 3, 8, 8))
    assert first.feeds(fixed)[0]["x"].shape == (4, 3, 8, 8)
    unknown = gate_set(None, SPEC, labelled=None, images=(), samples=2)
    assert abs(float(unknown.examples[1][0].mean())) < 1e-3
    pixels = TensorSpec("x", "uint8", (None, 8, 8, 3))
    drawn = gate_set(PLAIN, pixels, labelled=None, images=(), samples=1)
    assert drawn.examples[0][0].dtype == np.uint8


def test_invalid_gate_sets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give one of them"):
        gate_set(PLAIN, SPEC, labelled=tmp_path, images=[tmp_path])
    with pytest.raises(UsageError, match="preprocessing is not known"):
        gate_set(None, SPEC, labelled=tmp_path, images=())
    with pytest.raises(UsageError, match="neither val_list"):
        gate_set(PLAIN, SPEC, labelled=tmp_path, images=())
    with pytest.raises(UsageError, match="no such folder"):
        gate_set(PLAIN, SPEC, labelled=tmp_path / "missing", images=())
    picture(tmp_path / "a" / "cat" / "0.png", 1)
    with pytest.raises(UsageError, match="by its index"):
        gate_set(PLAIN, SPEC, labelled=tmp_path / "a", images=())
    with pytest.raises(UsageError, match="Did you mean 'cats'"):
        gate_set(PLAIN, SPEC, labelled=tmp_path / "a", images=(), classes=("cats", "dogs"))
    (tmp_path / "val_list.txt").write_text("a/cat/0.png cat\n")
    with pytest.raises(UsageError, match="label 'cat' names a class"):
        gate_set(PLAIN, SPEC, labelled=tmp_path, images=())
    with pytest.raises(FeedError, match="judged on pictures"):
        gate_set(None, TensorSpec("ids", "int64", (None, 16)), labelled=None, images=())


def test_int8_of_ids_names_what_works(small_pir: Artifact) -> None:
    source, ids = resolve(small_pir.path.parent), TensorSpec("ids", "int64", (None, 16))
    with pytest.raises(UsageError, match=r"takes ids int64 .*: --precision fp16 works$"):
        calibration_pictures(source, [ids], None)


class TestSeveralOutputs:
    """Whole numbers beside others: counts, indices, and what no example has."""

    COUNT = np.array([20], np.int32)

    def judged(
        self, task: Classification | Tensors, *extra: Array, of: int = PICTURES
    ) -> GateResult:
        rows = [{"y": row[None]} for row in logits()[:of]]
        made = [{**row, **{str(i): item for i, item in enumerate(extra)}} for row in rows]
        return gate.judge_gate(task, made, [dict(item) for item in made])

    @pytest.mark.parametrize("task", [Classification(), Tensors()], ids=str)
    def test_a_constant_count_has_no_veto(self, task: Classification | Tensors) -> None:
        for count in (self.COUNT, np.array(20), np.array([[1, 2, 3]]), np.array([True])):
            assert self.judged(task, count).passed
        for dead in (np.zeros((1, 3), np.float32), np.zeros((0, 6), np.float32)):
            assert "unproven" in self.judged(task, dead).reason

    @pytest.mark.parametrize("task", [Classification(), Tensors()], ids=str)
    def test_counts_alone_are_held_to_the_one_that_says_most(
        self, task: Classification | Tensors
    ) -> None:
        rows = [{"n": self.COUNT, "map": np.array([[place % 7, 3]])} for place in range(PICTURES)]
        assert gate.judge_gate(task, rows, rows).passed
        same = [{"n": self.COUNT} for _ in range(PICTURES)]
        assert "unproven" in gate.judge_gate(task, same, same).reason

    def test_outputs_of_no_axis(self) -> None:
        losses = [{"y": np.array(place / 7, np.float32)} for place in range(PICTURES)]
        assert gate.judge_gate(Tensors(), losses, losses).passed
        wrong = [{"y": item["y"] * 2} for item in losses]
        assert not gate.judge_gate(Tensors(), losses, wrong).passed


def test_a_list_of_boxes_is_no_classifiers_whatever_the_first_has() -> None:
    inputs = [TensorSpec("x", "float32", (1, 3, 8, 8))]
    one, two = ({"boxes": np.zeros((count, 6), np.float32)} for count in (1, 2))
    assert task_of(inputs, shapes_of([one, one])).name == "classification"
    assert task_of(inputs, shapes_of([one, two])).name == "tensors"
    flat = {"boxes": np.zeros(6, np.float32)}
    assert task_of(inputs, shapes_of([one, flat])).name == "tensors"
