"""Two parity reports of one model: what changed between them beyond noise.

Names are imported when they are asked for, as in ``paddleport.validate``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddleport.validate.report_diff.changes import Change, Regressions
    from paddleport.validate.report_diff.compared import compare_reports

__all__ = ["Change", "Regressions", "compare_reports"]
_HOMES = {"Change": "changes", "Regressions": "changes", "compare_reports": "compared"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
