"""The model and the labelled pictures among what was typed after ``paddleport evaluate``."""

from pathlib import Path
from typing import TYPE_CHECKING

from paddleport.errors import UsageError

if TYPE_CHECKING:
    from paddleport.runners.profile import Profile


def model_and_data(
    names: list[str], tuned: "Profile | None", *, program: Path | None, listed: bool
) -> tuple[str | None, Path | None]:
    """The model and the pictures among what was typed: MODEL DATA, or the one that is missing."""
    if len(names) > 2:
        raise UsageError(
            f"a model and labelled pictures are taken, and there are {len(names)}: "
            f"paddleport evaluate {names[0]} {names[1]}"
        )
    if program is not None or (tuned is not None and len(names) < 2 and not listed):
        if len(names) > 1:
            raise UsageError(f"name either {names[0]} or --model {program}, not both")
        model = None if program is not None or tuned is None else tuned.model
        return model, Path(names[0]) if names else None
    if not names and tuned is not None:
        return tuned.model, None
    if len(names) < (1 if listed else 2):
        raise UsageError(missing_argument(names))
    return names[0], Path(names[1]) if len(names) > 1 else None


def missing_argument(names: list[str]) -> str:
    """What to type where the model, the pictures or both were not named."""
    if (
        names
        and Path(names[0]).is_dir()
        and any(item.is_dir() for item in Path(names[0]).iterdir())
    ):
        return (
            f"one of two is missing: {names[0]} looks like labelled pictures, so "
            f"paddleport evaluate MODEL {names[0]}"
        )
    what = "labelled pictures are" if names else "a model and labelled pictures are"
    return (
        f"{what} missing: paddleport evaluate {names[0] if names else 'MODEL'} DATA, where DATA "
        "has a folder for each class; or --list FILE --root DIR"
    )
