"""Extras that not every backend takes: who gets them, who is warned, and when nobody does."""

import pytest

from paddleport.errors import BackendUnavailableError, UsageError
from paddleport.runners.onnxruntime.ort_runner import OnnxRuntimeRunner
from paddleport.runners.openvino import OpenVinoRunner
from paddleport.runners.runner_options import RunnerOptions
from paddleport.validate.parity.validation_plan import Plan, assign_extras

TF32 = {"tf32": "true"}
BOTH = ("onnxruntime", "tensorrt")


def test_one_that_another_takes_is_left_out_with_a_word() -> None:
    assigned = assign_extras(Plan(backends=BOTH, extras=TF32))
    assert (assigned["tensorrt"].extras, assigned["tensorrt"].notes) == (TF32, ())
    assert assigned["onnxruntime"].extras == {}
    assert assigned["onnxruntime"].notes == ("did not get -o tf32=true, as others do: tensorrt",)


def test_who_does_not_know_it_has_nothing_to_say() -> None:
    assert assign_extras(Plan(extras=TF32))["openvino"].notes == ()


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (Plan(backends=("onnxruntime",), extras=TF32), "add -o provider=cuda"),
        (Plan(backends=("onnxruntime", "openvino"), extras=TF32), "add -o provider=cuda"),
        # the others that know it have no such device, so that nobody would compute as asked
        (Plan(device="cpu", extras=TF32), "add -o provider=cuda"),
        (Plan(extras={"tf32": "maybe"}), "tf32 is of type bool"),
        (Plan(threads=2, extras={"streams": "3"}), "not possible with 2 threads"),
        (Plan(extras={"tf31": "true"}), "Did you mean 'tf32'"),
        (Plan(threads=0), "--threads 0"),
        (Plan(backends=BOTH, threads=0, extras=TF32), "--threads 0"),
    ],
)
def test_one_that_nobody_takes_is_refused(plan: Plan, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        assign_extras(plan)


def test_what_a_provider_makes_way_for_is_kept_whatever_the_order() -> None:
    extras = {"tf32": "true", "workspace_mb": "64", "provider": "cuda"}
    assigned = assign_extras(Plan(backends=BOTH, extras=extras))["onnxruntime"]
    assert assigned.extras == {"tf32": "true", "provider": "cuda"}
    assert [note.split(",")[0] for note in assigned.notes] == ["did not get -o workspace_mb=64"]


def test_a_device_that_a_named_backend_never_has() -> None:
    with pytest.raises(BackendUnavailableError, match="no device 'cuda'"):
        assign_extras(Plan(backends=("openvino",), device="cuda"))
    assert assign_extras(Plan(device="cuda"))["openvino"].extras == {}


def test_a_runner_is_asked_of_one_extra_more() -> None:
    options = RunnerOptions(threads=2, extras={"streams": "2"})
    assert OpenVinoRunner.takes_extra(options, "cache", "true")
    assert not OpenVinoRunner.takes_extra(options, "streams", "3")
    assert not OpenVinoRunner.takes_extra(options, "tf32", "true")
    assert not OnnxRuntimeRunner.takes_extra(options, "tf32", "true")
    assert OnnxRuntimeRunner.takes_extra(RunnerOptions(device="cuda", threads=2), "tf32", "true")
