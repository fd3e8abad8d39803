"""A bundle's program, built by CMake once and kept for all bundles of the same sources."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from paddleport.errors import ModelFileError
from paddleport.files import sha256
from paddleport.models.cache import cache_key, cached_folder
from paddleport.models.cpp.bundle_file import BUNDLE, LABELS, MODEL_FOLDER, Engine
from paddleport.progress import Progress, no_progress
from paddleport.runners.cpp.engine_libraries import EngineLibrary, engine_library
from paddleport.runners.cpp.toolchain import Toolchain, find_toolchain
from paddleport.runners.runner_options import available_threads
from paddleport.runners.vendor_message import MESSAGE_CHARACTERS

PROGRAM = "paddleport-classify"
_CODECS = "paddleport-codecs.*"  # which it loads from its own folder
_NO_SOURCES = (BUNDLE, LABELS, MODEL_FOLDER, "README.md", "build")
_TIMEOUT_S = 600.0
_COMPILED_WRONG = re.compile(r"\b(?:fatal )?error\b:? ?(?P<what>.+)", re.IGNORECASE)


def built_program(
    folder: Path, engine: Engine, progress: Progress = no_progress
) -> tuple[Path, EngineLibrary]:
    """The program of a bundle and its engine's library, built now if it never was.

    The bundle is not in the key: what the program is to be of it, it reads when it starts. Two
    bundles of the same sources share one program, and a changed source is another.

    Args:
        folder: the bundle.
        engine: that the program is to have, the bundle's own.
        progress: called where it is built.

    Raises:
        BackendUnavailableError: something to build it with is missing; says what to type.
        ModelFileError: the sources do not build; says the first error.
    """
    toolchain = find_toolchain()
    toolchain.check()
    library = engine_library(engine)
    key = cache_key(
        {
            "sources": {name: sha256([file]) for name, file in sources_of(folder)},
            "engine": [library.engine, library.version, *library.settings.values()],
            "tools": [toolchain.compiler, toolchain.compiler_version, toolchain.cmake_version],
            "libraries": [toolchain.opencv, toolchain.jpeg, toolchain.json],
        }
    )

    def build(made: Path) -> None:
        progress(f"build {PROGRAM}", None)
        with tempfile.TemporaryDirectory(prefix="paddleport-") as name:
            program = _built(folder, Path(name), toolchain, library)
            for file in (program, *program.parent.glob(_CODECS)):
                shutil.copy2(file, made / file.name)

    return cached_folder(f"programs/{engine}-{key}", build) / PROGRAM, library


def sources_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files of a bundle that its program is built of, by their names in it."""
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        if file.is_file() and not hidden and parts[0] not in _NO_SOURCES:
            yield "/".join(parts), file


def _built(folder: Path, build: Path, toolchain: Toolchain, library: EngineLibrary) -> Path:
    settings = {
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_UNITY_BUILD": "ON",  # the headers are most of it: half the time
        "CMAKE_CXX_COMPILER": toolchain.compiler,
        "PADDLEPORT_ENGINE": library.engine,
        **library.settings,
    }
    given = [f"-D{name}={value}" for name, value in settings.items()]
    threads = str(available_threads())
    _run([toolchain.cmake, "-S", str(folder), "-B", str(build), *given], folder)
    _run(
        [toolchain.cmake, "--build", str(build), "--target", PROGRAM, "--parallel", threads], folder
    )
    found = [file for file in build.rglob(PROGRAM) if file.is_file()]
    if not found:
        raise ModelFileError(f"{folder} does not build: no {PROGRAM} came out of it")
    return found[0]


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise ModelFileError(f"{folder} does not build within {_TIMEOUT_S:g} s") from None
    except OSError as error:
        raise ModelFileError(f"{command[0]} can't be started: {error.strerror}") from None
    if done.returncode:
        said = (done.stderr + done.stdout).decode(errors="replace")
        raise ModelFileError(f"{folder} does not build: {_first_error(said)}")


def _first_error(said: str) -> str:
    """The first line that names an error; of CMake's, whose text comes below, that text."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for place, line in enumerate(lines):
        if line.startswith("CMake Error") and place + 1 < len(lines):
            return " ".join(lines[place + 1 : place + 4])[:MESSAGE_CHARACTERS]
        found = _COMPILED_WRONG.search(line)
        if found is not None:
            return found["what"][:MESSAGE_CHARACTERS]
    return (lines[-1] if lines else "nothing was said")[:MESSAGE_CHARACTERS]
