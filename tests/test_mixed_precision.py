"""models/onnx/mixed_precision: what is cast, what stays, and the numbers of each format."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from paddleport.convert import convert
from paddleport.errors import UsageError
from paddleport.models.onnx.mixed_precision.half_model import HalfModel, cast_to_half
from paddleport.models.onnx.mixed_precision.half_numbers import to_half_bits
from paddleport.models.resolve import resolve

F32, F16, BF16, I64 = 1, 10, 16, 7
Feed = dict[str, Any]


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """Inputs and outputs split at blanks; ``-`` is left out. The node is called as its op."""
    names = ["" if name == "-" else name for name in inputs.split()]
    name = attributes.pop("name", op)
    return helper.make_node(op, names, outputs.split(), name=name, **attributes)


def f32(values: Any) -> Any:
    return np.asarray(values, np.float32)


def model(
    nodes: list[onnx.NodeProto],
    outputs: dict[str, int],
    weights: dict[str, Any] | None = None,
    *,
    inputs: dict[str, tuple[int, list[int | str]]] | None = None,
    opset: int = 17,
    check: bool = True,
) -> onnx.ModelProto:
    inputs = {"x": (F32, [1, 4, 8, 8])} if inputs is None else inputs
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, *spec) for name, spec in inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        [numpy_helper.from_array(np.asarray(item), key) for key, item in (weights or {}).items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    if check:
        inferred = onnx.shape_inference.infer_shapes(proto).graph.output
        del proto.graph.output[:]
        proto.graph.output.extend(inferred)
    for item in proto.graph.output:
        if not item.type.tensor_type.HasField("shape"):
            item.type.tensor_type.shape.dim.add().dim_param = f"some_{item.name}"
    helper.set_model_props(proto, {"paddleport.labels": "[]"})
    if check:
        onnx.checker.check_model(proto, full_check=True)
    return proto


def fp16(proto: onnx.ModelProto, **options: Any) -> HalfModel:
    """Cast, and hold the result against ONNX's checker with its strict type inference."""
    before = proto.SerializeToString(deterministic=True)
    done = cast_to_half(proto, "fp16", **options)
    assert proto.SerializeToString(deterministic=True) == before
    onnx.checker.check_model(done.proto, full_check=True)
    names = [name for item in done.proto.graph.node for name in item.output]
    names += [item.name for item in done.proto.graph.initializer]
    assert len(names) == len(set(names))
    return done


def run(proto: onnx.ModelProto, feed: Feed) -> list[Any]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    results: list[Any] = session.run(None, feed)
    return results


def agrees(proto: onnx.ModelProto, done: HalfModel, feed: Feed, tolerance: float = 4e-3) -> None:
    for wanted, found in zip(run(proto, feed), run(done.proto, feed), strict=True):
        assert found.dtype == wanted.dtype
        assert found.shape == wanted.shape
        scale = max(1.0, float(np.abs(wanted).max()))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * scale)


def types(proto: onnx.ModelProto) -> dict[str, int]:
    """The element type of every value of the main graph, by ONNX's own inference."""
    graph = onnx.shape_inference.infer_shapes(proto, strict_mode=True).graph
    found = {
        item.name: item.type.tensor_type.elem_type
        for item in (*graph.input, *graph.output, *graph.value_info)
    }
    return found | {item.name: item.data_type for item in graph.initializer}


def ops(proto: onnx.ModelProto) -> Counter[str]:
    return Counter(item.op_type for item in proto.graph.node)


def by_name(proto: onnx.ModelProto, name: str) -> onnx.NodeProto:
    (found,) = [item for item in proto.graph.node if item.name == name]
    assert isinstance(found, onnx.NodeProto)
    return found


def picture(seed: int = 0, shape: tuple[int, ...] = (1, 4, 8, 8)) -> Any:
    return np.random.Generator(np.random.PCG64(seed)).normal(size=shape).astype(np.float32)


def conv_net() -> onnx.ModelProto:
    generator = np.random.Generator(np.random.PCG64(1))
    weights = {
        "w": generator.normal(0, 0.2, (4, 4, 3, 3)).astype(np.float32),
        "b": generator.normal(size=4).astype(np.float32),
        "shape": np.array([1, -1]),
        "m": generator.normal(0, 0.1, (256, 5)).astype(np.float32),
    }
    nodes = [
        node("Conv", "x w b", "c", pads=[1, 1, 1, 1]),
        node("Relu", "c", "r"),
        node("Add", "r x", "a"),
        node("Reshape", "a shape", "f"),
        node("MatMul", "f m", "s"),
        node("Softmax", "s", "y"),
    ]
    return model(nodes, {"y": F32, "a": F32}, weights)


