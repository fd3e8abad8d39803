"""``evaluate --engine ray``: the counts of a pass in this process, whatever is lost meanwhile."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from colour_pictures import CLASSES, draw_colours, save_classifier
from conftest import skip_or_fail
from test_cli import Command, cache, one_line_error, paddleport
from test_evaluation_pass import MODEL, same_tally

from paddleport.models.artifact import Artifact
from paddleport.runners.runner_options import RunnerOptions
from paddleport.validate.evaluate.evaluation_pass import CompletedPass, PassPlan, run_pass
from paddleport.validate.evaluate.rows.row_request import RowRequest, RowSource
from paddleport.validate.labelled.labelled_data import LabelledData, open_labelled

try:
    from test_ray_cluster import cluster
except ImportError as absent:
    skip_or_fail("ray", str(absent))

from paddleport.integrations import ray_actors, ray_evaluation
from paddleport.integrations.ray_evaluation import RayChunks

__all__ = ["cache", "cluster", "paddleport"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return save_classifier(tmp_path_factory.mktemp("model") / "colours.onnx", described=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> LabelledData:
    folder = draw_colours(tmp_path_factory.mktemp("pictures"), 700)
    (folder / "0" / "bad.png").write_bytes(b"no picture")
    return open_labelled(folder, labels=None, classes=CLASSES)


@pytest.fixture
def nodes_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a cluster that is started after it."""
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def evaluated(
    model: Artifact, data: LabelledData, folder: Path, progress: Any = None, **plan: Any
) -> CompletedPass:
    rows = [
        RowRequest(
            name=f"{backend} fp32",
            backend=backend,
            precision="fp32",
            sources=(RowSource(make=lambda: model, options=RunnerOptions(threads=1)),),
        )
        for backend in ("onnxruntime", "openvino")
    ]
    asked = PassPlan(folder=folder, reference=rows[0].name, batch_size=4, workers=1, **plan)
    return run_pass(MODEL, rows, data, asked, **({"progress": progress} if progress else {}))


@pytest.mark.parametrize("lose", [False, True])
def test_the_counts_are_those_of_one_process(
    cluster: Any, model: Artifact, data: LabelledData, tmp_path: Path, lose: bool
) -> None:
    lost: list[float] = []

    def kill_one(step: str, share: float | None) -> None:
        if lose and share and not lost:
            lost.append(share)
            made, nodes = cluster
            made.remove_node(nodes.pop(), allow_graceful=False)

    here = evaluated(model, data, tmp_path / "here")
    there = evaluated(model, data, tmp_path / "there", kill_one, engine=RayChunks())
    same_tally(here.tally, there.tally)
    assert {name: row.pictures for name, row in there.rows.items()} == {
        name: row.pictures for name, row in here.rows.items()
    }
    assert bool(lost) == lose
    assert not any(row.failed for row in there.rows.values())


def test_an_interrupted_pass_goes_on_there(
    cluster: Any, model: Artifact, data: LabelledData, tmp_path: Path
) -> None:
    def press(step: str, share: float | None) -> None:
        if share is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluated(model, data, tmp_path, press)
    found = evaluated(model, data, tmp_path, engine=RayChunks(actors=2), resume=True)
    assert found.resumed_at > 0
    same_tally(evaluated(model, data, tmp_path / "whole").tally, found.tally)


def test_a_model_that_the_nodes_do_not_have_is_sent(
    nodes_cache: Path,
    cluster: Any,
    model: Artifact,
    data: LabelledData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, away = tmp_path / "model", tmp_path / "away"
    shutil.copytree(model.path.parent, folder)
    here = replace(model, files=tuple(folder / file.name for file in model.files))
    counted = evaluated(here, data, tmp_path / "here")

    def connect(address: str | None) -> bool:  # once this process has read all that it needs
        folder.rename(away)
        return really(address)

    really = ray_actors.connect
    monkeypatch.setattr(ray_evaluation, "connect", connect)
    there = evaluated(here, data, tmp_path / "there", engine=RayChunks())
    assert away.is_dir() and not folder.exists()
    assert list(nodes_cache.glob(f"shipped/*/{model.path.name}"))
    same_tally(counted.tally, there.tally)
    assert not any(row.failed for row in there.rows.values())


def test_as_typed(paddleport: Command, tmp_path: Path) -> None:
    folder = draw_colours(tmp_path / "pictures", 30)
    path = tmp_path / "colours.onnx"
    save_classifier(path, described=True)
    typed = ("evaluate", path, folder, "-b", "onnxruntime", "--no-reference", "--threads", 1)
    counts = []
    for engine in ((), ("--engine", "ray", "--actors", 1)):
        done = paddleport(*typed, *engine, "--json", "--out", tmp_path / f"out{len(engine)}")
        assert done.code in (0, 2), done.err
        (row,) = json.loads(done.out)["rows"]
        counts.append({key: row[key] for key in ("name", "top1", "topk", "loss", "calibration")})
    assert counts[0] == counts[1]
    one_line_error(paddleport(*typed, "--engine", "dask"), "--engine dask")
    one_line_error(paddleport(*typed, "--actors", 2), "--engine ray")
