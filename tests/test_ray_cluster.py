"""``run --engine ray`` on real clusters of this machine, with losses in the middle."""

import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import colour_pictures
import pytest
from conftest import skip_or_fail

from paddleport.errors import UsageError, WorkerCrashed
from paddleport.runners.predictor import PredictorSpec
from paddleport.runners.runner_options import RunnerOptions

try:
    import ray
    from pyarrow import parquet
    from ray.cluster_utils import Cluster
except ImportError as absent:
    skip_or_fail("ray", str(absent))

from paddleport.integrations import ray_actors
from paddleport.integrations.answer_parts import ASKED
from paddleport.integrations.ray_data import BatchPredictor
from paddleport.integrations.ray_run import RayRequest, RaySummary, run_on_ray
from paddleport.integrations.shipped_model import ship
from paddleport.progress import no_progress

pytestmark = pytest.mark.slow
COUNT, PART = 120, 8


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = colour_pictures.draw_colours(tmp_path_factory.mktemp("pictures"), COUNT - 1)
    (folder / "0" / "bad.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> PredictorSpec:
    model = colour_pictures.save_classifier(
        tmp_path_factory.mktemp("model") / "colours.onnx", described=True
    )
    return PredictorSpec(
        model=model,
        backend="onnxruntime",
        preprocess=model.preprocess,
        options=RunnerOptions(threads=1),
        batch_size=4,
        workers=1,
    )


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head with one CPU, and two nodes beside it."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes = [made.add_node(num_cpus=1) for _ in range(2)]
    made.wait_for_nodes()
    ray.init(address=made.address, log_to_driver=False, logging_level=logging.ERROR)
    yield made, nodes
    ray.shutdown()
    made.shutdown()  # type: ignore[no-untyped-call]


def rows(out: Path) -> list[dict[str, Any]]:
    """Of all parts, in their order."""
    return [
        row
        for file in sorted(out.glob("part-*.parquet"))
        for row in parquet.read_table(file).to_pylist()
    ]


def assert_same_as_run(out: Path, spec: PredictorSpec, pictures: Path) -> None:
    """Every picture once, in order, with the answer of a predictor here, to the last bit."""
    with spec.open() as predictor:
        wanted = list(predictor.predict_many(sorted(pictures.rglob("*.png"))))
    found = rows(out)
    assert [row["path"] for row in found] == [item.picture for item in wanted]
    for row, item in zip(found, wanted, strict=True):
        assert row["error"] == item.error
        assert row["scores"] == (item.answer and [each.score for each in item.answer])
        assert row["class_ids"] == (item.answer and [each.index for each in item.answer])


def run_losing(spec: PredictorSpec, pictures: Path, out: Path, lose: Any) -> RaySummary:
    """Run, and call ``lose`` once a quarter is done."""
    lost: list[bool] = []

    def progress(step: str, share: float | None) -> None:
        if share and share > 0.25 and not lost:
            lost.append(True)
            lose()

    request = RayRequest(spec=spec, names=[str(pictures)], out=str(out), part_size=PART)
    summary = run_on_ray(request, progress, lambda error: None)
    assert lost
    return summary


@pytest.mark.parametrize("what", ["nothing", "actor", "node"])
def test_every_picture_once(
    cluster: Any, spec: PredictorSpec, pictures: Path, tmp_path: Path, what: str
) -> None:
    made, nodes = cluster

    def lose() -> None:
        if what == "node":
            of_driver = ray.get_runtime_context().get_node_id()
            other = next(node for node in nodes if node.node_id != of_driver)
            made.remove_node(other, allow_graceful=False)
        if what == "actor":
            os.kill(_pid_of_an_actor(), signal.SIGKILL)

    summary = run_losing(spec, pictures, tmp_path / "out", lose)
    assert (summary.pictures, summary.failed, summary.resumed) == (COUNT, 1, 0)
    assert_same_as_run(tmp_path / "out", spec, pictures)


def _pid_of_an_actor() -> int:
    from ray._private.state import actors

    alive = [item for item in actors().values() if item["State"] == "ALIVE"]
    pids = [item.get("Pid") or item["pid"] for item in alive]
    return int(pids[0])


def test_a_picture_that_ends_its_actor_ends_the_run(
    cluster: Any, spec: PredictorSpec, pictures: Path, tmp_path: Path
) -> None:
    class Dying(ray_actors.PartActor):
        def answer(self, part: ray_actors.NamedPart) -> ray_actors.PartDone:
            if any(name.endswith("bad.png") for name in part.pictures.names):
                os._exit(1)
            return super().answer(part)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_actors, "PartActor", Dying)
        request = RayRequest(spec=spec, names=[str(pictures)], out=str(tmp_path), part_size=PART)
        with pytest.raises(WorkerCrashed, match="ended 4 Ray actors"):
            run_on_ray(request, no_progress, lambda error: None)


