"""What becomes of a file above its limit, and that one within it costs no further question."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from made_report import comparison

from paddleport.convert import pipeline
from paddleport.convert.artifact_cache import cached_onnx
from paddleport.convert.fp32_proof import Proof, prove
from paddleport.errors import ConversionError, NotProvenError
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import resolve
from paddleport.validate import BackendRow
from paddleport.validate.diagnose.causes import NEXT_LOCATE

GOOD, BAD = [comparison(1e-6)], [comparison(1e-3, verdict="differs")]
EXACT = "Nobody is to blame. Next: judge it by accuracy on labelled data."


def unasked(backends: Sequence[str]) -> NoReturn:
    raise AssertionError(f"asked for {backends}")


def test_within_the_limit_nothing_is_asked() -> None:
    proof = prove({"onnxruntime": GOOD, "openvino": GOOD}, unasked)
    assert (proof.verdict, proof.cause, proof.why, proof.provenance) == ("agrees", "", "", {})
    unproven = prove({"onnxruntime": [comparison(0.0, verdict="unproven")]}, unasked)
    assert (unproven.verdict, unproven.why) == ("unproven", "")


def test_a_file_that_agrees_imports_nothing_of_a_validation() -> None:
    code = (
        "import sys, paddleport.convert.pipeline, paddleport.convert.onnx_conversion\n"
        "late = tuple(f'paddleport.validate.{room}' for room in ('diagnose', 'parity', 'bisect'))\n"
        "found = [name for name in sys.modules if name.startswith(late)]\n"
        "print(*found, end='')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def explained_as(row: BackendRow) -> Proof:
    asked: list[Sequence[str]] = []

    def explain(backends: Sequence[str]) -> list[BackendRow]:
        asked.append(backends)
        return [row]

    proof = prove({"onnxruntime": BAD, "openvino": GOOD}, explain)
    assert asked == [["onnxruntime"]]
    return proof


def test_above_the_limit_it_is_what_validate_says() -> None:
    exact = BackendRow(
        name="onnxruntime",
        verdict="agrees",
        cause="ill-conditioned",
        explanation=EXACT,
        comparisons=(comparison(1e-3),),
    )
    proof = explained_as(exact)
    assert (proof.verdict, proof.cause, proof.why) == ("agrees", "ill-conditioned", EXACT)
    assert proof.provenance == {"proof": "Nobody is to blame."}
    assert proof.comparisons[0].verdict == "agrees"
    chaotic = explained_as(
        BackendRow(
            name="onnxruntime",
            verdict="unproven",
            cause="ill-conditioned",
            explanation=EXACT,
            comparisons=(comparison(1.0, verdict="unproven"),),
        )
    )
    assert (chaotic.verdict, chaotic.cause, chaotic.provenance) == (
        *("unproven", "ill-conditioned"),
        {},
    )
    fault = explained_as(
        BackendRow(
            name="onnxruntime",
            verdict="differs",
            cause="converter",
            step="simplifier",
            explanation=f"Another model. {NEXT_LOCATE}",
            comparisons=tuple(BAD),
        )
    )
    assert (fault.verdict, fault.cause, fault.step) == ("differs", "converter", "simplifier")
    assert fault.why == (
        "Another model. Next: paddleport locate --backend onnxruntime names the node."
    )


def test_no_answer_to_the_question_leaves_a_difference() -> None:
    broken = explained_as(BackendRow(name="onnxruntime", verdict="failed", reason="SIGSEGV"))
    assert (broken.verdict, broken.cause, broken.why) == (
        *("differs", ""),
        "Why is not known: SIGSEGV.",
    )
    again = explained_as(BackendRow(name="onnxruntime", verdict="agrees"))
    assert (again.verdict, again.cause) == ("differs", "nondeterminism")

    def fails(backends: Sequence[str]) -> NoReturn:
        raise ConversionError("no memory")

    proof = prove({"onnxruntime": BAD}, fails)
    assert (proof.verdict, proof.why) == ("differs", "Why is not known: no memory.")


def test_the_backend_that_agrees_least_is_the_files() -> None:
    rows = [
        BackendRow(
            name="onnxruntime",
            verdict="agrees",
            cause="ill-conditioned",
            explanation=EXACT,
            comparisons=(comparison(1e-3),),
        ),
        BackendRow(
            name="openvino",
            verdict="differs",
            cause="runtime",
            explanation="Otherwise.",
            comparisons=tuple(BAD),
        ),
    ]
    proof = prove({"onnxruntime": BAD, "openvino": BAD}, lambda backends: rows)
    assert (proof.verdict, proof.cause) == ("differs", "runtime")


def test_validate_converts_only_once_what_is_not_proven(
    small_pir: Artifact, small_onnx: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path))
    converted: list[bool] = []

    class Done:
        explanation = "it differs"

        def __init__(self, path: Path, keep: bool) -> None:
            self.path = path.with_suffix(".differs.onnx") if keep else None
            if self.path is not None:
                self.path.write_bytes(small_onnx.path.read_bytes())

    def convert(
        source: object, path: Path, *, keep: bool, explain: bool, **options: object
    ) -> Done:
        converted.append(explain)
        return Done(path, keep)

    monkeypatch.setattr(pipeline, "convert", convert)
    source = resolve(small_pir.path)
    for _ in range(2):
        found = cached_onnx(source, proven=False).path
        assert found.read_bytes() == small_onnx.path.read_bytes()
    assert converted == [False]  # validate asks for itself
    with pytest.raises(NotProvenError, match="it differs"):
        cached_onnx(source)
    assert converted == [False, True]
