"""Normalisation in the graph: the same bits, refused where it can't be, its faults found."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import small_network
from engines import rtx_engine, wanted_for
from onnx import TensorProto, helper, numpy_helper
from planted_embed import FAULTS, PIXELS, RULES, embedded, finish_with

from paddleport.convert import convert, onnx_attempt
from paddleport.convert.embed import embed_preprocess, pixel_input
from paddleport.convert.prepare import Prepared, fed_shapes
from paddleport.errors import FeedError, UsageError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.onnx.graph_walk import normalisation_nodes
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.models.preprocess import Preprocess
from paddleport.models.resolve import SourceModel, resolve
from paddleport.models.synthetic.samples import draw_picture
from paddleport.runners import runner_class
from paddleport.runners.preprocessing.prepare_image import fed_picture, preprocess_image
from paddleport.runners.runner_options import Precision, RunnerOptions
from paddleport.tensors import ShapeRange, TensorSpec

pytestmark = pytest.mark.slow

YML = """
PreProcess:
  transform_ops:
    - ResizeImage: {resize_short: 12}
    - CropImage: {size: 9}
    - NormalizeImage: {scale: 1.0/255.0, mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4], order: ''}
    - ToCHWImage:
"""
BATCHES = ("--batch-size", "2")  # of three pictures: the last one is not full
ODD = Preprocess(
    resize_short=30,
    crop=(16, 25),
    scale=1 / 3,
    mean=(103.53, 116.28, 123.675),
    std=(57.375, 57.12, 58.395),
    channels="BGR",
)

BY_PILLOW = replace(ODD, resize_backend="pil", interpolation="bicubic")


@pytest.fixture
def source(small_pir: Artifact) -> SourceModel:
    return replace(resolve(small_pir.path.parent), preprocess=RULES, preprocess_unknown="")


def identity(opset: int, shape: tuple[int | str | None, ...]) -> onnx.ModelProto:
    """A graph that gives what it is fed."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "identity",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, None, None])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)


@pytest.mark.parametrize("rules", [Preprocess(), ODD, BY_PILLOW])
@pytest.mark.parametrize("opset", [7, 13, 21])
def test_the_network_is_fed_the_same_bits(tmp_path: Path, rules: Preprocess, opset: int) -> None:
    proto = identity(opset, ("N", 3, None, None))
    proto.ir_version = 10 if opset == 21 else 4
    embed_preprocess(proto, rules)
    onnx.checker.check_model(proto, full_check=True)
    path = tmp_path / "identity.onnx"
    onnx.save(proto, str(path))
    height, width = rules.size or (0, 0)
    (spec,), _ = onnx_tensors(path)
    assert spec == TensorSpec("x", "uint8", (None, height, width, 3))
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    pictures = [draw_picture(index, (240, 260)) for index in range(2)]
    pixels = np.stack([fed_picture(picture, rules, spec) for picture in pictures])
    wanted = np.stack([preprocess_image(picture, rules) for picture in pictures])
    options = RunnerOptions(threads=1)
    with runner_class("onnxruntime")(onnx_artifact(path), options) as runner:
        assert runner.run({"x": pixels})["y"].tobytes() == wanted.tobytes()
    for backend in ("openvino", "reference"):
        with runner_class(backend)(onnx_artifact(path), options) as runner:
            found = runner.run({"x": pixels})["y"]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_the_steps_can_be_seen_and_names_do_not_collide() -> None:
    proto = identity(13, (2, 3, 9, 9))
    proto.graph.node[0].name = "x.scaled"
    embed_preprocess(proto, RULES)
    operators = [node.op_type for node in proto.graph.node]
    assert operators == ["Cast", "Transpose", "Mul", "Sub", "Div", "Identity"]
    names = [node.name for node in proto.graph.node]
    assert names.count("x.scaled") == 1
    assert len(set(names)) == len(names)
    assert [item.dim_value for item in proto.graph.input[0].type.tensor_type.shape.dim] == [
        *(2, 9, 9, 3)
    ]


