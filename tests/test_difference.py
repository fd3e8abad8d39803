"""Where the model amplifies rounding: as exact as Paddle, unproven, or a fault all the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from paddleport.tensors import Array
from paddleport.validate.compare.comparison import compare_outputs
from paddleport.validate.compare.error_scale import ErrorScale
from paddleport.validate.compare.sensitivity import Sensitivity
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.diagnose import amplified_kinds
from paddleport.validate.diagnose.difference import Difference, DifferenceExplainer
from paddleport.validate.diagnose.validation_outputs import CandidateOutputs, ReferenceOutputs
from paddleport.validate.feeds.named_feed import FeedKind, NamedFeed

CLASSES = 10
FP32 = TOLERANCES["fp32"]
KINDS: list[tuple[str, FeedKind]] = [
    ("drawn 0", "drawn"),
    ("drawn 1", "drawn"),
    ("noise 0", "noise"),
    ("noise 1", "noise"),
    ("black", "extreme"),
    ("white", "extreme"),
]
EVERYWHERE = {"drawn": 1.0, "noise": 1.0, "extreme": 1.0}
Move = Callable[[str], float]  # by kind of feed, in units of the output's scale


@dataclass
class Made:
    """Outputs that are float64's, each moved by a rounding of its own.

    Attributes:
        rounding: by kind of feed, how far rounding moves the output.
        exact: what the Paddle program means; a fault of the conversion is in ``graph``.
        graph: what the ONNX file means.
        backend: what the backend adds to that.
        tie: kinds of feeds whose two largest classes are nearly equal.
    """

    rounding: Mapping[str, float]
    graph: Move = field(default=lambda kind: 0.0)
    backend: Move = field(default=lambda kind: 0.0)
    tie: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.draw = np.random.Generator(np.random.PCG64(3))
        self.exact = [self.draw.normal(0, 1, (1, CLASSES)) for _ in KINDS]
        for (_, kind), tensor in zip(KINDS, self.exact, strict=True):
            tensor[0, 0] = 4.0
            tensor[0, 1] = 4.0 - (1e-6 if kind in self.tie else 2.0)

    def moved(self, *faults: Move, rounded: bool = True, dtype: type = np.float32) -> list[Array]:
        found: list[Array] = []
        for (_, kind), tensor in zip(KINDS, self.exact, strict=True):
            noise = self.draw.choice((-1.0, 1.0), tensor.shape) * self.draw.uniform(0.7, 1)
            by = np.full(tensor.shape, sum(fault(kind) for fault in faults))
            by *= np.where(np.arange(CLASSES) % 2, 1, -1)
            if rounded:
                by = by + noise * self.rounding[kind]
            found.append((tensor + by * (np.abs(tensor) + 1.5)).astype(dtype))
        return found


def explain(**outputs: Made) -> Difference:
    """Every side's outputs, compared and explained."""

    def side(
        *faults: str, rounded: bool = True, dtype: type = np.float32
    ) -> list[dict[str, Array]]:
        by_name = {
            name: made.moved(
                *(getattr(made, fault) for fault in faults), rounded=rounded, dtype=dtype
            )
            for name, made in outputs.items()
        }
        return [
            {name: tensors[index] for name, tensors in by_name.items()}
            for index in range(len(KINDS))
        ]

    exact = side("graph", rounded=False, dtype=np.float64)
    imitated = [side("graph", dtype=np.float64) for _ in range(2)]
    float64: Any = SimpleNamespace(
        outputs=exact,
        unavailable="",
        rounded=lambda unit, indices: ((i, sample[i]) for sample in imitated for i in indices),
        affordable=lambda indices, at_least=1: indices,
    )
    feeds = [
        NamedFeed(name=name, kind=kind, tensors={"x": np.zeros((1, 3), np.float32)})
        for name, kind in KINDS
    ]
    native, other = side(), side()
    reference = ReferenceOutputs(
        feeds=feeds,
        outputs=native,
        again=native[0],
        float64=float64,
        preprocess=None,
        ask=lambda feed: native[0],
        other_kernels=lambda: other,
    )
    answers = side("graph", "backend")
    candidate = CandidateOutputs(
        backend="onnxruntime", format="onnx", computes_in="fp32", outputs=answers, again=answers
    )
    names = reference.feed_names
    computed = dict(enumerate(exact))
    found = compare_outputs(native, answers, FP32, feeds=names, float64=computed, classes=CLASSES)
    assert any(item.verdict == "differs" for item in found)
    return DifferenceExplainer(reference, candidate, found, FP32, CLASSES).explain()


