"""Both protocols from their start to their end, in one event loop."""

import asyncio
import contextlib
import signal
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleport.errors import UsageError
from paddleport.serve.hosting.host_registry import HostRegistry
from paddleport.serve.listening import bound, in_url, names_of_loopback
from paddleport.serve.request_log import RequestLog
from paddleport.serve.rest.body_reader import BodyReader
from paddleport.serve.rest.rest_app import Pages, RestApp
from paddleport.serve.server_metrics import ServerMetrics

if TYPE_CHECKING:
    from uvicorn import Server
    from uvicorn.server import ServerState

_BACKLOG = 512
_POLL_S = 0.02


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Where a server listens, and what it refuses.

    Attributes:
        host: an address of this machine; only itself reaches loopback.
        http_port, grpc_port: 0 is one that is free; ``None`` is no gRPC.
        token: what clients must send; ``None`` asks for none.
        tls_cert, tls_key: PEM files, both or neither; then only TLS is spoken.
        max_body_bytes: of one request.
        max_held_bytes: of all requests at a time.
        body_timeout_s: for a body to come.
        grace_s: to finish what was taken, at the end.
    """

    host: str = "127.0.0.1"
    http_port: int = 8080
    grpc_port: int | None = 8081
    token: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    max_body_bytes: int = 64 * 2**20
    max_held_bytes: int = 512 * 2**20
    body_timeout_s: float = 60.0
    grace_s: float = 30.0

    def __post_init__(self) -> None:
        """Raises UsageError: one of the two files of TLS, or one port for both protocols."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UsageError("TLS needs both: --tls-cert FILE --tls-key FILE")
        if self.http_port and self.http_port == self.grpc_port:
            raise UsageError(
                f"--http-port and --grpc-port are both {self.http_port}: give each its own"
            )


@dataclass(frozen=True)
class Addresses:
    """What was bound, as addresses that a client takes; ``grpc`` is empty where there is none."""

    http: str
    grpc: str


async def serve(
    registry: HostRegistry,
    metrics: ServerMetrics,
    options: ServerOptions,
    *,
    on_bound: Callable[[Addresses], object] = lambda _: None,
    log: RequestLog | None = None,
    pages: Pages | None = None,
    page_headers: Mapping[str, str] | None = None,
) -> None:
    """Answer until SIGTERM or SIGINT, then finish what was taken; a second one ends at once.

    The registry's models are the caller's to load and to close.

    Args:
        registry: the served models.
        metrics: told of every request.
        options: where, and what is refused.
        on_bound: called once, when clients may connect.
        log: has a line of every request; by default none is written.
        pages: path to content type and bytes, given to browsers.
        page_headers: sent with each of them.

    Raises:
        UsageError: an address that can't be had, or a certificate that can't be read.
    """
    log = RequestLog(quiet=True) if log is None else log
    check_tls(options)  # before anything listens
    listening = bound(options.host, options.http_port, "--http-port")
    app = RestApp(
        registry,
        metrics,
        bodies=BodyReader(
            most_bytes=options.max_body_bytes,
            most_bytes_at_a_time=options.max_held_bytes,
            timeout_s=options.body_timeout_s,
        ),
        log=log,
        token=options.token,
        hosts=() if options.token is not None else names_of_loopback(options.host),
        pages=pages,
        page_headers=page_headers,
    )
    rpc = None
    try:
        if options.grpc_port is not None:
            from paddleport.serve.rpc.rpc_server import RpcServer

            rpc = await RpcServer.started(registry, metrics, options, log)
        http = _http_server(app, options)
        ending = asyncio.Event()
        with _signals(http, ending):
            running = asyncio.ensure_future(http.serve(sockets=[listening]))
            while not (http.started or running.done()):
                await asyncio.sleep(_POLL_S)
            scheme = "https" if options.tls_cert else "http"
            port = listening.getsockname()[1]
            on_bound(
                Addresses(
                    f"{scheme}://{in_url(options.host)}:{port}",
                    f"{in_url(options.host)}:{rpc.port}" if rpc is not None else "",
                )
            )
            stopped = asyncio.ensure_future(ending.wait())
            try:
                await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                http.should_exit = http.force_exit = True
                await running
                raise
            finally:
                stopped.cancel()
            if rpc is not None:
                await asyncio.gather(rpc.stop(options.grace_s), running)
            await running
    finally:
        if rpc is not None:
            await rpc.stop(0)
        listening.close()


def _http_server(app: RestApp, options: ServerOptions) -> "Server":
    from uvicorn import Config, Server

    from paddleport.serve.rest.http_connection import HttpConnection

    def connection(*, server_state: "ServerState", **_: Any) -> HttpConnection:
        return HttpConnection(app.respond, options.max_body_bytes, server_state)

    made: Any = connection  # a class, says uvicorn's type
    config = Config(
        app.respond,  # not called: the connection calls it, and not as ASGI has it
        interface="asgi3",
        proxy_headers=False,
        http=made,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        backlog=_BACKLOG,
        timeout_graceful_shutdown=max(1, round(options.grace_s)),
        ssl_certfile=options.tls_cert,
        ssl_keyfile=None if options.tls_key is None else str(options.tls_key),
    )

    class OwnSignals(Server):
        """The signals are those of both protocols, so this one's are not its own."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return OwnSignals(config)


@contextlib.contextmanager
def _signals(http: "Server", ending: asyncio.Event) -> Iterator[None]:
    """SIGTERM and SIGINT end gracefully, and a second one at once."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        http.force_exit = http.should_exit
        http.should_exit = True
        ending.set()

    caught: list[Any] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # no main thread
            loop.add_signal_handler(number, end)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)


def check_tls(options: ServerOptions) -> None:
    """See that the certificate and its key can be used.

    Raises:
        UsageError: they can't; in one line, what to type instead.
    """
    if options.tls_cert is None or options.tls_key is None:
        return
    for option, file in (("--tls-cert", options.tls_cert), ("--tls-key", options.tls_key)):
        try:
            file.read_bytes()
        except OSError as error:
            raise UsageError(f"{option} {file} can't be read: {error.strerror}") from None

    def encrypted() -> str:  # asked for by a prompt otherwise, on each protocol
        raise UsageError(
            f"--tls-key {options.tls_key} is encrypted: openssl pkey -in {options.tls_key} -out "
            "plain.pem"
        )

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.tls_cert, options.tls_key, encrypted)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"--tls-cert {options.tls_cert} and --tls-key {options.tls_key} are no certificate "
            f"and its key, both in PEM: {error}"
        ) from None
    if options.grpc_port is not None and _is_edwards(options.tls_key.read_bytes()):
        raise UsageError(
            f"--tls-key {options.tls_key} is an Ed25519 or Ed448 key, which gRPC's clients do not "
            "take: give an RSA key, or one of P-256"
        )


def _is_edwards(key: bytes) -> bool:
    """Whether a key in PEM (PKCS #8) is of one of these curves, by its object identifier."""
    with contextlib.suppress(ValueError):
        text = key.decode("ascii").strip().replace("PRIVATE KEY", "CERTIFICATE")
        head = ssl.PEM_cert_to_DER_cert(text)[:24]
        return b"\x06\x03\x2b\x65\x70" in head or b"\x06\x03\x2b\x65\x71" in head
    return False
