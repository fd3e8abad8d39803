"""Which layers, kept in fp32, would make a candidate pass: the most harmful first, ever more."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from paddleport.convert.precision.judged import judge_file, verdict_of
from paddleport.convert.precision.layers import rank_layers
from paddleport.convert.precision.make import make_candidate
from paddleport.convert.precision.wanted import Mend, Pictures, Wanted, reasons_of
from paddleport.convert.steps import Progress
from paddleport.errors import PortError
from paddleport.tensors import TensorSpec
from paddleport.worker import run_in_worker

_RANKING_PICTURES = 4
_RANKING_S = 120.0
_SEARCH_S = 600.0  # no further try begins after that
_MOST = 32  # layers; nor more than half of all: little would be gained by the rest


def find_mend(
    onnx: Path,
    candidate: Path,
    wanted: Wanted,
    pictures: Pictures,
    spec: TensorSpec,
    judges: Mapping[str, str],
    timeout_s: float,
    progress: Progress,
) -> Mend | None:
    """Keep 1, 2, 4, ... of the layers that hurt most, until the gate is passed.

    Every try is made and judged as the candidate itself was. ``None`` where the layers cannot
    be told apart: the file is an IR without an ONNX twin that runs here, or nothing runs it.
    """
    progress("find the layers that hurt", None)
    twin = replace(wanted, format="onnx")
    feeds = pictures.gate.feeds(spec)
    calibration = pictures.calibration.feeds(spec) if pictures.calibration else []
    folder, file = candidate.parent, candidate
    try:
        if wanted.format != "onnx":
            file = folder / "twin.onnx"
            run_in_worker(make_candidate, timeout_s, onnx, file, twin, calibration)
        step = max(1, len(feeds) // _RANKING_PICTURES)
        some = feeds[::step][:_RANKING_PICTURES]
        ranked = run_in_worker(rank_layers, timeout_s, onnx, file, folder, twin, some, _RANKING_S)
    except PortError:
        return None
    began, count, tried = time.monotonic(), 1, 0
    most = min((len(ranked) + 1) // 2, _MOST)
    harm, closest = dict(ranked), ""
    tryout = folder / f"mended{'.xml' if wanted.format == 'openvino' else '.onnx'}"
    while tried < most and time.monotonic() - began < _SEARCH_S:
        tried = min(count, most)
        layers = (*wanted.keep, *(name for name, _ in ranked[:tried]))
        progress(f"try with {tried} of {len(ranked)} layers in fp32", None)
        mended = replace(wanted, keep=layers)
        run_in_worker(make_candidate, timeout_s, onnx, tryout, mended, calibration)
        rows, tolerance = judge_file(tryout, pictures, spec, judges, wanted.precision)
        if verdict_of(rows, tolerance) == "passed":
            return Mend(layers, tried, len(ranked), "", harm)
        closest = "; ".join(filter(None, (reasons_of(rows), tolerance)))
        count *= 2
    return Mend((), tried, len(ranked), closest, harm)
