"""Is it still the same model, and how fast: ``validate`` and the report that it gives.

Names are imported when they are asked for, as in ``paddleport.convert``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddleport.validate.input_diff.explain import explain_input
    from paddleport.validate.parity.plan import Plan
    from paddleport.validate.parity.report import BackendRow, ParityReport
    from paddleport.validate.parity.validation import validate
    from paddleport.validate.report_diff import compare_reports

__all__ = [
    "BackendRow",
    "ParityReport",
    "Plan",
    "compare_reports",
    "explain_input",
    "validate",
]
_HOMES = {
    "BackendRow": "parity.report",
    "ParityReport": "parity.report",
    "Plan": "parity.plan",
    "compare_reports": "report_diff",
    "explain_input": "input_diff.explain",
    "validate": "parity.validation",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
