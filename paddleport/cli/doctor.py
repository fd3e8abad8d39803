"""``paddleport doctor``: whether what is installed here fits together."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from paddleport.cli.console import new_table, print_json, progress_bar, stdout
from paddleport.cli.options import JsonOption

if TYPE_CHECKING:
    from paddleport.doctor import Diagnosis, Finding

_STYLES = {"ok": "green", "missing": "dim", "untested": "yellow", "broken": "bold red"}
_GPU_PARTS = ("CUDA", "cuDNN", "tensorrt", "tensorrt_rtx", "polygraphy")


def doctor(json: JsonOption = False) -> None:
    """Find what is installed, what does not fit together, and what to type.

    Every vendor is imported in a process of its own. Exit code 1 if something is broken.
    """
    from paddleport.doctor import examine

    with progress_bar() as progress:
        diagnosis = examine(progress=progress)
    if json:
        print_json(_as_json(diagnosis))
    else:
        _print(diagnosis)
    if not diagnosis.fits:
        raise typer.Exit(1)


def _print(diagnosis: "Diagnosis") -> None:
    from rich.text import Text

    out = stdout()
    out.print(_machine_text(diagnosis.machine), markup=False, soft_wrap=True)
    out.print()
    table = new_table("part", "found", "tested", "state", "detail")
    for finding in diagnosis.findings:
        style = _STYLES[finding.state]
        table.add_row(
            Text(finding.part),
            Text(finding.found or "–"),
            Text(finding.tested or "–"),
            Text(finding.state, style),
            Text(finding.detail),
        )
    out.print(table)
    out.print()
    for finding in diagnosis.findings:
        if diagnosis.machine["gpus"] or finding.part not in _GPU_PARTS or finding.found:
            for line in _lines(finding):
                out.print(line, soft_wrap=True)
    out.print(_summary(diagnosis), soft_wrap=True)


def _lines(finding: "Finding") -> list[Any]:
    from rich.text import Text

    lines = []
    for problem in finding.problems:
        line = Text.assemble((f"{finding.part}: ", _STYLES.get(problem.state, "")), problem.text)
        if problem.mend:
            line.append(". Type: ").append(problem.mend, "bold")
        lines.append(line)
    return lines


def _summary(diagnosis: "Diagnosis") -> str:
    broken = diagnosis.named("broken")
    counts = [
        f"{len(names)} {state}"
        for state in ("ok", "untested", "missing")
        if (names := diagnosis.named(state))
    ]
    if broken:
        return f"[bold red]{len(broken)} broken[/]: {', '.join(broken)} · {' · '.join(counts)}"
    return f"[green]nothing is broken[/]: {' · '.join(counts)}"


def _machine_text(machine: Mapping[str, Any]) -> str:
    gpus = ", ".join(gpu["name"] for gpu in machine["gpus"]) or "no GPU"
    system = f"{machine['system']} {machine['architecture']}"
    return f"paddleport {machine['paddleport']} · {system} · {machine['cpus']} CPUs · {gpus}"


def _as_json(diagnosis: "Diagnosis") -> dict[str, Any]:
    parts = [
        {"part": finding.part, "state": finding.state, **asdict(finding)}
        for finding in diagnosis.findings
    ]
    return {
        "machine": dict(diagnosis.machine),
        "fits": diagnosis.fits,
        "broken": list(diagnosis.named("broken")),
        "parts": parts,
    }
