"""ncnn's files are read as they are, written back as they were, and damage is one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import planted_ncnn
import pytest

from paddleport.errors import BackendUnavailableError, ModelFileError
from paddleport.models.ncnn.ncnn_file import read_ncnn, write_ncnn
from paddleport.models.ncnn.ncnn_graph import FP16_FLAG, NcnnGraph, NcnnLayer, NcnnWeight
from paddleport.models.ncnn.weight_data import int8_weight, raw_weight

PARAM = """\
7767517
6 7
Input                    in0                      0 1 in0
Convolution              c0                       1 1 in0 1 0=3 1=3 -23310=2,0.,6. 4=1 5=1 6=54 9=3
Split                    splitncnn_0              1 2 1 2 3
HardSwish                act_0                    1 1 2 4 0=1.6666667e-1 1=0.5
Padding                  pad_0                    1 1 3 5 0=1 6=3 7=0
Concat                   cat_0                    2 1 4 5 out0 0=0 20=1,2,-233 21="0w,1h * 2"
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    param, weights = tmp_path / "small.ncnn.param", tmp_path / "small.ncnn.bin"
    param.write_text(PARAM)
    half = np.arange(54, dtype="<f2")
    weights.write_bytes(
        FP16_FLAG.to_bytes(4, "little")
        + half.tobytes()
        + np.arange(3, dtype="<f4").tobytes()
        + np.ones(3, "<f4").tobytes()
    )
    return param, weights


def test_what_was_read_is_written_as_it_was(files: tuple[Path, Path], tmp_path: Path) -> None:
    graph = read_ncnn(*files)
    copies = tmp_path / "copy.ncnn.param", tmp_path / "copy.ncnn.bin"
    write_ncnn(graph, *copies)
    for file, copy in zip(files, copies, strict=True):
        assert copy.read_bytes() == file.read_bytes()


def test_parameters_and_weights_are_read(files: tuple[Path, Path]) -> None:
    graph = read_ncnn(*files)
    conv, act, cat = graph.layers[1], graph.layers[3], graph.layers[5]
    assert conv.integer(0) == 3 and conv.integer(11, 5) == 5
    assert conv.numbers(10) == (0.0, 6.0)
    assert [item.name for item in conv.weights] == ["weight_data", "bias_data"]
    np.testing.assert_array_equal(conv.values("weight_data"), np.arange(54, dtype=np.float32))
    assert act.number(0) == np.float32(1 / 6) and act.number(1) == 0.5
    assert cat.integers(20) == (1, 2, -233) and cat.text(21) == "0w,1h * 2"
    assert graph.results == ("out0",)


def test_numbers_are_what_ncnn_takes_them_for() -> None:
    written = {0: "0", 1: "6", 2: "3.0", 3: "2,0,6", 4: "0,6"}
    layer = NcnnLayer(
        operator="Clip",
        name="clip",
        inputs=(),
        outputs=(),
        parameters=written,
        old_arrays=frozenset({3}),
    )
    assert layer.number(1) == 6 and layer.numbers(3) == layer.numbers(4) == (0, 6)
    assert layer.integer(1) == 6 and layer.integers(3) == (0, 6)
    with pytest.raises(ModelFileError, match=r"layer clip .* 3\.0 as its parameter 2"):
        layer.integer(2)


def test_int8_and_tables_survive(tmp_path: Path) -> None:
    table = NcnnWeight(
        name="weight_data",
        flag=0x01010101,
        stored=np.arange(6, dtype=np.uint8),
        table=np.linspace(-1, 1, 256, dtype=np.float32),
        padding=b"\0\0",
    )
    int8 = int8_weight("weight_data", np.arange(-3, 3))
    head = {0: "2", 2: "6"}
    of_int8 = (
        raw_weight("weight_data_int8_scales", np.ones(2)),
        raw_weight("bottom_blob_int8_scales", np.ones(1)),
    )
    graph = NcnnGraph(
        (
            NcnnLayer(operator="Input", name="in0", inputs=(), outputs=("in0",), parameters={}),
            _product("a", "in0", {**head}, (table,)),
            _product("b", "a", {**head, 8: "2"}, (int8, *of_int8)),
        )
    )
    files = tmp_path / "x.param", tmp_path / "x.bin"
    write_ncnn(graph, *files)
    found = read_ncnn(*files)
    np.testing.assert_array_equal(found.layers[1].values("weight_data"), table.values)
    np.testing.assert_array_equal(found.layers[2].values("weight_data"), np.arange(-3, 3))
    write_ncnn(found, tmp_path / "y.param", tmp_path / "y.bin")
    assert files[1].read_bytes() == (tmp_path / "y.bin").read_bytes()