def test_a_conv_net_computes_in_float16_between_float32_borders() -> None:
    proto = conv_net()
    done = fp16(proto)
    assert (done.clamped, done.kept, done.precision) == ((), {}, "fp16")
    found = types(done.proto)
    assert {found[name] for name in ("c", "r", "a_half", "f", "s", "y_half")} == {F16}
    assert {found[name] for name in ("w_half", "b_half", "m_half", "x_half")} == {F16}
    assert {found[name] for name in ("x", "y", "a")} == {F32}
    assert found["shape"] == I64
    assert [item.name for item in done.proto.graph.output] == ["y", "a"]
    assert not done.proto.graph.value_info
    assert done.proto.metadata_props == proto.metadata_props
    assert ops(done.proto)["Cast"] == 3
    assert by_name(done.proto, "Reshape").input[0] == "a_half"  # the output is read inside too
    agrees(proto, done, {"x": picture()})


def widened(tensor: onnx.TensorProto) -> Any:
    """A bfloat16 tensor in float32, for ``to_array`` gives what depends on onnx's version."""
    assert tensor.data_type == BF16
    wide = np.frombuffer(tensor.raw_data, "<u2").astype(np.uint32) << 16
    return wide.view(np.float32).reshape(tensor.dims)


def test_bfloat16_holds_the_weights_rounded_to_nearest_even() -> None:
    proto = conv_net()
    done = cast_to_half(proto, "bf16")
    by_type = Counter(item.data_type for item in done.proto.graph.initializer)
    assert by_type == {BF16: 3, I64: 1}
    weights = {item.name: item for item in proto.graph.initializer}
    for item in done.proto.graph.initializer:
        if item.data_type == BF16:
            exact = numpy_helper.to_array(weights[item.name.removesuffix("_half")])
            error = np.abs(widened(item) - exact)
            assert np.all(error <= np.abs(exact) * 2.0**-8)
            assert np.any(error > 0)
    to = [item.attribute[0].i for item in done.proto.graph.node if item.op_type == "Cast"]
    assert sorted(to) == [F32, F32, BF16]
    assert [item.type.tensor_type.elem_type for item in done.proto.graph.input] == [F32]


def test_bfloat16_in_the_reference_evaluator() -> None:
    nodes = [node("Add", "x w", "a"), node("Mul", "a a", "y")]
    proto = model(nodes, {"y": F32}, {"w": f32(1.00390625)}, inputs={"x": (F32, [3])})
    done = cast_to_half(proto, "bf16")
    onnx.checker.check_model(done.proto, full_check=True)
    kinds = types(done.proto)
    assert (kinds["a"], kinds["w_half"], kinds["y"]) == (BF16, BF16, F32)
    (weight,) = done.proto.graph.initializer
    assert widened(weight) == 1.0  # a tie, to even
    (cast,) = [item for item in done.proto.graph.node if list(item.output) == ["x_half"]]
    alone = helper.make_graph(
        [cast, helper.make_node("Cast", ["x_half"], ["z"], to=F32)],
        "g",
        done.proto.graph.input,
        [helper.make_tensor_value_info("z", F32, [3])],
    )
    opset = [helper.make_opsetid("", 17)]
    (found,) = ReferenceEvaluator(helper.make_model(alone, opset_imports=opset)).run(
        None, {"x": f32([1.0078125, -3.0, 300.0])}
    )
    np.testing.assert_array_equal(np.asarray(found, np.float32), [1.0078125, -3.0, 300.0])


def bits_of(values: Any, precision: Any) -> list[float]:
    bits = to_half_bits(np.asarray(values, np.float32), precision)
    if precision == "fp16":
        return [float(item) for item in bits.view(np.float16)]
    wide = (bits.astype(np.uint32) << 16).view(np.float32)
    return [float(item) for item in wide]