def test_what_reads_the_input_in_a_body_reads_the_normalised_one(tmp_path: Path) -> None:
    given = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, 9, 9])
    one = helper.make_graph([helper.make_node("Neg", ["x"], ["a"])], "one", [], [given])
    one.output[0].name = "a"
    other = helper.make_graph([helper.make_node("Identity", ["x"], ["b"])], "other", [], [given])
    other.output[0].name = "b"
    proto = identity(13, ("N", 3, 9, 9))
    del proto.graph.node[:]
    proto.graph.node.append(
        helper.make_node("If", ["yes"], ["y"], then_branch=one, else_branch=other)
    )
    proto.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    embed_preprocess(proto, RULES)
    onnx.save(proto, str(tmp_path / "if.onnx"))
    picture = draw_picture(0, (20, 20))
    pixels = fed_picture(picture, RULES, PIXELS)[None]
    with runner_class("onnxruntime")(
        onnx_artifact(tmp_path / "if.onnx"), RunnerOptions()
    ) as runner:
        found = runner.run({"x": pixels})["y"][0]
    assert np.array_equal(found, -preprocess_image(picture, RULES))


@pytest.mark.parametrize(
    ("inputs", "rules", "said"),
    [
        ([TensorSpec("x", "float32", (None, 3, 9, 9))], None, r"needs to know .*\(why\)"),
        ([TensorSpec("x", "float32", (None, 3, None, None))], Preprocess(crop=None), "fixed size"),
        ([TensorSpec("x", "float32", (None, 3, 9, 8))], RULES, r"\[\?, 3, 9, 9\].*\[\?, 3, 9, 8\]"),
        ([TensorSpec("x", "float32", (None, 1, 9, 9))], RULES, "takes x"),
        ([TensorSpec("x", "float32", (None, 243))], RULES, "takes x"),
        ([TensorSpec("x", "float16", (None, 3, 9, 9))], RULES, "takes x float16"),
        ([PIXELS], RULES, "takes x uint8"),
        (
            [TensorSpec("x", "float32", (None, 4, 224, 224))],
            Preprocess(channel_num=4),
            "three channels, and this model is fed with 4: leave it out",
        ),
        ([TensorSpec("x", "float32", (1, 3, 9, 9)), PIXELS], RULES, "one input"),
        ([], RULES, "takes nothing"),
    ],
)
def test_models_that_cannot_embed_are_refused(
    inputs: list[TensorSpec], rules: Preprocess | None, said: str
) -> None:
    with pytest.raises(UsageError, match=f"--embed-preprocess .*{said}"):
        pixel_input(inputs, rules, "why")


def test_a_conversion_says_how_it_is_fed(source: SourceModel, tmp_path: Path) -> None:
    done = convert(source, tmp_path / "model.onnx", embed_preprocess=True)
    assert done.onnx_facts is not None
    assert (done.verdict, done.onnx_facts.pixels) == ("agrees", PIXELS)
    model = done.artifact
    assert model.preprocess == RULES
    assert model.input_format == "uint8 NHWC after the crop, channels RGB; normalised inside"
    assert model.provenance["embedded_preprocess"] is True
    assert "--embed-preprocess" in model.provenance["command"]