def on(kind: str, size: float) -> Move:
    return lambda given: size if given == kind else 0.0


def everywhere(size: float) -> Move:
    return lambda given: size


def amplified(size: float, **others: float) -> dict[str, float]:
    return {kind: size for kind in EVERYWHERE} | others


def test_a_model_that_amplifies_rounding_is_as_exact_as_paddle() -> None:
    found = explain(y=Made(amplified(1e-3)))
    assert (found.verdict, found.cause, found.step) == ("agrees", "ill-conditioned", "")
    assert "so it is as exact as Paddle" in found.explanation
    assert "Top-1 is the same in all 4 rows" in found.explanation
    (comparison,) = found.comparisons
    assert comparison.verdict == "agrees"
    assert "above the limit, as exact as Paddle" in found.reason
    proof = comparison.sensitivity
    assert proof is not None
    assert proof.holds
    assert proof.refused_at > 4 * 10  # of limits: rounding is ten times one
    assert found.notes == ()


def test_rounding_that_makes_another_answer_proves_nothing() -> None:
    chaotic = explain(y=Made(amplified(0.3)))
    assert (chaotic.verdict, chaotic.cause) == ("unproven", "ill-conditioned")
    assert "no comparison can prove or disprove" in chaotic.explanation
    assert chaotic.comparisons[0].verdict == "unproven"
    tied = explain(y=Made(amplified(1e-3), tie=("drawn", "extreme")))
    assert (tied.verdict, tied.cause) == ("unproven", "ill-conditioned")
    assert "It changes the answer, so nothing is proven. Top-1 changed in" in tied.explanation


@pytest.mark.parametrize("size", [1e-3, 1e-2])
@pytest.mark.parametrize(("side", "cause"), [("graph", "converter"), ("backend", "runtime")])
def test_a_fault_of_more_than_rounding_explains_differs(side: str, cause: str, size: float) -> None:
    """Paddle's two computations are up to 2 of that unit apart, and 4 times that is explained."""
    for factor in (10.0, 30.0):
        made = Made(amplified(size))
        setattr(made, side, everywhere(factor * size))
        found = explain(y=made)
        assert (found.verdict, found.cause) == ("differs", cause), found.explanation
        assert found.comparisons[0].verdict == "differs"


@pytest.mark.parametrize("hidden", ["drawn", "noise"])
@pytest.mark.parametrize("behind", ["drawn", "noise", "extreme"])
def test_feeds_that_amplify_hide_no_fault_on_others(hidden: str, behind: str) -> None:
    if hidden == behind:
        return
    rounding = amplified(1e-6, **{behind: 1e-2})
    found = explain(y=Made(rounding, graph=on(hidden, 1e-3)))
    assert (found.verdict, found.cause) == ("differs", "converter"), found.explanation


def test_a_fault_at_extremes_alone_is_not_hidden_either() -> None:
    found = explain(y=Made(amplified(1e-2, extreme=1e-6), graph=on("extreme", 1e-3)))
    assert (found.verdict, found.cause) == ("differs", "converter"), found.explanation


def test_an_output_that_amplifies_hides_no_fault_of_another() -> None:
    amplifies, right = Made(amplified(1e-2)), Made(amplified(1e-7))
    assert explain(a=amplifies, b=right).verdict == "agrees"
    wrong = Made(amplified(1e-7), graph=everywhere(1e-3))
    for outputs in ({"a": amplifies, "b": wrong}, {"b": wrong, "a": amplifies}):
        found = explain(**outputs)
        assert (found.verdict, found.cause) == ("differs", "converter"), found.explanation


