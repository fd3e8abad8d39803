"""Is it still the same model, and how fast: ``validate`` and the report that it gives.

Names are imported when they are asked for, as in ``paddleport.convert``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddleport.validate.explain import explain_input
    from paddleport.validate.parity import validate
    from paddleport.validate.plan import Plan
    from paddleport.validate.regression import compare_reports
    from paddleport.validate.report import BackendRow, ParityReport

__all__ = [
    "BackendRow",
    "ParityReport",
    "Plan",
    "compare_reports",
    "explain_input",
    "validate",
]
_HOMES = {
    "BackendRow": "report",
    "ParityReport": "report",
    "Plan": "plan",
    "compare_reports": "regression",
    "explain_input": "explain",
    "validate": "parity",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
