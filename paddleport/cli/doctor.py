"""``paddleport doctor``: whether what is installed here fits together."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from paddleport.cli.console import new_table, print_json, progress_bar, stdout
from paddleport.cli.options import JsonOption

if TYPE_CHECKING:
    from paddleport.doctor import Finding, InstallationReport

_STYLES = {"ok": "green", "missing": "dim", "untested": "yellow", "broken": "bold red"}
_GPU_PARTS = ("CUDA", "cuDNN", "tensorrt", "tensorrt_rtx", "polygraphy")


def doctor(json: JsonOption = False) -> None:
    """Find what is installed, what does not fit together, and what to type.

    Every vendor is imported in a process of its own. Exit code 1 if something is broken.
    """
    from paddleport.doctor import check_installation

    with progress_bar() as progress:
        report = check_installation(progress=progress)
    if json:
        print_json(_as_json(report))
    else:
        _print(report)
    if not report.fits:
        raise typer.Exit(1)


def _print(report: "InstallationReport") -> None:
    from rich.text import Text

    out = stdout()
    out.print(_machine_text(report.machine), markup=False, soft_wrap=True)
    out.print()
    table = new_table("part", "found", "tested", "state", "detail")
    for finding in report.findings:
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
    for finding in report.findings:
        if report.machine["gpus"] or finding.part not in _GPU_PARTS or finding.found:
            for line in _lines(finding):
                out.print(line, soft_wrap=True)
    out.print(_summary(report), soft_wrap=True)


def _lines(finding: "Finding") -> list[Any]:
    from rich.text import Text

    lines = []
    for problem in finding.problems:
        line = Text.assemble((f"{finding.part}: ", _STYLES.get(problem.state, "")), problem.text)
        if problem.fix:
            line.append(". Type: ").append(problem.fix, "bold")
        lines.append(line)
    return lines


def _summary(report: "InstallationReport") -> str:
    broken = report.named("broken")
    counts = [
        f"{len(names)} {state}"
        for state in ("ok", "untested", "missing")
        if (names := report.named(state))
    ]
    if broken:
        return f"[bold red]{len(broken)} broken[/]: {', '.join(broken)} · {' · '.join(counts)}"
    return f"[green]nothing is broken[/]: {' · '.join(counts)}"


def _machine_text(machine: Mapping[str, Any]) -> str:
    gpus = ", ".join(gpu["name"] for gpu in machine["gpus"]) or "no GPU"
    system = f"{machine['system']} {machine['architecture']}"
    return f"paddleport {machine['paddleport']} · {system} · {machine['cpus']} CPUs · {gpus}"


def _as_json(report: "InstallationReport") -> dict[str, Any]:
    parts = [_part_as_json(finding) for finding in report.findings]
    return {
        "machine": dict(report.machine),
        "fits": report.fits,
        "broken": list(report.named("broken")),
        "parts": parts,
    }


def _part_as_json(finding: "Finding") -> dict[str, Any]:
    return {
        "part": finding.part,
        "state": finding.state,
        "found": finding.found,
        "tested": finding.tested,
        "problems": [
            {"state": problem.state, "text": problem.text, "mend": problem.fix}
            for problem in finding.problems
        ],
        "detail": finding.detail,
        "facts": dict(finding.facts),
    }
