"""A served model is held against native Paddle before it is ready."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from paddleport.convert import convert
from paddleport.convert.precision.gate_inputs import GateOptions
from paddleport.errors import FeedError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import REFERENCE_KEY, read_onnx_model, read_onnx_proto
from paddleport.models.recognize import read_artifact
from paddleport.runners.predictor import Predictor, PredictorSpec
from paddleport.runners.runner_options import Precision, RunnerOptions
from paddleport.serve.hosting.host_settings import HostSettings
from paddleport.serve.hosting.model_host import Inferred, NotReadyError
from paddleport.serve.hosting.process_host import ProcessHost
from paddleport.serve.proof import prove, prove_with_paddle
from paddleport.serve.served_card import model_card
from paddleport.tensors import Array, Feed, TensorSpec
from paddleport.validate.accuracy_gate.gate import DEFAULT_LIMITS, GateLimits
from paddleport.validate.feeds.made_feed import made_feed
from paddleport.validate.feeds.packed_tensors import pack, unpack
from paddleport.validate.feeds.reference_record import REFERENCE, FedModel, reference_record
from paddleport.validate.feeds.stored_reference import read_reference
from paddleport.validate.feeds.value_ranges import ValueRange

NAME = "MobileNetV2_x0_25"
pytestmark = pytest.mark.filterwarnings("ignore:seeded weights")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "model.onnx"
    assert convert(NAME, path, weights="seeded").verdict == "agrees"
    return path


def served(model: Artifact, backend: str = "onnxruntime", **how: Any) -> PredictorSpec:
    options = RunnerOptions(threads=1, precision=how.pop("precision", None))
    return PredictorSpec(
        model=model, backend=backend, options=options, preprocess=model.preprocess, **how
    )


def proven(spec: PredictorSpec, *, natively: bool = False) -> Mapping[str, Any]:
    async def main() -> Mapping[str, Any]:
        with Predictor(spec) as predictor:

            async def infer(feed: Feed) -> Inferred:
                return Inferred(outputs=predictor.run(feed), stages_s={}, batch=1)

            return await (prove_with_paddle if natively else prove)(spec, infer)

    found = asyncio.run(main())
    json.dumps(found)  # plain values
    return found


def with_changed_weight(file: Path, path: Path) -> Artifact:
    """One number of one weight is another: every checksum of the format is still right."""
    proto = read_onnx_proto(file)
    weight = next(item for item in proto.graph.initializer if len(item.dims) == 4)
    values = numpy_helper.to_array(weight).copy()
    values.flat[values.size // 2] = values.flat[values.size // 2] + 0.5
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(proto, str(path))
    return read_onnx_model(path)


def with_reference(file: Path, path: Path, change: Any) -> Artifact:
    """A file whose record is another one; without any where ``change`` gives ``None``."""
    proto = read_onnx_proto(file)
    (entry,) = [item for item in proto.metadata_props if item.key == REFERENCE_KEY]
    record = change(json.loads(entry.value))
    entry.value = json.dumps(record)
    if record is None:
        proto.metadata_props.remove(entry)
    onnx.save(proto, str(path))
    return read_onnx_model(path)


def test_a_right_file_says_with_what_it_was_compared(file: Path) -> None:
    model = read_onnx_model(file)
    assert len(json.dumps(model.provenance[REFERENCE])) < 20_000
    found = proven(served(model))
    assert found["result"] == "agrees" and found["precision"] == "fp32"
    assert found["feeds"] == ["sample 0", "sample 1", "noise 0"] and not found["left_out"]
    (output,) = found["outputs"]
    assert output["worst_error"] < output["limit"] == 1e-4
    assert found["sentence"].startswith(
        "agrees with native Paddle's answers, stored when the file was made, on 3 feeds in fp32"
    )


def test_one_changed_weight_keeps_it_from_being_ready(file: Path, tmp_path: Path) -> None:
    changed = with_changed_weight(file, tmp_path / "changed.onnx")
    with pytest.raises(NotReadyError) as caught:
        proven(served(changed))
    message = str(caught.value)
    for part in ("changed.onnx on onnxruntime in fp32", "error", "limit 0.0001", "validate", NAME):
        assert part in message
    assert "\n" not in message


def test_a_host_with_it_is_not_ready_and_says_why(file: Path, tmp_path: Path) -> None:
    """By the way that requests go: worker processes, queue and batches."""

    async def main() -> None:
        right = ProcessHost("right", served(read_onnx_model(file)), HostSettings(), prove=prove)
        changed = with_changed_weight(file, tmp_path / "changed.onnx")
        wrong = ProcessHost("wrong", served(changed), HostSettings(), prove=prove)
        try:
            await right.load()
            assert right.state.ready and right.state.proof["result"] == "agrees"
            with pytest.raises(NotReadyError):
                await wrong.load()
            assert not wrong.state.ready and "differs from native Paddle's" in wrong.state.reason
            with pytest.raises(NotReadyError):
                await wrong.infer({"x": np.zeros((1, 3, 224, 224), np.float32)})
            card = model_card(right)
            rows = {row["name"]: row["value"] for row in card["rows"]}
            assert card["takes_pictures"] and rows["made of"] == NAME
            assert rows["weights"].startswith("seeded: untrained") and "published" not in rows
            assert rows["steps"] == "Paddle2ONNX, simplifier"
            assert str(tmp_path) not in json.dumps(card)
        finally:
            await right.unload()
            await wrong.unload()

    asyncio.run(main())


def test_a_file_that_float64_decided_about_is_not_proven_by_the_limit(
    file: Path, tmp_path: Path
) -> None:
    changed = with_changed_weight(file, tmp_path / "changed.onnx")
    why = "as exact as native Paddle, both held against float64"
    found = proven(served(replace(changed, provenance={**changed.provenance, "proof": why})))
    assert found["result"] == "unproven" and why in found["sentence"]
    assert "error" in found["sentence"] and found["sentence"].startswith("is not proven against")


def test_a_file_of_before_is_served_and_says_so(file: Path, tmp_path: Path) -> None:
    old = with_reference(file, tmp_path / "old.onnx", lambda record: None)
    assert REFERENCE not in old.provenance and old.provenance["source"]["name"] == NAME
    found = proven(served(old))
    assert found["result"] == "not compared"
    assert "Convert it again with paddleport convert, or give --prove" in found["sentence"]


def test_a_feed_that_is_drawn_in_another_way_is_not_compared(file: Path, tmp_path: Path) -> None:
    def other_noise(record: Any) -> Any:
        record["feeds"][2]["sha256"] = "0" * 64
        return record

    def other_numpy(record: Any) -> Any:
        for feed in record["feeds"]:
            feed["sha256"] = "0" * 64
        return record

    some = proven(served(with_reference(file, tmp_path / "a.onnx", other_noise)))
    assert some["result"] == "agrees" and some["feeds"] == ["sample 0", "sample 1"]
    assert some["left_out"][0].startswith("noise 0: made again it has other bytes")
    assert some["left_out"][0] in some["sentence"]
    none = proven(served(with_reference(file, tmp_path / "b.onnx", other_numpy)))
    assert none["result"] == "not compared" and "other bytes" in none["sentence"]


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 2},
        {"feeds": "none"},
        {"feeds": []},
        {"samples": "x"},
        {"inputs": [{"name": "x"}]},
        {"feeds": [{"name": "a", "number": 0, "sha256": "", "answers": [["y", {"dtype": "O"}]]}]},
    ],
)
def test_a_damaged_record_is_one_line(file: Path, tmp_path: Path, damage: Any) -> None:
    model = with_reference(file, tmp_path / "x.onnx", lambda record: {**record, **damage})
    with pytest.raises(NotReadyError, match=r"can't be proven: .*Convert it again") as caught:
        proven(served(model))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("openvino_bf16")
def test_a_precision_that_was_asked_for_is_the_limit(small_pir: Artifact, tmp_path: Path) -> None:
    """Asked for bf16, OpenVINO is right within bf16's limit; its error is none of fp32's."""
    path = tmp_path / "small.onnx"
    convert(small_pir.path.parent, path)
    spec = served(read_onnx_model(path), "openvino", precision="bf16")
    found = proven(spec)
    assert found["result"] == "agrees" and found["precision"] == "bf16"
    assert found["outputs"][0]["limit"] == 5e-2 and found["outputs"][0]["worst_error"] > 1e-4
    assert proven(served(spec.model, "openvino"))["precision"] == "fp32"


@pytest.mark.usefixtures("openvino_bf16")
def test_a_precision_that_is_too_coarse_is_the_cause(file: Path) -> None:
    """An untrained network's answers do not survive bf16, by validate's own word."""
    with pytest.raises(NotReadyError, match=r"Cause: bf16, .* leave --precision bf16 out"):
        proven(served(read_onnx_model(file), "openvino", precision="bf16"))


def test_an_embedded_preprocessing_is_fed_with_pixels(tmp_path: Path) -> None:
    path = tmp_path / "pixels.onnx"
    convert(NAME, path, weights="seeded", embed_preprocess=True)
    found = proven(served(read_onnx_model(path)))
    assert found["result"] == "agrees" and len(found["feeds"]) == 3
    with pytest.raises(NotReadyError, match="differs"):
        proven(served(with_changed_weight(path, tmp_path / "changed.onnx")))


def test_other_formats_carry_it_beside_them(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    path = tmp_path / "model.xml"
    convert(NAME, path, to="openvino", weights="seeded")
    found = proven(served(read_artifact(path), "openvino"))
    assert found["result"] == "agrees" and len(found["feeds"]) == 3


def with_doubled_scale(file: Path, path: Path) -> Artifact:
    """One of a quantised file's float numbers is another."""
    proto = read_onnx_proto(file)
    found = [
        item
        for item in proto.graph.initializer
        if item.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    ]
    values = numpy_helper.to_array(found[-1])
    found[-1].CopyFrom(numpy_helper.from_array(values * values.dtype.type(2), found[-1].name))
    onnx.save(proto, str(path))
    return read_onnx_model(path)


