"""A C++ bundle's program against its engine's bare call, and against ``paddleport run``."""

import contextlib
import json
import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from claims import NO_LIMIT, Claim, Results, spread
from command_timing import BINARIES
from picture_throughput import FILES, PICTURES, SIDE
from run_configuration import THREADS
from startup_time import environment

from paddleport.convert.making import Making
from paddleport.convert.targets import TargetOptions, target_class
from paddleport.models.artifact import Artifact
from paddleport.models.cpp.bundle_file import ENGINES, Engine
from paddleport.models.synthetic.samples import draw_picture, sample_picture
from paddleport.runners.cpp.built_program import built_program
from paddleport.runners.cpp.engine_libraries import engines_here
from paddleport.runners.cpp.toolchain import find_toolchain

ROUNDS = 9
_RUNS = 200  # of the bare call and of the classifier's, in turns, in each process
_OVERHEAD, _PICTURES, _MEMORY = 1.02, 1.0, 0.5
_EVERY_S = 0.005  # between two looks at a process's memory
_RATE = re.compile(r"(\d+) pictures/s")


@dataclass(frozen=True, kw_only=True)
class ProcessCost:
    """What one whole process took.

    Attributes:
        seconds: by the wall clock.
        peak_mb: the most memory that it held, libraries' pages included.
        pictures_per_s: as it says itself; 0 where it says nothing.
    """

    seconds: float
    peak_mb: float
    pictures_per_s: float


def cpp_results(onnx: Artifact, folder: Path, rounds: int = ROUNDS) -> Results:
    """Each engine's program and Python's ``run`` on the same file, A B A B.

    Args:
        onnx: the file that the bundles are made of, and that Python runs.
        folder: for bundles and pictures.
        rounds: of every comparison.
    """
    toolchain = find_toolchain()
    if toolchain.missing:
        reason = f"{' and '.join(toolchain.missing)} is missing"
        return Results([_not_measured("C++", reason)], {}, {})
    claims: list[Claim] = []
    series: dict[str, object] = {}
    missing = engines_here()
    for engine in ENGINES:
        if missing[engine]:
            claims.append(_not_measured(engine, missing[engine]))
            continue
        found, measured = _of_engine(engine, onnx, folder, rounds)
        claims += found
        series[f"cpp_{engine}"] = measured
    return Results(claims, {}, series)


def _of_engine(
    engine: Engine, onnx: Artifact, folder: Path, rounds: int
) -> tuple[list[Claim], dict[str, object]]:
    bundle = folder / f"{engine}-bundle"
    target = target_class("cpp")
    options = target().check(onnx, TargetOptions(engine=engine))
    Making(target=target, model=onnx, options=options).run(bundle, 600)
    program, library = built_program(bundle, engine)
    ours = [program, "--bundle", bundle, *library.arguments, "--threads", THREADS]
    theirs = [BINARIES / "paddleport", "run", onnx.path, "-b", engine, "--threads", THREADS]
    single, several = _pictures(folder)
    warm = environment(folder / "cpp-cache")
    benches = [_bench([*ours, "--bench", _RUNS, single]) for _ in range(rounds)]
    ratios = [float(item["ratio"]) for item in benches]

    def pair(words: Sequence[object], python: Sequence[object]) -> list[list[ProcessCost]]:
        return _in_turn(
            lambda: process_cost([*ours, *words], warm),
            lambda: process_cost([*theirs, *python], warm),
            rounds,
        )

    start = pair([single], [single])
    folders = pair(
        [several, "--json", "--decode-threads", THREADS],
        [several, "--json", "--workers", THREADS],
    )
    bare = [item["bare_ms"]["median"] for item in benches]
    whole = [item["classifier_ms"]["median"] for item in benches]
    claims = [
        Claim(
            what=f"C++, {engine}: classifier / bare call",
            value=statistics.median(ratios),
            limit=_OVERHEAD,
            unit="x",
            detail=f"ratio {spread(ratios)}; {spread(whole)} ms against {spread(bare)} ms, "
            f"{rounds} processes of {_RUNS} pairs",
        ),
        _ratio(
            f"C++, {engine}: pictures a second / run",
            [[item.pictures_per_s for item in side] for side in folders],
            _PICTURES,
            "pictures/s",
            at_least=True,
        ),
        _ratio(
            f"C++, {engine}: one picture / run",
            [[item.seconds for item in side] for side in start],
            NO_LIMIT,
            "s",
        ),
        _ratio(
            f"C++, {engine}: peak memory on one picture / run",
            [[item.peak_mb for item in side] for side in start],
            _MEMORY,
            "MB",
        ),
        _ratio(
            f"C++, {engine}: peak memory over a folder / run",
            [[item.peak_mb for item in side] for side in folders],
            _MEMORY,
            "MB",
        ),
    ]
    return claims, {"overhead": benches, "start_s": [[i.seconds for i in side] for side in start]}


def process_cost(command: Sequence[object], environ: dict[str, str]) -> ProcessCost:
    """Run a whole process that must succeed, and watch its memory."""
    started = time.perf_counter()
    with subprocess.Popen(
        [*map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, _peak_mb(process.pid))
            time.sleep(_EVERY_S)
        seconds = time.perf_counter() - started
        said = process.communicate()[1]
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {said}")
    found = _RATE.search(said)
    return ProcessCost(
        seconds=seconds, peak_mb=peak, pictures_per_s=float(found[1]) if found else 0.0
    )


def _peak_mb(pid: int) -> float:
    """Linux's VmHWM, which begins anew when a program is started, unlike ``ru_maxrss``."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    return 0.0


def _bench(command: Sequence[object]) -> dict[str, Any]:
    """What the program measures of itself; see its ``--bench``."""
    done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _in_turn(
    first: Callable[[], ProcessCost], second: Callable[[], ProcessCost], rounds: int
) -> list[list[ProcessCost]]:
    """Two processes, A B A B, after one of each that is not counted."""
    first(), second()
    pairs = [(first(), second()) for _ in range(rounds)]
    return [[pair[side] for pair in pairs] for side in (0, 1)]


def _ratio(
    what: str, sides: list[list[float]], limit: float, unit: str, *, at_least: bool = False
) -> Claim:
    """The medians' ratio; both are of whole processes."""
    ours, theirs = sides
    ratio = statistics.median(ours) / statistics.median(theirs) if all(theirs) else float("nan")
    detail = f"{spread(ours)} against {spread(theirs)} {unit}, {len(ours)} runs each"
    return Claim(what=what, value=ratio, limit=limit, unit="x", detail=detail, at_least=at_least)


def _pictures(folder: Path) -> tuple[Path, Path]:
    """One picture, and a folder of as many as the pipeline's bench has."""
    single, several = folder / "cpp-one.jpg", folder / "cpp-pictures"
    if not several.exists():
        several.mkdir()
        cv2.imwrite(str(single), sample_picture())
        for index in range(FILES):
            file = several / f"{index:02}.jpg"
            cv2.imwrite(str(file), draw_picture(index, (SIDE, SIDE)))
            for turn in range(1, PICTURES // FILES):
                os.link(file, several / f"{index:02}-{turn}.jpg")
    return single, several


def _not_measured(name: str, why: str) -> Claim:
    what = f"C++, {name}: classifier / bare call"
    return Claim(what=what, value=None, limit=NO_LIMIT, unit="x", detail="", reason=why)
