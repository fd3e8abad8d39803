"""What earlier runs measured, kept beside each model's report under all that it depends on."""

import contextlib
import glob
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from paddleport.files import sha256, write_atomically
from paddleport.models.cache import cache_key
from paddleport.models.resolve import SourceModel
from paddleport.runners import describe_all
from paddleport.validate.overview.model_overview import OverviewRow
from paddleport.validate.parity.describe import describe_environment
from paddleport.validate.reports.figures import json_value


def surroundings(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same for every model of a run: options, versions, machine, backends.

    Args:
        asked: the options.
    """
    return {
        "asked": json_value(asked),
        "environment": describe_environment(),
        "backends": [(item.name, item.version, item.usable) for item in describe_all()],
    }


def key_of(source: SourceModel, around: Mapping[str, Any]) -> str:
    """What must be the same for a row to be that of an earlier run.

    Args:
        source: the model; its digest and how it is fed count.
        around: the ``surroundings``.
    """
    return cache_key(
        {
            **around,
            "source": source.sha256,
            "weights": source.weights,
            "preprocess": source.preprocess.to_dict() if source.preprocess else None,
            "labels": source.labels,
        }
    )


def keep(row: OverviewRow, key: str, file: Path, folder: Path) -> None:
    """Write a row, so that the next run need not measure it.

    Args:
        row: what was measured.
        key: of what was asked.
        file: where it is kept.
        folder: of the overview, which the row's page is in.

    Raises:
        OutputError: it cannot be written.
    """
    values = json_value(asdict(row))
    content = {
        "key": key,
        "files": _digests(row, folder),
        "row_key": cache_key(values),
        "row": values,
    }
    write_atomically(file, json.dumps(content, indent=1).encode())


def kept(key: str, file: Path, folder: Path) -> OverviewRow | None:
    """The row of an earlier run that was asked the same, if what it speaks of is unchanged.

    Args:
        key: of what is asked now.
        file: where it was kept.
        folder: of the overview, which the row's page is in.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        found = json.loads(file.read_text("utf-8"))
        row = OverviewRow.from_dict(found["row"])
        there = _digests(row, folder)
        whole = found["row_key"] == cache_key(found["row"])  # else somebody's editor was there
        if whole and found["key"] == key and found["files"].items() <= there.items():
            return replace(row, from_before=True)
    return None


def _digests(row: OverviewRow, folder: Path) -> dict[str, str]:
    """The sha256 of a model's report or converted file, and of the files named after it."""
    if not row.page:
        return {}
    page = folder / row.page
    named = [page, *page.parent.glob(f"{glob.escape(page.stem)}.*")]
    return {file.name: sha256([file]) for file in named if file.is_file()}
