"""What builds a C++ bundle: found, or named with what to type; and a program that is not well."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_network
from lite_interpreters import script
from made_bundles import made_bundle, stand_in

from paddleport.doctor.cpp_check import assess_cpp, probe_cpp
from paddleport.errors import (
    BackendUnavailableError,
    FeedError,
    ImageError,
    ModelFileError,
    WorkerCrashed,
)
from paddleport.models.artifact import Artifact
from paddleport.runners import default_names, names
from paddleport.runners.cpp import cpp_runner
from paddleport.runners.cpp.built_program import _first_error, built_program, sources_of
from paddleport.runners.cpp.cpp_runner import CppRunner
from paddleport.runners.cpp.engine_libraries import EngineLibrary, engine_library
from paddleport.runners.cpp.toolchain import find_toolchain
from paddleport.runners.runner_options import RunnerOptions

DESCRIBED = {
    "engine": "openvino",
    "engine_version": "1.2",
    "opencv": "4.6.0",
    "compiler": "GNU 12.2.0",
    "threads": 1,
    "inputs": [{"name": "x"}],
    "outputs": [{"name": "logits"}, {"name": "scores"}],
}


def versioned(path: Path, first_line: str) -> Path:
    return script(path, f"#!/bin/sh\necho '{first_line}'\n")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a compiler, CMake and the libraries' headers, all made up."""
    folder = tmp_path / "bin"
    folder.mkdir()
    versioned(folder / "c++", "c++ (Debian 12.2.0-14+deb12u1) 12.2.0")
    versioned(folder / "cmake", "cmake version 3.25.1")
    headers = tmp_path / "include"
    (headers / "opencv4/opencv2/core").mkdir(parents=True)
    for name in ("imgcodecs.hpp", "imgproc.hpp"):
        (headers / "opencv4/opencv2" / name).touch()
    version = "".join(
        f"#define CV_VERSION_{name} {number}\n"
        for name, number in (("MAJOR", 4), ("MINOR", 6), ("REVISION", 0))
    )
    (headers / "opencv4/opencv2/core/version.hpp").write_text(version)
    (headers / "nlohmann").mkdir()
    (headers / "nlohmann/json.hpp").write_text(version.replace("CV_", "NLOHMANN_JSON_"))
    (headers / "jpeglib.h").touch()
    (headers / "some-linux-gnu").mkdir()
    turbo = "#define LIBJPEG_TURBO_VERSION  2.1.5\n"
    (headers / "some-linux-gnu/jconfig.h").write_text(turbo)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("CMAKE_PREFIX_PATH", str(tmp_path))
    monkeypatch.setattr("paddleport.runners.cpp.toolchain._PREFIXES", ())
    for name in ("CXX", "OpenCV_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_all_of_it_is_found(tools: Path) -> None:
    found = find_toolchain()
    assert found.missing == ()
    assert found.title == "g++ 12.2.0, OpenCV 4.6.0"
    assert found.jpeg == "2.1.5"
    assert (found.cmake_version, Path(found.compiler)) == ("3.25.1", tools / "bin/c++")


def test_the_compiler_that_is_named_is_the_one(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = versioned(tools / "mine", "Debian clang version 14.0.6")
    monkeypatch.setenv("CXX", str(named))
    assert find_toolchain().compiler_version == "clang++ 14.0.6"
    monkeypatch.setenv("CXX", str(tools / "absent"))
    assert "a C++ compiler" in find_toolchain().missing


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("include/opencv4/opencv2/imgcodecs.hpp", "needs OpenCV's development files: apt-get"),
        ("include/jpeglib.h", "needs libjpeg-turbo's development files: apt-get"),
        ("include/some-linux-gnu/jconfig.h", "needs libjpeg-turbo's development files: apt-get"),
        ("include/nlohmann/json.hpp", "needs nlohmann_json: apt-get"),
    ],
)
def test_what_is_missing_is_named(tools: Path, without: str, said: str) -> None:
    (tools / without).unlink()
    with pytest.raises(BackendUnavailableError, match=said):
        find_toolchain().check()
    assert CppRunner.found_version() is None
    assert CppRunner.how_to_install().startswith(said.partition(":")[0])


def test_a_cmake_that_is_too_old_or_broken(tools: Path) -> None:
    versioned(tools / "bin/cmake", "cmake version 3.16.3")
    assert find_toolchain().missing == ("a CMake of 3.21 or later (this one is 3.16.3)",)
    script(tools / "bin/cmake", "#!/bin/sh\nexit 1\n")
    assert find_toolchain().missing == ("a CMake of 3.21 or later (this one is )",)


def test_engines_that_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "libonnxruntime.so"
    monkeypatch.setenv("PADDLEPORT_ONNXRUNTIME_LIBRARY", str(library))
    with pytest.raises(BackendUnavailableError, match="is not there, and PADDLEPORT_ONNX"):
        engine_library("onnxruntime")
    library.touch()
    assert engine_library("onnxruntime").arguments == ("--engine-library", str(library))
    monkeypatch.setenv("OpenVINO_DIR", str(tmp_path))
    with pytest.raises(BackendUnavailableError, match=r"no OpenVINOConfig\.cmake"):
        engine_library("openvino")
    (tmp_path / "OpenVINOConfig.cmake").touch()
    assert engine_library("openvino").settings == {"OpenVINO_DIR": str(tmp_path)}


