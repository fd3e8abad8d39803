"""``paddleport doctor`` as it is typed: exit codes, JSON, and backends of other packages."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import plugin
import pytest
from planted_packages import finding_of, first_problem, plant_package
from typer.testing import CliRunner, Result

from paddleport.cli import build_app
from paddleport.doctor import check_installation, installation_check
from paddleport.doctor.checked_packages import load_packages

pytestmark = pytest.mark.slow

SOUND = """
from paddleport.runners.base import Runner

class Sound(Runner):
    name = "sound"
    formats = ("onnx",)
    distributions = ({distribution!r},)
    def load(self, model): pass
    def infer(self, feed): return {{}}
    computes_in = "fp32"
    inputs = outputs = ()
"""


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at two packages that import quickly."""
    parts = tuple(part for part in load_packages() if part.name in ("numpy", "onnx"))
    monkeypatch.setattr(installation_check, "load_packages", lambda: parts)


def typed(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(), ["doctor", *arguments])


def test_exit_code_0_where_nothing_is_broken() -> None:
    result = typed()
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("paddleport 0.1.0")
    assert "nothing is broken: " in result.stdout.splitlines()[-1]


def test_exit_code_1_and_a_command_where_something_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_package(
        tmp_path, monkeypatch, "onnx", "1.17.0", "onnx", "raise ImportError('[bold]no[/]')"
    )
    result = typed()
    assert result.exit_code == 1
    assert (
        "onnx: importing onnx fails: ImportError: [bold]no[/]. Type: pip install "
        "--force-reinstall --no-deps 'onnx==1.17.0'\n"
    ) in result.stdout
    assert result.stdout.splitlines()[-1].startswith("1 broken: onnx · ")


def test_json_reports_the_same_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_package(tmp_path, monkeypatch, "onnx", "1.17.0", "onnx", "1 / 0")
    result = typed("--json")
    reported = json.loads(result.stdout)
    assert (result.exit_code, reported["fits"], reported["broken"]) == (1, False, ["onnx"])
    parts = {part["part"]: part for part in reported["parts"]}
    assert list(parts) == [
        "python",
        "numpy",
        "onnx",
        "driver",
        "CUDA",
        "cuDNN",
        "paddle-lite",
        "C++",
    ]
    assert parts["numpy"]["state"] == "ok"
    assert parts["onnx"]["found"] == parts["onnx"]["facts"]["distributions"]["onnx"] == "1.17.0"
    assert parts["onnx"]["problems"][0]["state"] == "broken"
    assert reported["machine"]["cpus"] >= 1


def test_a_wrong_option_is_exit_2() -> None:
    assert typed("--cure").exit_code == 2


def test_own_backends_have_no_row() -> None:
    assert not [
        finding for finding in check_installation().findings if finding.part.startswith("backend")
    ]


@pytest.mark.parametrize(("distribution", "state"), [("numpy", "ok"), ("no-vendor", "missing")])
def test_a_plugin_backend_that_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distribution: str, state: str
) -> None:
    source = SOUND.format(distribution=distribution)
    plugin.install(tmp_path, monkeypatch, "port_sound", source, ["Sound"])
    found = finding_of(check_installation(), "backend sound")
    assert (found.state, found.found, found.detail) == (state, "1.0", "of port_sound")
    if state == "missing":
        assert first_problem(found).text == "no-vendor is not installed: pip install no-vendor"


@pytest.mark.parametrize(
    ("source", "text", "fix"),
    [
        ("1 / 0", "ZeroDivisionError", "pip install --upgrade --force-reinstall port_sound"),
        ("import os; os.abort()", "SIGABRT", "pip install --upgrade --force-reinstall port_sound"),
        ("import no_such_thing", "needs the package 'no_such_thing'", ""),
        ("Sound = int", "is no Runner but port_sound:Sound", ""),
    ],
)
def test_a_plugin_backend_that_fails_to_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, text: str, fix: str
) -> None:
    plugin.install(tmp_path, monkeypatch, "port_sound", source, ["Sound"])
    found = finding_of(check_installation(), "backend sound")
    assert found.state == "broken"
    assert text in first_problem(found).text
    assert first_problem(found).fix == fix


def test_two_packages_that_register_one_backend_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SOUND.format(distribution="numpy").replace("Sound", "OpenVino")
    plugin.install(tmp_path, monkeypatch, "port_thief", source, ["OpenVino"])
    found = finding_of(check_installation(), "backend openvino")
    assert found.state == "broken"
    assert (
        first_problem(found).text
        == "is registered by paddleport and port_thief, so neither is used"
    )
    assert first_problem(found).fix == "pip uninstall -y port_thief"


def test_nothing_is_imported_by_the_command_itself() -> None:
    code = (
        "import sys\n"
        "from paddleport.doctor import installation_check\n"
        "found = installation_check.load_packages()[:1]\n"
        "installation_check.load_packages = lambda: found\n"
        "report = installation_check.check_installation()\n"
        "print(found[0].name, report.fits, 'numpy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("numpy True False\n", "")


def test_ctrl_c_ends_an_import_that_hangs(tmp_path: Path) -> None:
    (tmp_path / "polygraphy.py").write_text(
        f"import pathlib, time; pathlib.Path({str(tmp_path / 'here')!r}).touch(); time.sleep(600)"
    )
    code = "import sys; from paddleport.cli import main; sys.argv[1:] = ['doctor']; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "here").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