def _product(
    name: str, source: str, parameters: dict[int, str], weights: tuple[NcnnWeight, ...]
) -> NcnnLayer:
    return NcnnLayer(
        operator="InnerProduct",
        name=name,
        inputs=(source,),
        outputs=(name,),
        parameters=parameters,
        weights=weights,
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("7767517", "7767518", "does not begin with 7767517"),
        ("7767517\n6 7", "7767517\nsix", "no counts"),
        ("6 7", "7 7", "says 7 layers and has 6"),
        ("6 7", "6 8", "says 8 blobs and has 7"),
        ("1 1 2 4 0=", "1 1 9 4 0=", "takes 9, which no layer before it gives"),
        ("1 2 1 2 3", "1 2 1 2 2", "two layers give 2"),
        ("1 2 1 2 3", "1 5 1 2 3", "fewer blobs than it says"),
        ("1 2 1 2 3", "one", "is no layer"),
        ("-23310=2,", "-23310=3,", "the parameter -23310=3,0.,6."),
        ("0=3 1=3", "0=3 1", "for a parameter"),
        ("0=3 1=3", "0=3 77=3", "the parameter 77=3"),
        ("0=3 1=3", "0=3 1=99999999999", "the parameter 1=99999999999"),
        ("6=54", "6=-54", "says -54 for weight_data"),
        ("6=54", "6=55", "is cut off, or belongs to another"),
        ("6=54", "6=4000000000000", "the parameter 6=4000000000000"),
        ("6=3 7=0", "7=0", "bytes more than the layers"),
    ],
)
def test_damage_is_one_line(files: tuple[Path, Path], old: str, new: str, said: str) -> None:
    assert old in PARAM
    files[0].write_text(PARAM.replace(old, new, 1))
    with pytest.raises(ModelFileError) as caught:
        read_ncnn(*files)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_cut_file_is_said_to_be_cut(files: tuple[Path, Path]) -> None:
    whole = files[1].read_bytes()
    for length in (0, 3, 50, len(whole) - 1):
        files[1].write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match="cut off"):
            read_ncnn(*files)


def test_binary_text_and_no_file_are_refused(files: tuple[Path, Path]) -> None:
    files[0].write_bytes(bytes(range(256)))
    with pytest.raises(ModelFileError, match="can't be read"):
        read_ncnn(*files)
    files[0].write_text("")
    with pytest.raises(ModelFileError, match="7767517"):
        read_ncnn(*files)
    with pytest.raises(ModelFileError, match="can't be read"):
        read_ncnn(files[0].with_name("none"), files[1])


def test_a_network_without_weights_has_one_file(files: tuple[Path, Path]) -> None:
    with pytest.raises(ModelFileError, match=r"needs small\.ncnn\.bin beside it, .* layer c0"):
        read_ncnn(files[0], None)
    files[0].write_text("7767517\n2 2\nInput x 0 1 x\nReLU r 1 1 x y\n")
    assert [layer.name for layer in read_ncnn(files[0], None).layers] == ["x", "r"]


def test_a_layer_that_ncnn_does_not_have_is_named(files: tuple[Path, Path]) -> None:
    files[0].write_text(PARAM.replace("HardSwish", "Tensor.slice"))
    with pytest.raises(BackendUnavailableError, match=r"Tensor\.slice \(layer act_0\)"):
        read_ncnn(*files)


@pytest.mark.parametrize(
    ("fault", "operator"),
    [
        (planted_ncnn.other_weight, "Convolution"),
        (planted_ncnn.lost_bias, "Convolution"),
        (planted_ncnn.other_padding, "Convolution"),
        (planted_ncnn.other_activation, "Convolution"),
        (planted_ncnn.swapped_inputs, "Concat"),
        (planted_ncnn.wrong_axis, "Concat"),
    ],
)
def test_a_planted_fault_changes_one_layer(
    files: tuple[Path, Path], fault: Callable[[NcnnLayer], NcnnLayer], operator: str
) -> None:
    before = [file.read_bytes() for file in files]
    layer = planted_ncnn.plant(files[0], fault, operator)
    graph = read_ncnn(*files)
    assert layer.operator == operator and graph.blobs
    assert [file.read_bytes() for file in files] != before
