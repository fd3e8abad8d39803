"""Encoded pictures through a host's workers, and a folder of models."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import planted_hosting as planted
import pytest
from onnx import TensorProto, helper
from planted_hosting import loaded, run

from paddleport.errors import FeedError, UsageError
from paddleport.models.artifact import onnx_artifact
from paddleport.models.onnx.onnx_file import write_metadata
from paddleport.models.preprocess import Preprocess
from paddleport.runners.predictor import PredictorSpec
from paddleport.runners.runner_options import RunnerOptions
from paddleport.serve.hosting import model_repository
from paddleport.serve.hosting.host_registry import HostRegistry
from paddleport.serve.hosting.host_settings import HostSettings
from paddleport.serve.hosting.model_host import NotReadyError
from paddleport.serve.hosting.model_repository import ModelRepository
from paddleport.serve.hosting.process_host import ProcessHost

RULES = Preprocess(resize_short=None, resize=(8, 8), crop=None)
COLOURS = {"blue": (255, 0, 0), "green": (0, 255, 0), "red": (0, 0, 255)}


@pytest.fixture(autouse=True)
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.plant(tmp_path, monkeypatch)


def save_means(path: Path, batch: str | int = "N") -> Path:
    """The mean of each channel of an 8x8 picture, in the order of its channels: RGB."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["x"], ["m"]),
            helper.make_node("Flatten", ["m"], ["y"]),
        ],
        "means",
        [value("x", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [value("y", TensorProto.FLOAT, [batch, 3])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    write_metadata(proto, preprocess=RULES, labels=("red", "green", "blue"), provenance={})
    onnx.save(proto, str(path))
    return path


def host_of(path: Path, *, preprocess: Preprocess | None = RULES, **how: Any) -> ProcessHost:
    spec = PredictorSpec(
        model=onnx_artifact(path),
        backend="obeys",
        options=RunnerOptions(threads=1),
        preprocess=preprocess,
        labels=("red", "green", "blue"),
        task_options={"topk": 1},
    )
    return ProcessHost("means", spec, HostSettings(**how))


def picture(name: str) -> bytes:
    return cv2.imencode(".png", np.full((20, 30, 3), COLOURS[name], np.uint8))[1].tobytes()


@pytest.mark.parametrize("batch", ["N", 4])
@pytest.mark.parametrize("max_batch", [1, 8])
def test_answers_are_in_order_and_unreadable_pictures_have_their_own_errors(
    tmp_path: Path, batch: str | int, max_batch: int
) -> None:
    async def ask() -> None:
        names = list(COLOURS) * 4
        pictures = [picture(name) for name in names]
        pictures[2], pictures[5], pictures[6] = b"no picture", b"", pictures[6][:40]
        async with loaded(
            host_of(save_means(tmp_path / "m.onnx", batch), max_batch=max_batch)
        ) as host:
            found, other = await asyncio.gather(
                host.predict(pictures), host.predict([picture("red")])
            )
            for place, name in enumerate(names):
                if place in (2, 5, 6):
                    assert found.answers[place] is None
                    assert "picture" in found.errors[place]
                else:
                    assert found.errors[place] == ""
                    (best,) = found.answers[place]["predictions"]
                    assert best["label"] == name
            assert found.outputs["y"].shape == (9, 3)
            assert other.answers[0]["predictions"][0]["label"] == "red"
            assert set(found.stages_s) == {"decode", "queue", "compute", "transfer"}
            nothing = await host.predict([b"no picture"])
            assert (list(nothing.answers), nothing.outputs) == ([None], {})

    run(ask())


def test_too_many_pictures_and_a_model_that_takes_none(tmp_path: Path) -> None:
    path = save_means(tmp_path / "m.onnx")

    async def ask() -> None:
        async with loaded(host_of(path, most_pictures=2)) as host:
            for count in (0, 3):
                with pytest.raises(FeedError, match=f"{count} pictures in a request"):
                    await host.predict([picture("red")] * count)
        async with loaded(host_of(path, preprocess=None)) as host:
            with pytest.raises(UsageError, match="takes no pictures"):
                await host.predict([picture("red")])

    run(ask())


def test_a_repository_holds_what_lies_in_it_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, outside = tmp_path / "models", tmp_path / "outside"
    for each in (folder / "inside", folder / "empty", outside):
        each.mkdir(parents=True)
    save_means(outside / "secret.onnx")
    for name in ("plain.onnx", "inside/model.onnx", "b\tad.onnx", ".hidden.onnx"):
        save_means(folder / name)
    (folder / "plain.onnx.json").write_text("{}")
    (folder / "notes.txt").write_text("no model")
    (folder / "link.onnx").symlink_to(outside / "secret.onnx")
    (folder / "linked").symlink_to(outside)
    (folder / "alias.onnx").symlink_to("plain.onnx")

    def make(name: str, path: Path, find: Callable[[], Path]) -> ProcessHost:
        return ProcessHost(
            name, host_of(path).spec, HostSettings(), prepare=lambda: host_of(find()).spec
        )

    async def ask() -> None:
        registry = HostRegistry([], allow_load=True, repository=ModelRepository(folder, make))
        with caplog.at_level(logging.WARNING):
            assert set(registry.names) == {"plain", "inside", "alias"}
        assert caplog.text.count("points out of") == 2
        assert not registry.host("plain").state.ready
        await registry.load("plain")
        found = await registry.host("plain").predict([picture("green")])
        assert found.answers[0]["predictions"][0]["label"] == "green"
        save_means(folder / "later.onnx")
        assert "later" in registry.names
        assert registry.host("plain").state.ready
        save_means(folder / "empty" / "first.onnx")
        assert "empty" in registry.names
        (folder / "empty" / "first.onnx").rename(folder / "empty" / "second.onnx")
        await registry.load("empty")
        (folder / "later.onnx").unlink()
        (folder / "later.onnx").symlink_to(outside / "secret.onnx")
        with pytest.raises(NotReadyError, match="later is not in the repository any more"):
            await registry.load("later")
        await registry.close()
        folder.rename(tmp_path / "away")
        folder.write_text("no folder")
        assert "plain" in registry.names

    run(ask())
    with pytest.raises(UsageError, match="is no folder"):
        ModelRepository(folder / "plain.onnx", make)


def test_a_model_that_can_not_be_read_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreadable(path: Path) -> Path:
        if path.name == "a.onnx":
            raise PermissionError(13, "Permission denied")
        return path

    monkeypatch.setattr(model_repository, "model_of", unreadable)
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("a.onnx", "b.onnx"):
        save_means(folder / name)

    def make(name: str, path: Path, find: Callable[[], Path]) -> ProcessHost:
        return ProcessHost(name, host_of(path).spec, HostSettings())

    registry = HostRegistry([], repository=ModelRepository(folder, make))
    assert registry.names == ("b",)
    assert "a.onnx is left out of the repository: it can't be read: Permission" in caplog.text
