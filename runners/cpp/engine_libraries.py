"""Engines for C++: the Python wheel's own library, so that both compute with the same."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from paddleport.errors import BackendUnavailableError
from paddleport.models.cpp.bundle_file import Engine

ORT_LIBRARY = "PADDLEPORT_ONNXRUNTIME_LIBRARY"
"""The variable that names ONNX Runtime's library to a bundle's program, and to this one."""


@dataclass(frozen=True, kw_only=True)
class EngineLibrary:
    """An engine that a C++ program can be built with and find.

    Attributes:
        engine: its name.
        version: of the wheel; ``?`` where the library is another's.
        settings: for CMake, such as ``OpenVINO_DIR``.
        arguments: of the program.
    """

    engine: Engine
    version: str
    settings: Mapping[str, str]
    arguments: tuple[str, ...] = ()


def engine_library(engine: Engine) -> EngineLibrary:
    """Where an engine is found here.

    Raises:
        BackendUnavailableError: it is not; says what to type.
    """
    return _FINDERS[engine]()


def engines_here() -> dict[Engine, str]:
    """Every engine, and why it can't be used here; empty for those that can."""
    found: dict[Engine, str] = {}
    for engine in _FINDERS:
        try:
            engine_library(engine)
            found[engine] = ""
        except BackendUnavailableError as error:
            found[engine] = str(error)
    return found


def _openvino() -> EngineLibrary:
    """By ``OpenVINO_DIR`` where that is set, else the wheel's CMake files and headers."""
    named = os.environ.get("OpenVINO_DIR", "")  # noqa: SIM112  # CMake's own spelling
    folder = Path(named) if named else _package("openvino") / "cmake"
    if not (folder / "OpenVINOConfig.cmake").is_file():
        raise BackendUnavailableError(
            f"{folder} has no OpenVINOConfig.cmake, which OpenVINO's wheel brings: "
            "pip install --force-reinstall openvino"
        )
    return EngineLibrary(
        engine="openvino",
        version=_version("openvino") if not named else "?",
        settings={"OpenVINO_DIR": str(folder)},
    )


def _onnxruntime() -> EngineLibrary:
    """By its variable where that is set, else the wheel's library, which is loaded at run time."""
    named = os.environ.get(ORT_LIBRARY, "")
    if named:
        library = Path(named)
        if not library.is_file():
            raise BackendUnavailableError(f"{library} is not there, and {ORT_LIBRARY} names it")
    else:
        folder = _package("onnxruntime") / "capi"
        names = ("libonnxruntime.so*", "libonnxruntime*.dylib", "onnxruntime.dll")
        files = [file for name in names for file in sorted(folder.glob(name))]
        if not files:
            raise BackendUnavailableError(
                f"{folder} has no library of ONNX Runtime that C++ could load: name one by "
                f"{ORT_LIBRARY}"
            )
        library = files[0]
    return EngineLibrary(
        engine="onnxruntime",
        version=_version("onnxruntime", "onnxruntime-gpu") if not named else "?",
        settings={},
        arguments=("--engine-library", str(library.resolve())),
    )


_FINDERS: Mapping[Engine, Callable[[], EngineLibrary]] = {
    "openvino": _openvino,
    "onnxruntime": _onnxruntime,
}


def _package(name: str) -> Path:
    """The folder of an installed package, which is not imported."""
    spec = find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        raise BackendUnavailableError(f"{name} is not installed: pip install {name}")
    return Path(places[0])


def _version(*distributions: str) -> str:
    for name in distributions:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "?"