def test_doctor(tools: Path) -> None:
    finding = assess_cpp(probe_cpp())
    assert (finding.state, finding.found) == ("ok", "g++ 12.2.0, OpenCV 4.6.0")
    (tools / "bin/cmake").unlink()
    (tools / "include/nlohmann/json.hpp").unlink()
    finding = assess_cpp({**probe_cpp(), "cmake": "", "missing": ["CMake", "nlohmann_json"]})
    assert finding.state == "missing"
    assert finding.problems[0].text.startswith("has not CMake, nlohmann_json")
    assert finding.problems[0].fix.startswith("apt-get install -y cmake")
    facts = {**probe_cpp(), "missing": [], "title": "g++ 13.1.0, OpenCV 4.9.0"}
    assert assess_cpp(facts).state == "untested"
    json.dumps(dict(finding.facts))


def test_it_takes_part_only_where_it_is_named() -> None:
    assert "cpp" in names()
    assert "cpp" not in default_names()


@pytest.mark.parametrize(
    ("said", "first"),
    [
        ("x.cpp:3:1: error: expected ';'\n1 error", "expected ';'"),
        ("-- ok\nCMake Error at CMakeLists.txt:5 (find_package):\n  No OpenCV\n\n", "No OpenCV"),
        ("make: *** all\n", "make: *** all"),
        ("", "nothing was said"),
    ],
)
def test_the_first_error_of_a_build(said: str, first: str) -> None:
    assert _first_error(said).startswith(first)


@pytest.fixture
def bundle(small_onnx: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    return made_bundle(small_onnx, tmp_path / "b")


def test_a_build_is_kept_and_another_source_is_another_program(
    tools: Path, bundle: Artifact
) -> None:
    script(
        tools / "bin/cmake",
        '#!/bin/sh\nif [ "$1" = --version ]; then echo cmake version 3.25.1; exit; fi\n'
        f'if [ "$1" = --build ]; then echo built >> {tools}/log; '
        "echo program > $2/paddleport-classify; echo codecs > $2/paddleport-codecs.so; fi\n",
    )
    folder = bundle.path.parent
    first, _ = built_program(folder, "openvino")
    assert first.read_text() == "program\n"
    assert (first.parent / "paddleport-codecs.so").read_text() == "codecs\n"
    (folder / "README.md").write_text("other")
    (folder / "build").mkdir()
    (folder / "build" / "x.o").touch()
    assert built_program(folder, "openvino")[0] == first
    assert (tools / "log").read_text() == "built\n"
    name, source = next(iter(sources_of(folder)))
    assert name == "CMakeLists.txt"
    source.write_text(source.read_text() + "\n")
    assert built_program(folder, "openvino")[0] != first
    assert built_program(folder, "onnxruntime")[0] != first
    script(
        tools / "bin/cmake", '#!/bin/sh\n[ "$1" = --build ] || echo cmake version 3.26.0\nexit 0\n'
    )
    with pytest.raises(ModelFileError, match="no paddleport-classify came out"):
        built_program(folder, "openvino")


def opened(
    bundle: Artifact, monkeypatch: pytest.MonkeyPatch, program: Path, threads: int = 1
) -> CppRunner:
    library = EngineLibrary(engine="openvino", version="1.2", settings={})
    monkeypatch.setattr(cpp_runner, "built_program", lambda folder, engine: (program, library))
    return CppRunner(bundle, RunnerOptions(threads=threads))


def test_a_refusal_leaves_it_alive(
    bundle: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = stand_in(
        tmp_path / "p", DESCRIBED, "answer(error='no such picture')\nsys.stdin.readline()"
    )
    with opened(bundle, monkeypatch, program) as runner:
        assert isinstance(runner, CppRunner)
        assert runner.picture_library == "OpenCV 4.6.0"
        with pytest.raises(ImageError, match=r"^no such picture$"):
            runner.prepared(tmp_path / "x.jpg")


def test_a_crash_and_a_hang_are_errors(
    bundle: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies = "sys.stderr.write('terminate: bad\\n'); sys.stderr.flush(); os.abort()"
    with (
        opened(bundle, monkeypatch, stand_in(tmp_path / "dies", DESCRIBED, dies)) as runner,
        pytest.raises(WorkerCrashed, match="ended at run with signal 6: terminate: bad"),
    ):
        runner.run(small_network.feed(1))
    monkeypatch.setattr(cpp_runner, "_RUN_TIMEOUT_S", 0.3)
    hangs = stand_in(tmp_path / "hangs", DESCRIBED, "time.sleep(60)")
    with (
        opened(bundle, monkeypatch, hangs) as runner,
        pytest.raises(WorkerCrashed, match=r"no answer within 0\.3 s"),
    ):
        runner.run(small_network.feed(1))
    refuses = stand_in(tmp_path / "refuses", DESCRIBED, "answer(error='out of memory')")
    with (
        opened(bundle, monkeypatch, refuses) as runner,
        pytest.raises(FeedError, match="can't compute this feed: out of memory"),
    ):
        runner.run({"x": np.zeros((1, 3, 9, 9), np.float32)})


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"threads": 4}, BackendUnavailableError, "asked for 1 threads and openvino took 4"),
        ({"engine": "onnxruntime"}, BackendUnavailableError, "its program has onnxruntime"),
        ({"inputs": [{"name": "y"}]}, ModelFileError, "has the inputs y"),
        ({"error": "no such model"}, ModelFileError, "does not take this bundle: no such model"),
    ],
)
def test_what_it_says_of_itself_is_held_against_what_was_asked(
    bundle: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
    error: type[Exception],
    said: str,
) -> None:
    program = stand_in(tmp_path / "p", {**DESCRIBED, **change}, "time.sleep(60)")
    with pytest.raises(error, match=said):
        opened(bundle, monkeypatch, program)


def test_sources_that_are_no_files_of_the_program_do_not_count(bundle: Artifact) -> None:
    found = {name for name, _ in sources_of(bundle.path.parent)}
    assert "CMakeLists.txt" in found
    assert not any(name.startswith("model/") or name == "bundle.json" for name in found)
    assert replace(bundle).path.name == "bundle.json"
