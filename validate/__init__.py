"""Is it still the same model, and how fast: ``validate`` and the report that it gives.

A backend always runs in a process of its own: ``session`` here, ``hosted_runner`` there. ``feeds``
are what it is given, ``compare`` holds its outputs against others, ``parity`` does that for every
backend, ``diagnose`` names the cause of a difference and ``bisect`` the node; ``benchmark`` times,
``reports`` writes, ``report_diff`` compares two reports. ``accuracy_gate`` and ``tune`` choose
precisions, ``input_diff`` explains another preprocessing, ``own_preprocessing`` checks a backend's.
"""

from typing import TYPE_CHECKING

from paddleport.lazy_names import lazy_names, make_callable

if TYPE_CHECKING:
    from paddleport.validate.input_diff.explain import explain_input
    from paddleport.validate.parity.parity_report import BackendRow, ParityReport
    from paddleport.validate.parity.validation import validate
    from paddleport.validate.parity.validation_plan import Plan
    from paddleport.validate.report_diff import compare_reports

__all__ = [
    "BackendRow",
    "ParityReport",
    "Plan",
    "compare_reports",
    "explain_input",
    "validate",
]
__getattr__ = lazy_names(
    __name__,
    {
        "BackendRow": "parity.parity_report",
        "ParityReport": "parity.parity_report",
        "Plan": "parity.validation_plan",
        "compare_reports": "report_diff",
        "explain_input": "input_diff.explain",
        "validate": "parity.validation",
    },
)
make_callable(__name__, "paddleport.api", "validate")
