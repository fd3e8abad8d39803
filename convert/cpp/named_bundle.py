"""A bundle gets its name: the whole folder at once, with what was found when it was checked."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from paddleport.convert.cpp.bundle_writer import write_table
from paddleport.convert.whole_folder import whole_folder
from paddleport.models.artifact import Artifact
from paddleport.models.cpp.bundle_file import BUNDLE, LABELS, read_bundle
from paddleport.runners.cpp.toolchain import APT

_PACKAGE, _TEMPLATE = "paddleport.convert.cpp", "readme.md.j2"
_CHECKED = ("verdict", "not_run", "feeds", "cause", "step", "why")
_COMPARED = ("output", "verdict", "measure", "worst_error", "limit")


def named_bundle(made: Artifact, path: Path, values: Mapping[str, Any] | None = None) -> Artifact:
    """Copy a bundle that was made to ``path``, a folder; it then says how it was made and checked.

    Args:
        made: the bundle, in a folder of its own, with its provenance.
        path: what the folder is called.
        values: what the conversion came to, as ``Conversion.to_dict`` has it.

    Raises:
        OutputError: something is there already, or it can't be written.
    """
    checked: dict[str, Any] = {}
    if values:
        compared = [{key: item[key] for key in _COMPARED} for item in values["comparisons"]]
        checked = {key: values[key] for key in _CHECKED}
        checked |= {"pictures": values.get("pictures", ""), "comparisons": compared}
    with whole_folder(path) as waiting:
        shutil.copytree(made.path.parent, waiting)
        table = json.loads((waiting / BUNDLE).read_text("utf-8"))
        table |= {"provenance": dict(made.provenance), "checked": checked}
        write_table(waiting, table)
        (waiting / "README.md").write_text(_readme(table, waiting), "utf-8")
    return replace(made, files=read_bundle(path).artifact.files)


def _readme(table: Mapping[str, Any], folder: Path) -> str:
    """What whoever builds it has to type."""
    import re

    from jinja2 import Environment, StrictUndefined

    environment = Environment(  # Markdown for people: nothing in it is escaped
        autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = files(_PACKAGE).joinpath(_TEMPLATE).read_text("utf-8")
    text: str = environment.from_string(template).render(
        bundle=table,
        apt=APT,
        source=table["provenance"].get("source", {}),
        steps=table["provenance"].get("steps", []),
        labels=(folder / LABELS).is_file(),
        example=sorted(file.name for file in (folder / "example").glob("*")),
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
