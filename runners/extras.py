"""What is typed after ``-o``, as the options that a backend declares."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from paddleport.errors import UsageError, unknown_name


def parse_extras(backend: str, extras_type: type[Any], given: Mapping[str, str]) -> Any:
    """Turn ``-o key=value`` texts into ``extras_type``, each value by its field's type.

    Raises:
        UsageError: an unknown key, or a value that is not of the field's type.
    """
    known = {item.name: item for item in fields(extras_type)}
    values: dict[str, bool | int | float | str] = {}
    for key, text in given.items():
        if key not in known:
            if not known:
                raise UsageError(f"{backend} has no options of its own, so no '-o {key}'")
            raise UsageError(unknown_name(f"{backend} option", key, known))
        kind = known[key].type
        try:
            values[key] = _READERS[kind if isinstance(kind, type) else str](text)
        except (KeyError, ValueError):
            name = getattr(kind, "__name__", str(kind))
            raise UsageError(f"-o {key}={text} is not possible: {key} is of type {name}") from None
    return extras_type(**values)


_READERS: dict[type, Any] = {
    bool: lambda text: {
        "1": True,
        "true": True,
        "on": True,
        "0": False,
        "false": False,
        "off": False,
    }[text.lower()],
    int: int,
    float: float,
    str: str,
}


def check_streams(streams: int, threads: int) -> None:
    """Refuse streams that no thread would be left for.

    Raises:
        UsageError: fewer than one, or more than threads.
    """
    if not 1 <= streams <= threads:
        raise UsageError(f"-o streams={streams} is not possible with {threads} threads")