def test_a_conversion_on_a_given_picture(source: SourceModel, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 9, 9, 3), np.uint8)
    done = convert(source, tmp_path / "x.onnx", embed_preprocess=True, feed={"x": pixels})
    assert (done.verdict, done.feeds) == ("agrees", ("given",))
    with pytest.raises(FeedError, match="got float32, and the file normalises pictures itself"):
        convert(source, tmp_path / "y.onnx", embed_preprocess=True, feed=small_network.feed(1))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_conversion_differs(
    source: SourceModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(onnx_attempt, "finish", partial(finish_with, fault))
    done = convert(source, tmp_path / "model.onnx", embed_preprocess=True)
    assert (done.verdict, done.path) == ("differs", None)


def test_ranges_are_turned() -> None:
    ready = Prepared(
        title="",
        model=onnx_artifact(Path("x")),
        inputs=(PIXELS,),
        preprocess=RULES,
        labels=None,
        warning="",
    )
    wide = ShapeRange((1, 9, 9, 3), (4, 9, 9, 3), (8, 9, 9, 3))
    assert fed_shapes(ready, runner_class("tensorrt"), 4)["x"] == wide
    assert fed_shapes(ready, runner_class("openvino"), 4)["x"] == ShapeRange.only((4, 9, 9, 3))
    assert fed_shapes(ready, runner_class("onnxruntime"), 4) == {}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_tensorrt_rtx_builds_it(small_onnx: Artifact, tmp_path: Path, precision: Precision) -> None:
    model = embedded(small_onnx, tmp_path / "model.onnx")
    engine = rtx_engine(model.path, wanted_for(model.path, precision))
    assert engine.facts.inputs[0] == PIXELS
    kept = "kept in fp32: 1 Cast, 1 Div, 1 Mul, 1 Sub, 1 Transpose"
    assert engine.facts.notes == (() if precision == "fp32" else (kept,))


def test_the_nodes_of_a_normalisation() -> None:
    proto = identity(13, ("N", 3, 9, 9))
    assert normalisation_nodes(proto) == ()
    embed_preprocess(proto, RULES)
    proto.graph.node[5].name = "network"
    steps = ("x.float", "x.nchw", "x.scaled", "x.centred", "x.normalised")
    assert normalisation_nodes(proto) == steps
    proto.graph.node[0].op_type = "Relu"
    assert normalisation_nodes(proto) == ()


def test_convert_reports_the_embedded_input(small_pir: Artifact, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    shutil.copytree(small_pir.path.parent, folder)
    (folder / "inference.yml").write_text(YML)
    arguments = ["convert", str(folder), "--embed-preprocess"]
    told_in_words = paddleport(*arguments, cwd=tmp_path)
    assert "input      uint8 [?, 9, 9, 3] RGB, normalised inside" in told_in_words
    assert [file.name for file in tmp_path.glob("*.onnx")] == ["net.pixels.onnx"], "not the plain"
    arguments += ["-o", str(tmp_path / "net.onnx")]
    told = json.loads(paddleport(*arguments, "--json"))
    assert (told["embedded_preprocess"], told["input"]) == (True, "uint8 [?, 9, 9, 3] RGB")
    refused = paddleport("convert", str(small_pir.path.parent), "--embed-preprocess", code=2)
    assert refused == ""


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_run_answers_with_it_as_without(tmp_path: Path, backend: str) -> None:
    pictures = [str(tmp_path / f"{index}.png") for index in range(3)]
    for index, picture in enumerate(pictures):
        cv2.imwrite(picture, draw_picture(index, (300, 400)))
    answers = []
    for words in ((), ("--embed-preprocess",)):
        file = str(tmp_path / f"{len(words)}.onnx")
        paddleport("convert", "MobileNetV2_x0_25", "-w", "seeded", "-o", file, *words)
        answers.append(
            json.loads(paddleport("run", file, *pictures, "-b", backend, *BATCHES, "--json"))
        )
    for plain, inside in zip(*answers, strict=True):
        one, other = plain["predictions"], inside["predictions"]
        assert [item["index"] for item in one] == [item["index"] for item in other]
        for left, right in zip(one, other, strict=True):
            assert abs(left["score"] - right["score"]) <= 1.1e-5  # of five decimals


def paddleport(*arguments: str, code: int = 0, cwd: Path | None = None) -> str:
    """What the command prints to standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "paddleport", *arguments],
        env={**os.environ, "PADDLEPORT_OFFLINE": "1"},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == code, done.stderr
    return done.stdout