@pytest.mark.parametrize("precision", ["fp16", pytest.param("int8", marks=pytest.mark.slow)])
def test_a_quantised_file_is_judged_as_such(
    precision: Precision, small_pir: Artifact, tmp_path: Path
) -> None:
    """Against what it answered when it passed its gate; where it was not run, by its answers."""
    made = tmp_path / "low.onnx"
    limits = DEFAULT_LIMITS
    kept: tuple[str, ...] = ()
    if precision == "int8":  # four channels of an untrained network lose more than a whole one
        limits, kept = GateLimits(agreement=0.975, log_probability=2), ("ReduceMean.0",)
    gate = GateOptions(limits=limits)
    folder = small_pir.path.parent
    done = convert(folder, made, precision=precision, keep_fp32=kept, gate=gate)
    assert done.verdict == "passed", done.explanation
    found = proven(served(read_onnx_model(made)))
    assert found["precision"] == precision and found["result"] in ("agrees", "unproven")
    assert "when its answers passed for native Paddle's" in found["against"]
    assert max(item["worst_error"] for item in found["outputs"]) < 1e-4
    with pytest.raises(NotReadyError, match=f"onnxruntime in {precision} differs"):
        proven(served(with_doubled_scale(made, tmp_path / "changed.onnx")))

    def elsewhere(record: Any) -> Any:
        for feed in record["feeds"]:
            del feed["lowered"]
        return record

    model = with_reference(made, tmp_path / "other.onnx", elsewhere)
    other = proven(served(model))
    assert other["against"].startswith("native Paddle's answers, stored")
    assert other["precision"] == precision
    lowered = json.loads(json.dumps(model.provenance["lowered"]))
    for row in lowered["gate"]["backends"]:
        row["result"] |= {"passed": False, "reason": "97.0%, 99.0% is needed"}
    failed = replace(model, provenance={**model.provenance, "lowered": lowered})
    with pytest.raises(NotReadyError, match=r"did not pass its gate on onnxruntime .*: 97\.0%"):
        proven(served(failed))


