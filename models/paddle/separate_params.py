"""Programs with one file a parameter, as Paddle 1 saved them: found, checked and combined.

Each file holds one tensor under its variable's name, in the form in which a combined file holds
them one after another, in the order of their names: so files that follow one another are one.
Source: Paddle's save_op.cc, save_combine_op.h and ``paddle.static.io.save_vars``.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from paddleport.errors import ModelFileError
from paddleport.files import sha256
from paddleport.models.cache import cached_folder
from paddleport.models.paddle.paddle_program import Program
from paddleport.models.paddle.parameter_check import fits
from paddleport.models.paddle.params import read_parameter_specs

_COMBINED = "combined.pdiparams"
_CHUNK_BYTES = 1 << 20


def separate_files(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """The files in a folder that are named like parameters; a ``/`` in a name is a subfolder."""
    for name in names:
        file = folder / name
        if not _leads_out(name) and _is_file(file):
            yield file


def combined(program: Path, description: Program, folder: Path) -> Path:
    """One file of all parameters of a program that has a file for each, in the cache.

    Files of ``folder`` that the program does not name are left alone.

    Raises:
        ModelFileError: a file is missing, truncated, no parameter or of another model; or the
            program gives a parameter a name that leads out of the folder.
        OutputError: the cache cannot be written.
    """
    files = [
        _checked_file(program, description, folder, name) for name in sorted(description.parameters)
    ]
    if len(files) == 1:
        return files[0]

    def build(new: Path) -> None:
        with (new / _COMBINED).open("wb") as target:
            for file in files:
                with file.open("rb") as source:
                    shutil.copyfileobj(source, target, _CHUNK_BYTES)

    return cached_folder(f"combined/{sha256(files)}", build) / _COMBINED


def _checked_file(program: Path, description: Program, folder: Path, name: str) -> Path:
    if _leads_out(name):
        raise ModelFileError(
            f"{program} has a parameter named {name!r}, which leads out of {folder}; it is not "
            "looked for. If all of them are in one file: --params FILE"
        )
    file = folder / name
    if not _is_file(file):
        raise ModelFileError(
            f"{folder} has one file a parameter, and of the {len(description.parameters)} that "
            f"{program.name} needs {name} is missing; copy it there, or name one file with all: "
            "--params FILE"
        )
    if file.stat().st_size == 0:
        raise ModelFileError(f"{file} is empty; copy or download it again")
    stored = read_parameter_specs(file)
    if len(stored) != 1:
        raise ModelFileError(
            f"{file} holds {len(stored)} parameters where {program.name} needs {name} alone"
        )
    if not fits(description, name, stored[0]):
        declared = description.parameters[name]
        raise ModelFileError(
            f"{file} belongs to another model: {program.name} needs {declared.dtype} "
            f"{list(declared.shape)}, the file has {stored[0].dtype} {list(stored[0].shape)}"
        )
    return file


def _leads_out(name: str) -> bool:
    """Whether a name from a program is anything else than that of a file below a folder."""
    path = Path(name)
    return not path.parts or bool(path.anchor) or ".." in path.parts


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False
