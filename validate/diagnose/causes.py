"""From evidence to a cause: who made a backend differ, and what to do next."""

import math
from dataclasses import dataclass
from typing import Literal

from paddleport.validate.compare.tolerance import UNIT_ROUNDOFF
from paddleport.validate.diagnose.output_patterns import OTHER_ORDER, BatchDependence

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

# A sum of some thousand products is off by several times what one rounding of each of them
# explains, and two samples of a worst case may both miss it.
_EXPLAINED = 10.0
# The reference's own two computations are two samples of the real thing.
_EXPLAINED_SEEN = 4.0
_LARGEST_SEEN = 30.0  # times the imitated rounding: beyond it, its other kernels are at fault
_CHAOS = 0.1  # of the output's scale: rounding alone makes another answer
NEXT_LOCATE = "Next: --locate names the node."
"""The end of an explanation; gone once the node is named."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was found out about one backend that differs, on its worst output.

    Errors are in the tolerance's unit over the feeds that differ; infinite where tensors could
    not be compared at all.

    Attributes:
        backend: its name.
        format: of the artifact that it loads.
        computes_in: the precision that it reports.
        limit: of its tolerance.
        error: backend against reference.
        from_float64: backend against float64; ``None`` where there is no such reference.
        reference_from_float64: reference against float64, likewise.
        rounding: how far fp32 rounding alone moves the float64 answer, imitated; likewise.
        own_rounding: the same for the backend's own precision.
        observed_rounding: how far the reference's own program is from itself with other kernels;
            likewise, and where it was not to be had.
        no_float64: why there is no float64 reference.
        feeds: names of the feeds that differ.
        repeat: the backend's two runs against each other.
        reference_repeat: the reference's two runs against each other.
        overwritten: an answer that was held changed when the next feed was run.
        batch_dependence: where the answer depends on the place in the batch.
        float64_batch_dependence: the same of float64.
        imitates: what input the reference gives this answer for; empty if none was found.
        advice: what to do about that input.
        pattern: how the answer relates to the reference's, if in a simple way.
        fits_precision: a narrower precision that all values of the answer fit into.
        ranking: what became of top-1, in words; empty for no classifier.
        step: of the conversion that made the ONNX graph another model; empty where nobody knows.
        target: that made the file which the backend loads; empty for the two files themselves.
        from_file: backend against what that file says, computed without its runtime; ``None``
            where that is not known.
        no_file: why it is not known.
        file_from_float64: what that file says against float64, likewise.
        normalised_inside: the ONNX file takes 8-bit pictures, so that what the network is fed
            is the file's doing.
    """

    backend: str
    format: str
    computes_in: str
    limit: float
    error: float
    from_float64: float | None = None
    reference_from_float64: float | None = None
    rounding: float | None = None
    own_rounding: float | None = None
    observed_rounding: float | None = None
    no_float64: str = ""
    feeds: tuple[str, ...] = ()
    repeat: float = 0.0
    reference_repeat: float = 0.0
    overwritten: bool = False
    batch_dependence: BatchDependence | None = None
    float64_batch_dependence: BatchDependence | None = None
    imitates: str = ""
    advice: str = ""
    pattern: str = ""
    fits_precision: str = ""
    ranking: str = ""
    step: str = ""
    target: str = ""
    from_file: float | None = None
    no_file: str = ""
    file_from_float64: float | None = None
    normalised_inside: bool = False

    @property
    def narrow(self) -> bool:
        """Whether the backend says that it computes in less than fp32."""
        return UNIT_ROUNDOFF[self.computes_in] > UNIT_ROUNDOFF["fp32"]


def name_cause(evidence: Evidence) -> tuple[Cause, str]:
    """The cause and an explanation of one or two sentences.

    What needs no float64 comes first: a backend that contradicts itself, a batch that changes
    an answer, another input that explains it. Then float64 divides the rest.
    """
    for rule in (_self_contradiction, _batching, _preprocessing):
        found = rule(evidence)
        if found is not None:
            return found
    if evidence.from_float64 is None or evidence.reference_from_float64 is None:
        return _without_float64(evidence)
    if is_ill_conditioned(evidence):
        return "ill-conditioned", _ill_conditioned(evidence)
    return _divided(evidence, evidence.from_float64, evidence.reference_from_float64)


def faulty_step(evidence: Evidence) -> str:
    """The step of the conversion that is to blame, where the cause is ``converter``."""
    reference = evidence.reference_from_float64
    if reference is not None and reference > evidence.limit:
        return evidence.step
    return evidence.target


def is_ill_conditioned(evidence: Evidence) -> bool:
    """Whether the model itself amplifies rounding so far that nobody is to blame.

    Reference and backend are both as far from float64 as rounding explains, and the backend is
    no farther from it than the reference is. What rounding explains is best seen where the
    reference computes its own program twice, with other kernels: a fault of the conversion is
    not in that, however small it is.
    """
    ours, reference = evidence.from_float64, evidence.reference_from_float64
    if ours is None or reference is None or evidence.rounding is None or evidence.narrow:
        return False
    explained = _EXPLAINED * evidence.rounding
    seen = evidence.observed_rounding
    if seen is not None and seen <= _LARGEST_SEEN * evidence.rounding:
        explained = _EXPLAINED_SEEN * max(seen, evidence.rounding)
    return ours <= explained and reference <= explained and ours <= _EXPLAINED * reference


def is_settled(rounding: float, error: float) -> bool:
    """Whether more samples of imitated rounding would change nothing.

    It explains the error whatever else is seen, and it is as clear whether it makes another
    answer: samples of one network seldom differ by ten times.
    """
    unclear = _CHAOS / 10 < rounding <= _CHAOS
    return error <= _EXPLAINED_SEEN * rounding and not unclear


