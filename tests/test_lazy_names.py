import inspect
import json
import pydoc
import subprocess
import sys
from importlib import import_module

import pytest

PACKAGES = (
    "paddleport.convert",
    "paddleport.validate",
    "paddleport.validate.bisect",
    "paddleport.validate.report_diff",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_of_a_lazy_package_is_there(package: str) -> None:
    module = import_module(package)
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name).__name__ == name


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_a_lazy_package_lacks_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match=f"'{package}' has no attribute 'nonesuch'"):
        _ = import_module(package).nonesuch


@pytest.mark.parametrize("package", PACKAGES)
def test_a_lazy_package_imports_nothing_by_itself(package: str) -> None:
    code = (
        f"import json, sys, {package}\n"
        "print(json.dumps([name for name in sys.modules if name.startswith('paddleport.')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    parents = {".".join(package.split(".")[:count]) for count in (2, 3)}
    assert set(json.loads(done.stdout)) == {"paddleport.lazy_names", *parents}


@pytest.mark.parametrize(("name", "module"), [("convert", "convert.pipeline"), ("validate", "api")])
def test_help_of_a_room_that_can_be_called_is_that_of_its_function(name: str, module: str) -> None:
    room = import_module(f"paddleport.{name}")
    function = getattr(import_module(f"paddleport.{module}"), name)
    assert inspect.signature(room) == inspect.signature(function)  # type: ignore[arg-type]
    shown = pydoc.plain(pydoc.render_doc(room))
    assert f"{name}(model: " in shown
    for line in (inspect.getdoc(function) or "").splitlines():
        assert line in shown
