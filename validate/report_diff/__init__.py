"""Two reports of one model: what changed between them beyond noise.

``recorded_report`` reads and checks a report; ``result_changes`` and ``performance_changes`` find
what changed, with what counts as noise; ``report_comparison`` does both and notes what differs
between the runs; ``changes`` is the result. ``recorded_evaluation`` and ``evaluation_changes`` are
the same for two evaluations.
"""

from typing import TYPE_CHECKING

from paddleport.lazy_names import lazy_names

if TYPE_CHECKING:
    from paddleport.validate.report_diff.changes import ReportChange, ReportDiff
    from paddleport.validate.report_diff.report_comparison import compare_reports

__all__ = ["ReportChange", "ReportDiff", "compare_reports"]
__getattr__ = lazy_names(
    __name__,
    {
        "ReportChange": "changes",
        "ReportDiff": "changes",
        "compare_reports": "report_comparison",
    },
)