def test_numbers_of_float16() -> None:
    found = bits_of([1e5, -7e4, 65519, np.inf, -np.inf, 1e-9, -1e-9, 0, 1 / 3], "fp16")
    least = 2.0**-24
    assert found[:8] == [65504, -65504, 65504, np.inf, -np.inf, least, -least, 0]
    assert found[8] == float(np.float16(1 / 3))
    assert np.isnan(bits_of([np.nan], "fp16")[0])
    assert to_half_bits(f32(2), "fp16").shape == ()


def test_numbers_of_bfloat16() -> None:
    largest = float(np.uint32(0x7F7F0000).view(np.float32))
    top = float(np.finfo(np.float32).max)
    found = bits_of([top, -top, np.inf, -np.inf, 0.0, 1e-45], "bf16")
    assert found == [largest, -largest, np.inf, -np.inf, 0.0, 2.0**-133]
    # halfway between two: to the one with the even last bit; a hair above: up
    ties = np.array([0x3F808000, 0x3F818000, 0x3F808001, 0x3F807FFF], np.uint32).view(np.float32)
    assert to_half_bits(ties, "bf16").tolist() == [0x3F80, 0x3F82, 0x3F81, 0x3F80]
    nans = np.array([0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF], np.uint32).view(np.float32)
    assert np.isnan(bits_of(nans, "bf16")).all()
    assert to_half_bits(f32(2), "bf16").shape == ()


def test_values_beyond_the_range_are_clamped_and_named() -> None:
    weights = {"big": f32([1e9]), "eps": f32([1e-12]), "inf": f32([np.inf])}
    nodes = [
        node("Constant", "", "k", value_float=-1e6),
        node("Max", "x eps", "a"),
        node("Max", "a k", "b", name="Max2"),
        node("Min", "b big inf", "y"),
    ]
    done = fp16(model(nodes, {"y": F32}, weights))
    assert done.clamped == ("k", "big")
    stored = {item.name: numpy_helper.to_array(item) for item in done.proto.graph.initializer}
    assert stored["big_half"] == 65504
    assert stored["eps_half"] == np.float16(2.0**-24)
    assert np.isinf(stored["inf_half"])


def test_a_weight_used_twice_is_stored_once_and_a_constant_is_cast_in_place() -> None:
    nodes = [
        node("Constant", "", "k", value=numpy_helper.from_array(f32([2, 3]))),
        node("Constant", "", "ks", value_floats=[4.0, 5.0], name="Constant2"),
        node("Constant", "", "n", value_ints=[2], name="Constant3"),
        node("Add", "x w", "a"),
        node("Mul", "a w", "b"),
        node("Mul", "b k", "c", name="Mul2"),
        node("Mul", "c ks", "d", name="Mul3"),
        node("Reshape", "d n", "y"),
    ]
    proto = model(nodes, {"y": F32}, {"w": f32([1, 2])}, inputs={"x": (F32, [2])})
    done = fp16(proto)
    assert [item.name for item in done.proto.graph.initializer] == ["w_half"]
    assert ops(done.proto) == ops(proto) + Counter(Cast=2)
    agrees(proto, done, {"x": f32([1, 2])})


def test_inputs_that_only_float32_may_feed() -> None:
    scales = {"s": f32([1, 1, 2, 2])}
    nodes = [
        node("Resize", "x - s", "r", mode="linear"),
        node("Mul", "s s", "q"),
        node("ReduceSum", "q", "t", keepdims=0),
        node("Mul", "r t", "y", name="Mul2"),
    ]
    proto = model(nodes, {"y": F32}, scales)
    done = fp16(proto)
    found = types(done.proto)
    assert (found["s"], found["s_half"], found["r"]) == (F32, F16, F16)  # both are needed
    assert done.kept == {}
    agrees(proto, done, {"x": picture()})


def test_computed_scales_are_cast_in_front() -> None:
    nodes = [node("Relu", "z", "s"), node("Resize", "x - s", "y", mode="nearest")]
    inputs: Any = {"x": (F32, [1, 4, 8, 8]), "z": (F32, [4])}
    done = fp16(model(nodes, {"y": F32}, inputs=inputs))
    assert by_name(done.proto, "Resize").input[2] == "s_fp32"
    assert types(done.proto)["s"] == F16


