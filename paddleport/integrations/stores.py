"""Paths, and file systems elsewhere by their addresses, as fsspec opens them."""

import contextlib
from collections.abc import Iterator
from typing import Any

from paddleport.errors import PortError, UsageError

_LOCAL = ("file://", "local://")


def local_path(name: str) -> str | None:
    """The path on this machine that a name is or stands for; ``None`` for one elsewhere."""
    for protocol in _LOCAL:
        if name.startswith(protocol):
            return name.removeprefix(protocol)
    return None if "://" in name else name


def filesystem(address: str) -> tuple[Any, str]:
    """Fsspec's file system of an address or path, and the path in it.

    Raises:
        UsageError: no such protocol, its package is missing, or an archive is not there.
    """
    from fsspec.core import url_to_fs

    with one_line(f"{address} cannot be opened"):
        system, path = url_to_fs(address)
    return system, str(path)


def address_of(item: str, system: Any, name: str, path: str) -> str:
    """The address of what was found in a file system.

    Args:
        item: its path there.
        system: of fsspec.
        name: the address by which the file system was opened, which may be chained by ``::``.
        path: in it, of that address.
    """
    head, link, rest = name.partition("::")
    if "://" not in head:  # simplecache::s3://bucket: the path is the last one's
        head, link, rest = name, "", ""
    head = head if head.endswith(path) else head.rstrip("/")
    if head.endswith(path):  # a host or a user stands before it
        return f"{head.removesuffix(path)}{item}{link}{rest}"
    return str(system.unstrip_protocol(item))


@contextlib.contextmanager
def one_line(what: str, kind: type[PortError] = UsageError) -> Iterator[None]:
    """Have whatever a store raises end a sentence: each kind of store has errors of its own.

    Raises:
        PortError: of this kind, with its first line.
    """
    try:
        yield
    except PortError:
        raise
    except Exception as error:
        raise kind(f"{what}: {reason(error)}") from None


def reason(error: Exception) -> str:
    """What an error says, in one line, or its type where it says nothing."""
    return " ".join(str(error).split())[:200] or type(error).__name__
