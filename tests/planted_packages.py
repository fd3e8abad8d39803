"""Installs packages with faults, and reads what the doctor reports of them."""

from pathlib import Path
from typing import Any

import pytest

from paddleport.doctor import Finding, InstallationReport, Problem


def plant_package(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    distribution: str,
    version: str,
    module: str = "",
    source: str = "",
) -> None:
    """Install a package before all others on the path; without ``module``, its metadata alone."""
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    )
    if module:
        (folder / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(str(folder))


def finding_of(report: InstallationReport, part: str) -> Finding:
    """The part's one row."""
    (found,) = (finding for finding in report.findings if finding.part == part)
    return found


def first_problem(finding: Finding) -> Problem:
    """The first of its problems."""
    assert finding.problems, finding
    return finding.problems[0]


def driver_with_gpu() -> dict[str, Any]:
    """What ``probe_driver`` answers where there is one GPU; runs in a child."""
    gpu = {"index": 0, "name": "NVIDIA L4", "compute_capability": "8.9", "memory_bytes": 24 << 30}
    return {"version": "580.65.06", "cuda": "12.4", "gpus": [gpu], "missing": ""}
