"""Two parity reports of one model: what changed between them beyond noise."""

from typing import TYPE_CHECKING

from paddleport.lazy_names import lazy_names

if TYPE_CHECKING:
    from paddleport.validate.report_diff.changes import Change, Regressions
    from paddleport.validate.report_diff.compared import compare_reports

__all__ = ["Change", "Regressions", "compare_reports"]
__getattr__ = lazy_names(
    __name__, {"Change": "changes", "Regressions": "changes", "compare_reports": "compared"}
)
