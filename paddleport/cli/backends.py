"""``paddleport backends``: what can run a model here."""

from dataclasses import asdict

from paddleport.cli.console import new_table, print_json, print_rows
from paddleport.cli.options import JsonOption


def backends(json: JsonOption = False) -> None:
    """List every registered backend: version, devices, usable or what to type."""
    from paddleport.runners import describe_all

    found = describe_all()
    if json:
        print_json([asdict(backend) for backend in found])
        return
    table = new_table("backend", "version", "takes", "devices", "precisions", "usable")
    for backend in found:
        table.add_row(
            backend.name,
            backend.version or "–",
            ", ".join(backend.formats),
            ", ".join(backend.devices),
            ", ".join(backend.precisions),
            "[green]yes[/]" if backend.usable else f"[yellow]no[/]: {backend.reason}",
        )
    print_rows(table)
