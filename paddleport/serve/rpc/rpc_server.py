"""The service on grpc.aio, in the event loop of everything else."""

import asyncio
import logging
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError

from paddleport.errors import PortError, UsageError
from paddleport.serve.bearer_token import BearerToken
from paddleport.serve.failures import failure_of
from paddleport.serve.hosting.host_registry import HostRegistry, UnknownModelError
from paddleport.serve.listening import bound, in_url
from paddleport.serve.open_inference.datatypes import ProtocolError
from paddleport.serve.open_inference.inference import deadline_of, infer
from paddleport.serve.open_inference.metadata import (
    READY,
    VERSION,
    check_load_parameters,
    model_metadata,
    repository_index,
    server_metadata,
    why_not_ready,
)
from paddleport.serve.request_log import RequestLog, RequestRecord
from paddleport.serve.rpc.grpc_codec import read_request, write_response
from paddleport.serve.rpc.open_inference_messages import METHODS, SERVICE
from paddleport.serve.server_metrics import ServerMetrics

if TYPE_CHECKING:
    from paddleport.serve.hosting.model_host import ModelHost
    from paddleport.serve.server import ServerOptions

_OPEN = ("ServerLive", "ServerReady")
_MOST_CALLS = 1000


class RpcServer:
    """One server's gRPC side.

    Attributes:
        port: that it listens on.
    """

    def __init__(
        self, registry: HostRegistry, metrics: ServerMetrics, token: str | None, log: RequestLog
    ) -> None:
        self._registry, self._metrics, self._log = registry, metrics, log
        self._token = BearerToken(token)
        self._server: Any = None
        self.port = 0

    @classmethod
    async def started(
        cls,
        registry: HostRegistry,
        metrics: ServerMetrics,
        options: "ServerOptions",
        log: RequestLog,
    ) -> "RpcServer":
        """One that listens.

        Raises:
            UsageError: not on this address.
        """
        logging.getLogger("grpc._cython.cygrpc").setLevel(logging.CRITICAL)  # says it as well
        made = cls(registry, metrics, options.token, log)
        made._server = grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", options.max_body_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
            ),
            maximum_concurrent_rpcs=_MOST_CALLS,
        )
        made._server.add_generic_rpc_handlers((made._handlers(),))
        port = options.grpc_port or 0
        bound(options.host, port, "--grpc-port").close()  # gRPC tells it in words of its own
        address = f"{in_url(options.host)}:{port}"
        try:
            if options.tls_cert is None or options.tls_key is None:
                made.port = made._server.add_insecure_port(address)
            else:
                pair = (options.tls_key.read_bytes(), options.tls_cert.read_bytes())
                made.port = made._server.add_secure_port(
                    address, grpc.ssl_server_credentials((pair,))
                )
        except (RuntimeError, OSError) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UsageError(
                f"{address} can't be listened on ({why}): --grpc-port takes another, 0 a free one"
            ) from None
        await made._server.start()
        return made

    async def stop(self, grace_s: float) -> None:
        """Take no more, and finish what was taken in this time."""
        await self._server.stop(grace_s)

    def _handlers(self) -> Any:
        procedures: dict[str, Procedure] = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
            "RepositoryIndex": self._index,
            "RepositoryModelLoad": self._load,
            "RepositoryModelUnload": self._unload,
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    self._answering(name, procedures[name]),
                    response_serializer=answer.SerializeToString,
                )  # requests come as bytes, and are read where an error is answered in words
                for name, (_, answer) in METHODS.items()
            },
        )

    def _answering(self, name: str, procedure: "Procedure") -> Callable[[Any, Any], Awaitable[Any]]:
        async def answer(raw: bytes, context: Any) -> Any:
            call = Call(name=name, context=context, bytes_in=len(raw))
            if name not in _OPEN and (refusal := self._refusal(context)):
                self._note(call, "UNAUTHENTICATED", error=refusal)
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, refusal)
            try:
                found = await procedure(_read(name, raw), call)
            except asyncio.CancelledError:  # the client hung up, or its time is over
                self._metrics.error(call.model, "GoneError")
                self._note(call, "CANCELLED", error="the client gave up")
                raise
            except Exception as error:
                if not isinstance(error, PortError):
                    traceback.print_exc()
                failure = failure_of(error)
                self._metrics.error(call.model, failure.kind)
                self._note(call, failure.grpc, error=failure.message)
                if failure.retry_after_s is not None:
                    later = f"{failure.retry_after_s:.3f}"
                    context.set_trailing_metadata((("retry-after", later),))
                await context.abort(getattr(grpc.StatusCode, failure.grpc), failure.message)
            call.took_s = time.perf_counter() - call.started
            # Counted once it is on its way: nobody waits for that.
            context.add_done_callback(lambda _: self._note(call, "OK", found))
            return found

        return answer

    def _refusal(self, context: Any) -> str:
        given = dict(context.invocation_metadata()).get("authorization", "")
        return self._token.refusal(str(given), "authorization")

    def _note(self, call: "Call", status: str, found: Any = None, *, error: str = "") -> None:
        """Tell metrics and log of a call that is answered."""
        stages = {**call.stages_s, "total": call.took_s or time.perf_counter() - call.started}
        if call.stages_s:
            for stage, took in stages.items():
                self._metrics.stage(call.model, stage, took)
        if call.model:
            self._metrics.request(call.model, "grpc", status)
        self._log.write(
            RequestRecord(
                request_id=call.request_id or uuid.uuid4().hex,
                protocol="grpc",
                call=call.name,
                model=call.model,
                status=status,
                stages_s=stages,
                bytes_in=call.bytes_in,
                bytes_out=found.ByteSize() if found is not None else 0,
                batch=call.batch,
                error=error,
            )
        )

    def _host(self, call: "Call", name: str, version: str) -> "ModelHost":
        host = self._registry.host(name)
        call.model = name
        if version not in ("", VERSION):
            raise UnknownModelError(f"{name} has no version {version:.40}, only {VERSION}")
        return host

    async def _live(self, asked: Any, call: "Call") -> Any:
        return call.answer(live=True)

    async def _ready(self, asked: Any, call: "Call") -> Any:
        return call.answer(ready=not why_not_ready(self._registry))

    async def _model_ready(self, asked: Any, call: "Call") -> Any:
        return call.answer(ready=self._host(call, asked.name, asked.version).state.ready)

    async def _server_metadata(self, asked: Any, call: "Call") -> Any:
        return call.answer(**server_metadata())

    async def _model_metadata(self, asked: Any, call: "Call") -> Any:
        return call.answer(**model_metadata(self._host(call, asked.name, asked.version)))

    async def _infer(self, asked: Any, call: "Call") -> Any:
        call.request_id = asked.id
        host = self._host(call, asked.model_name, asked.model_version)
        request = read_request(asked)
        limits = call.context.time_remaining(), deadline_of(request.parameters)
        deadline_s = min((item for item in limits if item is not None), default=None)
        done = await infer(host, request, deadline_s=deadline_s)
        call.stages_s, call.batch = dict(done.stages_s), done.batch
        return write_response(done.response)

    async def _index(self, asked: Any, call: "Call") -> Any:
        models = repository_index(self._registry)
        if asked.ready:
            models = [item for item in models if item["state"] == READY]
        return call.answer(models=models)

    async def _load(self, asked: Any, call: "Call") -> Any:
        check_load_parameters(asked.parameters)
        await self._registry.load(asked.model_name)
        call.model = asked.model_name
        return call.answer()

    async def _unload(self, asked: Any, call: "Call") -> Any:
        await self._registry.unload(asked.model_name)
        call.model = asked.model_name
        return call.answer()


@dataclass(kw_only=True)
class Call:
    """One call on its way to an answer.

    Attributes:
        name: of the procedure.
        context: grpc's.
        bytes_in: of the request.
        request_id: the client's own.
        model: a served one's name, as soon as that is known.
        stages_s: seconds by stage, filled by the procedure.
        batch: examples that were computed together.
        started: by ``time.perf_counter``.
        took_s: seconds until there was an answer, if there is one.
    """

    name: str
    context: Any
    bytes_in: int
    request_id: str = ""
    model: str = ""
    stages_s: Mapping[str, float] = field(default_factory=dict)
    batch: int = 0
    started: float = field(default_factory=time.perf_counter)
    took_s: float = 0.0

    def answer(self, **values: Any) -> Any:
        """The procedure's answer."""
        return METHODS[self.name][1](**values)


Procedure = Callable[[Any, Call], Awaitable[Any]]


def _read(name: str, raw: bytes) -> Any:
    """A procedure's request; raises ProtocolError for bytes that are none."""
    try:
        return METHODS[name][0].FromString(raw)
    except DecodeError as error:
        raise ProtocolError(f"this is no {name} request: {error}") from None
