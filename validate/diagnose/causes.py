"""From evidence to a cause: who made a backend differ, and what to do next."""

from typing import Literal

from paddleport.validate.diagnose.amplified_rounding import (
    EXPLAINED,
    describe_ill_conditioned,
    explained_error,
    is_beyond_rounding,
    is_ill_conditioned,
    number,
    sentence,
)
from paddleport.validate.diagnose.difference_evidence import Evidence
from paddleport.validate.diagnose.output_patterns import OTHER_ORDER

Cause = Literal[
    "",
    "converter",
    "runtime",
    "precision",
    "preprocessing",
    "ill-conditioned",
    "nondeterminism",
    "batching",
    "row-order",
    "undetermined",
]

NEXT_LOCATE = "Next: --locate names the node."
"""The end of an explanation; gone once the node is named."""


def name_cause(evidence: Evidence) -> tuple[Cause, str]:
    """The cause and an explanation of one or two sentences.

    What needs no float64 comes first: a backend that contradicts itself, a batch that changes
    an answer, another input that explains it. Then float64 divides the rest.
    """
    for rule in (_self_contradiction, _batching, _preprocessing):
        found = rule(evidence)
        if found is not None:
            return found
    found = _lower_precision(evidence)
    if found is not None:
        return found
    if evidence.from_float64 is None or evidence.reference_from_float64 is None:
        return _without_float64(evidence)
    if is_ill_conditioned(evidence):
        return "ill-conditioned", describe_ill_conditioned(evidence)
    return _divided(evidence, evidence.from_float64, evidence.reference_from_float64)


def faulty_step(evidence: Evidence) -> str:
    """The step of the conversion that is to blame, where the cause is ``converter``."""
    wrong = is_beyond_rounding(evidence, evidence.reference_from_float64)
    return evidence.step if wrong else evidence.target


def _self_contradiction(evidence: Evidence) -> tuple[Cause, str] | None:
    if evidence.reference_repeat > evidence.limit:
        return "nondeterminism", (
            f"The reference itself gives two answers for one input, "
            f"{number(evidence.reference_repeat)} apart: the model holds an operator that draws "
            "random numbers. Next: save it again in evaluation mode."
        )
    if evidence.overwritten:
        return "runtime", (
            f"{evidence.backend} returns its own buffer: an answer that was held changed when "
            "the next feed was run. Next: copy the outputs in its infer method."
        )
    if evidence.repeat > evidence.limit:
        return "nondeterminism", (
            f"Two runs of {evidence.backend} on one input are {number(evidence.repeat)} apart, "
            f"the limit is {evidence.limit:.0e}. Next: try --threads 1, and an older version."
        )
    return None


def _without_float64(evidence: Evidence) -> tuple[Cause, str]:
    missing = f"no float64 answer to tell converter from runtime: {evidence.no_float64}"
    if OTHER_ORDER in evidence.pattern:
        return "row-order", (
            f"{evidence.pattern} It is not only rows of equal scores that have changed places, "
            f"and there is {missing}. Next: order the rows yourself, such as by score, or take "
            "another backend."
        )
    return "undetermined", (
        f"There is {missing}.{sentence(evidence.pattern)} "
        "Next: compare several backends; where all differ alike, it is the conversion."
    )


def _batching(evidence: Evidence) -> tuple[Cause, str] | None:
    found = evidence.batch_dependence
    if found is None or evidence.float64_batch_dependence is not None:
        return None
    if is_ill_conditioned(evidence) and found.error <= (explained_error(evidence) or 0.0):
        return None  # a batch is summed in another order
    return "batching", (
        f"{evidence.backend} gives the picture '{found.picture}' another answer in position "
        f"{found.row} of '{found.feed}', {number(found.error)} from its answer alone, while the "
        "reference and float64 do not. Next: run it with --batch-size 1."
    )


def _preprocessing(evidence: Evidence) -> tuple[Cause, str] | None:
    if not evidence.imitates or _is_in_the_file(evidence):
        return None
    return "preprocessing", (
        f"Its answer is the reference's on another input: {evidence.imitates}. {evidence.advice}"
    )


def _is_in_the_file(evidence: Evidence) -> bool:
    """Whether another input is what the file's own normalisation makes, whoever runs it."""
    wrong = is_beyond_rounding(evidence, evidence.reference_from_float64)
    return evidence.normalised_inside and wrong


