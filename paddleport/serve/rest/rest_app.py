"""Who may ask by HTTP, what is read, what is answered, and what is noted of it."""

import contextlib
import re
import time
import traceback
import uuid
from collections.abc import Collection, Mapping
from functools import lru_cache, partial
from urllib.parse import urlsplit

from paddleport.errors import PortError
from paddleport.serve.bearer_token import BearerToken
from paddleport.serve.failures import Failure, failure_of
from paddleport.serve.hosting.host_registry import HostRegistry
from paddleport.serve.request_log import RequestLog, RequestRecord
from paddleport.serve.rest.body_reader import BodyReader
from paddleport.serve.rest.http_messages import (
    HttpAnswer,
    HttpError,
    HttpRequest,
    failed_answer,
    json_answer,
)
from paddleport.serve.rest.incoming import GoneError, Incoming
from paddleport.serve.rest.interruption import Interruption
from paddleport.serve.rest.routes import Exchange, Route, Routes
from paddleport.serve.server_metrics import ServerMetrics

Pages = Mapping[str, tuple[str, bytes]]
_REQUEST_ID = re.compile(r"[\w.\-]{1,128}", re.ASCII)


class RestApp:
    """One server's HTTP side."""

    def __init__(
        self,
        registry: HostRegistry,
        metrics: ServerMetrics,
        *,
        bodies: BodyReader,
        log: RequestLog,
        token: str | None = None,
        hosts: Collection[str] = (),
        pages: Pages | None = None,
        page_headers: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing is answered yet.

        Args:
            registry: the served models.
            metrics: told of every request.
            bodies: reads them.
            log: has a line of every request.
            token: what clients must send; ``None`` asks for none.
            hosts: what clients may call this machine; empty for anything.
            pages: path to content type and bytes.
            page_headers: sent with each of them.
        """
        self._routes = Routes(registry, metrics)
        self._metrics, self._bodies, self._log = metrics, bodies, log
        self._hosts = frozenset(hosts)
        self._token = BearerToken(token)
        self._pages, self._page_headers = dict(pages or {}), dict(page_headers or {})

    async def respond(self, incoming: Incoming) -> None:
        """Answer one request."""
        started = time.perf_counter()
        exchange = Exchange(request=incoming.request)
        failure: Failure | None = None
        try:
            with Interruption() as interruption:
                incoming.on_lost(partial(interruption.happen, GoneError()))
                answer = await self._answered(exchange, incoming, interruption)
        except GoneError:
            failure = Failure(message="the client hung up", kind="GoneError", http=499, grpc="")
            answer = HttpAnswer(status=failure.http)
        except HttpError as error:
            failure = Failure(message=str(error), kind="HttpError", http=error.status, grpc="")
            answer = json_answer({"error": failure.message}, error.status, error.headers)
        except Exception as error:
            if not isinstance(error, PortError):
                traceback.print_exc()
            failure = failure_of(error)
            answer = failed_answer(failure)
        finally:
            self._bodies.give_back(len(exchange.body))
        if incoming.expects and not exchange.body:
            # The client may rightly leave its body out now, or not: where the next request begins
            # is not known.
            answer.headers["connection"] = "close"
        record = _record(exchange, answer, failure, time.perf_counter() - started)
        try:
            incoming.answer(answer)
        finally:  # counted once it is on its way: nobody waits for that
            self._note(record, exchange, failure)

    async def _answered(
        self, exchange: Exchange, incoming: Incoming, interruption: Interruption
    ) -> HttpAnswer:
        request = exchange.request
        if request.method in ("GET", "HEAD") and request.path in self._pages:
            kind, content = self._pages[request.path]
            return HttpAnswer(body=content, headers={"content-type": kind, **self._page_headers})
        route, texts = self._routes.find(request.method, request.path)
        self._check_allowed(request, route)
        if "content-encoding" in request.headers:
            raise HttpError(415, "compressed bodies are not taken: send it as it is")
        if route.method != "GET":
            self._bodies.check_length(request)
            self._routes.check_room(exchange, route, texts)
            exchange.body = await self._bodies.read(incoming, interruption)
        return await route.handler(exchange, **texts)

    def _check_allowed(self, request: HttpRequest, route: Route) -> None:
        """Who has no token, and pages of other sites in a browser here, are not answered."""
        origin = request.headers.get("origin")
        host = request.headers.get("host")
        if origin is not None and _place_of(origin) != host:
            raise HttpError(403, "pages of other sites may not ask this server")
        if self._hosts and host and not route.open and _name_of(host) not in self._hosts:
            raise HttpError(
                403,
                f"this server is for its own machine and was called {host:.80}: call it localhost, "
                "or give it a token (--token-file)",
            )
        given = request.headers.get("authorization", "")
        if not route.open and (refusal := self._token.refusal(given, "Authorization")):
            raise HttpError(401, refusal, {"www-authenticate": "Bearer"})

    def _note(self, record: RequestRecord, exchange: Exchange, failure: Failure | None) -> None:
        """Tell metrics and log of it."""
        if exchange.stages_s is not None:
            for name, took in record.stages_s.items():
                self._metrics.stage(record.model, name, took)
        if record.model:
            self._metrics.request(record.model, "http", record.status)
        if failure is not None:
            self._metrics.error(record.model, failure.kind)
        self._log.write(record)


def _record(
    exchange: Exchange, answer: HttpAnswer, failure: Failure | None, total_s: float
) -> RequestRecord:
    """What became of it; the answer's headers tell its id and times."""
    given = exchange.request.headers.get("x-request-id", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    stages = {**(exchange.stages_s or {}), "total": total_s}
    answer.headers["x-request-id"] = request_id
    if exchange.stages_s is not None:
        told = ", ".join(f"{name};dur={took * 1e3:.3f}" for name, took in stages.items())
        answer.headers["server-timing"] = told
    return RequestRecord(
        request_id=request_id,
        protocol="http",
        call=f"{exchange.request.method} {exchange.request.path[:200]}",
        model=exchange.model,
        status=str(answer.status),
        stages_s=stages,
        bytes_in=len(exchange.body),
        bytes_out=len(answer.body),
        batch=exchange.batch,
        error="" if failure is None else failure.message,
    )


def _place_of(origin: str) -> str:
    """The host and port of an Origin header; empty where it has none."""
    with contextlib.suppress(ValueError):
        return urlsplit(origin).netloc
    return ""


@lru_cache(256)
def _name_of(host: str) -> str:
    """A Host header without its port."""
    with contextlib.suppress(ValueError):
        return urlsplit(f"//{host}").hostname or ""
    return ""
