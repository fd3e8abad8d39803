"""The registry: built-ins and plug-ins by entry point, listed without importing a vendor."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from paddleport.errors import BackendUnavailableError, UsageError
from paddleport.runners import describe_all, names, open_runner, runner_class
from paddleport.runners.base import Runner
from paddleport.runners.paddle.paddle_runner import PaddleRunner
from paddleport.runners.runner_options import RunnerOptions

BUILT_IN = ("onnxruntime", "openvino", "paddle", "reference")
VENDORS = ("paddle", "onnxruntime", "openvino", "openvino_telemetry", "onnx", "cv2", "onnxslim")

PLUGIN = """
from paddleport.runners.base import Runner

class Plugin(Runner):
    name = "plugin"
    formats = ("onnx",)
    distributions = ("no-such-vendor",)
    def load(self, model): pass
    def infer(self, feed): return {}
    computes_in = "fp32"
    inputs = outputs = ()
"""


def install(
    folder: Path, package: str, source: str, *, name: str = "plugin", thing: str = "Plugin"
) -> None:
    """Put a package with one entry point where importlib.metadata finds it."""
    module = package.replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[paddleport.runners]\n{name} = {module}:{thing}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_built_ins_are_registered() -> None:
    assert set(BUILT_IN) <= set(names())
    assert list(names()) == sorted(names())
    for name in BUILT_IN:
        assert issubclass(runner_class(name), Runner)
        assert runner_class(name).name == name


def test_an_unknown_name_is_answered_with_the_likely_one() -> None:
    with pytest.raises(UsageError) as caught:
        runner_class("openvno")
    assert str(caught.value).startswith("unknown backend 'openvno'. Did you mean 'openvino'? Known")


def test_listing_imports_no_vendor() -> None:
    code = (
        "import json, sys\n"
        "from paddleport.runners import describe_all\n"
        "rows = [row.name for row in describe_all()]\n"
        "print(json.dumps([rows, sorted(sys.modules)]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows, modules = json.loads(done.stdout)
    assert set(BUILT_IN) <= set(rows)
    assert not {module.partition(".")[0] for module in modules} & set(VENDORS)


def test_only_the_one_asked_for_is_imported() -> None:
    code = (
        "import sys\n"
        "from paddleport.runners import runner_class\n"
        "runner_class('openvino')\n"
        "print([name for name in sys.modules if name.startswith('paddleport.runners.')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "paddleport.runners.openvino" in done.stdout
    assert "paddleport.runners.paddle" not in done.stdout


def test_a_plugin_is_found_and_says_what_it_needs(site: Path) -> None:
    install(site, "port-plugin", PLUGIN)
    assert "plugin" in names()
    (row,) = (row for row in describe_all() if row.name == "plugin")
    assert not row.usable
    assert row.version is None
    assert row.reason == "no-such-vendor is not installed: pip install no-such-vendor"
    assert row.precisions == ("fp32",)


def test_two_packages_with_one_name_are_both_named(site: Path) -> None:
    install(site, "port-first", PLUGIN)
    install(site, "port-second", PLUGIN)
    with pytest.raises(BackendUnavailableError, match="port-first and port-second"):
        runner_class("plugin")
    (row,) = (row for row in describe_all() if row.name == "plugin")
    assert "uninstall one of them" in row.reason


def test_a_plugin_that_takes_a_built_in_name_is_not_preferred(site: Path) -> None:
    install(site, "port-thief", PLUGIN, name="paddle")
    with pytest.raises(BackendUnavailableError, match="paddleport and port-thief"):
        runner_class("paddle")


def test_a_missing_foreign_package_is_unavailable(site: Path) -> None:
    install(site, "port-needy", "import no_such_foreign_package.inner\n")
    with pytest.raises(
        BackendUnavailableError, match="needs the package 'no_such_foreign_package'"
    ):
        runner_class("plugin")
    (row,) = (row for row in describe_all() if row.name == "plugin")
    assert not row.usable


@pytest.mark.parametrize(
    "source", ["from port_broken import nothing\n", "import paddleport.nothing\n", "1 / 0\n"]
)
def test_broken_code_keeps_its_traceback(site: Path, source: str) -> None:
    install(site, "port-broken", source)
    with pytest.raises((ImportError, ZeroDivisionError)):
        runner_class("plugin")


def test_what_is_no_runner_is_refused(site: Path) -> None:
    install(site, "port-odd", "Plugin = int\n")
    with pytest.raises(BackendUnavailableError, match="is no Runner but port_odd:Plugin"):
        runner_class("plugin")


def test_a_vendor_that_is_not_installed_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, small_pir: object
) -> None:
    monkeypatch.setitem(sys.modules, "paddle", None)
    with pytest.raises(BackendUnavailableError) as caught:
        open_runner("paddle", small_pir, RunnerOptions())  # type: ignore[arg-type]
    assert "pip install 'paddleport[cpu]'" in str(caught.value)
    monkeypatch.setattr(PaddleRunner, "distributions", ("no-such-paddle",))
    (row,) = (row for row in describe_all() if row.name == "paddle")
    assert row.reason == "no-such-paddle is not installed: pip install 'paddleport[cpu]'"
