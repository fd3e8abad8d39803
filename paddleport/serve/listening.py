"""Addresses of this machine to listen on."""

import socket

from paddleport.errors import UsageError


def bound(host: str, port: int, option: str) -> socket.socket:
    """A socket that listens nowhere yet, and is nobody else's.

    Raises:
        UsageError: in one line, what to type instead.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except (OSError, OverflowError) as error:
        made.close()
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{host}:{port} can't be listened on ({why}): {option} takes another, 0 a free one"
        ) from None
    made.setblocking(False)
    return made


def in_url(host: str) -> str:
    """As it stands before a port."""
    return f"[{host}]" if ":" in host else host
