"""Find the Paddle model in what a user names: a folder, or a program file and its parameters."""

from dataclasses import dataclass
from pathlib import Path

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.paddle_program import Program, program_format, read_program
from paddleport.models.paddle.params import looks_like_params, read_parameter_specs
from paddleport.models.weights.archive import is_archive

_HEAD_BYTES = 64
_PROGRAM_SUFFIXES = (".pdmodel", ".json")


@dataclass(frozen=True)
class FoundModel:
    """A model on disk whose files were read, checked and found to belong together.

    Attributes:
        model: the files.
        program: what the program says of itself.
        config: the inference.yml beside it, if there is one.
    """

    model: Artifact
    program: Program
    config: Path | None


def find_model(path: Path) -> FoundModel:
    """Find the one model in a folder (or in its only subfolder), or beside a program file.

    Files are recognised by content, whatever they are called.

    Raises:
        ModelNotFoundError: nothing is there.
        ModelFileError: no model, more than one, or files that do not fit together.
    """
    if not path.exists():
        raise ModelNotFoundError(f"{path} does not exist")
    if path.is_file():
        return open_model(path, _params_beside(path))
    programs, folder = _programs_in(path)
    if not programs:
        for damaged in _named_as_programs(folder):
            open_model(damaged, None)  # says what is wrong with it
        raise ModelFileError(
            f"{path} holds no Paddle program; it has {_listing(folder)}. A model is a .json or "
            ".pdmodel with its .pdiparams: name them with --model FILE --params FILE"
        )
    if len(programs) > 1:
        names = " and ".join(program.name for program in programs)
        raise ModelFileError(
            f"{folder} holds more than one program: {names}. Name one: --model FILE --params FILE"
        )
    program, params = programs[0], _params_beside(programs[0])
    if program.suffix == ".pdiparams" and params and params.suffix in _PROGRAM_SUFFIXES:
        raise ModelFileError(
            f"{program} is a program and {params.name} its parameters: the names are swapped. "
            f"If that is meant: --model {program} --params {params}"
        )
    return open_model(program, params)


def holds_model(path: Path) -> bool:
    """Whether a folder, tar or file has a Paddle program in it, without reading it all."""
    if path.is_dir():
        return bool(_programs_in(path)[0])
    return path.is_file() and (program_format(path) is not None or is_archive(path))


def open_model(program: Path, params: Path | None) -> FoundModel:
    """Read and check a program and its parameter file.

    Raises:
        ModelNotFoundError: a file is not there.
        ModelFileError: a file is empty, truncated, not what it is named as, or of another model.
    """
    for file in (program, params):
        if file is not None and not file.is_file():
            raise ModelNotFoundError(f"{file} is not a file")
    if program.stat().st_size == 0:
        raise ModelFileError(f"{program} is empty; copy or download it again")
    if looks_like_params(_head(program)):
        hint = (
            f"they look swapped: --model {params} --params {program}"
            if params is not None and program_format(params)
            else "name the program (.json or .pdmodel) with --model"
        )
        raise ModelFileError(f"{program} is a parameter file, not a program; {hint}")
    description = read_program(program)
    if not description.outputs:
        raise ModelFileError(f"{program} is a program without outputs, so not an inference model")
    _check_params(program, description, params)
    config = program.parent / "inference.yml"
    return FoundModel(
        paddle_artifact(program, params if description.parameters else None, description.format),
        description,
        config if config.is_file() else None,
    )


def _check_params(program: Path, description: Program, params: Path | None) -> None:
    wanted = description.parameters
    if params is None:
        if wanted:
            raise ModelFileError(
                f"{program} needs a file with its {len(wanted)} parameters and none is beside it: "
                "name it with --params FILE"
            )
        return
    if wanted and params.stat().st_size == 0:
        raise ModelFileError(f"{params} is empty; copy or download it again")
    if not wanted:
        return
    stored = read_parameter_specs(params)
    if len(stored) != len(wanted):
        raise ModelFileError(
            f"{params} holds {len(stored)} parameters, {program} needs {len(wanted)}: "
            "it is truncated or belongs to another model"
        )
    # Paddle stores and loads combined parameters in the order of their names.
    for name, found in zip(sorted(wanted), stored, strict=True):
        if wanted[name] != found:
            raise ModelFileError(
                f"{params} belongs to another model: {program.name} needs {name} as "
                f"{wanted[name].dtype} {list(wanted[name].shape)}, "
                f"the file has {found.dtype} {list(found.shape)} there"
            )


def _programs_in(path: Path) -> tuple[list[Path], Path]:
    folder = path
    while True:
        files = sorted(item for item in folder.iterdir() if item.is_file())
        programs = [file for file in files if program_format(file)]
        folders = [
            item for item in folder.iterdir() if item.is_dir() and not item.name.startswith(".")
        ]
        if programs or len(folders) != 1:
            return programs, folder
        folder = folders[0]


def _named_as_programs(folder: Path) -> list[Path]:
    """Files that by their name should be programs, where none is one by content."""
    return [
        file
        for file in sorted(folder.iterdir())
        if file.is_file()
        and file.suffix in _PROGRAM_SUFFIXES
        and (file.suffix == ".pdmodel" or file.with_suffix(".pdiparams").is_file())
    ]


def _params_beside(program: Path) -> Path | None:
    candidates = [
        file
        for file in sorted(program.parent.iterdir())
        if file.is_file() and file != program and _may_be_params(file)
    ]
    same_name = [file for file in candidates if file.stem == program.stem]
    if len(same_name) == 1:
        return same_name[0]
    if len(candidates) > 1:
        names = ", ".join(file.name for file in candidates)
        raise ModelFileError(
            f"{program.parent} holds more than one parameter file: {names}. "
            f"Name one: --model {program.name} --params FILE"
        )
    return candidates[0] if candidates else None


def _may_be_params(file: Path) -> bool:
    """By content, or by name where damage has taken the content away."""
    return looks_like_params(_head(file)) or file.suffix == ".pdiparams"


def _head(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_HEAD_BYTES)


def _listing(folder: Path) -> str:
    names = sorted(item.name for item in folder.iterdir())
    shown = ", ".join(names[:6]) or "nothing"
    return shown + (f" and {len(names) - 6} more" if len(names) > 6 else "")
