"""Peak memory of ``run --engine ray`` over COUNT pictures, in JSON: FOLDER COUNT [FAULTY...].

``FAULTY`` is what is made to keep all that it has done: ``driver`` or ``actor``.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import ray
from onnx import TensorProto, helper
from PIL import Image

from paddleport.integrations import ray_actors
from paddleport.integrations.answer_parts import AnswerParts
from paddleport.integrations.ray_run import RayRequest, run_on_ray
from paddleport.models.onnx.onnx_file import read_onnx_model
from paddleport.models.preprocess import Preprocess
from paddleport.progress import no_progress
from paddleport.runners.predictor import PredictorSpec
from paddleport.runners.runner_options import RunnerOptions

SIDE, PART = 64, 32
_LOOK_S = 0.01


def main(folder: Path, count: int, faulty: Sequence[str]) -> None:
    if "driver" in faulty:
        _keep_in_driver()
    if "actor" in faulty:
        ray_actors.PartActor = _KeepingActor  # type: ignore[misc, assignment]  # planted
    model = read_onnx_model(_save_negative(folder / "negative.onnx"))
    spec = PredictorSpec(
        model=model,
        backend="onnxruntime",
        preprocess=Preprocess(resize_short=None, resize=(SIDE, SIDE), crop=None),
        options=RunnerOptions(threads=1),
        task="tensors",
        batch_size=8,
        workers=1,
    )
    request = RayRequest(
        spec=spec,
        names=[str(_draw(folder / f"pictures-{count}", count))],
        out=str(folder / "-".join(["answers", str(count), *faulty])),
        part_size=PART,
    )
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    peaks = {"driver": 0, "actor": 0}
    threading.Thread(target=_watch, args=(peaks,), daemon=True).start()
    done = run_on_ray(request, no_progress, print)
    ray.shutdown()
    print(json.dumps({"pictures": done.pictures, **peaks}))


def _watch(peaks: dict[str, int]) -> None:
    """Memory of the process's own: what it shares with Ray's store is the store's."""
    actors: list[psutil.Process] = []
    started = time.monotonic()
    while True:
        if not actors and time.monotonic() > started + 0.2:
            started = time.monotonic()
            everyone = psutil.Process().children(recursive=True)
            actors = [each for each in everyone if "Actor" in _name(each)]
        peaks["driver"] = max(peaks["driver"], _own_bytes(os.getpid()))
        peaks["actor"] = max([peaks["actor"], *(_own_bytes(each.pid) for each in actors)])
        time.sleep(_LOOK_S)


def _name(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _own_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(found[0].split()[1]) * 1024 if found else 0


def _save_negative(path: Path) -> Path:
    """A model whose outputs are as large as its pictures."""
    sides: list[int | str | None] = ["N", 3, SIDE, SIDE]
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["y"])],
        "negative",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, sides)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(made, str(path))
    return path


def _draw(folder: Path, count: int) -> Path:
    """Noise, which no file format makes smaller."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    for index in range(count):
        picture = random.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{index:05}.png", compress_level=0)
    return folder


def _keep_in_driver() -> None:
    kept: list[bytes] = []
    write = AnswerParts.write

    def keeping(self: AnswerParts, name: str, content: bytes) -> None:
        kept.append(content)
        write(self, name, content)

    AnswerParts.write = keeping  # type: ignore[method-assign]  # planted


class _KeepingActor(ray_actors.PartActor):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._kept: list[ray_actors.PartDone] = []

    def answer(self, part: ray_actors.NamedPart) -> ray_actors.PartDone:
        self._kept.append(super().answer(part))
        return self._kept[-1]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
