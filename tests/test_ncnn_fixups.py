"""What pnnx breaks silently or refuses: converted with the fixup, and seen to go wrong without."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from ncnn_models import Sizes, assert_same_as_onnx, made_by_pnnx, node, random, write_graph

from paddleport.convert.ncnn import pnnx_input
from paddleport.errors import ConversionError, FeedError, WorkerCrashed
from paddleport.models.artifact import Artifact
from paddleport.tensors import Array
from paddleport.worker import run_in_worker

pytest.importorskip("ncnn")

UNEVEN = [0, 0, 1, 1]
SAME: dict[str, Any] = {"auto_pad": "SAME_UPPER", "ceil_mode": 1, "count_include_pad": 0}
ATTENTION = [
    node("Reshape", ["x", "five"], ["r"]),
    node("Transpose", ["r"], ["t"], perm=[2, 0, 3, 1, 4]),
]


def part(place: int) -> list[onnx.NodeProto]:
    return [
        node("Slice", ["t", f"at{place}", f"at{place + 1}", "at0"], [f"s{place}"]),
        node("Squeeze", [f"s{place}", "at0"], [f"q{place}"]),
    ]


PLACES = {f"at{place}": np.array([place]) for place in range(4)}
WINDOWS = [
    node("Conv", ["x", "kernel"], ["k"]),
    node("Transpose", ["k"], ["l"], perm=[0, 2, 3, 1]),
    node("Reshape", ["l", "six"], ["w"]),
    node("Transpose", ["w"], ["v"], perm=[0, 1, 3, 2, 4, 5]),
    node("Reshape", ["v", "rows"], ["u"]),
    node("Reshape", ["u", "five"], ["r"]),
    ATTENTION[1],
    *part(0),
    *part(1),
    node("Add", ["q0", "q1"], ["sum"]),
    node("Reshape", ["sum", "masked"], ["m"]),
    node("Add", ["m", "mask"], ["n"]),
    node("Reshape", ["n", "back"], ["o"]),
    node("Reshape", ["o", "whole"], ["y"]),
]
SHUFFLES = [
    node("Reshape", ["x", "g"], ["r"]),
    node("Transpose", ["r"], ["t"], perm=[0, 2, 1, 3, 4]),
    node("Reshape", ["t", "h"], ["s"]),
    node("Transpose", ["s"], ["u"], perm=[0, 2, 1, 3, 4]),
    node("Reshape", ["u", "c"], ["y"]),
]
CASES: dict[str, tuple[Sequence[onnx.NodeProto], Sizes, Sizes, Mapping[str, Any]]] = {
    "every second place": (
        [node("Slice", ["x", "from", "to", "axes", "steps"], ["y"])],
        {"x": ["N", 7, 8, 6]},
        {"y": ["N", 4, 3, 6]},
        {
            "from": np.array([0, 1]),
            "to": np.array([2**31 - 1, 6]),
            "axes": np.array([1, 2]),
            "steps": np.array([2, 2]),
        },
    ),
    "an average over padding to the same size": (
        [node("AveragePool", ["x"], ["y"], kernel_shape=[3, 3], auto_pad="SAME_UPPER")],
        {"x": ["N", 3, 7, 8]},
        {"y": ["N", 3, 7, 8]},
        {},
    ),
    "an average over uneven padding": (
        [
            node("AveragePool", ["x"], ["a"], kernel_shape=[2, 2], strides=[2, 2], pads=UNEVEN),
            node("Relu", ["a"], ["y"]),
        ],
        {"x": ["N", 3, 7, 9]},
        {"y": ["N", 3, 4, 5]},
        {},
    ),
    "a shortcut of ResNet-vd": (
        [node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2], **SAME)],
        {"x": ["N", 3, 8, 8]},
        {"y": ["N", 3, 4, 4]},
        {},
    ),
    "channels in another order": (
        [node("Gather", ["x", "places"], ["y"], axis=1)],
        {"x": ["N", 8, 3, 3]},
        {"y": ["N", 7, 3, 3]},
        {"places": np.array([5, 6, 7, 4, 1, 1, -8])},
    ),
    "a row scattered into channels": (
        [
            node("Shape", ["part"], ["s"]),
            node("Expand", ["places", "s"], ["i"]),
            node("ScatterElements", ["x", "i", "part"], ["y"], axis=1),
        ],
        {"x": ["N", 6, 3, 3], "part": ["N", 2, 3, 3]},
        {"y": ["N", 6, 3, 3]},
        {"places": np.array([1, 2]).reshape(1, 2, 1, 1)},
    ),
    "rows normalised as a batch": (
        [
            node("Reshape", ["x", "rows"], ["r"]),
            node("BatchNormalization", ["r", "g", "b", "m", "v"], ["n"]),
            node("Reshape", ["n", "back"], ["y"]),
        ],
        {"x": ["N", 5, 4]},
        {"y": ["N", 5, 4]},
        {
            "rows": np.array([-1, 4]),
            "back": np.array([-1, 5, 4]),
            **{name: random(4, seed=seed) for seed, name in enumerate("gbm")},
            "v": np.abs(random(4, seed=9)),
        },
    ),
    "query, key and value": (
        [
            *(*ATTENTION, *part(0), *part(1), *part(2)),
            node("Sub", ["q0", "q1"], ["d"]),
            node("Mul", ["d", "q2"], ["y"]),
        ],
        {"x": ["N", 5, 24]},
        {"y": ["N", 2, 5, 4]},
        {"five": np.array([-1, 5, 3, 2, 4]), **PLACES},
    ),
    "attention over shifted windows": (
        WINDOWS,
        {"x": ["N", 12, 4, 6]},
        {"y": ["N", 48, 2]},
        {
            "kernel": random(12, 12, 1, 1),
            "six": np.array([-1, 2, 3, 2, 2, 12]),
            "rows": np.array([-1, 6, 12]),
            "five": np.array([-1, 6, 3, 2, 2]),
            "masked": np.array([-1, 4, 2, 6, 2]),
            "mask": random(1, 4, 1, 6, 2),
            "back": np.array([-1, 2, 6, 2]),
            "whole": np.array([-1, 48, 2]),
            **PLACES,
        },
    ),
    "a shuffle of shuffled channels": (
        SHUFFLES,
        {"x": ["N", 12, 3, 3]},
        {"y": ["N", 12, 3, 3]},
        {
            "g": np.array([-1, 4, 3, 3, 3]),
            "h": np.array([-1, 6, 2, 3, 3]),
            "c": np.array([-1, 12, 3, 3]),
        },
    ),
}


def written(case: str, folder: Path) -> tuple[Artifact, dict[str, Array]]:
    nodes, inputs, outputs, weights = CASES[case]
    feed = {
        name: random(2, *(int(size) for size in shape[1:]), seed=seed)
        for seed, (name, shape) in enumerate(inputs.items())
    }
    return write_graph(folder / "m.onnx", nodes, inputs, outputs, weights), feed


@pytest.mark.parametrize("case", CASES)
def test_it_is_converted(case: str, tmp_path: Path) -> None:
    model, feed = written(case, tmp_path)
    file, made = made_by_pnnx(model)
    assert made.settings["fixups"]
    assert_same_as_onnx(file, model, feed)


def without_fixups(model: Artifact, feed: dict[str, Array]) -> str:
    """How it goes wrong; empty where it does not."""
    vars(pnnx_input)["fix_for_pnnx"] = lambda proto, given: ()
    try:
        file, _ = made_by_pnnx(model)
        assert_same_as_onnx(file, model, feed)
    except (AssertionError, ConversionError, FeedError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_it_goes_wrong_without(case: str, tmp_path: Path) -> None:
    """In a process of its own, since ncnn crashes on some of what pnnx writes."""
    try:
        assert run_in_worker(without_fixups, 60, *written(case, tmp_path))
    except WorkerCrashed as crash:
        assert "SIGSEGV" in crash.reason


def test_what_pnnx_converts_is_left_as_it_is(tmp_path: Path) -> None:
    nodes = [
        *SHUFFLES[:2],
        node("Reshape", ["t", "c"], ["u"]),
        node("Slice", ["u", "from", "to", "axes"], ["p"]),
        node("Gather", ["p", "one"], ["y"], axis=2),
    ]
    weights = {
        "g": np.array([-1, 4, 3, 3, 3]),
        "c": np.array([-1, 12, 3, 3]),
        "from": np.array([2]),
        "to": np.array([7]),
        "axes": np.array([1]),
        "one": np.array(1),
    }
    sizes: Sizes = {"x": ["N", 12, 3, 3]}
    model = write_graph(tmp_path / "m.onnx", nodes, sizes, {"y": ["N", 5, 3]}, weights)
    file, made = made_by_pnnx(model)
    assert made.settings["fixups"] == []
    assert_same_as_onnx(file, model, {"x": random(2, 12, 3, 3)})


@pytest.mark.parametrize("operator", ["Conv", "MaxPool", "AveragePool"])
@pytest.mark.parametrize("padding", ["SAME_UPPER", "SAME_LOWER", "VALID", "uneven", "even"])
def test_every_padding(operator: str, padding: str, tmp_path: Path) -> None:
    """Of odd and even sizes, with an even and an odd window."""
    sides: dict[str, Any] = {"auto_pad": padding} if padding.isupper() else {"pads": UNEVEN}
    sides = {"pads": [1, 1, 1, 1]} if padding == "even" else sides
    weights = {"w": random(2, 3, 3, 2)} if operator == "Conv" else {}
    nodes = [
        node(operator, ["x", *weights], ["y"], kernel_shape=[3, 2], strides=[2, 2], **sides),
    ]
    sizes = {"x": ["N", 3, 7, 8]}
    model = write_graph(tmp_path / "m.onnx", nodes, sizes, {"y": ["N", "C", "H", "W"]}, weights)
    file, _ = made_by_pnnx(model)
    assert_same_as_onnx(file, model, {"x": random(2, 3, 7, 8)})
