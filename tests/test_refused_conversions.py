"""What a conversion that fails says: whose fault it is, by which operator, and what helps."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faulty_finish
import narrow_networks
import pytest

from paddleport.convert import Conversion, cached_onnx, convert, onnx_attempt
from paddleport.convert.paddle2onnx.export import export_raw
from paddleport.convert.paddle2onnx.pir_normalization import DEFAULTS
from paddleport.convert.paddle2onnx.supported import refuse_quantised, refuse_quantised_to_integers
from paddleport.errors import ConversionError, SettledConversionError
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.models.resolve import resolve
from paddleport.worker import Worker

pytestmark = pytest.mark.conversion
TIMEOUT_S = 120

Converted = Callable[..., Conversion]


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(preload=("paddle",)) as found:
        yield found


@pytest.fixture
def converted(worker: Worker, tmp_path: Path) -> Converted:
    """Converts a network of ``narrow_networks``."""

    def run(name: str, **options: Any) -> Conversion:
        model = worker.call(narrow_networks.save, TIMEOUT_S, name, tmp_path)
        return convert(resolve(model.path), tmp_path / "done.onnx", **options)

    return run


def refusal(converted: Converted, name: str, **options: Any) -> str:
    with pytest.raises(ConversionError) as caught:
        converted(name, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert "another --opset may help" not in message
    return message


@pytest.mark.slow
def test_a_size_is_advised_that_helps_and_it_does(converted: Converted) -> None:
    assert refusal(converted, "pooled") == (
        "Paddle2ONNX does not convert the adaptive operator pool2d where the size of its input is "
        "free. Fix the size, which helps: --shape x=1,3,224,224"
    )
    done = converted("pooled", shapes={"x": (1, 3, 64, 96)})
    assert done.verdict == "agrees"
    assert done.narrowed == ("the size is fixed at 64x96 by pool2d, Paddle takes any",)
    (spec,) = onnx_tensors(done.artifact.path)[0]
    assert spec.shape == (None, 3, 64, 96), "the batch stays free"
    assert done.artifact.provenance["steps"][0]["options"]["fixed"] == {"x": [None, 3, 64, 96]}


@pytest.mark.slow
def test_a_size_that_had_to_be_fixed_is_kept_beside_another(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    model = worker.call(narrow_networks.save, TIMEOUT_S, "pooled", tmp_path)
    source, paths = resolve(model.path), []
    for shape in ((1, 3, 64, 96), (1, 3, 32, 32), (1, 3, 64, 96), (1, 3, 32, 32)):
        found = cached_onnx(source, shapes={"x": shape})
        assert onnx_tensors(found.path)[0][0].shape == (None, *shape[1:])
        paths.append(found.path)
    assert paths[:2] == paths[2:]


def test_an_operator_is_named_as_paddles(converted: Converted) -> None:
    message = refusal(converted, "repeated")
    assert message.startswith("Paddle2ONNX writes the operator repeat_interleave wrong, and the ")
    assert message.endswith("Fix the size, which helps: --shape x=1,8")


@pytest.mark.slow
def test_what_a_fixed_batch_helps(converted: Converted) -> None:
    done = converted("repeated", shapes={"x": (1, 8)})
    assert done.verdict == "agrees"
    assert done.narrowed == (
        "the batch and the size are fixed at x [1, 8] by repeat_interleave, Paddle takes any",
    )


@pytest.mark.slow
def test_paddle_is_asked_before_the_converter_is_blamed(converted: Converted) -> None:
    message = refusal(converted, "in fives")
    assert message.startswith("nothing to compare with: native Paddle does not run this model")
    assert "Paddle2ONNX" not in message


@pytest.mark.slow
def test_a_shape_that_paddle_has_no_number_for_is_not_the_converters_fault(
    converted: Converted,
) -> None:
    assert refusal(converted, "strided", shapes={"x": (1, 3, 2, 2)}) == (
        "nothing to compare with: native Paddle itself computes no finite number on x "
        "[1, 3, 2, 2], which --shape asks for. Give --shape what the model is made for"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("export", "advice"),
    [
        (faulty_finish.only_at_13, ". --opset 13 works"),
        (faulty_finish.nowhere, ". No file was written: write that part of the network "),
    ],
)
def test_an_opset_is_advised_that_was_tried(
    export: object, advice: str, converted: Converted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_attempt, "export_raw", export)
    message = refusal(converted, "plain")
    assert message.startswith("Paddle2ONNX gets the operator relu wrong")
    assert advice in message


@pytest.mark.slow
def test_what_onnxslim_spoils_is_taken_as_it_was(
    converted: Converted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_attempt, "finish", faulty_finish.spoilt_by_onnxslim)
    done = converted("plain")
    assert done.verdict == "agrees"
    assert done.onnx_facts is not None
    assert done.onnx_facts.not_simplified.startswith("what onnxslim gives fails: ")
    assert "NoSuchOperator" in done.onnx_facts.not_simplified
    assert [item["step"] for item in done.artifact.provenance["steps"]] == ["Paddle2ONNX"]


@pytest.mark.slow
def test_an_assignment_to_a_slice_is_simplified(converted: Converted) -> None:
    done = converted("assigned")
    assert done.verdict == "agrees"
    assert done.onnx_facts is not None
    assert done.onnx_facts.not_simplified == ""


@pytest.mark.parametrize(
    "operator", ["fake_quantize_dequantize_moving_average_abs_max", "fake_channel_wise_x_quantize"]
)
def test_a_quantised_program_is_told_the_way(operator: str) -> None:
    with pytest.raises(SettledConversionError, match="with --precision int8") as caught:
        refuse_quantised(["conv2d", operator])
    assert operator in str(caught.value)
    refuse_quantised(["conv2d", "quantize_linear"])


@pytest.mark.parametrize(("largest", "refused"), [(127, True), (448, False), (57344, False)])
def test_quantising_to_integers_is_refused_and_to_8_bit_floats_not(
    largest: int, refused: bool
) -> None:
    limit = {"N": "qmax", "AT": {"#": "0.a_i32", "D": largest}}
    op = {"#": "1.quantize_linear", "A": [limit], "I": [], "O": []}
    document = {"program": {"regions": [{"blocks": [{"args": [], "ops": [op]}]}]}}
    if not refused:
        refuse_quantised_to_integers(document)
        return
    with pytest.raises(SettledConversionError, match=r"quantised \(operator quantize_linear\)"):
        refuse_quantised_to_integers(document)


def save_without_attributes(folder: Path) -> Artifact:
    """An old program of a ``round`` and a ``leaky_relu`` from before they had attributes."""
    import paddle
    from paddle.base.layer_helper import LayerHelper

    paddle.enable_static()
    static: Any = paddle.static
    main = static.Program()
    with static.program_guard(main, static.Program()):
        x = static.data("x", [-1, 8], "float32")
        value = x
        for kind in ("round", "leaky_relu"):
            helper: Any = LayerHelper(kind)
            result = helper.create_variable_for_type_inference("float32")
            helper.append_op(type=kind, inputs={"X": [value]}, outputs={"Out": [result]})
            value = result
    for operator in main.global_block().ops:
        for name in ("decimals", "alpha"):
            if name in operator.attr_names:
                operator.desc.remove_attr(name)
    content = static.serialize_program([x], [value], program=main)
    (folder / "program.pdmodel").write_bytes(content)
    return paddle_artifact(folder / "program.pdmodel", None, "protobuf")


def test_an_old_program_gets_the_attributes_it_lacks(worker: Worker, tmp_path: Path) -> None:
    with Worker(environ={"FLAGS_enable_pir_api": "0"}) as old:
        model: Artifact = old.call(save_without_attributes, TIMEOUT_S, tmp_path)
    raw = worker.call(export_raw, TIMEOUT_S, model, tmp_path, opset=17)
    assert raw.fixups == (f"{DEFAULTS}: round decimals, leaky_relu alpha",)
