"""Paddle's own intermediate values: for a worker, one process for each program format."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddleport.errors import FeedError
from paddleport.models.artifact import Artifact
from paddleport.models.paddle.pir import LAST_FLOAT_VERSION, downgrade_pir
from paddleport.models.paddle.program import read_program
from paddleport.models.paddle.vendor import import_paddle
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Feed
from paddleport.validate.bisect.graph import Graph
from paddleport.validate.bisect.paddle_graph import read_old, read_pir
from paddleport.validate.bisect.values import Store, Stored

_FIRST_WITH_DOUBLES = (3, 3)  # release of Paddle that reads PIR of version 4


@dataclass(frozen=True)
class PaddleRecord:
    """A program as a graph, and where its values lie.

    Attributes:
        graph: its operators.
        stored: the values that could be fetched, by name.
    """

    graph: Graph
    stored: dict[str, Stored]


def environ(model: Artifact) -> dict[str, str]:
    """What the process that calls ``save_paddle_values`` must have in its environment."""
    return {
        "FLAGS_enable_pir_api": "1" if model.encoding == "pir" else "0",  # read while importing
        "FLAGS_use_mkldnn": "0",  # plain kernels, as those of the reference
        "GLOG_minloglevel": "2",
    }


def save_paddle_values(model: Artifact, feed: Feed, folder: Path) -> PaddleRecord:
    """Run the program once, and write every operator's results and the feeds to ``folder``.

    All results are in memory at once, as Paddle gives them.

    Raises:
        BackendUnavailableError: paddle is not installed.
        FeedError: Paddle can't load the program or run the feed.
    """
    paddle = import_paddle()
    paddle.enable_static()
    executor = paddle.static.Executor(paddle.CPUPlace())
    prefix = _under_its_suffix(model, folder, paddle.__version__)
    program = _load(paddle, model, prefix, executor)
    read = read_pir if model.encoding == "pir" else read_old
    graph, fetchable = read(program)
    names = list(fetchable)
    results = _run(executor, program, feed, [fetchable[name] for name in names])
    store = Store(folder)
    for name, value in (*feed.items(), *zip(names, results, strict=True)):
        if value is not None:
            store.add(name, value)
    return PaddleRecord(graph, store.stored)


def _load(paddle: Any, model: Artifact, prefix: Path, executor: Any) -> Any:
    try:
        if model.weights_file is None and model.encoding == "protobuf":
            content = prefix.with_suffix(".pdmodel").read_bytes()
            return paddle.static.deserialize_program(content)
        return paddle.static.load_inference_model(str(prefix), executor)[0]
    except Exception as error:  # Paddle raises what it likes; the cause is kept
        raise FeedError(f"Paddle can't load {model.path}: {one_line(error)}") from error


def _run(executor: Any, program: Any, feed: Feed, wanted: list[Any]) -> list[Any]:
    try:
        found: list[Any] = executor.run(program, feed=dict(feed), fetch_list=wanted)
    except Exception as error:  # likewise
        raise FeedError(f"Paddle can't give its values: {one_line(error)}") from error
    return found


def _under_its_suffix(model: Artifact, folder: Path, version: str) -> Path:
    """Both files under names that tell Paddle the format; the prefix of their names."""
    pir = model.encoding == "pir"
    prefix = folder / "program"
    program = prefix.with_suffix(".json" if pir else ".pdmodel")
    newer = pir and read_program(model.path).version > LAST_FLOAT_VERSION
    release = tuple(int(part) for part in version.split(".")[:2])
    if not (newer and release < _FIRST_WITH_DOUBLES and downgrade_pir(model.path, program)):
        os.symlink(model.path.resolve(), program)
    if model.weights_file is not None:
        os.symlink(model.weights_file.resolve(), prefix.with_suffix(".pdiparams"))
    return prefix
