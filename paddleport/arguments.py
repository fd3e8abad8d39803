"""Arguments of the Python API that cannot be, refused in a line that says what is taken."""

from numbers import Integral
from types import NoneType

from paddleport.errors import UsageError

PADDLE_MODEL = "a name of the zoo, or the path of a Paddle model"


def check_type(name: str, value: object, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Refuse an argument of another type.

    Raises:
        UsageError: ``value`` is none of ``kinds``, or a bool.
    """
    if not isinstance(value, kinds) or isinstance(value, bool):
        kind, text = type(value).__name__, repr(value)
        shown = kind if len(text) > 60 else f"{text} ({kind})"
        raise UsageError(f"{name}={shown} is not possible: {wanted} is taken")


def check_count(name: str, value: object) -> None:
    """Refuse what is no number from 1 on, nor None."""
    check_type(name, value, (Integral, NoneType), "a whole number from 1 on, or None,")
    if isinstance(value, Integral) and int(value) < 1:
        raise UsageError(f"{name}={value} is not possible: 1 or more")


def check_option(option: str, count: int, most: int) -> None:
    """Refuse what an option's number can't be, before anything is computed.

    Raises:
        UsageError: it is not from 1 to ``most``.
    """
    if not 1 <= count <= most:
        raise UsageError(f"--{option} {count} is not possible: 1 to {most}")
