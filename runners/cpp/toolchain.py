"""What builds a C++ bundle here: compiler, CMake and three libraries, found in milliseconds."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paddleport.errors import BackendUnavailableError

APT = (
    "apt-get install -y cmake g++ libjpeg-dev libopencv-imgcodecs-dev libopencv-imgproc-dev "
    "nlohmann-json3-dev"
)
_COMPILERS = ("c++", "g++", "clang++")
_OLDEST_CMAKE = (3, 21)  # of the sources' CMakeLists.txt
_PREFIXES = ("/usr", "/usr/local", "/opt/homebrew", "/opt/local")
_MACRO = re.compile(
    r"#define\s+(?:CV_VERSION|NLOHMANN_JSON_VERSION)_(MAJOR|MINOR|REVISION|PATCH)\s+(\d+)"
)
_TURBO = re.compile(r"#define\s+LIBJPEG_TURBO_VERSION\s+(\d+(?:\.\d+)*)")
_OPENCV = ("imgcodecs.hpp", "imgproc.hpp")
_TIMEOUT_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """What was found; what was not is empty.

    Attributes:
        compiler: the file of the C++ compiler.
        compiler_version: as ``g++ 12.2.0``.
        cmake: the file.
        cmake_version: of it.
        opencv: the version of OpenCV's headers.
        jpeg: of libjpeg-turbo's headers.
        json: of nlohmann_json's headers.
    """

    compiler: str
    compiler_version: str
    cmake: str
    cmake_version: str
    opencv: str
    jpeg: str
    json: str

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not there or too old, a few words each."""
        found = []
        if not self.compiler:
            found.append("a C++ compiler")
        if not self.cmake:
            found.append("CMake")
        elif _numbers(self.cmake_version) < _OLDEST_CMAKE:
            oldest = ".".join(map(str, _OLDEST_CMAKE))
            found.append(f"a CMake of {oldest} or later (this one is {self.cmake_version})")
        if not self.opencv:
            found.append("OpenCV's development files")
        if not self.jpeg:
            found.append("libjpeg-turbo's development files")
        if not self.json:
            found.append("nlohmann_json")
        return tuple(found)

    @property
    def title(self) -> str:
        """Compiler and OpenCV, which have a say in the answers."""
        return f"{self.compiler_version}, OpenCV {self.opencv}"

    def check(self) -> None:
        """Refuse what can't build a bundle.

        Raises:
            BackendUnavailableError: says what is missing, and what to type.
        """
        if self.missing:
            raise BackendUnavailableError(f"needs {' and '.join(self.missing)}: {APT}")


def find_toolchain() -> Toolchain:
    """Look for all of it: two programs are asked for their versions, headers are read."""
    compiler, compiler_version = _compiler()
    cmake = shutil.which("cmake") or ""
    return Toolchain(
        compiler=compiler,
        compiler_version=compiler_version,
        cmake=cmake,
        cmake_version=_version_of(cmake),
        opencv=_opencv(),
        jpeg=_jpeg(),
        json=_json(),
    )


def _compiler() -> tuple[str, str]:
    """``CXX`` where that is set, as CMake takes it; else the first that is there."""
    named = os.environ.get("CXX", "").split()
    for name in named[:1] or _COMPILERS:
        path = shutil.which(name)
        version = _version_of(path or "")
        if path and version:
            return path, f"{_kind_of(path)} {version}"
    return "", ""


def _kind_of(path: str) -> str:
    said = _said(path).partition("\n")[0].lower()
    return "clang++" if "clang" in said else "g++"


def _version_of(path: str) -> str:
    found = re.search(r"\d+\.\d+(?:\.\d+)?", _said(path).partition("\n")[0].rpartition(")")[2])
    return found[0] if found else ""


def _said(path: str) -> str:
    if not path:
        return ""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return "" if done.returncode else done.stdout


def _opencv() -> str:
    """Of the headers that CMake would find; of a folder named by OpenCV_DIR first."""
    named = os.environ.get("OpenCV_DIR", "")  # noqa: SIM112  # CMake's own spelling
    for file in ("OpenCVConfig-version.cmake", "OpenCVConfigVersion.cmake") if named else ():
        found = re.search(r"OpenCV_VERSION\s+\"?(\d+\.\d+\.\d+)", _read(Path(named, file)))
        if found:
            return found[1]
    for include in _includes():
        for folder in (include / "opencv4", include / "opencv5", include):
            if all((folder / "opencv2" / name).is_file() for name in _OPENCV):
                return _macros(folder / "opencv2/core/version.hpp")
    return ""


def _jpeg() -> str:
    """Of ``jconfig.h``, which Debian keeps in a folder of the machine's kind."""
    for include in _includes():
        if (include / "jpeglib.h").is_file():
            for header in (include / "jconfig.h", *sorted(include.glob("*-linux-gnu*/jconfig.h"))):
                found = _TURBO.search(_read(header))
                if found:
                    return found[1]
    return ""


def _json() -> str:
    for include in _includes():
        if (include / "nlohmann/json.hpp").is_file():
            inside = include / "nlohmann/detail/abi_macros.hpp"
            return _macros(inside) or _macros(include / "nlohmann/json.hpp") or "?"
    return ""


def _includes() -> Iterator[Path]:
    prefixes = [
        *filter(None, os.environ.get("CMAKE_PREFIX_PATH", "").split(os.pathsep)),
        *_PREFIXES,
    ]
    for prefix in prefixes:
        yield Path(prefix) / "include"


def _macros(header: Path) -> str:
    """Three numbers of a header's version, without leading zeros in their order."""
    found: dict[str, str] = {}
    for name, number in _MACRO.findall(_read(header)):
        found.setdefault("PATCH" if name == "REVISION" else name, number)
    return ".".join(found[name] for name in ("MAJOR", "MINOR", "PATCH") if name in found)


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))
