"""A package with backends, installed for this process and its workers."""

from collections.abc import Iterable
from pathlib import Path

import pytest


def install(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    source: str,
    classes: Iterable[str],
) -> None:
    """Write ``module`` with ``source``; each class is a backend by its name in small letters."""
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"{module}.py").write_text(source)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    entries = "".join(f"{name.lower()} = {module}:{name}\n" for name in classes)
    (info / "entry_points.txt").write_text(f"[paddleport.runners]\n{entries}")
    monkeypatch.syspath_prepend(str(folder))