def test_native_paddle_is_asked(file: Path, tmp_path: Path) -> None:
    pytest.importorskip("paddle")
    old = with_reference(file, tmp_path / "old.onnx", lambda record: None)
    found = proven(served(old), natively=True)
    assert found["result"] == "agrees" and "native Paddle running" in found["against"]
    changed = with_changed_weight(tmp_path / "old.onnx", tmp_path / "changed.onnx")
    with pytest.raises(NotReadyError, match="differs from native Paddle running"):
        proven(served(changed), natively=True)


def test_paddle_s_own_program_is_held_against_paddle_at_its_plainest(small_pir: Artifact) -> None:
    spec = served(small_pir, "paddle")
    assert "small.json is Paddle's own program" in proven(spec)["sentence"]
    found = proven(spec, natively=True)
    assert found["result"] == "agrees" and len(found["outputs"]) == 2


def test_what_native_paddle_is_asked_about_must_be_known(file: Path) -> None:
    known = read_onnx_model(file)
    nobody = replace(known, provenance={})
    with pytest.raises(NotReadyError, match="does not say where its Paddle model is"):
        proven(served(nobody), natively=True)
    stored = replace(known, provenance={REFERENCE: known.provenance[REFERENCE]})
    found = proven(served(stored), natively=True)
    assert found["result"] == "agrees" and "native Paddle was not asked: " in found["sentence"]
    source = {**known.provenance["source"], "sha256": "0" * 64}
    other = replace(known, provenance={"source": source})
    with pytest.raises(NotReadyError, match="is another model than"):
        proven(served(other), natively=True)