def _lower_precision(evidence: Evidence) -> tuple[Cause, str] | None:
    """Whether a backend that says fp32 has rounded its answer to less; numbers are the proof.

    However near the answer is, since what is asked is what must run; ``None`` where a file is
    wrong as well, which is said first.
    """
    lower, reference = evidence.fits_precision, evidence.reference_from_float64
    if not lower or evidence.computes_in != "fp32":
        return None
    wrong = evidence.format != "paddle" and is_beyond_rounding(evidence, reference)
    if wrong or is_beyond_rounding(evidence, evidence.file_from_float64):
        return None
    off = "" if evidence.from_float64 is None else f", {number(evidence.from_float64)} from float64"
    return "runtime", (
        f"Every value of {evidence.backend}'s answer fits into {lower} and the reference's do not, "
        f"though it says that it computes in fp32: it is {number(evidence.error)} from the "
        f"reference{off}.{sentence(evidence.ranking)} Next: an option of {evidence.backend} that "
        f"turns {lower} off, or ask for what runs: --precision {lower}."
    )


def _divided(evidence: Evidence, ours: float, reference: float) -> tuple[Cause, str]:
    if _is_in_the_file(evidence) and evidence.imitates:
        return "converter", (
            f"The ONNX file, which normalises its pictures itself, does it otherwise: computed in "
            f"float64 it is {number(reference)} from native Paddle, and its answer is Paddle's "
            f"on another input: {evidence.imitates}.{sentence(_step_sentence(evidence))} "
            f"{NEXT_LOCATE}"
        )
    if evidence.format != "paddle" and is_beyond_rounding(evidence, reference):
        return "converter", (
            f"The ONNX graph is another model: computed in float64 it is {number(reference)} "
            f"from native Paddle, and {evidence.backend} is {number(ours)} from that graph."
            f"{sentence(_step_sentence(evidence))}{sentence(evidence.pattern)} {NEXT_LOCATE}"
        )
    if evidence.target:
        found = _of_target(evidence, ours)
        if found is not None:
            return found
    if evidence.narrow and ours <= EXPLAINED * (evidence.own_rounding or 0.0):
        return "precision", (
            f"{evidence.backend} computes in {evidence.computes_in}, whose rounding alone "
            f"explains about {number(evidence.own_rounding)}; the error is {number(ours)}."
            f"{sentence(evidence.ranking)} Next: --precision fp32, or judge it by accuracy."
        )
    if evidence.format == "paddle" and ours <= evidence.limit:
        return "undetermined", (
            f"{evidence.backend} agrees with the ONNX graph in float64 ({number(ours)}) and the "
            f"reference does not ({number(reference)}): suspect the reference."
        )
    return "runtime", (
        f"{evidence.backend} computes the graph otherwise: {number(ours)} from float64, where "
        f"Paddle is {number(reference)} from it and rounding explains "
        f"{number(evidence.own_rounding)}.{sentence(evidence.pattern)} {NEXT_LOCATE}"
    )


def _of_target(evidence: Evidence, ours: float) -> tuple[Cause, str] | None:
    """Whether a target's file is to blame; ``None`` where its runtime is."""
    target, file = evidence.target, evidence.file_from_float64
    if file is None:
        return "undetermined", (
            f"{evidence.backend} is {number(ours)} from the ONNX graph in float64, which is "
            f"right; {evidence.no_file}, so the conversion to {target} and the runtime can't be "
            "told apart. Next: paddleport doctor, and another version of either."
        )
    if is_beyond_rounding(evidence, file):
        return "converter", (
            f"The {target} file is another model than the ONNX file that it was made of: computed "
            f"without its runtime it is {number(file)} from the ONNX graph in float64, and "
            f"{evidence.backend} is {number(evidence.from_file)} from what it says. The step "
            f"that did it is {target}.{sentence(evidence.pattern)}"
        )
    return None


def _step_sentence(evidence: Evidence) -> str:
    return describe_step(evidence.step) if evidence.step else ""


def describe_step(step: str) -> str:
    """Which step of a conversion is to blame, in a sentence."""
    return f"The step that did it is {step}."