def test_operators_without_float16_stay() -> None:
    nodes = [
        node("Relu", "x", "r"),
        node("CumSum", "r axis", "c"),
        node("Celu", "c", "d"),
        node("Neg", "d", "y"),
    ]
    proto = model(nodes, {"y": F32}, {"axis": np.array(1)}, opset=13)
    done = fp16(proto)
    assert set(done.kept) == {"CumSum", "Celu"}
    assert "no float16" in done.kept["CumSum"]
    found = types(done.proto)
    assert (found["r"], found["r_fp32"], found["c"], found["d"]) == (F16, F32, F32, F32)
    assert found["d_half"] == F16
    assert ops(done.proto)["Cast"] == 4  # none between the two that stay
    agrees(proto, done, {"x": picture()})


def test_nodes_asked_for_stay() -> None:
    proto = conv_net()
    done = fp16(proto, keep=["MatMul", "Softmax"])
    assert done.kept == {"MatMul": "asked for", "Softmax": "asked for"}
    found = types(done.proto)
    assert (found["m"], found["s"], found["y"], found["f"]) == (F32, F32, F32, F16)
    agrees(proto, done, {"x": picture()})
    with pytest.raises(UsageError, match=r"unknown node 'MatMull'. Did you mean 'MatMul'"):
        cast_to_half(proto, "fp16", keep=["MatMull"])


@pytest.mark.parametrize("opset", [13, 19])
def test_quantised_graphs(opset: int) -> None:
    weights = {"s": f32(0.05), "z": np.int8(3)}
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("Relu", "d", "y"),
    ]
    proto = model(nodes, {"y": F32}, weights, opset=opset)
    done = fp16(proto)
    found = types(done.proto)
    if opset < 19:
        assert set(done.kept) == {"QuantizeLinear", "DequantizeLinear"}
        assert (found["d"], found["d_half"], found["s"]) == (F32, F16, F32)
    else:
        assert done.kept == {}
        assert (found["d"], found["s_half"]) == (F16, F16)
    agrees(proto, done, {"x": picture()}, 0.02)


def test_a_scale_that_float16_would_blunt_stays() -> None:
    nodes = [node("DequantizeLinear", "x s", "d"), node("Relu", "d", "y")]
    inputs: Any = {"x": (6, [4])}  # int32, as biases are
    proto = model(nodes, {"y": F32}, {"s": f32(1.3e-6)}, inputs=inputs, opset=19)
    assert "normal range" in fp16(proto).kept["DequantizeLinear"]
    assert cast_to_half(proto, "bf16").kept == {}


def test_types_that_nodes_state() -> None:
    nodes = [
        node("Cast", "i", "f", to=F32),
        node("ConstantOfShape", "n", "z"),
        node(
            "ConstantOfShape",
            "n",
            "o",
            name="Ones",
            value=numpy_helper.from_array(f32([1])),
        ),
        node("Sum", "f z o", "s"),
        node("Cast", "s", "y", name="Out", to=F32),
        node("Cast", "i", "v", name="Straight", to=F32),
    ]
    inputs: Any = {"i": (I64, [2])}
    proto = model(nodes, {"y": F32, "v": F32}, {"n": np.array([2])}, inputs=inputs)
    done = fp16(proto)
    found = types(done.proto)
    assert {found[name] for name in "fzos"} == {F16}
    assert ops(done.proto)["Cast"] == 3  # an output that is cast already needs no second one
    agrees(proto, done, {"i": np.array([3, 70001 % 7])})
    (_, straight) = run(done.proto, {"i": np.array([2049, 100001])})
    assert straight.tolist() == [2049, 100001]


def test_types_that_random_numbers_state() -> None:
    nodes = [
        node("RandomNormal", "", "e", shape=[2]),
        node("RandomNormalLike", "i", "g", dtype=F32),
        node("EyeLike", "m", "h", dtype=F32),
        node("RandomUniformLike", "x", "k"),
        node("HannWindow", "n", "t"),
        node("Sum", "e g h k t", "y"),
    ]
    inputs: Any = {"i": (I64, [2]), "m": (I64, [2, 2]), "x": (F32, [2]), "n": (I64, [])}
    done = fp16(model(nodes, {"y": F32}, inputs=inputs))
    assert {types(done.proto)[name] for name in "eghkt"} == {F16}
    assert done.kept == {}
    whole = fp16(model(nodes, {"y": F32}, inputs=inputs), keep=[item.name for item in nodes])
    assert {types(whole.proto)[name] for name in "eghkt"} == {F32}
    assert ops(whole.proto)["Cast"] == 0


