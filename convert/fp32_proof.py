"""Whether a file in fp32 is proven: by the tolerance, else by what ``validate`` says of it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paddleport.errors import PortError
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress
from paddleport.validate.compare.comparison import OutputComparison, Verdict, overall
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.session import PLAIN_PADDLE

if TYPE_CHECKING:
    from paddleport.validate.diagnose.causes import Cause
    from paddleport.validate.own_preprocessing.picture_findings import PictureFindings
    from paddleport.validate.parity.parity_report import BackendRow

_ORDER: Mapping[Verdict, int] = {"agrees": 0, "unproven": 1, "differs": 2}


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A file against native Paddle, on the backend that agrees least.

    Attributes:
        verdict: of the file.
        comparisons: one per output.
        cause, step, why: as a row of ``validate`` has cause, step and explanation; empty where
            the tolerance alone decides.
        reason: the bare finding, where that is none of the outputs'.
        pictures: what agreed beside the outputs, where a backend reads pictures itself.
    """

    verdict: Verdict
    comparisons: tuple[OutputComparison, ...]
    cause: "Cause" = ""
    step: str = ""
    why: str = ""
    reason: str = ""
    pictures: str = ""

    @property
    def provenance(self) -> dict[str, str]:
        """What the file itself says of it, where it is above the limit and proven all the same."""
        if self.verdict != "agrees" or not self.why:
            return {}
        return {"proof": self.why.partition(" Next: ")[0]}


Explain = Callable[[Sequence[str]], Sequence["BackendRow"]]
"""Finds out why some backends differ."""


def prove(found: Mapping[str, Sequence[OutputComparison]], explain: Explain | None) -> Proof:
    """The proof of the backend that agrees least.

    Args:
        found: each backend's comparisons by the tolerance.
        explain: asked where some differ; ``None`` leaves it at that.
    """
    proofs = {
        name: Proof(verdict=overall(items), comparisons=tuple(items))
        for name, items in found.items()
    }
    differing = [name for name, proof in proofs.items() if proof.verdict == "differs"]
    if differing and explain is not None:
        try:
            rows = {row.name: row for row in explain(differing)}
            proofs |= {name: _explained(proofs[name], rows[name]) for name in differing}
        except PortError as error:
            why = f"Why is not known: {error}."
            proofs |= {name: replace(proofs[name], why=why) for name in differing}
    return max(proofs.values(), key=_rank)


def with_findings(proof: Proof, found: Sequence["PictureFindings"]) -> Proof:
    """A proof, unless a backend prepares pictures otherwise, whose outputs say nothing of that."""
    for item in found:
        if item.agree:
            proof = replace(proof, pictures=f"{item.backend}: {item.note}")
        elif proof.verdict != "differs":
            return replace(
                proof,
                verdict="differs",
                cause=item.cause,
                why=item.explanation,
                reason=item.reason,
            )
    return proof


def _explained(plain: Proof, row: "BackendRow") -> Proof:
    """What differs by the tolerance, as its row in a validation has it."""
    from paddleport.validate.diagnose.causes import NEXT_LOCATE  # a file that agrees needs none

    if row.verdict == "agrees" and not row.cause:
        return replace(
            plain,
            cause="nondeterminism",
            why=f"{row.name} agrees when the same is compared a second time: one of the two is "
            "another at each run.",
        )
    verdict = next((known for known in _ORDER if known == row.verdict), None)
    if verdict is None:  # it broke
        return replace(plain, why=f"Why is not known: {row.reason}.")
    return Proof(
        verdict=verdict,
        comparisons=row.comparisons,
        cause=row.cause,
        step=row.step,
        why=row.explanation.replace(
            NEXT_LOCATE, f"Next: paddleport locate --backend {row.name} names the node."
        ),
    )


def _rank(proof: Proof) -> tuple[int, float]:
    errors = [item.worst_error for item in proof.comparisons]
    return _ORDER[proof.verdict], max(math.inf if error is None else error for error in errors)


def explainer(
    source: SourceModel,
    onnx: Callable[[], Artifact],
    feeds: Sequence[NamedFeed],
    progress: Progress,
    made: Artifact | None = None,
) -> Explain:
    """What asks ``validate`` why backends differ, on the feeds that were compared.

    Args:
        source: what was converted.
        onnx: reads the ONNX file.
        feeds: those that were compared.
        progress: called with each step.
        made: what a target made; by default the ONNX file itself is compared.
    """

    def explain(backends: Sequence[str]) -> "Sequence[BackendRow]":
        from paddleport.convert.remaking import RemadeConversion
        from paddleport.validate.feeds.onnx_feeds import OnnxFeeds
        from paddleport.validate.parity.backend_comparison import BackendComparison
        from paddleport.validate.parity.backend_sessions import BackendSessions
        from paddleport.validate.parity.validation_plan import PLAIN, Plan

        def told(step: str, share: float | None) -> None:
            progress(f"why it differs: {step}", share)

        plan = Plan(
            backends=tuple(backends), reference=PLAIN, threads=PLAIN_PADDLE.threads, seconds_each=0
        )
        file = made if made is not None and made.format == "onnx" else onnx()
        with RemadeConversion(source, file, made) as conversions:
            sessions = BackendSessions(source, file, plan, OnnxFeeds(source, file), conversions)
            sessions.will_feed(feeds)
            comparison = BackendComparison(sessions, told)
            try:
                return comparison.rows(feeds)[1:]
            finally:
                sessions.close()
                comparison.float64.close()

    return explain