IDS = TensorSpec("ids", "int64", (None, 8))
IMAGE = TensorSpec("image", "float32", (None, 3, 64, 64))


def test_integers_and_several_inputs_come_back() -> None:
    """A recipe cannot know what a table's rows are bounded by, so integers are stored."""
    ranges = {"ids": ValueRange(0, 3)}
    specs = [replace(IDS, shape=(1, 8)), replace(IMAGE, shape=(1, 3, 8, 8))]
    feeds = [made_feed(specs, index, ranges) for index in range(3)]
    answers = [{"y": feed.tensors["ids"] * 2.5, "n": feed.tensors["ids"]} for feed in feeds]
    model = FedModel(inputs=specs, preprocess=None)
    record = json.loads(json.dumps(reference_record(model, feeds, answers), sort_keys=True))
    assert all("tensors" in feed for feed in record["feeds"])
    found = read_reference(record, None)
    for stored, feed, answer, wanted in zip(
        found.feeds, feeds, found.answers, answers, strict=True
    ):
        assert list(stored.tensors) == ["ids", "image"]
        for name, tensor in feed.tensors.items():
            np.testing.assert_array_equal(stored.tensors[name], tensor)
        assert list(answer) == ["y", "n"] and answer["n"].dtype == np.int64
        np.testing.assert_array_equal(answer["y"], wanted["y"])


def test_an_input_of_another_shape_is_left_out(file: Path) -> None:
    """As a host does, which was opened for fixed shapes."""

    async def infer(feed: Feed) -> Inferred:
        raise FeedError("input x got another shape")

    found = asyncio.run(prove(served(read_onnx_model(file)), infer))
    assert found["result"] == "not compared" and "input x got another shape" in found["sentence"]


def test_another_number_of_outputs_differs(file: Path) -> None:
    async def infer(feed: Feed) -> Inferred:
        return Inferred(outputs={"a": np.zeros(1), "b": np.zeros(1)}, stages_s={}, batch=1)

    with pytest.raises(NotReadyError, match="2 outputs, the reference has 1"):
        asyncio.run(prove(served(read_onnx_model(file)), infer))


def test_what_is_too_large_is_left_out() -> None:
    model = FedModel(inputs=[IMAGE], preprocess=None)
    given = [{"image": np.random.default_rng(0).random((1, 3, 64, 64), np.float32)}]
    feeds = [replace(made_feed([IMAGE], 0), name="given", kind="given", tensors=given[0])]
    assert reference_record(model, feeds, [{"y": np.ones(3)}], given=given) == {}


def test_a_large_answer_is_kept_at_fixed_places() -> None:
    model = FedModel(inputs=[IMAGE], preprocess=None)
    feeds = model.feeds()
    large = [np.random.default_rng(number).random((1, 19, 256, 256)) for number in range(3)]
    record = reference_record(model, feeds, [{"map": tensor} for tensor in large])
    assert len(json.dumps(record)) < 256_000
    stored = read_reference(record, None)
    outputs: list[Mapping[str, Array]] = [{"other": tensor} for tensor in large]
    for kept, theirs in zip(stored.answers, stored.at_kept_places(outputs), strict=True):
        assert 1000 < kept["map"].size < 20_000
        np.testing.assert_array_equal(kept["map"], theirs["other"])
    turned: list[Mapping[str, Array]] = [{"other": tensor.swapaxes(1, 2)} for tensor in large]
    assert "[1, 256, 19, 256]" in stored.shape_differences(turned)[0]
    assert not stored.shape_differences(outputs)


@pytest.mark.parametrize(
    "packed",
    [
        None,
        {"dtype": "object", "shape": [1], "data": ""},
        {"dtype": "float32", "shape": [-1], "data": ""},
        {"dtype": "float32", "shape": [4], "data": "AAAA"},
        {"dtype": "float32", "shape": [1 << 40], "data": ""},
        {**pack(np.zeros(5, np.float32)), "shape": [4]},
        {**pack(np.zeros(5, np.float32)), "places": 9},
    ],
)
def test_no_text_of_a_file_is_trusted(packed: Any) -> None:
    with pytest.raises(ValueError):
        unpack(packed)
