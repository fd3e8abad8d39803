"""ncnn's runner: what is asked is what runs, and damaged or foreign files are said to be so."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import contract
import numpy as np
import pytest
import small_network
from contract import Subject
from ncnn_models import outputs_of

from paddleport.cli.run_feeds import spec_for_feeds
from paddleport.errors import BackendUnavailableError, FeedError, ModelFileError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.recognize import read_artifact
from paddleport.runners import ncnn as module
from paddleport.runners.layer_values import FileLayer
from paddleport.runners.ncnn import NcnnExtras, NcnnRunner
from paddleport.runners.predictor import PredictorSpec
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import ShapeRange, TensorSpec

ncnn = pytest.importorskip("ncnn")
ALLOCATORS = "allocator"
NOT_OF_NUMBERS = {"kvcache_max_seqlen_hint"}  # of memory


def test_every_option_of_ncnn_is_set() -> None:
    """Also of a version to come: one that nobody has thought of fails here."""
    known = {name for name in dir(ncnn.Option()) if not name.startswith("_")}
    known = {name for name in known if ALLOCATORS not in name} - NOT_OF_NUMBERS
    for precision in NcnnRunner.precisions:
        assert set(module._options(precision, NcnnExtras(), 1, ncnn)) == known


def test_fp32_lowers_nothing() -> None:
    options = module._options("fp32", NcnnExtras(), 2, ncnn)
    assert not any(value for name, value in options.items() if name in module._LOWERING)
    assert options["num_threads"] == 2


def test_an_fp32_runner_that_leaves_fp16_storage_on_is_caught(
    small_ncnn: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ncnn's options, and where those were to lie by the numbers."""
    asked = module._options

    def left_on(*arguments: object) -> dict[str, bool | int]:
        return {**asked(*arguments), "use_fp16_storage": True}  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_options", left_on)
    with pytest.raises(AssertionError, match="asked fp32, got fp16"):
        contract.check_precisions(Subject(NcnnRunner, small_ncnn))
    monkeypatch.setattr(NcnnRunner, "computes_in", "fp32")
    with pytest.raises(AssertionError, match="is wrong by"):
        contract.check_values(Subject(NcnnRunner, small_ncnn))


