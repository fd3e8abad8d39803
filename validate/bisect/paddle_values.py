"""A Paddle program as a graph, and its own values: for a worker, one for each program format."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paddleport.errors import FeedError
from paddleport.models.artifact import Artifact
from paddleport.models.paddle.import_paddle import import_paddle
from paddleport.models.paddle.paddle_program import read_program
from paddleport.models.paddle.pir import LAST_FLOAT_VERSION, downgrade_pir
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Feed
from paddleport.validate.bisect.computation import Graph, GraphStep, StoredTensor, ValueWriter

_FIRST_WITH_DOUBLES = (3, 3)  # release of Paddle that reads PIR of version 4

_CONSTANTS = ("builtin.parameter", "builtin.constant")
_FEEDS = ("pd_op.data", "pd_op.feed")


@dataclass(frozen=True)
class PaddleRecord:
    """A program as a graph, and where its values lie.

    Attributes:
        graph: its operators.
        stored: the values that could be fetched, by name.
    """

    graph: Graph
    stored: dict[str, StoredTensor]


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
    store = ValueWriter(folder)
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


def read_pir(program: Any) -> tuple[Graph, dict[str, Any]]:
    """The graph of a PIR program, and its values by name; its fetches are taken out.

    A value is named ``OPERATOR.COUNT.RESULT``, as Paddle2ONNX does, or by its variable.
    """
    block = program.global_block()
    operators = list(block.ops)
    reader = _PirReader()
    for operator in operators:
        reader.read(operator)
    for operator in operators:
        if operator.name() == "pd_op.fetch":
            block.remove_op(operator)  # with them, a second fetch fails
    graph = Graph(tuple(reader.steps), tuple(reader.feeds), _in_order(reader.outputs))
    wanted = graph.varying.union(graph.outputs)
    return graph, {name: value for name, value in reader.values.items() if name in wanted}


def read_old(program: Any) -> tuple[Graph, dict[str, Any]]:
    """The graph of a ProgramDesc, and its variables' names by value name.

    A variable that is written again, or read before, is another value each time it is written;
    only the last can be fetched.
    """
    block = program.global_block()
    current: dict[str, str] = {}
    written: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    given: set[str] = set()  # parameters, and whatever else is read before it is written
    steps: list[GraphStep] = []
    feeds: list[str] = []
    outputs: dict[int, str] = {}
    for operator in block.ops:
        kind = operator.type
        if kind == "feed":
            feeds += operator.output("Out")
            continue
        given.update(name for name in operator.input_arg_names if name not in current)
        inputs = tuple(current.get(name, name) for name in operator.input_arg_names)
        if kind == "fetch":
            outputs[operator.attr("col")] = inputs[0]
            continue
        for name in operator.output_arg_names:
            written[name] += 1
            again = name in given or written[name] > 1
            current[name] = f"{name} (written {written[name]})" if again else name
        made = tuple(current[name] for name in operator.output_arg_names)
        steps.append(
            GraphStep(
                name=f"{kind}.{counts[kind]}",
                operator=kind,
                inputs=inputs,
                outputs=made,
                position=len(steps) + 1,
            )
        )
        counts[kind] += 1
    graph = Graph(tuple(steps), tuple(feeds), _in_order(outputs))
    read = {name for step in graph.steps for name in step.inputs} & graph.varying
    wanted = read.union(graph.outputs)
    fetchable = {
        value: name
        for name, value in current.items()
        if value in wanted and _is_tensor(block, name)
    }
    return graph, fetchable


class _PirReader:
    """What was read of a block so far."""

    def __init__(self) -> None:
        self.steps: list[GraphStep] = []
        self.feeds: list[str] = []
        self.outputs: dict[int, str] = {}
        self.values: dict[str, Any] = {}
        self._members: dict[str, list[str]] = {}  # names of a value, or of those it combines
        self._counts: Counter[str] = Counter()

    def read(self, operator: Any) -> None:
        """Take the next operator in."""
        kind, results = operator.name(), operator.results()
        sources = list(_sources(operator))
        inputs = [name for source in sources for name in self._members.get(source.id, ())]
        if kind == "builtin.combine":
            self._members[results[0].id] = inputs
        elif kind == "builtin.split":
            self._split(inputs, results)
        elif kind == "pd_op.fetch":
            self.outputs[operator.attrs()["col"]] = inputs[0]
        else:
            self._step(kind, inputs, results)

    def _step(self, kind: str, inputs: list[str], results: list[Any]) -> None:
        name = f"{kind}.{self._counts[kind]}"
        self._counts[kind] += 1
        made = [self._named(value, f"{name}.{index}") for index, value in enumerate(results)]
        if kind in _FEEDS:
            self.feeds += made
        elif kind not in _CONSTANTS:
            self.steps.append(
                GraphStep(
                    name=name,
                    operator=kind,
                    inputs=tuple(inputs),
                    outputs=tuple(made),
                    position=len(self.steps) + 1,
                )
            )

    def _split(self, parts: list[str], results: list[Any]) -> None:
        """Its results are what was combined, or else more results of the vector's own operator."""
        if len(parts) == len(results):
            for part, value in zip(parts, results, strict=True):
                self._members[value.id] = [part]
                self._keep(part, value)
            return
        made = [self._named(value, f"{parts[0]}.{index}") for index, value in enumerate(results)]
        for index, step in enumerate(self.steps):
            if parts[0] in step.outputs:
                self.steps[index] = replace(step, outputs=(*step.outputs, *made))

    def _named(self, value: Any, name: str) -> str:
        """Name a new value, by its variable if it has one."""
        if value.has_name:
            name = value.name
        self._members[value.id] = [name]
        self._keep(name, value)
        return name

    def _keep(self, name: str, value: Any) -> None:
        if value.initialized() and value.is_dense_tensor_type() and not value.use_empty():
            self.values[name] = value


def _sources(operator: Any) -> Iterator[Any]:
    """What an operator reads, what its blocks read from outside included."""
    yield from (source for source in operator.operands_source() if source.initialized())
    for block in operator.blocks():
        for inner in block.ops:
            yield from _sources(inner)


def _in_order(outputs: dict[int, str]) -> tuple[str, ...]:
    return tuple(outputs[column] for column in sorted(outputs))


def _is_tensor(block: Any, name: str) -> bool:
    return bool(block.has_var(name)) and str(block.var(name).type).endswith("DENSE_TENSOR")