def test_extremes_alone_decide_nothing_and_are_told() -> None:
    elsewhere_right = explain(y=Made(amplified(1e-7, extreme=0.5)))
    assert (elsewhere_right.verdict, elsewhere_right.cause) == ("agrees", "ill-conditioned")
    assert elsewhere_right.explanation.startswith("on extremes alone: Nobody is to blame")
    assert elsewhere_right.notes == ()
    elsewhere_safe = explain(y=Made(amplified(1e-3, extreme=0.5)))
    assert (elsewhere_safe.verdict, elsewhere_safe.cause) == ("agrees", "ill-conditioned")
    assert "no comparison can prove" in elsewhere_safe.notes[0]
    assert "no comparison can prove" not in elsewhere_safe.explanation


def test_noise_that_makes_another_answer_leaves_the_verdict_to_pictures() -> None:
    elsewhere_right = explain(y=Made(amplified(1e-7, noise=0.5)))
    assert (elsewhere_right.verdict, elsewhere_right.cause) == ("agrees", "ill-conditioned")
    assert elsewhere_right.explanation.endswith("the verdict is that of the other feeds.")
    assert elsewhere_right.comparisons[0].verdict == "agrees"
    elsewhere_safe = explain(y=Made(amplified(1e-3, noise=0.5)))
    assert (elsewhere_safe.verdict, elsewhere_safe.cause) == ("agrees", "ill-conditioned")
    assert "judge it by accuracy" in elsewhere_safe.explanation
    assert elsewhere_safe.notes[-1].endswith("the verdict is that of the other feeds.")
    chaotic = explain(y=Made(amplified(0.5)))
    assert (chaotic.verdict, chaotic.cause) == ("unproven", "ill-conditioned")


def test_another_top_1_counts_on_its_own_kind_of_feed() -> None:
    found = explain(y=Made(amplified(1e-3), tie=("extreme",)))
    assert (found.verdict, found.cause) == ("agrees", "ill-conditioned")
    (note,) = found.notes
    assert note.startswith("on extremes alone: ")
    assert "It changes the answer" in note


@pytest.mark.parametrize("kind", ["drawn", "extreme"])
@pytest.mark.parametrize(("side", "cause"), [("graph", "converter"), ("backend", "runtime")])
def test_noise_that_makes_another_answer_hides_no_fault(side: str, cause: str, kind: str) -> None:
    made = Made(amplified(1e-7, noise=0.5))
    setattr(made, side, on(kind, 1e-3))
    found = explain(y=made)
    assert (found.verdict, found.cause) == ("differs", cause), found.explanation


def test_whole_numbers_that_rounding_changes_prove_nothing() -> None:
    class Rounded(Made):
        def moved(
            self, *faults: Move, rounded: bool = True, dtype: type = np.float32
        ) -> list[Array]:
            del dtype
            return [
                np.rint(3 * item).astype(np.int64)
                for item in super().moved(*faults, rounded=rounded)
            ]

    found = explain(y=Rounded(amplified(0.05)))
    assert (found.verdict, found.cause) == ("unproven", "ill-conditioned"), found.explanation
    assert "values are not equal; rounding alone makes another answer" in found.reason


def test_what_could_not_have_failed_is_unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(
        reference: list[Array],
        error_scale: ErrorScale,
        limit: float,
        agrees: Callable[[list[Array]], bool],
    ) -> Sensitivity:
        return Sensitivity(refused_at=4.0, refused=False, accepted_at=0.25, accepted=True)

    made = Made(amplified(1e-3))
    monkeypatch.setattr(amplified_kinds, "prove_sensitivity", blind)
    found = explain(y=made)
    assert (found.verdict, found.cause) == ("unproven", "ill-conditioned")
    assert "a disturbed float64 answer was not told apart" in found.reason
