"""One network, exported and converted to each target by the command."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from architecture import Architecture
from command_outcome import CommandOutcome, run_command
from exported_network import exported_network

from paddleport.errors import PortError
from paddleport.models.recognize import read_artifact
from paddleport.worker import RemoteError

TARGETS = ("ncnn", "mnn")
TIMEOUT_S = 900.0
_FIRST_TARGET = "onnx"  # every other file is made of it

Outcome = Literal["agrees", "differs", "unproven", "refused", "no ONNX", "no model", "broken"]


def measure(
    architecture: Architecture, targets: Sequence[str], models: Path
) -> list[dict[str, Any]]:
    """What came of each target, as JSON has it.

    Args:
        architecture: which.
        targets: what ``--to`` takes.
        models: where exported models are kept.
    """
    common = {"name": architecture.name, "family": architecture.family}
    try:
        network = exported_network(architecture, models.resolve(), truth=False)
    except (PortError, RemoteError) as error:
        reason = str(error).strip().splitlines()[-1]
        return [common | {"target": it, "outcome": "no model", "message": reason} for it in targets]
    common["parameters"] = network.parameters
    given = ("--model", network.program, "--params", network.params)
    with tempfile.TemporaryDirectory(prefix="paddleport-edge-") as name:
        folder = Path(name)
        first = run_command(
            ("convert", *given, "--output", folder / f"{architecture.name}.onnx"), TIMEOUT_S
        )
        return [
            common | {"target": target} | values
            for target, values in _conversions(targets, given, first, folder / architecture.name)
        ]


def _conversions(
    targets: Sequence[str], given: Sequence[object], first: CommandOutcome, stem: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    for target in targets:
        if first.code:
            kind: Outcome = "broken" if first.broken else "no ONNX"
            yield target, {"outcome": kind, "message": first.message, "onnx": _onnx(first)}
            continue
        folder = stem.with_name(target)
        folder.mkdir()
        done = run_command(("convert", *given, "--to", target), TIMEOUT_S, folder=folder)
        yield target, _values(done) | {"onnx": _onnx(first)} | _written(done, folder)


def _onnx(outcome: CommandOutcome) -> dict[str, Any]:
    worst, limit = _worst(outcome)
    verdict = outcome.answer.get("verdict", "refused")
    return {"verdict": verdict, "worst_error": worst, "limit": limit, "seconds": outcome.seconds}


def _values(outcome: CommandOutcome) -> dict[str, Any]:
    answer = outcome.answer
    worst, limit = _worst(outcome)
    return {
        "outcome": outcome_of(outcome),
        "code": outcome.code,
        "cause": answer.get("cause", ""),
        "step": answer.get("step", ""),
        "why": answer.get("why", ""),
        "worst_error": worst,
        "limit": limit,
        "message": outcome.message if outcome.code else "",
        "operator": operator_in(outcome.message) if outcome.code == 2 else "",
        "facts": answer.get("facts", {}),
        "seconds": outcome.seconds,
        "cpu_seconds": outcome.cpu_seconds,
    }


def outcome_of(outcome: CommandOutcome) -> Outcome:
    """What a conversion came to: a file, a verdict against it, or no file."""
    if outcome.broken:
        return "broken"
    verdict = outcome.answer.get("verdict", "refused")
    known: dict[str, Outcome] = {
        **{"agrees": "agrees", "differs": "differs", "unproven": "unproven"},
    }
    return known.get(verdict, "refused")


def operator_in(message: str) -> str:
    """The operators that a refusal names, as the word after ``operator`` or ``layer``."""
    found = re.search(
        r"\b(?:operators?|layers?)(?: type)?s? ([A-Za-z_][\w.]*(?:, [A-Z]\w*)*)", message
    )
    return found[1] if found else ""


def _worst(outcome: CommandOutcome) -> tuple[float | None, float | None]:
    """The worst error and its limit, of the output that takes the largest share of it."""
    compared = [
        (item["worst_error"], item["limit"])
        for item in outcome.answer.get("comparisons", ())
        if isinstance(item.get("worst_error"), float | int) and item.get("limit")
    ]
    return max(compared, key=lambda pair: pair[0] / pair[1], default=(None, None))


def _written(outcome: CommandOutcome, folder: Path) -> dict[str, Any]:
    path = outcome.answer.get("path")
    if not path:
        return {}
    artifact = read_artifact(folder / path)
    return {
        "bytes": sum(file.stat().st_size for file in artifact.files),
        "inputs": [str(spec) for spec in artifact.inputs],
    }
