"""pnnx, ncnn's converter: the binary in its wheel, which asks for torch and needs none."""

import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from paddleport.errors import BackendUnavailableError, ConversionError
from paddleport.models.fetched_wheel import FetchedWheel
from paddleport.progress import Progress, no_progress

VERSION = "20261020"
_MOST_BYTES = 400_000_000  # unpacked; the binary is 88 MB
_LINUX = "py3-none-manylinux2014_{0}.manylinux_2_17_{0}"
_X86_64 = (
    _LINUX.format("x86_64"),
    "d50d921e5897293d616444191c1a2dc5366423c81bdb4bd22a985fe8071cf17c",
)
_AARCH64 = (
    _LINUX.format("aarch64"),
    "13727adb291bf8061a4cc95c8b911ff2459b406144ad3c86e755b6e3f8953427",
)
_MACOS = (
    "py3-none-macosx_10_9_universal2.macosx_10_9_x86_64.macosx_11_0_arm64",
    "f4d60b7df5d1f7329f60cf75018ab4e25006db6d2299cf5ef8d56c051044660b",
)
_WINDOWS = (
    "py3-none-win_amd64",
    "cde5381cdebbef5d3e0e796e824ed02e2e1dfd075731921a3b3653514c518309",
)
WHEELS = {  # platform and machine to the wheel's tags and sha256
    ("linux", "x86_64"): _X86_64,
    ("linux", "aarch64"): _AARCH64,
    ("darwin", "x86_64"): _MACOS,
    ("darwin", "arm64"): _MACOS,
    ("win32", "AMD64"): _WINDOWS,
}
_UNKNOWN = re.compile(r"^todo (\S+)|^ignore (\S+) \S+ param", re.MULTILINE)
_BATCH = re.compile(
    r'ex\.input\("(in\d+)", ncnn\.Mat\(in\d+\.numpy\(\), batch_index=(\d+)\)'
    r"|(out\d+)\.numpy\(batch_index=(\d+)\)"
)
_FAILURE = re.compile(r".*(?:failed|error|not supported|terminate).*", re.IGNORECASE)
_NO_BATCH = "233"  # how pnnx writes that a tensor has no batch


@dataclass(frozen=True, kw_only=True)
class PnnxFiles:
    """What pnnx wrote.

    Attributes:
        param, weights: ncnn's two files; the second may be empty.
        batched: of pnnx's names (in0, out0, ...) those of which ncnn takes or gives no batch axis.
        refused: operators that it has not converted, or not whole.
    """

    param: Path
    weights: Path
    batched: frozenset[str]
    refused: tuple[str, ...]


def pnnx_wheel() -> FetchedWheel:
    """The wheel for this machine.

    Raises:
        BackendUnavailableError: there is none.
    """
    machine = sys.platform, platform.machine()
    if machine not in WHEELS:
        raise BackendUnavailableError(
            f"pnnx, which makes ncnn's files, is not built for {' '.join(machine)}: convert on "
            "Linux, macOS or Windows, and copy both files"
        )
    tags, digest = WHEELS[machine]
    return FetchedWheel(
        distribution="pnnx",
        version=VERSION,
        file=f"pnnx-{VERSION}-{tags}.whl",
        sha256=digest,
        content="ncnn's converter pnnx",
        most_bytes=_MOST_BYTES,
    )


def pnnx_binary(progress: Progress = no_progress) -> Path:
    """The binary, from the cache or from the wheel that pip fetches.

    Raises:
        BackendUnavailableError: there is none for this machine.
        DownloadError: the wheel cannot be had; says what to type.
        OutputError: the cache cannot be written.
    """
    folder = pnnx_wheel().unpacked(_is_binary, finish=_make_executable, progress=progress)
    (binary,) = (folder / "pnnx").iterdir()
    return binary


def run_pnnx(onnx: Path, shapes: str, larger: str, *, half: bool, timeout_s: float) -> PnnxFiles:
    """Convert ``onnx`` in the folder that it lies in.

    Args:
        onnx: the file; its name has no spaces.
        shapes: of the inputs in order, as pnnx writes them.
        larger: other sizes of the same, by which pnnx tells free dimensions; empty where none is.
        half: whether weights are stored in fp16.
        timeout_s: after which it is killed.

    Raises:
        ConversionError: it fails, or writes nothing; says what pnnx said.
    """
    command = [str(pnnx_binary()), onnx.name, f"inputshape={shapes}"]
    command += [f"inputshape2={larger}"] if larger else []
    command += [f"fp16={int(half)}", "optlevel=2", "device=cpu"]
    try:
        done = subprocess.run(
            command,
            cwd=onnx.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        raise ConversionError(f"pnnx has not converted it within {timeout_s:g} s") from None
    said = done.stdout.decode(errors="replace")
    param, weights = (onnx.with_name(f"{onnx.stem}.ncnn.{end}") for end in ("param", "bin"))
    code = onnx.with_name(f"{onnx.stem}_ncnn.py")
    if done.returncode or not all(file.is_file() for file in (param, weights, code)):
        raise ConversionError(
            f"pnnx does not convert this model: {_failure(said, done.returncode)}"
        )
    found = _BATCH.findall(code.read_text("utf-8"))
    batched = {one or other for one, axis, other, end in found if (axis or end) != _NO_BATCH}
    refused = dict.fromkeys(todo or ignored for todo, ignored in _UNKNOWN.findall(said))
    return PnnxFiles(
        param=param, weights=weights, batched=frozenset(batched), refused=tuple(refused)
    )


def _failure(said: str, code: int) -> str:
    lines = [line.strip() for line in said.splitlines()]
    telling = [line for line in lines if _FAILURE.match(line)]
    ended = f"it ended with {code}"
    return f"{telling[-1]} ({ended})" if telling else ended


def _is_binary(name: PurePosixPath) -> bool:
    return name.parent == PurePosixPath("pnnx") and name.stem == "pnnx" and name.suffix != ".py"


def _make_executable(folder: Path) -> None:
    for file in (folder / "pnnx").iterdir():
        file.chmod(0o755)
