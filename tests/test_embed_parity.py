"""A file that normalises its pictures itself, held against Paddle like any other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from planted_embed import FAULTS, PIXELS, RULES, embedded
from plugin import install

from paddleport.errors import FeedError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.onnx.onnx_file import read_onnx_model, read_onnx_proto
from paddleport.models.resolve import SourceModel, resolve
from paddleport.models.synthetic.samples import draw_picture
from paddleport.runners.preprocessing.prepare_image import preprocess_image
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import ShapeRange, TensorSpec
from paddleport.validate import Plan, validate
from paddleport.validate.benchmark.timed_backend import jpeg_of
from paddleport.validate.bisect import locate
from paddleport.validate.feeds.make_feeds import make_feeds
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.feeds.onnx_feeds import OnnxFeeds
from paddleport.validate.feeds.pixel_feeds import given_pixels
from paddleport.validate.hosted_runner import HostedRunner
from paddleport.validate.parity.parity_report import BackendRow, ParityReport
from paddleport.validate.parity.validation import save_worst, validate_on_feeds

pytestmark = pytest.mark.slow

TURNS = """
import numpy as np

from paddleport.runners.onnxruntime.ort_runner import OnnxRuntimeRunner


class Turns(OnnxRuntimeRunner):
    name = "turns"

    def infer(self, feed):
        return super().infer({"x": np.ascontiguousarray(feed["x"][..., ::-1])})
"""


@pytest.fixture
def source(small_pir: Artifact) -> SourceModel:
    return replace(resolve(small_pir.path.parent), preprocess=RULES, preprocess_unknown="")


def by_name(report: ParityReport) -> dict[str, BackendRow]:
    return {row.name: row for row in report.rows}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_file_is_the_converters(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path, fault: str
) -> None:
    model = embedded(small_onnx, tmp_path / "model.onnx", fault)
    plan = Plan(backends=("onnxruntime",), seconds_each=0, quick=True, locate=True, threads=1)
    row = by_name(validate(source, model, plan))["onnxruntime"]
    assert (row.verdict, row.cause) == ("differs", "converter"), row.explanation
    assert row.located is not None
    assert row.located.side == "converter"
    if fault == "channels":  # the right value is there, and turned afterwards
        assert "the ONNX graph parts at Gather 'turn'" in row.located.sentence
    else:
        assert row.located.sentence.startswith("the file normalises pictures itself, from Cast")
        assert row.located.operator == "Div"


def test_every_runner_agrees(source: SourceModel, small_onnx: Artifact, tmp_path: Path) -> None:
    model = embedded(small_onnx, tmp_path / "model.onnx")
    plan = Plan(
        backends=("onnxruntime", "openvino", "reference"), seconds_each=0, quick=True, threads=1
    )
    report = validate(source, model, plan)
    rows = by_name(report)
    assert {name: row.verdict for name, row in rows.items()} == {
        "paddle plain": "reference",
        "onnxruntime": "agrees",
        "openvino": "agrees",
        "reference": "agrees",
    }
    kinds = {feed.kind for feed in report.feeds}
    assert kinds == {"picture", "noise", "extreme", "batch"}
    for name in ("onnxruntime", "openvino"):
        assert any("8-bit pictures" in note for note in rows[name].notes)


def test_it_is_timed_from_a_jpeg(small_onnx: Artifact, tmp_path: Path) -> None:
    opened = HostedRunner(
        "onnxruntime", embedded(small_onnx, tmp_path / "model.onnx"), RunnerOptions()
    )
    jpeg = jpeg_of(
        NamedFeed(name="a", kind="picture", tensors={}, picture=draw_picture(0, (20, 30))), RULES
    )
    assert len(opened.time_from_jpeg_ms(jpeg, RULES, 2, 0.001, 0.0)) > 0


def test_locate_finds_nothing_and_feeds_pixels(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path
) -> None:
    model = embedded(small_onnx, tmp_path / "model.onnx")
    assert locate(source, model, "onnxruntime", RunnerOptions()) == ()


def test_a_fault_behind_the_normalisation_is_not_blamed_on_it(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path
) -> None:
    proto = read_onnx_proto(embedded(small_onnx, tmp_path / "model.onnx").path)
    kernel = next(item for item in proto.graph.initializer if item.name == "kernel")
    spoilt = numpy_helper.to_array(kernel).copy()
    spoilt[1, 0] *= 2
    kernel.CopyFrom(numpy_helper.from_array(spoilt, "kernel"))
    onnx.save(proto, str(tmp_path / "spoilt.onnx"))
    model = read_onnx_model(tmp_path / "spoilt.onnx")
    (located,) = locate(source, model, "onnxruntime", RunnerOptions())
    assert (located.side, located.operator) == ("converter", "pd_op.conv2d")


def test_a_runtime_that_swaps_channels_is_not_the_converter(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "planted", monkeypatch, "planted_pixels", TURNS, ["Turns"])
    model = embedded(small_onnx, tmp_path / "model.onnx")
    plan = Plan(backends=("turns",), seconds_each=0, quick=True)
    row = by_name(validate(source, model, plan))["turns"]
    assert (row.verdict, row.cause) == ("differs", "preprocessing")
    assert "channels swapped" in row.explanation


def test_the_worst_feeds_can_be_fed_again(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path
) -> None:
    model = embedded(small_onnx, tmp_path / "model.onnx", "swapped")
    plan = Plan(backends=("onnxruntime",), seconds_each=0, quick=True)
    done = validate_on_feeds(source, model, plan)
    assert by_name(done.report)["onnxruntime"].cause == "converter"
    saved = save_worst(done, tmp_path / "worst")
    feed = dict(np.load(next(path for path in saved if "noise" in path.name)))
    assert feed["x"].dtype == np.uint8
    (again,) = make_feeds(source.program.inputs, given=feed, pixels=OnnxFeeds(source, model).pixels)
    assert again.tensors["x"].dtype == np.float32
    assert again.to_file["x"] is feed["x"]


def test_a_file_with_other_channels_gets_its_own(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path
) -> None:
    """It turns BGR pixels itself and says BGR: another crop than Paddle's, the same answer."""
    rules = replace(RULES, mean=RULES.mean[::-1], std=RULES.std[::-1], channels="BGR")
    model = embedded(small_onnx, tmp_path / "model.onnx", "channels", rules)
    plan = Plan(backends=("onnxruntime",), seconds_each=0, quick=True)
    assert by_name(validate(source, model, plan))["onnxruntime"].verdict == "agrees"
    pixels = np.random.default_rng(1).integers(0, 256, (1, 9, 9, 3), np.uint8)
    ours = OnnxFeeds(source, model).pixels
    assert ours is not None
    (wanted,) = given_pixels(ours, {"x": pixels}).tensors["x"]
    whole = replace(RULES, resize_short=None, crop=None)
    assert np.array_equal(wanted, preprocess_image(pixels[0], whole))


