"""A candidate's answers against the reference's: its row of a report, and why it differs."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from paddleport.tensors import Array
from paddleport.validate.compare.comparison import (
    OutputComparison,
    compare_outputs,
    overall,
    remarks,
)
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.diagnose.conversions import ConversionEvidence
from paddleport.validate.diagnose.difference import DifferenceExplainer
from paddleport.validate.diagnose.validation_outputs import CandidateOutputs, ReferenceOutputs
from paddleport.validate.parity.parity_report import BackendRow

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RowComparison:
    """What every candidate is held against, wherever it ran.

    Attributes:
        reference: the reference's answers.
        float64: the outputs of the ONNX graph in float64 by the feed's number; ``None`` where
            there are none.
        classes: how many classes the model has names for.
    """

    reference: ReferenceOutputs
    float64: Mapping[int, Mapping[str, Array]] | None
    classes: int

    def compared(
        self, row: BackendRow, answers: CandidateOutputs
    ) -> tuple[BackendRow, CandidateOutputs]:
        """The row with verdict and errors, and the answers with the run that decided it first."""
        comparisons = self._comparisons(answers)
        verdict = overall(comparisons)
        if verdict != "differs" and answers.again:
            swapped = replace(answers, outputs=answers.again, again=answers.outputs)
            second = self._comparisons(swapped)
            if overall(second) == "differs":
                answers, comparisons, verdict = swapped, second, "differs"
        _logger.info("%s: %s in %s", row.name, verdict, answers.computes_in)
        said = remarks(comparisons)
        row = replace(row, verdict=verdict, comparisons=tuple(comparisons))
        if verdict == "agrees":
            return replace(row, notes=row.notes + said), answers
        return replace(row, reason="; ".join(said)), answers

    def explained(
        self, row: BackendRow, answers: CandidateOutputs, conversion: ConversionEvidence | None
    ) -> BackendRow:
        """A row that differs, with whoever made it so, or the verdict where nobody did."""
        found = DifferenceExplainer(
            self.reference,
            answers,
            row.comparisons,
            TOLERANCES[answers.computes_in],
            self.classes,
            conversion,
        ).explain()
        return replace(
            row,
            verdict=found.verdict,
            cause=found.cause,
            step=found.step,
            explanation=found.explanation,
            reason=found.reason,
            comparisons=found.comparisons,
            notes=(*row.notes, *found.notes),
        )

    def _comparisons(self, answers: CandidateOutputs) -> list[OutputComparison]:
        return compare_outputs(
            self.reference.outputs,
            answers.outputs,
            TOLERANCES[answers.computes_in],
            feeds=self.reference.feed_names,
            float64=self.float64,
            classes=self.classes,
        )
