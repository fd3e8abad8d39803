"""Weights that Paddle2ONNX is not given: the file must be the same, byte for byte."""

import json
import mmap
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import offload_comparison
import offload_networks
import onnx
import onnxslim
import pytest
from onnx import TensorProto, helper, numpy_helper
from operators import matrix

from paddleport.convert import convert, onnx_attempt
from paddleport.convert.paddle2onnx import simplify_on_disk, weight_offload
from paddleport.convert.paddle2onnx.export import export_raw
from paddleport.convert.paddle2onnx.external_data import (
    ExternalBytes,
    external_bytes,
    load_external,
    set_external,
)
from paddleport.convert.paddle2onnx.weight_offload import (
    OffloadedWeight,
    offload_weights,
    why_not_restorable,
)
from paddleport.errors import WorkerCrashed
from paddleport.models.artifact import Artifact
from paddleport.models.paddle.params import ParameterSpec, read_stored_parameters
from paddleport.models.resolve import resolve
from paddleport.process import resident_bytes
from paddleport.worker import RemoteError, Worker, close_all

pytestmark = pytest.mark.slow

TIMEOUT_S = 120
FORMATS = {"pir": "1", "protobuf": "0"}
OLD = (
    "convolutions",
    "equal weights",
    "doubles",
    "halves",
)  # what this Paddle still saves as .pdmodel
NETWORKS = [("pir", name) for name in offload_networks.NETWORKS if name != "halves"]
NETWORKS += [("protobuf", name) for name in OLD]


class Workers:
    """One process per format, started when it is first asked for."""

    @cached_property
    def pir(self) -> Worker:
        return self._started("pir")

    @cached_property
    def protobuf(self) -> Worker:
        return self._started("protobuf")

    def _started(self, kind: str) -> Worker:
        return Worker(preload=("paddle",), environ={"FLAGS_enable_pir_api": FORMATS[kind]})

    def __getitem__(self, kind: str) -> Worker:
        found: Worker = getattr(self, kind)
        return found

    def close(self) -> None:
        close_all(item for item in vars(self).values() if isinstance(item, Worker))


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    started = Workers()
    yield started
    started.close()


@pytest.mark.conversion
@pytest.mark.parametrize(
    ("kind", "name"),
    NETWORKS,
)
def test_the_file_is_the_same(kind: str, name: str, workers: Workers, tmp_path: Path) -> None:
    worker = workers[kind]
    model = worker.call(offload_networks.save, TIMEOUT_S, name, tmp_path)
    for opset, simplify in ((17, True), (17, False)):
        kept, different = worker.call(
            offload_comparison.compared,
            TIMEOUT_S,
            model,
            opset,
            tmp_path / "both",
            simplify=simplify,
        )
        assert (set(kept), different) == (offload_networks.NETWORKS[name][2], ""), opset


@pytest.mark.parametrize("opset", [7, 11, 13, 18, 21])
@pytest.mark.parametrize(("kind", "name"), NETWORKS)
def test_the_file_is_the_same_at_every_opset(
    kind: str, name: str, opset: int, workers: Workers, tmp_path: Path
) -> None:
    model = workers[kind].call(offload_networks.save, TIMEOUT_S, name, tmp_path)
    kept, different = workers[kind].call(
        offload_comparison.compared, TIMEOUT_S, model, opset, tmp_path / "both"
    )
    assert (set(kept), different) == (offload_networks.NETWORKS[name][2], "")