def test_pixel_feeds_of_another_type_or_size_are_refused(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path
) -> None:
    model = embedded(small_onnx, tmp_path / "model.onnx")
    pixels = OnnxFeeds(source, model).pixels
    assert pixels is not None
    with pytest.raises(FeedError, match=r"the model takes x uint8 \[\?, 9, 9, 3\]"):
        given_pixels(pixels, {"x": np.zeros((1, 3, 9, 9), np.uint8)})
    with pytest.raises(FeedError, match="the feed has 'y'"):
        given_pixels(pixels, {"y": np.zeros((1, 9, 9, 3), np.uint8)})
    with pytest.raises(FeedError, match=r"float32 \[2, 3, 9, 9\]"):
        make_feeds([TensorSpec("x", "float32", (2, 3, 8, 8))], pixels=replace(pixels, spec=PIXELS))
    unknown = replace(source, preprocess=None, preprocess_unknown="no inference.yml")
    with pytest.raises(FeedError, match=r"not known how Paddle's are .*\(no inference.yml\)"):
        OnnxFeeds(unknown, onnx_artifact(model.path))
    assert OnnxFeeds(unknown, model).pixels is not None  # the file says it


def test_ranges_that_are_asked_for_are_paddles(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path
) -> None:
    feeds = OnnxFeeds(source, embedded(small_onnx, tmp_path / "model.onnx"))
    asked = ShapeRange((1, 3, 9, 9), (1, 3, 9, 9), (5, 3, 9, 9))
    assert feeds.ranges({"x": asked})["x"] == ShapeRange((1, 9, 9, 3), (1, 9, 9, 3), (5, 9, 9, 3))