def _self_contradiction(evidence: Evidence) -> tuple[Cause, str] | None:
    if evidence.reference_repeat > evidence.limit:
        return "nondeterminism", (
            f"The reference itself gives two answers for one input, "
            f"{_number(evidence.reference_repeat)} apart: the model holds an operator that draws "
            "random numbers. Next: save it again in evaluation mode."
        )
    if evidence.overwritten:
        return "runtime", (
            f"{evidence.backend} returns its own buffer: an answer that was held changed when "
            "the next feed was run. Next: copy the outputs in its infer method."
        )
    if evidence.repeat > evidence.limit:
        return "nondeterminism", (
            f"Two runs of {evidence.backend} on one input are {_number(evidence.repeat)} apart, "
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
        f"There is {missing}.{_sentence(evidence.pattern)} "
        "Next: compare several backends; where all differ alike, it is the conversion."
    )


def _batching(evidence: Evidence) -> tuple[Cause, str] | None:
    found = evidence.batch_dependence
    if found is None or evidence.float64_batch_dependence is not None:
        return None
    return "batching", (
        f"{evidence.backend} gives the picture '{found.picture}' another answer in position "
        f"{found.row} of '{found.feed}', {_number(found.error)} from its answer alone, while the "
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
    reference = evidence.reference_from_float64
    wrong = reference is not None and reference > evidence.limit
    return evidence.normalised_inside and wrong


def _ill_conditioned(evidence: Evidence) -> str:
    amplified = evidence.rounding or 0.0
    seen = ""
    if evidence.observed_rounding is not None:
        seen = f" (with other kernels it is {_number(evidence.observed_rounding)} from itself)"
    start = (
        f"Nobody is to blame: the model amplifies rounding. Paddle itself is "
        f"{_number(evidence.reference_from_float64)} from float64{seen} and {evidence.backend} "
        f"{_number(evidence.from_float64)}; fp32 rounding alone explains about "
        f"{_number(amplified)}, so the limit of {evidence.limit:.0e} does not apply as it stands."
    )
    if amplified > _CHAOS:
        return (
            f"{start} Rounding alone makes another answer, so no comparison can prove or "
            f"disprove the conversion.{_sentence(evidence.ranking)} "
            "Next: check the weights; trained networks are rarely like that."
        )
    return f"{start}{_sentence(evidence.ranking)} Next: judge it by accuracy on labelled data."


def _divided(evidence: Evidence, ours: float, reference: float) -> tuple[Cause, str]:
    if _is_in_the_file(evidence) and evidence.imitates:
        return "converter", (
            f"The ONNX file, which normalises its pictures itself, does it otherwise: computed in "
            f"float64 it is {_number(reference)} from native Paddle, and its answer is Paddle's "
            f"on another input: {evidence.imitates}.{_sentence(_step_sentence(evidence))} "
            f"{NEXT_LOCATE}"
        )
    if evidence.format != "paddle" and reference > evidence.limit:
        return "converter", (
            f"The ONNX graph is another model: computed in float64 it is {_number(reference)} "
            f"from native Paddle, and {evidence.backend} is {_number(ours)} from that graph."
            f"{_sentence(_step_sentence(evidence))}{_sentence(evidence.pattern)} {NEXT_LOCATE}"
        )
    if evidence.target:
        found = _of_target(evidence, ours)
        if found is not None:
            return found
    if evidence.narrow and ours <= _EXPLAINED * (evidence.own_rounding or 0.0):
        return "precision", (
            f"{evidence.backend} computes in {evidence.computes_in}, whose rounding alone "
            f"explains about {_number(evidence.own_rounding)}; the error is {_number(ours)}."
            f"{_sentence(evidence.ranking)} Next: --precision fp32, or judge it by accuracy."
        )
    if evidence.format == "paddle" and ours <= evidence.limit:
        return "undetermined", (
            f"{evidence.backend} agrees with the ONNX graph in float64 ({_number(ours)}) and the "
            f"reference does not ({_number(reference)}): suspect the reference."
        )
    claim = ""
    if evidence.fits_precision:
        claim = (
            f"Every value fits into {evidence.fits_precision}, though it says that it computes in "
            f"{evidence.computes_in}."
        )
    return "runtime", (
        f"{evidence.backend} computes the graph otherwise: {_number(ours)} from float64, where "
        f"Paddle is {_number(reference)} from it and rounding explains "
        f"{_number(evidence.own_rounding)}.{_sentence(evidence.pattern)}{_sentence(claim)} "
        f"{NEXT_LOCATE}"
    )


def _of_target(evidence: Evidence, ours: float) -> tuple[Cause, str] | None:
    """Whether a target's file is to blame; ``None`` where its runtime is."""
    target, file = evidence.target, evidence.file_from_float64
    if file is None:
        return "undetermined", (
            f"{evidence.backend} is {_number(ours)} from the ONNX graph in float64, which is "
            f"right; {evidence.no_file}, so the conversion to {target} and the runtime can't be "
            "told apart. Next: paddleport doctor, and another version of either."
        )
    if file > evidence.limit:
        return "converter", (
            f"The {target} file is another model than the ONNX file that it was made of: computed "
            f"without its runtime it is {_number(file)} from the ONNX graph in float64, and "
            f"{evidence.backend} is {_number(evidence.from_file)} from what it says. The step "
            f"that did it is {target}.{_sentence(evidence.pattern)}"
        )
    return None


def _step_sentence(evidence: Evidence) -> str:
    return f"The step that did it is {evidence.step}." if evidence.step else ""


def _number(value: float | None) -> str:
    if value is None:
        return "an unknown distance"
    return f"{value:.1e}" if math.isfinite(value) else "not comparable"


def _sentence(text: str) -> str:
    return f" {text}" if text else ""
