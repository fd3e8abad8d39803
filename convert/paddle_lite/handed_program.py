"""The program that an .nb file was optimised from, kept by what the file is.

Nothing but Paddle Lite reads an .nb, so that this is what a file is held against when it differs.
"""

import shutil
from pathlib import Path

from paddleport.errors import BackendUnavailableError
from paddleport.files import sha256
from paddleport.models.cache import cache_dir, cached_folder, is_intact

_PROGRAM, _PARAMS = "handed.pdmodel", "handed.pdiparams"


def keep_handed_program(nb: Path, program: Path, params: Path | None) -> None:
    """Keep what the optimiser was handed; raises OutputError where the cache can't be written."""

    def build(folder: Path) -> None:
        shutil.copyfile(program, folder / _PROGRAM)
        if params is not None:
            shutil.copyfile(params, folder / _PARAMS)

    cached_folder(_entry(nb), build)


def handed_program(nb: Path) -> tuple[Path, Path | None]:
    """Program and parameters of an .nb file.

    Raises:
        BackendUnavailableError: they are not kept, or no longer.
    """
    folder = cache_dir() / _entry(nb)
    if not is_intact(folder):
        raise BackendUnavailableError(
            f"nothing but Paddle Lite reads {nb.name}, and the program that it was optimised from "
            "is not in the cache: convert again"
        )
    params = folder / _PARAMS
    return folder / _PROGRAM, params if params.is_file() else None


def _entry(nb: Path) -> str:
    return f"lite-programs/{sha256([nb])[:32]}"
