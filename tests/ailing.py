"""Packages with planted faults, and what the doctor says of them."""

from pathlib import Path
from typing import Any

import pytest

from paddleport.doctor import Diagnosis, Finding, Problem


def plant(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    distribution: str,
    version: str,
    module: str = "",
    source: str = "",
) -> None:
    """Put a package before all others; with no ``module``, its metadata alone."""
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    )
    if module:
        (folder / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(str(folder))


def row(diagnosis: Diagnosis, part: str) -> Finding:
    """The part's one row."""
    (found,) = (finding for finding in diagnosis.findings if finding.part == part)
    return found


def first(finding: Finding) -> Problem:
    """What is said of it first."""
    assert finding.problems, finding
    return finding.problems[0]


def a_gpu() -> dict[str, Any]:
    """What a driver with one GPU tells; runs in a child."""
    gpu = {"index": 0, "name": "NVIDIA L4", "compute_capability": "8.9", "memory_bytes": 24 << 30}
    return {"version": "580.65.06", "cuda": "12.4", "gpus": [gpu], "missing": ""}
