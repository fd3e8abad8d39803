"""Why a model is not served, in words that clients may have: without the server's folders."""

import re
from collections.abc import Iterable
from pathlib import Path

_FOLDERS = re.compile(r"(?<![\w.~/:-])/(?:[^/\s'\"]+/)+")


def told_reason(error: str, files: Iterable[Path]) -> str:
    """An error's text with files by their names alone.

    Args:
        error: as the server's own log has it.
        files: the model's, whose folders may have spaces in their names.
    """
    parents = {str(parent) for file in files for parent in (file.parent, file.resolve().parent)}
    for folder in sorted(parents - {".", "/"}, key=len, reverse=True):
        error = error.replace(f"{folder}/", "")
    return _FOLDERS.sub("", error)
