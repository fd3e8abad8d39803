"""The doctor's tables: in step with constraints.txt and pyproject.toml, and every rule seen."""

import platform
import re
import sys
from pathlib import Path

import pytest
from ailing import a_gpu, first, plant, row
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from paddleport.doctor import examination, examine, judge
from paddleport.doctor.parts import load_parts
from paddleport.doctor.rules import Rule, load_rules

ROOT = Path(__file__).parent.parent
CI_PADDLE = "3.3.1"  # .ci/run's second one


def test_tested_versions_are_those_of_the_constraints() -> None:
    pinned: dict[str, set[str]] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pinned.setdefault(Requirement(line).name, set()).add(line)
    for part in load_parts():
        wanted = set().union(*(pinned.get(name, set()) for name in part.distributions))
        if part.name == "paddle":
            assert f"paddlepaddle=={CI_PADDLE}" in (ROOT / ".ci/run").read_text()
            wanted |= {f"paddlepaddle=={CI_PADDLE}"}
        assert set(part.tested) == wanted, part.name


def test_wanted_versions_are_those_of_the_package() -> None:
    text = (ROOT / "pyproject.toml").read_text().partition("[project.scripts]")[0]
    asked = {
        found.name: found.specifier
        for line in re.findall(r'^  "([^"\[]+)",', text, re.MULTILINE)
        if (found := Requirement(line)).specifier
    }
    for part in load_parts():
        specifiers = [asked[name] for name in part.distributions if name in asked]
        assert SpecifierSet(part.wanted) in (specifiers or [SpecifierSet("")]), part.name
    oldest, newest = judge.PYTHONS
    python = re.search(r'requires-python = "([^"]+)"', text)
    assert python is not None
    minors = [f"3.{minor}" for minor in range(6, 20)]
    allowed = [minor for minor in minors if minor in SpecifierSet(python[1])]
    assert (oldest, newest) == (allowed[0], allowed[-1])


def test_parts_stand_after_what_they_import() -> None:
    seen: set[str] = set()
    for part in load_parts():
        assert set(part.imports) <= seen
        seen.add(part.name)


RULES = load_rules()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.problem[:40])
def test_every_rule_is_seen_and_only_where_it_applies(rule: Rule) -> None:
    rows = {"python", *(part.name for part in load_parts())}
    assert rule.part in rows
    found = {name: _example(spec) for name, spec in rule.versions.items()}
    assert rule.applies(found)
    assert rule.mend
    for name, spec in rule.versions.items():
        assert not rule.applies({**found, name: _counterexample(spec)}), name


def _counterexample(spec: str | None) -> str | None:
    if spec is None:
        return "1.0"
    return next((version for version in ("0.1", "99") if version not in SpecifierSet(spec)), None)


def _example(spec: str | None) -> str | None:
    """A version that the rule is about."""
    if spec is None:
        return None
    candidates = ("1.0", "2.6.2", "3.9", "3.13.1", "2.1.0", "3.3.1", "1.18.0", "1.16.0")
    return next(version for version in candidates if version in SpecifierSet(spec))


def test_a_known_bad_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = tuple(part for part in load_parts() if part.name in ("numpy", "onnx", "paddle2onnx"))
    monkeypatch.setattr(examination, "load_parts", lambda: parts)
    works = "__version__ = '1.18.0'\ndef load_model(): ..."
    plant(tmp_path / "o", monkeypatch, "onnx", "1.18.0", "onnx", works)
    broken = "from onnx import mapping"
    plant(tmp_path / "p", monkeypatch, "paddle2onnx", "2.1.0", "paddle2onnx", broken)
    plant(tmp_path / "q", monkeypatch, "paddlepaddle", "3.2.2")
    diagnosis = examine()
    assert first(row(diagnosis, "onnx")).text == "Paddle2ONNX 2.1.0 refuses onnx above 1.17.0"
    assert "ImportError" in first(row(diagnosis, "paddle2onnx")).text
    mends = {first(row(diagnosis, part)).mend for part in ("onnx", "paddle2onnx")}
    assert mends == {"pip install 'onnx==1.17.0'"}  # not to install Paddle2ONNX again


@pytest.mark.parametrize("device", ["", "-gpu"])
def test_two_packages_of_one_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    parts = tuple(part for part in load_parts() if part.name in ("numpy", "onnxruntime"))
    monkeypatch.setattr(examination, "load_parts", lambda: parts)
    if device:
        monkeypatch.setattr(examination, "probe_driver", a_gpu)
    source = "__version__ = '1.31.1'\nclass InferenceSession: ..."
    plant(tmp_path / "c", monkeypatch, "onnxruntime", "1.32.0", "onnxruntime", source)
    plant(tmp_path / "g", monkeypatch, "onnxruntime-gpu", "1.31.1")
    found = row(examine(), "onnxruntime")
    assert (found.state, found.found) == ("broken", "1.32.0 and 1.31.1")
    assert "are one module" in first(found).text
    assert first(found).mend.endswith(f"pip install onnxruntime{device}")


@pytest.mark.parametrize(("version", "state"), [("3.9.9", "broken"), ("3.13.0", "broken")])
def test_a_python_that_is_not_supported(
    monkeypatch: pytest.MonkeyPatch, version: str, state: str
) -> None:
    monkeypatch.setattr(examination, "load_parts", lambda: load_parts()[:1])
    monkeypatch.setattr(platform, "python_version", lambda: version)
    found = row(examine(), "python")
    assert (found.found, found.state) == (version, state)
    assert sys.executable not in first(found).mend
