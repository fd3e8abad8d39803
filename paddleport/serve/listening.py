"""Addresses of this machine to listen on."""

import socket
from errno import EADDRNOTAVAIL
from typing import TYPE_CHECKING

from paddleport.errors import UsageError

if TYPE_CHECKING:
    from paddleport.serve.server import ServerOptions


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
        other = f"{option} takes another, 0 a free one"
        if isinstance(error, socket.gaierror) or getattr(error, "errno", 0) == EADDRNOTAVAIL:
            other = "--host takes an address of this machine, or 0.0.0.0 for all of them"
        raise UsageError(f"{host}:{port} can't be listened on ({why}): {other}") from None
    made.setblocking(False)
    return made


def check_free(options: "ServerOptions") -> None:
    """See that both ports can be had, before models are made ready for a server that has none.

    Raises:
        UsageError: in one line, what to type instead.
    """
    bound(options.host, options.http_port, "--http-port").close()
    if options.grpc_port is not None:
        bound(options.host, options.grpc_port, "--grpc-port").close()


def names_of_loopback(host: str) -> tuple[str, ...]:
    """What a client calls this machine, where only itself reaches ``host``; else nothing.

    A page of another site may have its own name lead here (DNS rebinding), and its browser then
    takes this server for that site's.
    """
    known = ("localhost", "127.0.0.1", "::1")
    return (*known, host) if host in known or host.startswith("127.") else ()


def in_url(host: str) -> str:
    """As it stands before a port."""
    return f"[{host}]" if ":" in host else host
