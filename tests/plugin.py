"""Packages with backends and targets, installed for this process and its workers."""

from collections.abc import Iterable, Mapping
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
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(source)
    entries = {name.lower(): f"{module}:{name}" for name in classes}
    register(folder, monkeypatch, module, {"paddleport.runners": entries})
    monkeypatch.syspath_prepend(str(folder))


def register(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    groups: Mapping[str, Mapping[str, str]],
) -> None:
    """The metadata of an installed package: entry points by group and name."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    texts = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in groups.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(texts))
    monkeypatch.syspath_prepend(str(folder))
