"""One network, exported and converted to each target by the command."""

import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from architecture import Architecture
from command_outcome import CommandOutcome, run_command
from exported_network import exported_network

from paddleport.convert import cached_onnx
from paddleport.errors import PortError
from paddleport.models.recognize import read_artifact
from paddleport.models.resolve import resolve
from paddleport.worker import RemoteError

TARGETS = ("ncnn", "mnn")
TIMEOUT_S = 900.0
_NAMES_OPERATORS = (
    r"has no ([\w.:, ]+), which this model needs",
    r"\b(?:operator|layer|type)s? ([A-Za-z_][\w.:]*(?:, [A-Za-z_][\w.:]*)*)",
)

Outcome = Literal["agrees", "differs", "unproven", "refused", "no ONNX", "no model", "broken"]


def measure(
    architecture: Architecture, targets: Sequence[str], models: Path, *, keep: bool
) -> list[dict[str, Any]]:
    """What came of each target, as JSON has it.

    Args:
        architecture: which.
        targets: what ``--to`` takes.
        models: where exported models are kept.
        keep: whether the exported model and its ONNX file stay for the next run.
    """
    common: dict[str, Any] = {"name": architecture.name, "family": architecture.family}
    made: list[Path] = []
    started = time.time()
    try:
        network = exported_network(architecture, models.resolve(), truth=False)
        made.append(network.program.parent)
        common["parameters"] = network.parameters
        # every other file is made of it, and the commands find it in the cache
        source = resolve(None, program=network.program, params=network.params)
        made.append(cached_onnx(source).path.parent)
    except (PortError, RemoteError) as error:
        outcome: Outcome = "no ONNX" if made else "no model"
        reason = str(error).strip().splitlines()[-1]
        found = [{"target": it, "outcome": outcome, "message": reason} for it in targets]
    else:
        given = ("--model", network.program, "--params", network.params)
        found = [{"target": target, **_conversion(target, given)} for target in targets]
    for folder in made:
        if not keep and folder.stat().st_mtime >= started:
            shutil.rmtree(folder)
    return [common | values for values in found]


def _conversion(target: str, given: Sequence[object]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="paddleport-edge-") as name:
        folder = Path(name)
        done = run_command(("convert", *given, "--to", target), TIMEOUT_S, folder=folder)
        return _values(done) | _written(done, folder)


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
    """The operators that a refusal names, as targets write them; empty where it names none."""
    for pattern in _NAMES_OPERATORS:
        if found := re.search(pattern, message):
            return found[1]
    return ""


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