def test_what_takes_any_type_gets_no_cast() -> None:
    nodes = [node("Shape", "x", "n"), node("Cast", "x", "y", to=I64)]
    done = fp16(model(nodes, {"n": I64, "y": I64}, inputs={"x": (F32, ["n"])}))
    assert ops(done.proto) == Counter(Shape=1, Cast=1)
    assert run(done.proto, {"x": f32([2049, 100001])})[1].tolist() == [2049, 100001]


def test_a_stored_number_that_becomes_an_integer_is_not_rounded_first() -> None:
    nodes = [node("Cast", "w", "i", to=I64), node("Mul", "x w", "y")]
    proto = model(nodes, {"i": I64, "y": F32}, {"w": f32([100001])}, inputs={"x": (F32, [1])})
    done = fp16(proto)
    assert run(done.proto, {"x": f32([0.5])})[0].tolist() == [100001]


def test_numbers_from_shapes_stay_exact() -> None:
    nodes = [
        node("Relu", "x", "r"),
        node("Shape", "r", "n"),
        node("Cast", "n", "f", to=F32),
        node("Mul", "f two", "m"),
        node("Cast", "m", "k", name="Back", to=I64),
        node("Div", "r f", "y"),
    ]
    proto = model(
        nodes,
        {"k": I64, "y": F32},
        {"two": f32(2)},
        inputs={"x": (F32, ["n"])},
    )
    done = fp16(proto)
    assert set(done.kept) == {"Cast", "Mul", "Back"}
    assert by_name(done.proto, "Shape").input[0] == "r"
    assert types(done.proto)["f_half"] == F16
    agrees(proto, done, {"x": np.ones(2049, np.float32)})
    assert run(done.proto, {"x": np.ones(2049, np.float32)})[0].tolist() == [4098]


def test_outputs_that_nothing_computes() -> None:
    nodes = [
        node("Identity", "w", "i"),
        node("Constant", "", "k", value_float=0.1),
        node("Add", "x k", "y"),
        node("Add", "y w", "z", name="Add2"),
    ]
    outputs = dict.fromkeys(("x", "w", "k", "i", "y", "z"), F32)
    proto = model(nodes, outputs, {"w": f32([1e-9])}, inputs={"x": (F32, [1])})
    done = fp16(proto)
    feed = {"x": f32([0.3])}
    x, w, k, *_ = run(done.proto, feed)
    assert (x, w, k) == (f32(0.3), f32(1e-9), f32(0.1))  # untouched
    agrees(proto, done, feed)


def test_an_input_only_for_what_stays_is_not_cast() -> None:
    nodes = [node("CumSum", "x axis", "c"), node("Neg", "c", "y")]
    done = fp16(model(nodes, {"y": F32}, {"axis": np.array(1)}, opset=13))
    assert "x" in by_name(done.proto, "CumSum").input
    assert types(done.proto).get("x_half") is None


def test_weights_listed_as_inputs() -> None:
    scales = {"s": f32([1, 1, 2, 2]), "w": picture(3)}
    inputs: Any = {"x": (F32, [1, 4, 8, 8]), "w": (F32, [1, 4, 8, 8]), "s": (F32, [4])}
    nodes = [
        node("Add", "x w", "a"),
        node("Resize", "a s", "r", mode="nearest"),
        node("ReduceMax", "s", "t", keepdims=0),
        node("Mul", "r t", "y"),
    ]
    proto = model(nodes, {"y": F32}, scales, inputs=inputs, opset=10)
    proto.ir_version = 3
    done = fp16(proto)
    listed = {item.name: item.type.tensor_type.elem_type for item in done.proto.graph.input}
    assert listed == {"x": F32, "w_half": F16, "s": F32, "s_half": F16}
    agrees(proto, done, {"x": picture()})


def test_names_are_unique() -> None:
    nodes = [node("Neg", "x", "x_half", name="Cast_x_half"), node("Add", "x_half x", "y")]
    proto = model(nodes, {"y": F32}, inputs={"x": (F32, [1])})
    done = fp16(proto)
    labels = [item.name for item in done.proto.graph.node]
    assert len(set(labels)) == len(labels)
    agrees(proto, done, {"x": f32([4])})