@pytest.fixture(scope="module")
def attention(workers: Workers, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("attention")
    return workers["pir"].call(offload_networks.save, TIMEOUT_S, "attention", folder)


def test_swapped_weights_are_other_bytes(
    attention: Artifact, workers: Workers, tmp_path: Path
) -> None:
    worker = workers["pir"]
    _, different = worker.call(
        offload_comparison.compared, TIMEOUT_S, attention, 17, tmp_path / "both", swap=True
    )
    assert "kept out" in different


@pytest.mark.conversion
@pytest.mark.parametrize(
    ("export", "verdict", "recorded"),
    [
        (offload_comparison.export_small, "agrees", {"weights_kept_out": 6}),
        (offload_comparison.export_swapped, "differs", {"weights_kept_out": 6}),
        (
            offload_comparison.export_crashed,
            "agrees",
            {"weights_not_kept_out": "Paddle2ONNX ended with SIGABRT: it printed no reason"},
        ),
    ],
)
def test_a_conversion_proves_restored_weights_and_records_them(
    export: Any,
    verdict: str,
    recorded: dict[str, Any],
    attention: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onnx_attempt, "export_raw", export)
    done = convert(resolve(attention.path), tmp_path / "it.onnx", keep=True)
    assert done.verdict == verdict
    provenance = done.artifact.provenance
    assert {key: provenance[key] for key in provenance if key.startswith("weights_")} == recorded


@pytest.mark.parametrize(
    ("export", "reason"),
    [
        (offload_comparison.export_refused, "no such weight"),
        (offload_comparison.export_copied, "it read one"),
    ],
)
def test_paddle2onnx_gets_all_weights_where_it_needs_them(
    export: Any, reason: str, attention: Artifact, workers: Workers, tmp_path: Path
) -> None:
    raws = []
    for number, way in enumerate((export, export_raw)):
        folder = tmp_path / str(number)
        folder.mkdir()
        raws.append(workers["pir"].call(way, TIMEOUT_S, attention, folder, opset=17))
    assert (raws[0].offloaded, raws[0].not_offloaded) == ((), reason)
    assert raws[0].path.read_bytes() == raws[1].path.read_bytes()


def test_nothing_of_a_small_model_is_offloaded(
    attention: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(attention.path.read_bytes())
    params = attention.weights_file or Path()

    def kept() -> list[OffloadedWeight]:
        return offload_weights(document, attention.path, params, tmp_path / "light")

    monkeypatch.setattr(weight_offload, "LEAST_BYTES", 8 * 16 * 4)  # of the two larger of six
    assert kept() == []
    monkeypatch.setattr(weight_offload, "LEAST_TOTAL_BYTES", params.stat().st_size)
    assert [item.name for item in kept()] == ["linear_4.w_0", "linear_5.w_0"]
    assert (tmp_path / "light").stat().st_size < params.stat().st_size - 2 * 8 * 16 * 3


def test_parameters_that_are_not_plainly_the_programs_are_not_offloaded(
    attention: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weight_offload, "LEAST_TOTAL_BYTES", 1)
    params = tmp_path / "other.pdiparams"
    stored = read_stored_parameters(attention.weights_file or Path())
    params.write_bytes((attention.weights_file or Path()).read_bytes()[: stored[-1].start])
    light = tmp_path / "light"
    assert offload_weights({}, attention.path, params, light) == []
    assert not light.exists()


def passed_by(*constants: tuple[str, Any]) -> bytes:
    """A file of Constant nodes."""
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value)))
        for name, value in constants
    ]
    content: bytes = helper.make_model(helper.make_graph(nodes, "g", [], [])).SerializeToString()
    return content


NANS = np.full(8, np.nan, np.float32)
ONE = (OffloadedWeight(name="w", spec=ParameterSpec("float32", (2, 2)), offset=0, size_bytes=16),)


@pytest.mark.parametrize(
    ("constants", "reason"),
    [
        ([("w", NANS), ("b", np.array([np.nan, 1], np.float32))], ""),
        ([], "did not pass on w"),
        ([("w", NANS.reshape(2, 4))], "did not pass on w"),
        ([("w", NANS.astype(np.float64))], "did not pass on w"),
        ([("w", np.zeros(8, np.float32))], "did not pass on w"),
        ([("w", NANS), ("w", NANS)], "did not pass on w"),
        ([("w", NANS), ("v", NANS)], "copied a weight of float32"),
        ([("w", NANS), ("v", np.concatenate([[1, 2], NANS, [3]]).astype(np.float32))], "copied"),
    ],
)
def test_only_what_was_passed_on_untouched_is_restored(
    constants: list[tuple[str, Any]], reason: str
) -> None:
    found = why_not_restorable(passed_by(*constants), ONE)
    assert reason in found
    assert bool(reason) == bool(found)


