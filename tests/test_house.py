"""The house rules: who may import whom, what is installed, what listing may cost."""

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from paddleport.convert.targets import target_class, target_names

ROOT = Path(__file__).parent.parent
_TARGETS = "paddleport.convert.targets."
ROOMS = ("convert", "runners", "models", "validate")
HALLS = ("cli", "doctor", "integrations", "serve")  # inside the package
# Each may import those before it, and itself.
ORDER = (
    "errors",
    "lazy_names",
    "wording",
    "progress",
    "telemetry",
    "files",
    "tensors",
    "process",
    "worker_child",
    "worker",
    "models",
    "runners",
    "validate",
    "convert",
    "integrations",
    "serve",
    "doctor",
    "cli",
)
VENDORS = {
    "paddle": {
        "convert/paddle2onnx/export.py",
        "convert/paddle2onnx/pir_normalization.py",
        "models/paddle/model_builder.py",
        "models/paddle/old_functions.py",
        "models/zoo/architecture.py",  # a type, for mypy alone
        "models/zoo/mobilenet_v2.py",
        "models/zoo/network_state.py",  # a type, too
        "models/zoo/paddleclas/__init__.py",
        "models/zoo/seeded_weights.py",
        "runners/paddle/paddle_runner.py",
    },
    "paddle2onnx": {"convert/paddle2onnx/export.py", "convert/paddle2onnx/supported.py"},
    "MNN": {"runners/mnn/mnn_runner.py", "runners/mnn/module_session.py"},
    "_tools": {
        "convert/mnn/mnn_converter.py",
        "convert/precision/mnn_int8.py",
    },  # in MNN's wheel; its MNN.tools is nobody's
    "huggingface_hub": {"models/weights/hub.py"},
    "ncnn": {"convert/ncnn/pnnx_conversion.py", "runners/ncnn.py"},
    "nncf": {"convert/precision/lowering.py"},
    "onnxruntime": {"runners/onnxruntime/ort_runner.py", "convert/paddle2onnx/finish.py"},
    "onnxslim": {
        "convert/paddle2onnx/finish.py",
        "convert/paddle2onnx/sequence_folding.py",
        "convert/paddle2onnx/simplify_on_disk.py",
    },
    "openvino": {"runners/openvino.py"},
    "paddlelite": {"runners/paddle_lite/lite_child.py"},  # run by another Python
    "polygraphy": {"runners/tensorrt/library.py"},
    "pyarrow": {
        "integrations/answer_parts.py",
        "integrations/answer_tables.py",
        "integrations/picture_tables.py",
        "validate/labelled/parquet_files.py",
    },
    "fsspec": {"integrations/stores.py"},
    "ray": {
        "integrations/ray_actors.py",
        "integrations/ray_evaluation.py",
        "integrations/ray_run.py",
    },
    "tensorrt": {"runners/tensorrt/library.py"},
    "tensorrt_rtx": {"runners/tensorrt/library.py"},
    "cv2": {
        "runners/preprocessing/prepare_image.py",
        "runners/preprocessing/crop_and_normalize.py",
    },
}


def sources() -> dict[str, Path]:
    files = [*(ROOT / "paddleport").glob("*.py")]
    files += [file for room in HALLS for file in (ROOT / "paddleport" / room).rglob("*.py")]
    files += [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    return {
        str(file.relative_to(ROOT)).removeprefix("paddleport/"): file
        for file in files
        if "__pycache__" not in file.parts
    }


def imports(path: Path) -> list[tuple[str, bool]]:
    """Every absolute import and whether it runs when the module is imported."""
    tree = ast.parse(path.read_text())
    inside = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.Lambda)
        or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        for child in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) not in inside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found += [(f"{module}.{alias.name}", id(node) not in inside) for alias in node.names]
    return found


def room_of(dotted: str) -> str | None:
    parts = dotted.split(".")
    if parts[0] != "paddleport" or len(parts) < 2:
        return None
    return parts[1] if parts[1] in ORDER else None


@pytest.mark.parametrize("name", sorted(target_names()))
def test_a_target_names_all_code_that_has_a_say_in_its_files(name: str) -> None:
    """What is missing would leave files in the cache that the changed code makes otherwise."""
    target = target_class(name)
    source = Path(sys.modules[target.__module__].__file__ or "")
    used = {
        node.module
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module is not None
    }
    makers = {
        item
        for item in used
        if item.startswith("paddleport.convert.") and not item.startswith(_TARGETS)
    }
    missing = {
        item
        for item in makers
        if not any(f"{item}.".startswith(f"{part}.") for part in target.parts)
    }
    assert not missing


def test_rooms_import_only_those_before_them() -> None:
    wrong = []
    for name, path in sources().items():
        room = name.split("/")[0].removesuffix(".py")
        if room not in ORDER:
            continue  # __init__ and __main__, which stand above all
        for dotted, _ in imports(path):
            found = room_of(dotted)
            if found is not None and ORDER.index(found) > ORDER.index(room):
                wrong.append(f"{name} imports {dotted}")
    assert not wrong


def test_vendors_are_imported_by_their_own_module_and_late() -> None:
    wrong = []
    for name, path in sources().items():
        for dotted, at_once in imports(path):
            vendor = dotted.split(".")[0]
            if vendor in VENDORS and (at_once or name not in VENDORS[vendor]):
                wrong.append(f"{name} imports {dotted}{' at once' if at_once else ''}")
    assert not wrong


def test_the_rules_can_fail(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text("import paddle\nfrom paddleport.cli import main\n")
    assert imports(file) == [("paddle", True), ("paddleport.cli.main", True)]
    assert room_of("paddleport.cli.main") == "cli"


@pytest.mark.parametrize("arguments", [["--help"], ["backends"], ["models"], ["convert", "--help"]])
def test_listing_imports_no_vendor(arguments: list[str]) -> None:
    code = (
        "import sys; from paddleport.cli import main\n"
        f"sys.argv = ['paddleport', *{arguments!r}]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"loaded = {sorted([*VENDORS, 'onnx'])!r}\n"
        "sys.stderr.write(','.join(name for name in loaded if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout


def test_links_point_home() -> None:
    for room in ROOMS:
        link = ROOT / "paddleport" / room
        assert link.is_symlink()
        assert link.resolve() == ROOT / room


@pytest.mark.slow
def test_the_wheel_holds_one_package_with_every_file(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns(".*", "out", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, tree, symlinks=True, ignore=ignored)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(tree)],
        check=True,
        capture_output=True,
        timeout=300,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"paddleport"}
    wanted = {
        f"paddleport/{file.relative_to(ROOT)}"
        for room in ROOMS
        for file in (ROOT / room).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    wanted |= {
        f"paddleport/{file.relative_to(ROOT / 'paddleport')}"
        for hall in ("serve", "integrations")
        for file in (ROOT / "paddleport" / hall).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert wanted <= names
    assert "paddleport/cli/__init__.py" in names
    assert {"paddleport/doctor/checked_packages.json", "paddleport/doctor/known_bad.json"} <= names


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    homes = ("/ro" + "ot/", "/ho" + "me/", "/Us" + "ers/", "/wo" + "rk/")
    wrong = []
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if not name or path.is_symlink() or not path.is_file():
            continue
        text = path.read_bytes().decode(errors="replace")
        wrong += [f"{name}: {home}" for home in homes if home in text]
    assert not wrong