@pytest.mark.parametrize("name", [ASKED, "part-00000000-other.parquet"])
def test_another_run_in_the_same_folder(
    cluster: Any, spec: PredictorSpec, pictures: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(UsageError, match=r"another run has begun|with other options"):
        run_losing(spec, pictures, tmp_path, lambda: (tmp_path / name).write_bytes(b"{}"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own code
def test_map_batches(cluster: Any, spec: PredictorSpec, pictures: Path) -> None:
    data = ray.data.read_binary_files(str(pictures), include_paths=True)
    found = data.map_batches(
        BatchPredictor, fn_constructor_args=(ship(spec),), batch_size=16, concurrency=1
    ).take_all()
    with spec.open() as predictor:
        wanted = list(predictor.predict_many(sorted(pictures.rglob("*.png"))))
    assert len(found) == COUNT
    scores = {row["path"]: row["scores"] for row in found}
    for item in wanted:
        given = scores[item.picture]
        assert (None if given is None else list(given)) == (
            item.answer and [each.score for each in item.answer]
        )


def test_killed_in_the_middle_and_gone_on(
    spec: PredictorSpec, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code = (
        "import os, pickle, signal, sys\n"
        "from paddleport.integrations.ray_run import run_on_ray\n"
        "def progress(step, share):\n"
        "    if share and share > 0.4: os.kill(os.getpid(), signal.SIGKILL)\n"
        "run_on_ray(pickle.load(sys.stdin.buffer), progress, print)\n"
    )
    request = RayRequest(spec=spec, names=[str(pictures)], out=str(out), actors=1, part_size=PART)
    killed = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(request), timeout=120, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    before = {file: file.stat().st_mtime_ns for file in out.glob("part-*")}
    assert 0 < len(before) < COUNT // PART
    summary = run_on_ray(request, no_progress, lambda error: None)
    assert summary.resumed == len(before) * PART
    assert (summary.pictures, summary.failed) == (COUNT, 1)
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert_same_as_run(out, spec, pictures)


def test_sigterm_ends_as_without_ray() -> None:
    code = (
        "import sys, time\n"
        "from paddleport.cli.interrupts import end_by_signals\n"
        "from paddleport.integrations.ray_actors import ActorNeeds, answered_once, connect\n"
        "class Waiting:\n"
        "    def ready(self): time.sleep(99)\n"
        "end_by_signals()\n"
        "connect(None)\n"
        "print('connected', flush=True)\n"
        "list(answered_once(Waiting, (), iter(()), ActorNeeds(actors=1, cpus=1)))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "connected\n"
        time.sleep(1)  # then it waits for Ray
        process.terminate()
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (128 + signal.SIGTERM, "")


def test_the_command(spec: PredictorSpec, pictures: Path, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "paddleport", "run", str(spec.model.path), str(pictures)),
        *("--engine", "ray", "--actors", "1", "-o", str(tmp_path / "out"), "--json"),
    ]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert (told["pictures"], told["failed"], told["resumed"]) == (COUNT, 1, 0)
    assert 0 < told["start_s"] < time.monotonic() - begun
    (line,) = done.stderr.splitlines()
    assert "bad.png is text" in line
    same = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (same.returncode, same.stderr) == (1, done.stderr)
    assert json.loads(same.stdout)["resumed"] == COUNT
    (pictures / "2" / "late.png").write_bytes((next((pictures / "2").glob("0*"))).read_bytes())
    try:
        again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    finally:
        (pictures / "2" / "late.png").unlink()
    assert again.returncode == 2
    assert "has answers to other pictures" in again.stderr
