"""Small models, made once per session, and what happens where a backend is missing."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest
import small_network

from paddleport.convert.making import Making
from paddleport.convert.ncnn.pnnx_binary import pnnx_binary
from paddleport.convert.targets import TargetOptions, target_class
from paddleport.errors import BackendUnavailableError, DownloadError
from paddleport.models.artifact import Artifact, onnx_artifact, paddle_artifact
from paddleport.models.cache import cache_dir
from paddleport.models.resolve import resolve
from paddleport.runners.cpp.cpp_runner import CppRunner
from paddleport.worker import Worker

# Tests share the CPUs: OpenMP's threads that spin there, GNU's and Intel's (Paddle), take them
# from the others. ncnn was a hundred times as slow.
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("KMP_BLOCKTIME", "0")
# NumPy's own threads, which nothing here needs, took a tenth of the tests' time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def skip_or_fail(backend: str, reason: str) -> NoReturn:
    """Skip, or fail where ``PADDLEPORT_REQUIRE`` names the backend, as it does in CI."""
    if backend in os.environ.get("PADDLEPORT_REQUIRE", "").split(","):
        pytest.fail(f"PADDLEPORT_REQUIRE names {backend}: {reason}")
    pytest.skip(f"{backend}: {reason}", allow_module_level=True)


@pytest.fixture(scope="session")
def clients_python() -> Path:
    """The interpreter that has KServe's and Triton's clients; its version is this one's."""
    named = os.environ.get("PADDLEPORT_CLIENTS_PYTHON", "")
    if not named:
        reason = "PADDLEPORT_CLIENTS_PYTHON names no Python with KServe's and Triton's clients"
        skip_or_fail("clients", f"{reason}: make clients")
    if not Path(named).is_file():
        pytest.fail(f"PADDLEPORT_CLIENTS_PYTHON names {named}, where there is none")
    return Path(named)


def lend_pnnx(cache: Path) -> bool:
    """Let a test's own cache have ncnn's converter, fetched once for all; False without it."""
    if find_spec("ncnn") is None:
        return False
    try:
        pnnx_binary()
    except (BackendUnavailableError, DownloadError) as error:
        if "pnnx" in os.environ.get("PADDLEPORT_REQUIRE", "").split(","):
            pytest.fail(f"PADDLEPORT_REQUIRE names pnnx: {error}")
        return False
    (cache / "pnnx").symlink_to(cache_dir() / "pnnx", target_is_directory=True)
    return True


@pytest.fixture(scope="session")
def small_onnx(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    small_network.save_onnx(path)
    return onnx_artifact(path)


@pytest.fixture(scope="session")
def small_ncnn(small_onnx: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return _made("ncnn", small_onnx, tmp_path_factory.mktemp("ncnn") / "small.ncnn.param")


@pytest.fixture(scope="session")
def small_mnn(small_onnx: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return _made("mnn", small_onnx, tmp_path_factory.mktemp("mnn") / "small.mnn")


@pytest.fixture(scope="session")
def openvino_bf16() -> None:
    """Skip where the CPU has no bf16 for OpenVINO, which refuses it by name there."""
    openvino = pytest.importorskip("openvino")
    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if "BF16" not in able:
        pytest.skip(f"OpenVINO computes in {', '.join(able)} on this CPU")


@pytest.fixture(scope="session")
def cpp_toolchain() -> None:
    """Skip, or fail where it is required, without what builds a C++ bundle."""
    if CppRunner.found_version() is None:
        skip_or_fail("cpp", CppRunner.how_to_install())


@pytest.fixture(scope="session")
def small_cpp(
    cpp_toolchain: None, small_onnx: Artifact, tmp_path_factory: pytest.TempPathFactory
) -> Artifact:
    return _made("cpp", small_onnx, tmp_path_factory.mktemp("cpp") / "small-cpp")


def _made(target: str, onnx: Artifact, path: Path) -> Artifact:
    """The small network in another format, made as ``convert --to`` makes it."""
    kind = target_class(target)
    try:
        kind.check_here(TargetOptions())
    except (BackendUnavailableError, DownloadError) as error:
        skip_or_fail(target, str(error))
    options = kind().check(onnx, TargetOptions())
    return Making(target=kind, model=onnx, options=options).run(path, 120)[0]


@pytest.fixture(scope="session")
def small_pir(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    prefix = _saved_by_paddle(tmp_path_factory.mktemp("pir") / "small", "1")
    return paddle_artifact(prefix.with_suffix(".json"), prefix.with_suffix(".pdiparams"), "pir")


@pytest.fixture(scope="session")
def small_protobuf(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    prefix = _saved_by_paddle(tmp_path_factory.mktemp("protobuf") / "small", "0")
    return paddle_artifact(
        prefix.with_suffix(".pdmodel"), prefix.with_suffix(".pdiparams"), "protobuf"
    )


@pytest.fixture(scope="session")
def small_lite(small_protobuf: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    from paddleport.convert.loadable import loadable_of_paddle

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PADDLEPORT_CACHE", str(tmp_path_factory.mktemp("lite")))
        made = loadable_of_paddle(resolve(small_protobuf.path), ("paddle-lite",))
    assert made is not None
    return made


def _saved_by_paddle(prefix: Path, pir: str) -> Path:
    if find_spec("paddle") is None:
        skip_or_fail("paddle", "paddlepaddle is not installed")
    with Worker(environ={"FLAGS_enable_pir_api": pir}) as worker:
        worker.call(small_network.save_paddle, 120, str(prefix))
    return prefix
