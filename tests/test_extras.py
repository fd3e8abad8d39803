"""Extras that not every backend takes: who gets them, who is told, and when nobody does."""

import pytest

from paddleport.errors import BackendUnavailableError, UsageError
from paddleport.runners.base import RunnerOptions
from paddleport.runners.onnxruntime.ort_runner import OnnxRuntimeRunner
from paddleport.runners.openvino import OpenVinoRunner
from paddleport.validate.parity.extras import deal
from paddleport.validate.parity.plan import Plan

TF32 = {"tf32": "true"}
BOTH = ("onnxruntime", "tensorrt")


def test_one_that_another_takes_is_left_out_with_a_word() -> None:
    dealt = deal(Plan(BOTH, extras=TF32))
    assert (dealt["tensorrt"].extras, dealt["tensorrt"].notes) == (TF32, ())
    assert dealt["onnxruntime"].extras == {}
    assert dealt["onnxruntime"].notes == ("did not get -o tf32=true, as others do: tensorrt",)


def test_who_does_not_know_it_has_nothing_to_say() -> None:
    assert deal(Plan(extras=TF32))["openvino"].notes == ()


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (Plan(("onnxruntime",), extras=TF32), "add -o provider=cuda"),
        (Plan(("onnxruntime", "openvino"), extras=TF32), "add -o provider=cuda"),
        # the others that know it have no such device, so that nobody would compute as asked
        (Plan(device="cpu", extras=TF32), "add -o provider=cuda"),
        (Plan(extras={"tf32": "maybe"}), "tf32 is of type bool"),
        (Plan(threads=2, extras={"streams": "3"}), "not possible with 2 threads"),
        (Plan(extras={"tf31": "true"}), "Did you mean 'tf32'"),
        (Plan(threads=0), "--threads 0"),
        (Plan(BOTH, threads=0, extras=TF32), "--threads 0"),
    ],
)
def test_one_that_nobody_takes_is_refused(plan: Plan, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        deal(plan)


def test_what_a_provider_makes_way_for_is_kept_whatever_the_order() -> None:
    extras = {"tf32": "true", "workspace_mb": "64", "provider": "cuda"}
    dealt = deal(Plan(BOTH, extras=extras))["onnxruntime"]
    assert dealt.extras == {"tf32": "true", "provider": "cuda"}
    assert [note.split(",")[0] for note in dealt.notes] == ["did not get -o workspace_mb=64"]


def test_a_device_that_a_named_backend_never_has() -> None:
    with pytest.raises(BackendUnavailableError, match="no device 'cuda'"):
        deal(Plan(("openvino",), device="cuda"))
    assert deal(Plan(device="cuda"))["openvino"].extras == {}


def test_a_runner_is_asked_of_one_extra_more() -> None:
    options = RunnerOptions(threads=2, extras={"streams": "2"})
    assert OpenVinoRunner.takes_extra(options, "cache", "true")
    assert not OpenVinoRunner.takes_extra(options, "streams", "3")
    assert not OpenVinoRunner.takes_extra(options, "tf32", "true")
    assert not OnnxRuntimeRunner.takes_extra(options, "tf32", "true")
    assert OnnxRuntimeRunner.takes_extra(RunnerOptions("cuda", threads=2), "tf32", "true")
