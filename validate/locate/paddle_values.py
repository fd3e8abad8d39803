"""Paddle's own intermediate values: for a worker, one process for each program format."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddleport.errors import FeedError
from paddleport.models.card import PaddleModel
from paddleport.models.pir import LAST_FLOAT_VERSION, downgrade_pir
from paddleport.models.program import read_program
from paddleport.models.vendor import import_paddle
from paddleport.runners.base import one_line
from paddleport.tensors import Feed
from paddleport.validate.locate.graph import Graph, Step
from paddleport.validate.locate.values import Store, Stored

_FIRST_WITH_DOUBLES = (3, 3)  # release of Paddle that reads PIR of version 4
_CONSTANTS = ("builtin.parameter", "builtin.constant")
_FEEDS = ("pd_op.data", "pd_op.feed")
_NO_STEPS = (*_CONSTANTS, *_FEEDS, "pd_op.fetch", "builtin.combine", "builtin.split")


@dataclass(frozen=True)
class PaddleRecord:
    """A program as a graph, and where its values lie.

    Attributes:
        graph: its operators; a value is named ``OPERATOR.COUNT.RESULT``, or as its variable.
        stored: the values that could be fetched, by name.
    """

    graph: Graph
    stored: dict[str, Stored]


def environ(model: PaddleModel) -> dict[str, str]:
    """What the process that calls ``save_paddle_values`` must have in its environment."""
    return {
        "FLAGS_enable_pir_api": "1" if model.format == "pir" else "0",  # read while importing
        "FLAGS_use_mkldnn": "0",  # plain kernels, as those of the reference
        "GLOG_minloglevel": "2",
    }


def save_paddle_values(model: PaddleModel, feed: Feed, folder: Path) -> PaddleRecord:
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
    read = _read_pir if model.format == "pir" else _read_old
    graph, fetchable = read(program)
    names = list(fetchable)
    results = _run(executor, program, feed, [fetchable[name] for name in names])
    store = Store(folder)
    for name, value in (*feed.items(), *zip(names, results, strict=True)):
        if value is not None:
            store.add(name, value)
    return PaddleRecord(graph, store.stored)


def _load(paddle: Any, model: PaddleModel, prefix: Path, executor: Any) -> Any:
    try:
        if model.params is None and model.format == "protobuf":
            content = prefix.with_suffix(".pdmodel").read_bytes()
            return paddle.static.deserialize_program(content)
        return paddle.static.load_inference_model(str(prefix), executor)[0]
    except Exception as error:  # Paddle raises what it likes; the cause is kept
        raise FeedError(f"Paddle can't load {model.program}: {one_line(error)}") from error


def _run(executor: Any, program: Any, feed: Feed, wanted: list[Any]) -> list[Any]:
    try:
        found: list[Any] = executor.run(program, feed=dict(feed), fetch_list=wanted)
    except Exception as error:  # likewise
        raise FeedError(f"Paddle can't give its values: {one_line(error)}") from error
    return found


def _under_its_suffix(model: PaddleModel, folder: Path, version: str) -> Path:
    """Both files under names that tell Paddle the format; the prefix of their names."""
    pir = model.format == "pir"
    prefix = folder / "program"
    program = prefix.with_suffix(".json" if pir else ".pdmodel")
    newer = pir and read_program(model.program).version > LAST_FLOAT_VERSION
    release = tuple(int(part) for part in version.split(".")[:2])
    if not (newer and release < _FIRST_WITH_DOUBLES and downgrade_pir(model.program, program)):
        os.symlink(model.program.resolve(), program)
    if model.params is not None:
        os.symlink(model.params.resolve(), prefix.with_suffix(".pdiparams"))
    return prefix


def _read_pir(program: Any) -> tuple[Graph, dict[str, Any]]:
    """The graph of a PIR program, and its values by name; its fetches are taken out."""
    block = program.global_block()
    operators = list(block.ops)
    members: dict[str, list[str]] = {}  # values of a combined value
    counts: Counter[str] = Counter()
    steps: list[Step] = []
    feeds: list[str] = []
    outputs: dict[int, str] = {}
    values: dict[str, Any] = {}
    for operator in operators:
        kind, results = operator.name(), operator.results()
        sources = list(_sources(operator))
        if kind == "builtin.combine":
            members[results[0].id] = [part for source in sources for part in members[source.id]]
            continue
        inputs = [part for source in sources for part in members.get(source.id, ())]
        if kind == "pd_op.fetch":
            outputs[operator.attrs()["col"]] = inputs[0]
            continue
        if kind == "builtin.split":
            # its results are those of the operator that made the vector
            made = [
                _fresh(value, f"{inputs[0]}.{index}", members, values)
                for index, value in enumerate(results)
            ]
            owner = next(step for step in reversed(steps) if inputs[0] in step.outputs)
            place = steps.index(owner)
            steps[place] = Step(
                owner.name, owner.operator, owner.inputs, (*owner.outputs, *made), owner.position
            )
            continue
        count = counts[kind]
        counts[kind] += 1
        made = [
            _fresh(value, f"{kind}.{count}.{index}", members, values)
            for index, value in enumerate(results)
        ]
        if kind in _FEEDS:
            feeds += made
        elif kind not in _NO_STEPS:
            position = len(steps) + 1
            steps.append(Step(f"{kind}.{count}", kind, tuple(inputs), tuple(made), position))
    for operator in operators:
        if operator.name() == "pd_op.fetch":
            block.remove_op(operator)  # with them, a second fetch fails
    graph = Graph(tuple(steps), tuple(feeds), tuple(outputs[column] for column in sorted(outputs)))
    return graph, {name: value for name, value in values.items() if name in graph.varying}


def _fresh(value: Any, name: str, members: dict[str, list[str]], values: dict[str, Any]) -> str:
    """Name a new value: by its variable if it has one; it can be fetched if it is a tensor."""
    if value.has_name:
        name = value.name
    members[value.id] = [name]
    if value.initialized() and value.is_dense_tensor_type() and not value.use_empty():
        values[name] = value
    return name


def _sources(operator: Any) -> Iterator[Any]:
    """What an operator reads, what its blocks read from outside included."""
    yield from (source for source in operator.operands_source() if source.initialized())
    for block in operator.blocks():
        for inner in block.ops:
            yield from _sources(inner)


def _read_old(program: Any) -> tuple[Graph, dict[str, Any]]:
    """The graph of a ProgramDesc, and its variables' names by value name.

    A variable that is written again is another value each time; only the last can be fetched.
    """
    block = program.global_block()
    current: dict[str, str] = {}
    written: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    steps: list[Step] = []
    feeds: list[str] = []
    outputs: dict[int, str] = {}
    for operator in block.ops:
        kind = operator.type
        if kind == "feed":
            feeds += operator.output("Out")
            continue
        inputs = tuple(current.get(name, name) for name in operator.input_arg_names)
        if kind == "fetch":
            outputs[operator.attr("col")] = inputs[0]
            continue
        made = []
        for name in operator.output_arg_names:
            written[name] += 1
            current[name] = name if written[name] == 1 else f"{name} (written {written[name]})"
            made.append(current[name])
        step = Step(f"{kind}.{counts[kind]}", kind, inputs, tuple(made), len(steps) + 1)
        counts[kind] += 1
        steps.append(step)
    graph = Graph(tuple(steps), tuple(feeds), tuple(outputs[column] for column in sorted(outputs)))
    read = {name for step in graph.steps for name in step.inputs} | set(graph.outputs)
    fetchable = {
        value: name
        for name, value in current.items()
        if value in graph.varying and value in read and _is_tensor(block, name)
    }
    return graph, fetchable


def _is_tensor(block: Any, name: str) -> bool:
    return bool(block.has_var(name)) and str(block.var(name).type).endswith("DENSE_TENSOR")
