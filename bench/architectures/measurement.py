"""One architecture, exported, converted, validated and held against the truth."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import double_precision
import numpy as np
from architecture import Architecture
from command_outcome import CommandOutcome, run_command
from exported_network import ExportedNetwork, exported_network
from verdict_mistakes import backend_truth, file_truth, mistake, rounding

from paddleport.errors import PortError
from paddleport.models.artifact import onnx_artifact
from paddleport.runners import open_runner
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array
from paddleport.worker import RemoteError, run_in_worker

BACKENDS = ("onnxruntime", "openvino", "reference")
"""Those that every machine has; ``reference`` computes the file in double precision."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds that each part may take."""

    convert_s: float = 600.0
    validate_s: float = 1800.0
    outputs_s: float = 900.0


def measure(architecture: Architecture, models: Path, limits: Limits) -> dict[str, Any]:
    """Everything that is known of one architecture, as JSON has it; None for what is not finite.

    Args:
        architecture: which.
        models: where exported models are kept.
        limits: of the commands.
    """
    values: dict[str, Any] = {
        **{"name": architecture.name, "family": architecture.family},
        "format": "pdmodel" if architecture.old_format else "json",
    }
    try:
        network = exported_network(architecture, models)
    except (PortError, RemoteError) as error:
        return values | {"no_model": str(error).strip().splitlines()[-1]}
    values |= {"parameters": network.parameters, "batch": network.batch}
    given = ("--model", network.program, "--params", network.params)
    onnx = network.program.parent.with_name(f"{architecture.name}.onnx")
    for leftover in _written(onnx):
        leftover.unlink()
    converted = run_command(("convert", *given, "--output", onnx, "--keep"), limits.convert_s)
    backends = [part for name in BACKENDS for part in ("--backend", name)]
    reports = onnx.with_suffix(".reports")
    validated = run_command(
        ("validate", *given, *backends, "--quick", "--seconds", 0, "--out", reports),
        limits.validate_s,
    )
    values |= {"convert": _conversion(converted), "validate": _validation(validated)}
    values |= _held_against_truth(values, architecture, network, _written(onnx), limits)
    plain: dict[str, Any] = _plain(values)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _written(onnx: Path) -> list[Path]:
    """The converted file, under whatever name its verdict gave it."""
    return sorted(onnx.parent.glob(f"{onnx.stem}*.onnx"))


def _conversion(outcome: CommandOutcome) -> dict[str, Any]:
    verdict = outcome.answer.get("verdict", "refused")
    errors = [item["worst_error"] for item in outcome.answer.get("comparisons", ())]
    return _ending(outcome) | {"verdict": verdict, "errors": errors}


def _validation(outcome: CommandOutcome) -> dict[str, Any]:
    rows = {}
    for row in outcome.answer.get("rows", ()):
        kept = {key: row.get(key) for key in ("verdict", "cause", "explanation", "reason")}
        worst = [item["worst_error"] for item in row.get("comparisons", ())]
        rows[row["name"]] = kept | {"errors": worst}
    return _ending(outcome) | {"verdict": outcome.answer.get("verdict", "refused"), "rows": rows}


def _ending(outcome: CommandOutcome) -> dict[str, Any]:
    values = asdict(outcome)
    del values["answer"]
    return values | {"broken": outcome.broken}


def _held_against_truth(
    values: Mapping[str, Any],
    architecture: Architecture,
    network: ExportedNetwork,
    written: list[Path],
    limits: Limits,
) -> dict[str, Any]:
    """What Paddle's double precision says of the file and of each verdict."""
    if network.no_double:
        return {"truth": {"unknown": f"Paddle computes no double precision: {network.no_double}"}}
    truth = network.truth()
    alone = rounding(truth)
    found: dict[str, Any] = {"amplified": alone.amplified, **asdict(alone)}
    if not written:
        return {"truth": found | {"unknown": "there is no file"}}
    mistakes = {}
    for backend in BACKENDS:
        try:
            outputs = run_in_worker(
                outputs_of, limits.outputs_s, backend, written[0], truth["inputs"]
            )
        except (PortError, RemoteError) as error:
            found[backend] = {"truth": "unknown", "error": str(error).strip().splitlines()[-1]}
            continue
        errors = double_precision.errors(outputs, truth["double"], softmax=architecture.softmax)
        truth_of = file_truth if backend == "reference" else backend_truth
        found[backend] = {"truth": truth_of(errors, alone), "errors": errors}
        row = values["validate"]["rows"].get(backend, {})
        mistakes[backend] = mistake(row.get("verdict", ""), found[backend]["truth"], alone)
    file = found["reference"]["truth"]
    mistakes["convert"] = mistake(values["convert"]["verdict"], file, alone)
    return {"truth": found, "mistakes": {key: what for key, what in mistakes.items() if what}}


def outputs_of(backend: str, onnx: Path, inputs: Array) -> Array:
    """A backend's first output for each feed; in a worker."""
    with open_runner(backend, onnx_artifact(onnx), RunnerOptions()) as runner:
        name = runner.inputs[0].name
        rows = [next(iter(runner.run({name: row[None]}).values())) for row in inputs]
    return np.concatenate(rows)
