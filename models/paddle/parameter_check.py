"""Hold a parameter file against the program that it should belong to."""

from collections.abc import Sequence
from pathlib import Path

from paddleport.errors import ModelFileError
from paddleport.models.paddle.paddle_program import Program
from paddleport.models.paddle.params import ParameterSpec, read_parameter_specs


def check_parameters(program: Path, description: Program, params: Path) -> None:
    """Hold a combined file against what the program declares.

    Raises:
        ModelFileError: it is empty, truncated, no parameter file, or of another model.
    """
    wanted = description.parameters
    if params.stat().st_size == 0:
        raise ModelFileError(f"{params} is empty; copy or download it again")
    stored = read_parameter_specs(params)
    if len(stored) != len(wanted):
        raise ModelFileError(
            f"{params} holds {len(stored)} parameters, {program} needs {len(wanted)}: "
            "it is truncated or belongs to another model"
        )
    found = _first_misfit(description, stored)
    if found is not None:
        name, spec = found
        raise ModelFileError(
            f"{params} belongs to another model: {program.name} needs {name} as "
            f"{wanted[name].dtype} {list(wanted[name].shape)}, "
            f"the file has {spec.dtype} {list(spec.shape)} there"
        )


def belongs_to(description: Program, params: Path) -> bool:
    """Whether a file holds all parameters of a program and nothing else."""
    try:
        stored = read_parameter_specs(params)
    except ModelFileError:
        return False
    same_number = len(stored) == len(description.parameters)
    return same_number and _first_misfit(description, stored) is None


def _first_misfit(
    description: Program, stored: Sequence[ParameterSpec]
) -> tuple[str, ParameterSpec] | None:
    """The first parameter of a combined file that is not the program's, and what is there.

    Paddle stores and loads combined parameters in the order of their names.
    """
    for name, spec in zip(sorted(description.parameters), stored, strict=True):
        if not fits(description, name, spec):
            return name, spec
    return None


def fits(description: Program, name: str, stored: ParameterSpec) -> bool:
    """Whether a stored parameter is the one that the program declares.

    Paddle takes types and shapes from the file, not from the program, and its own pairs differ:
    a scalar of a program from before Paddle 2.5 is declared [1] and saved as [] by Paddle 3, and
    ``PostTrainingQuantization(onnx_format=True)`` saves scales of [C] as [1, C] and weights that
    are declared float32 as int8.
    """
    declared = description.parameters[name]
    if stored == declared:
        return True
    if name not in description.quantized:
        scalars = {declared.shape, stored.shape} == {(), (1,)}
        return scalars and stored.dtype == declared.dtype
    same_type = stored.dtype in (declared.dtype, "int8")
    return same_type and _without_leading_ones(declared) == _without_leading_ones(stored)


def _without_leading_ones(spec: ParameterSpec) -> tuple[int, ...]:
    ones = next((index for index, size in enumerate(spec.shape) if size != 1), len(spec.shape))
    return spec.shape[ones:]