def test_other_types_are_left_alone() -> None:
    nodes = [
        node("Cast", "x", "d", to=TensorProto.DOUBLE),
        node("Mul", "d w", "e"),
        node("Cast", "e", "f", name="Back", to=F32),
        node("Where", "q f x", "g"),
        node("Neg", "g", "y"),
    ]
    weights = {"w": np.float64(1.5), "q": np.array([True, False])}
    proto = model(nodes, {"y": F32}, weights, inputs={"x": (F32, [2])})
    done = fp16(proto)
    found = types(done.proto)
    assert (found["w"], found["e"], found["f"], found["q"]) == (11, 11, F16, 9)
    agrees(proto, done, {"x": f32([1, 2])})


def test_foreign_operators_and_unknown_types_stay() -> None:
    foreign = node("FusedThing", "a", "b")
    foreign.domain = "com.example"
    nodes = [
        node("Relu", "x", "a"),
        foreign,
        node("Neg", "b", "c"),
        node("Add", "c x", "y"),
    ]
    proto = model(nodes, {"y": F32}, check=False)
    proto.opset_import.append(helper.make_opsetid("com.example", 1))
    done = cast_to_half(proto, "fp16")
    assert by_name(done.proto, "FusedThing").input[0] == "a_fp32"
    # b could be anything, but what is added to x is a float
    assert "com.example" in done.kept["FusedThing"]
    assert set(done.kept) <= {"FusedThing", "Neg"}
    assert "Add" not in done.kept
    lone = model([node("Relu", "x", "a"), foreign, node("Neg", "b", "c")], {"c": I64}, check=False)
    assert cast_to_half(lone, "fp16").proto.graph.output[0].type.tensor_type.elem_type == I64


def test_sequences_stay() -> None:
    nodes = [
        node("Relu", "x", "r"),
        node("SequenceConstruct", "r x", "q"),
        node("SequenceAt", "q i", "s"),
        node("Neg", "s", "y"),
    ]
    proto = model(nodes, {"y": F32}, {"i": np.array(0)})
    done = fp16(proto)
    assert set(done.kept) == {"SequenceConstruct", "SequenceAt"}
    agrees(proto, done, {"x": picture()})


def value(name: str, kind: int = 0, shape: Any = None) -> onnx.ValueInfoProto:
    if not kind:
        return helper.make_empty_tensor_value_info(name)
    return helper.make_tensor_value_info(name, kind, shape)


def branches() -> onnx.ModelProto:
    """An If whose branches read an outer value, an outer weight and a weight of their own."""
    own = numpy_helper.from_array(f32([0.5]), "own")
    yes = helper.make_graph(
        [node("Mul", "r w", "t"), node("CumSum", "t axis", "u"), node("Add", "u own", "v")],
        "yes",
        [],
        [value("v", F32), value("u", F32)],
        [own],
    )
    no = helper.make_graph(
        [node("Constant", "", "k", value_float=3.0), node("Mul", "r k", "p", name="Mul2")],
        "no",
        [],
        [value("p", F32), value("r2", F32)],
    )
    no.node.append(node("Identity", "x", "r2"))
    nodes = [
        node("Relu", "x", "r"),
        node("If", "c", "a b", then_branch=yes, else_branch=no),
        node("Add", "a b", "y"),
    ]
    inputs: Any = {"x": (F32, [4]), "c": (9, [])}
    weights = {"w": f32([1.1]), "axis": np.array(0)}
    return model(nodes, {"y": F32, "r": F32}, weights, inputs=inputs, opset=13)


@pytest.mark.parametrize("keep", [(), ("If",), ("Mul", "Identity"), ("Relu",)])
def test_branches(keep: tuple[str, ...]) -> None:
    proto = branches()
    done = fp16(proto, keep=keep)
    assert set(keep) <= set(done.kept)
    choice = by_name(done.proto, "If")
    (yes,) = [item.g for item in choice.attribute if item.name == "then_branch"]
    kinds = {item.name: item.type.tensor_type.elem_type for item in yes.output}
    assert set(kinds.values()) == ({F32} if keep == ("If",) else {F16})
    if keep != ("If",):
        assert [item.data_type for item in yes.initializer] == [F16]
        assert "CumSum" in done.kept
    for c in (True, False):
        agrees(proto, done, {"x": picture(2, (4,)), "c": np.array(c)})


