"""The C++ sources, built once for all tests, and bundles for them that are written by hand."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import colour_pictures
import numpy as np
import onnx
import pytest
from conftest import skip_or_fail
from made_once import made_once

from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import read_onnx_model, write_metadata
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "convert" / "cpp" / "sources"
FUZZING = ROOT / "tests" / "cpp"
LABELS = ("red", 'gr"üé"n', "blue")
BUILD_TIMEOUT_S = 900


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


def run(
    *command: object, timeout: float = 120, environment: Mapping[str, str] | None = None
) -> Done:
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        timeout=timeout,
    )
    out, err = (text.decode(errors="surrogateescape") for text in (done.stdout, done.stderr))
    return Done(done.returncode, out, err)


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            skip_or_fail("cpp", f"there is no {program}")


def onnxruntime_library() -> Path:
    spec = find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        skip_or_fail("cpp", "onnxruntime is not installed")
    return next(Path(spec.origin).parent.glob("capi/libonnxruntime.so.*"))


def openvino_cmake() -> Path:
    spec = find_spec("openvino")
    if spec is None or spec.origin is None:
        skip_or_fail("cpp", "openvino is not installed")
    return Path(spec.origin).parent / "cmake"


def built(
    factory: pytest.TempPathFactory,
    name: str,
    *options: str,
    sources: Path = SOURCES,
    targets: Sequence[str] = (),
    compiler: str = "g++",
) -> Path:
    """A build folder, shared by every process of this session of tests; quickly built."""
    need("cmake", compiler)

    def build(folder: Path) -> None:
        quick = "-DCMAKE_UNITY_BUILD=ON"
        configure(sources, folder, quick, f"-DCMAKE_CXX_COMPILER={compiler}", *options)
        compile_targets(folder, *targets)

    return made_once(factory, f"cpp-{name}", build)


def built_by_gcc(factory: pytest.TempPathFactory) -> Path:
    """ONNX Runtime's build, which most tests of the program run."""
    return built(factory, "gcc", *for_onnxruntime())


def configure(sources: Path, folder: Path, *options: str) -> None:
    done = run("cmake", "-S", sources, "-B", folder, "-DPADDLEPORT_WERROR=ON", *options)
    if "apt-get install" in done.err or "nlohmann_json" in done.err:
        skip_or_fail("cpp", " ".join(done.err.split())[:500])
    assert done.code == 0, done.err


def compile_targets(folder: Path, *targets: str) -> None:
    wanted = ["--target", *targets] if targets else []
    command = ["cmake", "--build", folder, "--parallel", "2", *wanted]
    done = run(*command, timeout=BUILD_TIMEOUT_S)
    assert done.code == 0, done.out + done.err


def for_onnxruntime() -> tuple[str, ...]:
    return "-DPADDLEPORT_ENGINE=onnxruntime", f"-DONNXRUNTIME_LIBRARY={onnxruntime_library()}"


def for_openvino() -> tuple[str, ...]:
    return "-DPADDLEPORT_ENGINE=openvino", f"-DOpenVINO_DIR={openvino_cmake()}"


def write_bundle(
    folder: Path,
    rules: Preprocess = colour_pictures.PREPROCESS,
    *,
    engine: str = "onnxruntime",
    labels: Sequence[str] | None = LABELS,
    pixels: bool = False,
    **changed: Any,
) -> Artifact:
    """A bundle around the network of ``colour_pictures``; its ONNX file says how it is fed."""
    (folder / "model").mkdir(parents=True)
    path = folder / "model" / "colours.onnx"
    colour_pictures.save_classifier(path, pixels=pixels)
    model = onnx.load(str(path))
    names = tuple(labels) if labels else None
    write_metadata(model, preprocess=rules, labels=names, provenance={"source": {}})
    onnx.save(model, str(path))
    values = bundle_values(rules, engine, sha256(path.read_bytes()).hexdigest(), labels)
    if pixels:
        values["inputs"] = [{"name": "x", "dtype": "uint8", "shape": [-1, 8, 8, 3]}]
    if labels:
        (folder / "labels.txt").write_text("\n".join(labels) + "\n", "utf-8")
    (folder / "bundle.json").write_text(json.dumps({**values, **changed}), "utf-8")
    return read_onnx_model(path)


def bundle_values(
    rules: Preprocess | None, engine: str, digest: str, labels: Sequence[str] | None
) -> dict[str, Any]:
    preprocess = None
    if rules is not None:
        preprocess = {
            **rules.to_dict(),
            "scale": _shortest(rules.scale),
            "mean": [_shortest(value) for value in rules.mean],
            "std": [_shortest(value) for value in rules.std],
            "resize_backend": rules.resize_backend,
            "channel_num": rules.channel_num,
        }
    return {
        "schema": 1,
        "paddleport": "0.1.0",
        "name": "colours",
        "engine": engine,
        "precision": "fp32",
        "model_file": "model/colours.onnx",
        "model_sha256": {"model/colours.onnx": digest},
        "labels_file": "labels.txt" if labels else None,
        "inputs": [{"name": "x", "dtype": "float32", "shape": [-1, 3, 8, 8]}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": [-1, 3]}],
        "preprocess": preprocess,
        "size": None,
        "output_scores": {"output": "y", "softmax": False, "decimals": 5},
        "limits": {"max_pixels": 178956970, "max_file_bytes": 256 << 20},
        "provenance": {},
    }


def _shortest(value: float) -> float:
    return float(str(np.float32(value)))


class Pipe:
    """The program with ``--pipe``."""

    def __init__(self, program: Path, bundle: Path, *options: str) -> None:
        self._process = subprocess.Popen(
            [str(program), "--bundle", str(bundle), "--pipe", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(
        self, do: str, arrays: Sequence[Array] = (), **values: Any
    ) -> tuple[Mapping[str, Any], list[Array]]:
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None and answers is not None
        heads = [(item.dtype.name, item.shape, item.nbytes) for item in arrays]
        requests.write(json.dumps({"do": do, "arrays": heads, **values}).encode() + b"\n")
        for item in arrays:
            requests.write(np.ascontiguousarray(item).tobytes())
        requests.flush()
        head = json.loads(answers.readline())
        assert head["from"] == "paddleport"
        found = []
        for dtype, shape, size in head["arrays"]:
            found.append(np.frombuffer(answers.read(size), dtype).reshape(shape))
        return head, found

    def maps(self) -> str:
        """The files that it has mapped by now."""
        return Path(f"/proc/{self._process.pid}/maps").read_text()

    def __enter__(self) -> "Pipe":
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        left = self._process.stdout.read()
        self._process.stdout.close()
        code = self._process.wait(timeout=60)
        assert (code, left) == (0, b"")
