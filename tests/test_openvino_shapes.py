"""OpenVINO told what it will be fed: the same numbers, and nothing else taken."""

from pathlib import Path

import numpy as np
import pytest
import small_network
from conftest import skip_or_fail

from paddleport.errors import FeedError, UsageError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.runners import installed_version, open_runner, runner_class
from paddleport.runners.base import Runner
from paddleport.runners.compiled_cache import FROM_CACHE
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import ShapeRange

SHAPE = small_network.feed(1)["x"].shape


@pytest.fixture
def model(tmp_path: Path) -> Artifact:
    runner = runner_class("openvino")
    if installed_version(runner) is None:
        skip_or_fail("openvino", runner.how_to_install())
    small_network.save_onnx(tmp_path / "small.onnx")
    return onnx_artifact(tmp_path / "small.onnx")


def opened(model: Artifact, shapes: dict[str, ShapeRange], **extras: str) -> Runner:
    return open_runner("openvino", model, RunnerOptions(threads=1, shapes=shapes, extras=extras))


def test_one_shape_gives_the_numbers_of_a_free_batch(model: Artifact) -> None:
    with opened(model, {}) as free, opened(model, {"x": ShapeRange.only((3, *SHAPE[1:]))}) as told:
        assert free.inputs[0].shape[0] is None
        assert told.inputs[0].shape == (3, *SHAPE[1:])
        feed = small_network.feed(3)
        for one, other in zip(free.run(feed).values(), told.run(feed).values(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        with pytest.raises(FeedError, match="got"):
            told.run(small_network.feed(2))


def test_a_range_leaves_the_batch_free(model: Artifact) -> None:
    wide = ShapeRange(SHAPE, SHAPE, (4, *SHAPE[1:]))
    with opened(model, {"x": wide}) as runner:
        assert runner.inputs[0].shape == (None, *SHAPE[1:])
        assert next(iter(runner.run(small_network.feed(4)).values())).shape[0] == 4


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [("y", SHAPE, "unknown input 'y'"), ("x", (1, *SHAPE[1:-1], 5), "can't be of shape")],
)
def test_what_the_model_does_not_take_is_refused(
    model: Artifact, name: str, shape: tuple[int, ...], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        opened(model, {name: ShapeRange.only(shape)})


def test_what_is_kept_is_kept_for_its_shapes(
    model: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    for batch in (1, 2):
        shapes = {"x": ShapeRange.only((batch, *SHAPE[1:]))}
        opened(model, shapes, cache="on").close()
        with opened(model, shapes, cache="on") as warm:
            assert FROM_CACHE in warm.notes
            assert warm.inputs[0].shape[0] == batch
