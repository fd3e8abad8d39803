"""Which layers, kept in fp32, would make a file pass the gate: the most harmful first."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from paddleport.convert.precision.gate_check import (
    GateInputs,
    KeptLayers,
    check_by_gate,
    reasons_of,
    verdict_of,
)
from paddleport.convert.precision.layer_ranking import rank_layers
from paddleport.convert.targets import target_class
from paddleport.errors import PortError
from paddleport.models.artifact import Artifact
from paddleport.progress import Progress
from paddleport.worker import run_in_worker

if TYPE_CHECKING:
    from paddleport.convert.making import Making

_RANKING_PICTURES = 4
_RANKING_S = 120.0
_SEARCH_S = 600.0  # no further try begins after that
_MOST = 32  # layers; nor more than half of all: little would be gained by the rest


def find_layers_to_keep(
    making: "Making",
    failed: Artifact,
    inputs: GateInputs,
    backends: Mapping[str, str],
    timeout_s: float,
    progress: Progress,
) -> KeptLayers | None:
    """Keep 1, 2, 4, ... of the layers that hurt most, until the gate is passed.

    Every try is made and checked as the failed file itself was. ``None`` where the layers cannot
    be told apart: the target leaves none in fp32, its file has no ONNX counterpart that runs
    here, or nothing runs it.
    """
    progress("find the layers that hurt", None)
    target, options = making.target, making.options
    try:
        target.check_options(replace(options, keep_fp32=("any",)))
        ranked = _ranked(making, failed, inputs, timeout_s)
    except PortError:
        return None
    began, count, tried = time.monotonic(), 1, 0
    most = min((len(ranked) + 1) // 2, _MOST)
    harm, closest = dict(ranked), ""
    path = failed.path.with_name(f"retried{target.suffix}")
    while tried < most and time.monotonic() - began < _SEARCH_S:
        tried = min(count, most)
        layers = (*options.keep_fp32, *(name for name, _ in ranked[:tried]))
        progress(f"try with {tried} of {len(ranked)} layers in fp32", None)
        retried = replace(making, options=replace(options, keep_fp32=layers))
        file, _ = retried.run(path, timeout_s)
        rows, _ = check_by_gate(file, inputs, backends, options.precision or "fp32")
        if verdict_of(rows) == "passed":
            return KeptLayers(layers=layers, tried=tried, of=len(ranked), closest="", harm=harm)
        closest = reasons_of(rows)
        count *= 2
    return KeptLayers(layers=(), tried=tried, of=len(ranked), closest=closest, harm=harm)


def _ranked(
    making: "Making", failed: Artifact, inputs: GateInputs, timeout_s: float
) -> list[tuple[str, float]]:
    lowered = failed.path
    if failed.format != "onnx":
        counterpart = replace(making, target=target_class("onnx"))
        lowered = counterpart.run(failed.path.with_name("counterpart.onnx"), timeout_s)[0].path
    feeds = inputs.gate.feeds(*inputs.inputs)
    some = feeds[:: max(1, len(feeds) // _RANKING_PICTURES)][:_RANKING_PICTURES]
    folder: Path = failed.path.parent
    return run_in_worker(
        rank_layers,
        timeout_s,
        making.onnx.path,
        lowered,
        folder,
        making.options,
        some,
        _RANKING_S,
    )
