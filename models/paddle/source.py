"""Find the Paddle model in what a user names: a folder, or a program file and its parameters."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.paddle_program import Program, program_format, read_program
from paddleport.models.paddle.parameter_check import belongs_to, check_parameters
from paddleport.models.paddle.params import looks_like_params
from paddleport.models.paddle.separate_params import combined, separate_files
from paddleport.models.weights.archive import is_archive

if TYPE_CHECKING:
    from paddleport.models.paddle.foreign_files import ForeignFile

_HEAD_BYTES = 64
_PROGRAM_SUFFIXES = (".pdmodel", ".json")


@dataclass(frozen=True)
class FoundModel:
    """A model on disk whose files were read, checked and found to belong together.

    Attributes:
        model: the files; parameters that were in one file each are in one in the cache.
        program: what the program says of itself.
        config: the inference.yml beside it, if there is one.
    """

    model: Artifact
    program: Program
    config: Path | None


def find_model(path: Path, params: Path | None = None) -> FoundModel:
    """Find the one model in a folder (or in its only subfolder), or beside a program file.

    Files are recognised by content, whatever they are called.

    Args:
        path: the folder, or the program.
        params: its parameters, where they are not to be looked for: a file, or a folder with a
            file for each.

    Raises:
        ModelNotFoundError: nothing is there.
        ModelFileError: no model, more than one, files that do not fit together, or no file.
        OutputError: parameters in one file each, and the cache cannot be written.
    """
    if not path.exists():
        raise ModelNotFoundError(f"{path} does not exist")
    if params is not None and not (params.is_file() or params.is_dir()):
        raise ModelNotFoundError(f"{params} is not a file")
    if path.is_file():
        return _open(path, params)
    if not path.is_dir():
        raise ModelFileError(f"{path} is neither a file nor a folder: copy it into a file")
    programs, folder = programs_in(path)
    if not programs:
        for damaged in _named_as_programs(folder):
            open_model(damaged, None)  # says what is wrong with it
        from paddleport.models.paddle.foreign_files import describe_folder

        raise ModelFileError(f"{path} holds no Paddle program; {describe_folder(folder)}")
    if len(programs) > 1:
        names = " and ".join(program.name for program in programs)
        raise ModelFileError(
            f"{folder} holds more than one program: {names}. Name one: "
            f"--model {programs[0]}, with --params FILE where its parameters are named otherwise"
        )
    program = programs[0]
    if program.suffix == ".pdiparams" and params is None:
        _refuse_swapped(program)
    return _open(program, params)


def holds_model(path: Path) -> bool:
    """Whether a folder, tar or file has a Paddle program in it, without reading it all.

    So has a file that is taken for one, of which ``open_model`` says what it is.
    """
    if path.is_dir():
        return bool(programs_in(path)[0])
    if not path.is_file():
        return False
    return program_format(path) is not None or is_archive(path) or _foreign(path) is not None


def open_model(program: Path, params: Path | None) -> FoundModel:
    """Read and check a program and its parameters: a file, or a folder with a file for each.

    Raises:
        ModelNotFoundError: a file is not there.
        ModelFileError: a file is empty, truncated, not what it is named as, or of another model.
        OutputError: parameters in one file each, and the cache cannot be written.
    """
    if not program.is_file():
        raise ModelNotFoundError(f"{program} is not a file")
    if params is not None and not (params.is_file() or params.is_dir()):
        raise ModelNotFoundError(f"{params} is not a file")
    return _checked(program, _described(program, params), params)


def _open(program: Path, params: Path | None) -> FoundModel:
    """A program with the parameters that are named, or else lie beside it."""
    description = _described(program, params)
    if params is None and description.parameters:
        params = _params_beside(program, description)
    return _checked(program, description, params)


def _described(program: Path, params: Path | None) -> Program:
    """What a program says of itself; ``params`` is what was named beside it."""
    if program.stat().st_size == 0:
        raise ModelFileError(f"{program} is empty; copy or download it again")
    if params is not None and looks_like_params(_head(program)) and _is_program(params):
        raise ModelFileError(
            f"{program} is a parameter file, not a program; "
            f"they look swapped: --model {params} --params {program}"
        )
    if program_format(program) is None:
        found = _foreign(program)
        if found:
            raise ModelFileError(
                f"{program} is {found.what}, not a Paddle program. Next: {found.next_step}"
            )
    description = read_program(program)
    if not description.outputs:
        raise ModelFileError(
            f"{program} is a program without outputs, so not an inference model: save it with "
            "paddle.jit.save or paddle.static.save_inference_model"
        )
    if not description.inputs:
        raise ModelFileError(
            f"{program} is a program without inputs: what it computes never changes, so nothing "
            "could be proven of its conversion. Save it with paddle.jit.save and input_spec=[...]"
        )
    for kind, specs in {"input": description.inputs, "output": description.outputs}.items():
        for spec in specs:
            if spec.dtype == "bfloat16":
                raise ModelFileError(
                    f"{program} has the {kind} {spec.name} in bfloat16, which numpy has no type "
                    "for, so that nothing can be fed or compared: cast it to float32 in the "
                    "network, and save it again"
                )
    return description


def _checked(program: Path, description: Program, params: Path | None) -> FoundModel:
    if not description.parameters:
        params = None
    elif params is None:
        raise ModelFileError(
            f"{program} needs a file with its {len(description.parameters)} parameters and none is "
            "beside it: name it with --params FILE, or the folder that has a file for each"
        )
    elif params.is_dir():
        params = combined(program, description, params)
    else:
        _refuse_foreign_params(params)
        check_parameters(program, description, params)
    config = program.parent / "inference.yml"
    return FoundModel(
        paddle_artifact(program, params, description.format),
        description,
        config if config.is_file() else None,
    )


def _params_beside(program: Path, description: Program) -> Path | None:
    """The parameter file of a program, or its folder where they are in one file each."""
    folder = program.parent
    separate = set(separate_files(folder, description.parameters))
    others = sorted(set(folder.iterdir()) - separate - {program})
    candidates = [file for file in others if file.is_file() and _may_be_params(file)]
    same_name = [file for file in candidates if file.stem == program.stem]
    if len(same_name) == 1 and (not separate or same_name[0].suffix == ".pdiparams"):
        return same_name[0]
    if separate:
        return _separate_or_combined(program, description, candidates, len(separate))
    if len(candidates) > 1:
        names = ", ".join(file.name for file in candidates)
        raise ModelFileError(
            f"{folder} holds more than one parameter file: {names}. "
            f"Name one: --model {program} --params FILE"
        )
    return candidates[0] if candidates else None


def _separate_or_combined(
    program: Path, description: Program, candidates: Iterable[Path], separate: int
) -> Path:
    """The folder itself, unless another file in it has all the parameters of the program.

    Args:
        program: whose parameters are looked for.
        description: what it needs.
        candidates: parameter files beside it that are not named like one parameter.
        separate: how many files are named like one.
    """
    count = len(description.parameters)
    whole = [file for file in candidates if count > 1 and belongs_to(description, file)]
    if whole and separate == count:
        raise ModelFileError(
            f"{program.parent} holds the parameters of {program.name} twice, in one file each and "
            f"in {whole[0].name}. Name which: --model {program} --params {program.parent}, or "
            f"--params {whole[0]}"
        )
    return whole[0] if len(whole) == 1 else program.parent


def programs_in(path: Path) -> tuple[list[Path], Path]:
    """The programs in a folder or, where it holds none, in its only subfolder; and which it is."""
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


def _may_be_params(file: Path) -> bool:
    """By content, or by name where damage has taken the content away."""
    return looks_like_params(_head(file)) or file.suffix == ".pdiparams"


def _head(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_HEAD_BYTES)


def _is_program(path: Path) -> bool:
    return path.is_file() and program_format(path) is not None


def _refuse_swapped(program: Path) -> None:
    """Refuse a program that is named as its parameters are."""
    for file in sorted(program.parent.iterdir()):
        if file.suffix in _PROGRAM_SUFFIXES and file.is_file() and _may_be_params(file):
            raise ModelFileError(
                f"{program} is a program and {file.name} its parameters: the names are swapped. "
                f"If that is meant: --model {program} --params {file}"
            )


def _refuse_foreign_params(params: Path) -> None:
    if looks_like_params(_head(params)) or params.stat().st_size == 0:
        return
    found = _foreign(params)
    if found:
        raise ModelFileError(
            f"{params} is {found.what}, not the parameter file of an inference model. "
            f"Next: {found.next_step}"
        )


def _foreign(file: Path) -> "ForeignFile | None":
    from paddleport.models.paddle.foreign_files import foreign_file  # for errors alone

    return foreign_file([file])
