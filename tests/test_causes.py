"""The division of blame, on evidence made up so that each branch can be seen to be taken."""

import math
from dataclasses import replace

import pytest

from paddleport.validate.diagnose.causes import name_cause
from paddleport.validate.diagnose.difference_evidence import Evidence
from paddleport.validate.diagnose.output_patterns import BatchDependence

ROUNDING = 3e-6
BASE = Evidence(
    backend="openvino",
    format="onnx",
    computes_in="fp32",
    limit=1e-4,
    error=1e-2,
    from_float64=1e-2,
    reference_from_float64=2e-6,
    rounding=ROUNDING,
    own_rounding=ROUNDING,
    feeds=("sample 0",),
    ranking="Top-1 is the same in all 8 rows.",
)
PLACE = BatchDependence(feed="batch of 3", row=1, picture="sample 2", error=0.1)


@pytest.mark.parametrize(
    ("changes", "cause", "telling"),
    [
        ({}, "runtime", "computes the graph otherwise"),
        ({"reference_from_float64": 1e-2, "from_float64": 3e-6}, "converter", "another model"),
        ({"reference_from_float64": 1e-2}, "converter", "1.0e-02 from that graph"),
        ({"reference_from_float64": math.inf, "from_float64": 0.0}, "converter", "another model"),
        ({"from_float64": math.inf}, "runtime", "not comparable"),
        ({"computes_in": "bf16", "own_rounding": 2e-3}, "precision", "bf16"),
        ({"computes_in": "bf16", "own_rounding": 5e-4}, "runtime", "otherwise"),
        ({"fits_precision": "bf16"}, "runtime", "though it says that it computes in fp32"),
        ({"imitates": "channels swapped"}, "preprocessing", "channels swapped"),
        ({"repeat": 1e-2}, "nondeterminism", "Two runs of openvino"),
        ({"repeat": 9e-5}, "runtime", "otherwise"),
        ({"reference_repeat": 0.5}, "nondeterminism", "The reference itself"),
        ({"overwritten": True}, "runtime", "its own buffer"),
        ({"batch_dependence": PLACE}, "batching", "position 1 of 'batch of 3'"),
        (
            {
                "batch_dependence": PLACE,
                "float64_batch_dependence": PLACE,
                "reference_from_float64": 0.1,
            },
            "converter",
            "another model",
        ),
        (
            {"from_float64": None, "reference_from_float64": None, "no_float64": "Foo is unknown"},
            "undetermined",
            "Foo is unknown",
        ),
        (
            {"from_float64": 4e-3, "reference_from_float64": 8e-3, "rounding": 5e-3},
            "ill-conditioned",
            "Nobody is to blame",
        ),
        (
            {"from_float64": 0.9, "reference_from_float64": 1.1, "rounding": 0.8},
            "ill-conditioned",
            "no comparison can prove",
        ),
        # Paddle twice, with other kernels, is the better measure of rounding: both ways
        (
            {"from_float64": 2e-5, "reference_from_float64": 2.5e-4, "rounding": 3e-5,
             "observed_rounding": 2e-5},
            "converter",
            "another model",
        ),
        (
            {"from_float64": 2e-5, "reference_from_float64": 2.5e-4, "rounding": 1e-5,
             "observed_rounding": 2e-4},
            "ill-conditioned",
            "2.0e-04 from itself",
        ),
        # it confirms the imitation, which counts in full: a graph with folded weights rounds more
        (
            {"from_float64": 2e-4, "reference_from_float64": 5e-4, "rounding": 6e-5,
             "observed_rounding": 1.2e-4},
            "ill-conditioned",
            "1.2e-04 from itself",
        ),
        (
            {"from_float64": 2e-4, "reference_from_float64": 7e-4, "rounding": 6e-5,
             "observed_rounding": 1.2e-4},
            "converter",
            "another model",
        ),
        # unless those kernels are at fault themselves
        (
            {"from_float64": 2e-5, "reference_from_float64": 0.2, "rounding": 1e-5,
             "observed_rounding": 0.2},
            "converter",
            "another model",
        ),
        # worse than the reference by far, so it is the runtime's own, whatever the model does
        (
            {"from_float64": 2e-2, "reference_from_float64": 1e-4, "rounding": 3e-3},
            "runtime",
            "otherwise",
        ),
        # the reference is as far as rounding explains, so the graph is right
        (
            {"from_float64": 0.5, "reference_from_float64": 8e-3, "rounding": 5e-3},
            "runtime",
            "otherwise",
        ),
        (
            {"from_float64": 0.5, "reference_from_float64": 8e-3, "rounding": 5e-3,
             "target": "openvino", "from_file": 0.5, "file_from_float64": 9e-3},
            "runtime",
            "otherwise",
        ),
        # a batch is summed in another order, which such a model amplifies
        (
            {"from_float64": 4e-3, "reference_from_float64": 8e-3, "rounding": 5e-3,
             "batch_dependence": replace(PLACE, error=5e-3)},
            "ill-conditioned",
            "as exact as Paddle",
        ),
        (
            {"from_float64": 4e-3, "reference_from_float64": 8e-3, "rounding": 5e-3,
             "batch_dependence": PLACE},
            "batching",
            "position 1 of 'batch of 3'",
        ),
        (
            {"from_float64": 4e-3, "reference_from_float64": 8e-3, "rounding": 5e-3,
             "top1_changes": 1, "ranking": "Top-1 changed in 1 of 8 rows."},
            "ill-conditioned",
            "It changes the answer, so nothing is proven. Top-1 changed in 1 of 8 rows.",
        ),
        # of two chaotic answers one may be nearer by chance
        (
            {"from_float64": 47.0, "reference_from_float64": 1.0, "rounding": 46.0},
            "ill-conditioned",
            "no comparison can prove",
        ),
        # rounding explains a part, and the graph is another model all the same
        (
            {"from_float64": 1e-3, "reference_from_float64": 0.3, "rounding": 1e-3},
            "converter",
            "another model",
        ),
        ({"format": "paddle", "from_float64": 1e-6, "reference_from_float64": 1e-2},
         "undetermined", "suspect the reference"),
    ],
)  # fmt: skip
def test_evidence_gives_each_cause(changes: dict[str, object], cause: str, telling: str) -> None:
    found, explanation = name_cause(replace(BASE, **changes))  # type: ignore[arg-type]  # a table
    assert found == cause
    assert telling in explanation


def test_whether_top_1_is_safe_is_said() -> None:
    evidence = replace(BASE, from_float64=4e-3, reference_from_float64=8e-3, rounding=5e-3)
    assert "Top-1 is the same in all 8 rows" in name_cause(evidence)[1]