def test_an_option_that_ncnn_takes_back_is_refused(
    small_ncnn: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does with fp16 arithmetic on a CPU without it."""
    if ncnn.cpu_support_arm_asimdhp():
        pytest.skip("this CPU has fp16 arithmetic")
    asked = module._options
    monkeypatch.setattr(
        module, "_options", lambda *items: {**asked(*items), "use_fp16_arithmetic": True}
    )
    with pytest.raises(BackendUnavailableError, match="use_fp16_arithmetic=True and took False"):
        NcnnRunner(small_ncnn)


def test_lower_precisions_compute_otherwise_or_are_refused(small_ncnn: Artifact) -> None:
    feed = small_network.feed(4)
    plain = outputs_of(small_ncnn, feed)["logits"]
    for precision in ("bf16", "fp16"):
        try:
            lower = outputs_of(small_ncnn, feed, precision=precision)["logits"]
        except BackendUnavailableError as error:
            assert f"no layer of this model in {precision} on this CPU" in str(error)
            continue
        assert not np.array_equal(lower, plain)
    with pytest.raises(BackendUnavailableError, match="is not quantised"):
        NcnnRunner(small_ncnn, RunnerOptions(precision="int8"))


def test_same_bits_for_one_and_two_threads_and_in_a_batch(small_ncnn: Artifact) -> None:
    feed = small_network.feed(5)
    one, two = (outputs_of(small_ncnn, feed, threads=threads) for threads in (1, 2))
    contract.assert_same_bits(two, one)
    with NcnnRunner(small_ncnn) as runner:
        assert runner.notes == ("examples of a batch are run one by one",)
        for place in range(5):
            alone = runner.run({"x": feed["x"][place : place + 1]})
            contract.assert_same_bits(alone, {k: v[place : place + 1] for k, v in one.items()})


@pytest.mark.parametrize("asked", [False, True])
def test_winograd_is_off_unless_it_is_asked_for(small_ncnn: Artifact, asked: bool) -> None:
    extras = {"winograd": "on"} if asked else {}
    with NcnnRunner(small_ncnn, RunnerOptions(extras=extras)) as runner:
        options = cast("NcnnRunner", runner)._net.opt
        assert options.use_winograd_convolution == asked
        assert options.use_winograd63_convolution == asked


def test_layers_and_the_values_between(small_ncnn: Artifact) -> None:
    feed = small_network.feed(3)
    with NcnnRunner(small_ncnn) as opened:
        runner = cast("NcnnRunner", opened)
        layers, whole = runner.layers(), runner.run(feed)
        found = dict(runner.layer_values(feed))
        with pytest.raises(FeedError):
            list(runner.layer_values({"y": feed["x"]}))
    assert layers[0] == FileLayer(
        name="convrelu_0", operator="Convolution", inputs=("x",), outputs=layers[0].outputs
    )
    assert [name for layer in layers for name in layer.outputs] == list(found)
    assert found[layers[0].outputs[0]].shape == (3, 4, 4, 4)
    for name, item in whole.items():
        np.testing.assert_array_equal(found[name], item)
    assert all(item.dtype == np.float32 for item in found.values())


@contextmanager
def foreign(model: Artifact, folder: Path) -> Iterator[Artifact]:
    """The same two files as somebody else's, without what we know of them."""
    files = [folder / f"theirs{'.ncnn' + file.suffix}" for file in model.files]
    for file, copy in zip(model.files, files, strict=True):
        copy.write_bytes(file.read_bytes())
    yield read_artifact(files[0])


def test_a_foreign_file_is_fed_with_a_batch(small_ncnn: Artifact, tmp_path: Path) -> None:
    feed = small_network.feed(2)
    with foreign(small_ncnn, tmp_path) as theirs, NcnnRunner(theirs) as runner:
        assert runner.inputs == (TensorSpec("x", "float32", (None, 3, None, None)),)
        contract.assert_same_bits(runner.run(feed), outputs_of(small_ncnn, feed))
        assert "guessed from its layers" in runner.notes[0]


def test_a_foreign_file_that_does_not_say_its_shape(tmp_path: Path) -> None:
    param = tmp_path / "theirs.param"
    param.write_text("7767517\n2 2\nInput in0 0 1 in0\nReLU r 1 1 in0 out0\n")
    theirs = read_artifact(param)
    with pytest.raises(ModelFileError, match=r"such as --shape in0=1,3,224,224"):
        NcnnRunner(theirs)
    shapes = {"in0": ShapeRange((1, 2, 3), (1, 2, 3), (4, 2, 3))}
    with NcnnRunner(theirs, RunnerOptions(shapes=shapes)) as runner:
        x = np.array([[[1.0, -1, 2], [0, 3, -4]]], np.float32)
        np.testing.assert_array_equal(runner.run({"in0": x})["out0"], np.maximum(x, 0))
    with pytest.raises(UsageError, match="has no input x, only in0"):
        NcnnRunner(theirs, RunnerOptions(shapes={"x": shapes["in0"]}))
    param.write_text("7767517\n2 2\nInput in0 0 1 in0 0=3 1=2\nReLU r 1 1 in0 out0\n")
    with NcnnRunner(read_artifact(param)) as runner:
        assert runner.inputs[0].shape == (None, 2, 3)


DAMAGES: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "a cut text": (0, lambda data: data[:150]),
    "bytes for text": (0, lambda data: bytes(range(256))),
    "a huge count": (0, lambda data: data.replace(b"\n6 7\n", b"\n2000000000 2000000000\n")),
    "huge weights": (0, lambda data: data.replace(b"6=108", b"6=2000000000")),
    "negative weights": (0, lambda data: data.replace(b"6=108", b"6=-108")),
    "an unknown layer": (0, lambda data: data.replace(b"Reduction ", b"Foo.bar   ")),
    "cut weights": (1, lambda data: data[:-4]),
    "no weights": (1, lambda data: b""),
    "random weights": (1, lambda data: np.random.default_rng(0).bytes(len(data))),
    "weights of more": (1, lambda data: data + b"more"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_in_one_line(
    damage: str, small_ncnn: Artifact, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place, change = DAMAGES[damage]
    with foreign(small_ncnn, tmp_path) as theirs:
        file = theirs.files[place]
        before = file.read_bytes()
        file.write_bytes(change(before))
        assert file.read_bytes() != before
        with pytest.raises(ModelFileError) as caught:
            NcnnRunner(theirs)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_layer_that_can_not_be_computed_is_named(
    small_ncnn: Artifact, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with foreign(small_ncnn, tmp_path) as theirs:
        param = theirs.path
        text = param.read_text().replace("Reduction       ", "ShuffleChannel  ")
        param.write_text(text.replace(" 0=3 1=0 -23303=2,1,2 4=0 5=1", " 0=3"))
        with (
            NcnnRunner(theirs) as runner,
            pytest.raises(FeedError, match="can't compute ShuffleChannel"),
        ):
            runner.run(small_network.feed(1))
    assert not capfd.readouterr().out


def test_the_json_file_and_the_text_belong_together(small_ncnn: Artifact) -> None:
    other = replace(small_ncnn, outputs=(replace(small_ncnn.outputs[0], name="other"),))
    with pytest.raises(ModelFileError, match="has no output other: convert again"):
        NcnnRunner(other)
    with pytest.raises(ModelFileError, match="does not say how it was made"):
        NcnnRunner(replace(small_ncnn, provenance={}))


def test_the_command_run_tells_a_foreign_file_its_feeds_shapes(tmp_path: Path) -> None:
    param = tmp_path / "theirs.param"
    param.write_text("7767517\n2 2\nInput in0 0 1 in0\nReLU r 1 1 in0 out0\n")
    spec = PredictorSpec(
        model=read_artifact(param), backend="ncnn", options=RunnerOptions(), task="tensors"
    )
    feeds = [{"in0": np.ones((1, 2, width), np.float32)} for width in (3, 5)]
    with spec_for_feeds(spec, feeds).open() as predictor:
        assert [predictor.run(feed)["out0"].shape for feed in feeds] == [(1, 2, 3), (1, 2, 5)]


def test_weights_that_are_not_there_are_named(small_ncnn: Artifact, tmp_path: Path) -> None:
    alone = Path(shutil.copy(small_ncnn.path, tmp_path / "alone.ncnn.param"))
    with pytest.raises(ModelFileError, match=r"needs alone\.ncnn\.bin beside it"):
        NcnnRunner(read_artifact(alone))