def test_what_a_body_that_stays_captures_is_not_rounded_first() -> None:
    yes, no = (
        helper.make_graph([node("Identity", "f", name)], name, [], [value(name, F32)])
        for name in ("yes", "no")
    )
    nodes = [
        node("Cast", "i", "f", to=F32),
        node("If", "c", "a", then_branch=yes, else_branch=no),
        node("Cast", "a", "k", name="Back", to=I64),
        node("Neg", "f", "y"),
    ]
    inputs: Any = {"i": (I64, [1]), "c": (9, [])}
    done = fp16(model(nodes, {"k": I64, "y": F32}, inputs=inputs), keep=["If"])
    found, _ = run(done.proto, {"i": np.array([2049]), "c": np.array(True)})
    assert found.tolist() == [2049]
    assert types(done.proto)["f_half"] == F16


def loop(body_kind: int) -> onnx.ModelProto:
    body = helper.make_graph(
        [
            node("Identity", "go", "on"),
            node("Mul", "v r", "v2"),
            node("Cast", "at", "f", to=F32),
            node("Add", "v2 f", "s"),
        ],
        "body",
        [value("at", I64, []), value("go", 9, []), value("v", body_kind)],
        [value("on", 9, []), value("v2", body_kind), value("s", body_kind)],
    )
    nodes = [
        node("Sigmoid", "x", "r"),
        node("Loop", "n yes x", "y z", body=body),
        node("Neg", "z", "w"),
    ]
    weights = {"n": np.array(3), "yes": np.array(True)}
    return model(nodes, {"y": F32, "w": F32}, weights, inputs={"x": (F32, [4])}, check=False)


@pytest.mark.parametrize("body_kind", [F32, 0])
@pytest.mark.parametrize("keep", [(), ("Loop",)])
def test_loops(body_kind: int, keep: tuple[str, ...]) -> None:
    proto = loop(body_kind)
    done = cast_to_half(proto, "fp16", keep=keep)
    assert set(done.kept) == set(keep)
    (body,) = [item.g for item in by_name(done.proto, "Loop").attribute]
    kind = body.output[1].type.tensor_type.elem_type
    assert kind == (body_kind if keep else F16)
    agrees(proto, done, {"x": picture(2, (4,))})


def test_a_scan() -> None:
    body = helper.make_graph(
        [node("Add", "state item", "next"), node("Mul", "next w", "out")],
        "body",
        [value("state", F32), value("item", F32)],
        [value("next", F32), value("out", F32)],
    )
    nodes = [node("Scan", "s x", "y z", body=body, num_scan_inputs=1), node("Neg", "z", "q")]
    inputs: Any = {"s": (F32, [2]), "x": (F32, [3, 2])}
    proto = model(nodes, {"y": F32, "q": F32}, {"w": f32([0.3])}, inputs=inputs)
    done = fp16(proto)
    assert done.kept == {}
    agrees(proto, done, {"s": picture(1, (2,)), "x": picture(2, (3, 2))})


def test_outputs_that_stay_float32_by_schema() -> None:
    nodes = [node("LayerNormalization", "x g", "a mean"), node("Add", "a mean", "y")]
    proto = model(nodes, {"y": F32}, {"g": np.ones(8, np.float32)})
    done = fp16(proto)
    found = types(done.proto)
    assert (found["a"], found["mean"], found["mean_half"]) == (F16, F32, F16)
    assert done.kept == {}
    agrees(proto, done, {"x": picture()})


def test_what_tensorrt_refuses_in_bfloat16_stays() -> None:
    proto = model([node("HardSwish", "x", "h"), node("Neg", "h", "y")], {"y": F32})
    assert "TensorRT" in cast_to_half(proto, "bf16").kept["HardSwish"]
    assert fp16(proto).kept == {}


@pytest.mark.slow
def test_a_real_model_in_half_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    source = resolve("MobileNetV2_x0_25", weights="seeded")
    proto = onnx.load(convert(source, tmp_path / "model.onnx", opset=11).artifact.path)
    done = fp16(proto)
    assert done.kept == {}
    assert F32 not in {item.data_type for item in done.proto.graph.initializer}
    feed = {proto.graph.input[0].name: picture(5, (1, 3, 224, 224))}
    (wanted,), (found,) = run(proto, feed), run(done.proto, feed)
    wanted, found = np.log(wanted), np.log(np.maximum(found, 1e-30))
    error = np.sqrt(np.mean((found - wanted) ** 2)) / np.std(wanted)
    assert 0 < error < 1e-2