def test_an_onnxslim_of_other_insides_is_used_in_memory(
    attention: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Worker() as worker:
        raws = [
            worker.call(offload_comparison.exported, TIMEOUT_S, attention, tmp_path / way, 17)
            for way in ("disk", "memory")
        ]
    assert offload_comparison.finished(raws[0], tmp_path / "disk.onnx") == ""
    entered: list[Path] = []

    def other_insides(folder: Path) -> Any:
        entered.append(folder)
        raise AttributeError("LazyValues")

    monkeypatch.setattr("paddleport.convert.paddle2onnx.finish.weights_on_disk", other_insides)
    assert offload_comparison.finished(raws[1], tmp_path / "memory.onnx", in_memory=True) == ""
    assert len(entered) == 1
    assert (tmp_path / "disk.onnx").read_bytes() == (tmp_path / "memory.onnx").read_bytes()


def test_onnxslim_is_itself_again_after_a_failure(tmp_path: Path) -> None:
    replaced = simplify_on_disk._FunctionsOnDisk(tmp_path).replaced
    before = [vars(owner)[name] for owner, name, _ in replaced]
    with pytest.raises(KeyError), simplify_on_disk.weights_on_disk(tmp_path):
        during = [vars(owner)[name] for owner, name, _ in replaced]
        raise KeyError("a pass of its own")
    assert [vars(owner)[name] for owner, name, _ in replaced] == before
    assert not any(was is now for was, now in zip(before, during, strict=True))


@pytest.mark.parametrize("transposed", [False, True])
def test_a_weight_that_onnxslim_made_is_written_in_its_order(
    transposed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simplify_on_disk, "LEAST_BYTES", 1)
    monkeypatch.setattr(simplify_on_disk, "_BLOCK_BYTES", 64)
    store = simplify_on_disk._WeightFile(tmp_path / "store")
    values = np.arange(60, dtype=np.float32).reshape(12, 5)
    values = values.T if transposed else values
    first, other, again = store.put(values), store.put(values + 1), store.put(values)
    assert b"".join(first.chunks()) == values.tobytes()
    assert b"".join(other.chunks()) == (values + 1).tobytes()
    assert again == first
    assert (tmp_path / "store").stat().st_size == 2 * values.nbytes


TRANSPOSED = (
    helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
    helper.make_node("MatMul", ["x", "t"], ["y"]),
)
SCALED = (helper.make_node("Mul", ["x", "w"], ["y"]),)


@pytest.mark.parametrize(
    ("nodes", "least_bytes", "refers"),
    [(TRANSPOSED, 1 << 16, True), (SCALED, 1 << 16, True), (SCALED, 1 << 30, False)],
)
def test_what_onnxslim_looks_at_and_folds_comes_out_the_same(
    nodes: Sequence[onnx.NodeProto],
    least_bytes: int,
    refers: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weight = np.random.default_rng(0).normal(size=(512, 512)).astype(np.float32)
    (tmp_path / "weights").write_bytes(bytes(5000) + weight.tobytes())
    info = helper.make_tensor_value_info
    place = info("x", TensorProto.FLOAT, [512, 512]), info("y", TensorProto.FLOAT, [512, 512])
    value = numpy_helper.from_array(weight, "w")
    graph = helper.make_graph(nodes, "g", place[:1], place[1:], [value])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    ordinary = onnxslim.slim(onnx.ModelProto.FromString(proto.SerializeToString()))
    set_external(proto.graph.initializer[0], tmp_path / "weights", 5000, weight.nbytes)
    monkeypatch.setattr(simplify_on_disk, "LEAST_BYTES", least_bytes)
    with simplify_on_disk.weights_on_disk(tmp_path):
        slim = onnxslim.slim(proto)
    assert (external_bytes(slim.graph.initializer[0]) is not None) == refers
    load_external(slim)
    assert len(slim.graph.node) == 1
    assert slim.SerializeToString(deterministic=True) == ordinary.SerializeToString(
        deterministic=True
    )


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system keeps what was read")
def test_a_weight_that_was_looked_at_takes_no_memory_once_another_is(tmp_path: Path) -> None:
    first, second = np.arange(1 << 23, dtype=np.float32), np.zeros(3, np.float32)
    (tmp_path / "weights").write_bytes(second.tobytes() + first.tobytes())
    maps = simplify_on_disk._WeightMaps()
    place = ExternalBytes(tmp_path / "weights", second.nbytes, first.nbytes)
    held = maps.array(numpy_helper.from_array(first), place)
    assert np.array_equal(held, first)
    before = resident_bytes(os.getpid()) or 0
    maps.array(
        numpy_helper.from_array(second), ExternalBytes(tmp_path / "weights", 0, second.nbytes)
    )
    assert before - (resident_bytes(os.getpid()) or 0) > first.nbytes // 2
    assert np.array_equal(held, first), "it is read again"


@pytest.mark.parametrize("family", ["windows", "arrays", "attention", "recurrent"])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_operator_comes_out_the_same(kind: str, family: str, tmp_path: Path) -> None:
    different, offloaded_from = [], 0
    worker = Worker(environ={"FLAGS_enable_pir_api": FORMATS[kind]})
    for number, (name, opsets) in enumerate(
        worker.call(matrix.names, TIMEOUT_S, family, kind).items()
    ):
        try:
            kept, difference = worker.call(
                offload_comparison.compared_network,
                TIMEOUT_S,
                family,
                name,
                opsets[-1],
                tmp_path / str(number),
            )
        except (WorkerCrashed, RemoteError):  # it is not converted at all
            worker.close()
            worker = Worker(environ={"FLAGS_enable_pir_api": FORMATS[kind]})
            continue
        offloaded_from += bool(kept)
        if difference:
            different.append(f"{name}: {difference}")
    worker.close()
    assert not different, "\n".join(different)
    assert offloaded_from
