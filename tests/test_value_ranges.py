"""What is drawn for integer inputs: the rows that a program's tables have, in either format."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import index_networks
import numpy as np
import pytest
from conftest import skip_or_fail
from index_networks import POSITIONS, WORDS

from paddleport.convert.pipeline import convert
from paddleport.models.paddle.program_graph import ProgramGraph
from paddleport.models.resolve import SourceModel, resolve
from paddleport.tensors import TensorSpec
from paddleport.validate.feeds.made_feed import made_feed
from paddleport.validate.feeds.make_feeds import make_feeds
from paddleport.validate.feeds.value_ranges import ValueRange, input_ranges
from paddleport.validate.feeds.value_roles import roles
from paddleport.validate.parity.validation import validate
from paddleport.validate.parity.validation_plan import Plan
from paddleport.worker import Worker

FORMATS = ("pir", "protobuf")
WORD, PLACE = ValueRange(0, WORDS - 1), ValueRange(0, POSITIONS - 1)
LENGTHS = {"tokens": WORD, "count": ValueRange(1, None, "length")}
EXPECTED = {
    "two token types": ({"input_ids": WORD, "token_type_ids": ValueRange(0, 1)}, POSITIONS),
    "four token types": ({"input_ids": WORD, "token_type_ids": ValueRange(0, 3)}, POSITIONS),
    "mask and positions": (
        {
            "input_ids": WORD,
            "token_type_ids": ValueRange(0, 1),
            "position_ids": PLACE,
            "keep": ValueRange(0, 1, "mask"),
        },
        None,
    ),
    "positions past padding": ({"input_ids": WORD}, POSITIONS - 2),
    "shifted": ({"ids": ValueRange(0, 3)}, None),
    "from one": ({"ids": ValueRange(1, 3)}, None),
    "clipped": ({}, None),
    "remainder": ({"ids": ValueRange(0, 5)}, None),
    "narrow and joined": ({"ids": ValueRange(0, 3)}, None),
    "added": ({"a": ValueRange(0, 1), "b": ValueRange(0, 1)}, None),
    "gathered": ({"ids": ValueRange(0, 4)}, None),
    "selected": ({"ids": ValueRange(0, 3)}, None),
    "by two axes": ({"ids": ValueRange(0, 2)}, None),
    "one hot": ({"ids": ValueRange(0, 2)}, None),
    "lengths": (LENGTHS, None),
    "longest length": (LENGTHS | {"count": ValueRange(1, None, "full length")}, None),
    "boolean mask": (LENGTHS | {"count": ValueRange(0, 1, "mask")}, None),
    "in a loop": ({"ids": ValueRange(0, 4)}, None),
    "of floats": ({"ids": ValueRange(0, 3)}, None),
    "a size": ({"ids": WORD, "size": ValueRange(1, 8, "size")}, None),
}


@pytest.fixture(scope="module", params=FORMATS)
def saved(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Worker]]:
    """The networks' folder, and a process that has Paddle in it."""
    if find_spec("paddle") is None:
        skip_or_fail("paddle", "paddlepaddle is not installed")
    folder = tmp_path_factory.mktemp(request.param)
    pir = request.param == "pir"
    with Worker(environ={"FLAGS_enable_pir_api": str(int(pir))}) as worker:
        worker.call(index_networks.save_all, 300, str(folder), pir)
        yield folder, worker


def source_of(folder: Path, name: str) -> SourceModel:
    return resolve(str(folder / name))


@pytest.mark.parametrize("name", EXPECTED)
def test_ranges_are_those_of_the_tables(saved: tuple[Path, Worker], name: str) -> None:
    found = input_ranges(source_of(saved[0], name))
    assert (dict(found.values), found.longest) == EXPECTED[name]


def test_native_paddle_takes_all_that_is_made_up(saved: tuple[Path, Worker]) -> None:
    folder, worker = saved
    refused = {}
    for name in EXPECTED:
        source = source_of(folder, name)
        feeds = make_feeds(source.program.inputs, ranges=input_ranges(source))
        tensors = [feed.tensors for feed in feeds]
        refused[name] = worker.call(index_networks.native_faults, 60, source.model, tensors)
    assert not {name: faults for name, faults in refused.items() if faults}


def test_without_ranges_native_paddle_refuses_them(saved: tuple[Path, Worker]) -> None:
    """So that the test above is known to be able to fail."""
    folder, worker = saved
    for name in ("two token types", "four token types", "gathered", "from one", "one hot"):
        source = source_of(folder, name)
        tensors = [feed.tensors for feed in make_feeds(source.program.inputs)]
        assert worker.call(index_networks.native_faults, 60, source.model, tensors), name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two token types", "four token types"])
def test_a_bert_is_converted_and_validated(
    saved: tuple[Path, Worker], tmp_path: Path, name: str
) -> None:
    source = source_of(saved[0], name)
    done = convert(source, tmp_path / "bert.onnx")
    assert done.verdict == "agrees", done.explanation
    plan = Plan(backends=("onnxruntime", "openvino"), seconds_each=0.0, quick=True)
    report = validate(source, done.artifact, plan)
    assert report.verdict == "agrees", [(row.name, row.reason) for row in report.rows]


def test_all_rows_of_a_table_are_drawn() -> None:
    ids = TensorSpec("ids", "int64", (1, 200))
    drawn = made_feed([ids], 0, {"ids": ValueRange(1, 3)}).tensors["ids"]
    assert set(drawn.flat) == {1, 2, 3}
    assert set(made_feed([ids], 0).tensors["ids"].flat) == set(range(8)), "nothing is known"
    small = TensorSpec("ids", "int8", (1, 200))
    assert made_feed([small], 0, {"ids": ValueRange(0, 30_000)}).tensors["ids"].max() <= 127


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_a_mask_leaves_something(dtype: str) -> None:
    mask = TensorSpec("mask", dtype, (50, 2))
    for index in range(3):
        drawn = made_feed([mask], index, {"mask": ValueRange(0, 1, "mask")}).tensors["mask"]
        assert drawn[:, 0].all()
        assert set(np.unique(drawn[:, 1])) == {0, 1}


@pytest.mark.parametrize(
    ("beside", "longest"),
    [((4, 16), 16), ((4, 16, 80), 16), ((4, 80, 16), 16), ((4, 3, 224, 224), 8), ((4, 1), 8)],
)
def test_lengths_are_those_of_the_input_beside_it(beside: tuple[int, ...], longest: int) -> None:
    specs = [TensorSpec("x", "float32", beside), TensorSpec("n", "int32", (40,))]
    drawn = made_feed(specs, 0, {"n": ValueRange(1, None, "length")}).tensors["n"]
    assert drawn.max() == longest
    assert drawn.min() == (longest // 2 if longest == 16 else 1)
    whole = made_feed(specs, 0, {"n": ValueRange(1, None, "full length")}).tensors["n"]
    assert whole[0] == longest


def test_names_say_what_the_graph_does_not() -> None:
    graph = ProgramGraph(inputs={}, shapes={}, parameters=frozenset(), operations=())
    names = ["attention_mask", "input_mask_ids", "seq_len", "lengths", "text_lengths", "seqlen"]
    names += ["masked_positions", "silence", "mask_token", "talent"]
    found = roles(graph, {}, names)
    assert found == dict.fromkeys(names[:2], "mask") | dict.fromkeys(names[2:6], "length")
