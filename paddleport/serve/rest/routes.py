"""What each address answers: the protocol's, and those of the page."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from paddleport.serve.hosting.host_registry import HostRegistry
from paddleport.serve.hosting.model_host import ModelHost
from paddleport.serve.open_inference.datatypes import ProtocolError
from paddleport.serve.open_inference.inference import deadline_of, infer
from paddleport.serve.open_inference.metadata import (
    VERSION,
    check_load_parameters,
    model_metadata,
    repository_index,
    server_metadata,
    why_not_ready,
)
from paddleport.serve.open_inference.rest_codec import JSON_LENGTH, read_request, write_response
from paddleport.serve.rest.http_messages import HttpAnswer, HttpError, HttpRequest, json_answer
from paddleport.serve.rest.incoming import Body
from paddleport.serve.rest.multipart import file_of_form
from paddleport.serve.served_card import model_card
from paddleport.serve.server_metrics import CONTENT_TYPE, ServerMetrics

_MODEL = r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?"
_REPOSITORY = r"/v2/repository/models/(?P<model>[^/]+)"


class Exchange(msgspec.Struct, kw_only=True):
    """One request on its way to an answer.

    Attributes:
        request: without its body.
        body: all of it, where the route takes one.
        model: a served one's name, as soon as that is known.
        stages_s: seconds by stage, filled by the route.
        batch: examples that were computed together.
    """

    request: HttpRequest
    body: Body = b""
    model: str = ""
    stages_s: dict[str, float] | None = None
    batch: int = 0


Handler = Callable[..., Awaitable[HttpAnswer]]


@dataclass(frozen=True, kw_only=True)
class Route:
    """An address.

    Attributes:
        method: of HTTP.
        path: a pattern, whose groups are handed to ``handler`` as texts.
        handler: called with the exchange and the groups.
        open: answered without a token.
    """

    method: str
    path: re.Pattern[str]
    handler: Handler
    open: bool = False


class Routes:
    """The addresses of one server."""

    def __init__(self, registry: HostRegistry, metrics: ServerMetrics) -> None:
        self._registry, self._metrics = registry, metrics
        listed: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/v2/?", self._server),
            ("GET", "/v2/health/live", self._live),
            ("GET", "/v2/health/ready", self._ready),
            ("GET", _MODEL, self._metadata),
            ("GET", f"{_MODEL}/ready", self._model_ready),
            ("POST", f"{_MODEL}/infer", self._infer),
            ("POST", "/v2/repository/index", self._index),
            ("POST", f"{_REPOSITORY}/load", self._load),
            ("POST", f"{_REPOSITORY}/unload", self._unload),
            ("GET", "/v1/models", self._models),
            ("POST", "/v1/classify", self._classify),
            ("GET", "/metrics", self._metrics_text),
        )
        opened = (self._live, self._ready)
        self._routes = [
            Route(method=method, path=re.compile(path), handler=handler, open=handler in opened)
            for method, path, handler in listed
        ]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route of an address, and what stands in the address.

        Raises:
            HttpError: there is no such address, or it is not asked so.
        """
        allowed = []
        for route in self._routes:
            if found := route.path.fullmatch(path):
                if route.method == method or (route.method, method) == ("GET", "HEAD"):
                    return route, {key: text for key, text in found.groupdict().items() if text}
                allowed.append(route.method)
        if allowed:
            told = {"allow": ", ".join(allowed)}
            raise HttpError(405, f"{method} {path:.200}: this address takes {allowed[0]}", told)
        raise HttpError(404, f"there is nothing at {path:.200}: GET /v1/models lists the models")

    def check_room(self, exchange: Exchange, route: Route, texts: Mapping[str, str]) -> None:
        """Refuse, before its body is read, a request that no worker would be given now.

        Reading what is refused anyhow would take the time of those that are answered.

        Raises:
            OverloadedError: too many wait already.
            HostError: there is no such model.
        """
        if route.handler == self._infer:
            self._host(exchange, **texts).check_room()

    async def _server(self, exchange: Exchange) -> HttpAnswer:
        return json_answer(server_metadata())

    async def _live(self, exchange: Exchange) -> HttpAnswer:
        return json_answer({"live": True})

    async def _ready(self, exchange: Exchange) -> HttpAnswer:
        waiting = why_not_ready(self._registry)
        if waiting:
            return json_answer({"ready": False, "reasons": waiting}, 503)
        return json_answer({"ready": True})

    def _host(self, exchange: Exchange, model: str, version: str = VERSION) -> ModelHost:
        host = self._registry.host(model)
        exchange.model = model
        if version != VERSION:
            raise HttpError(404, f"{model} has no version {version:.40}, only {VERSION}")
        return host

    async def _metadata(self, exchange: Exchange, model: str, version: str = VERSION) -> HttpAnswer:
        return json_answer(model_metadata(self._host(exchange, model, version)))

    async def _model_ready(
        self, exchange: Exchange, model: str, version: str = VERSION
    ) -> HttpAnswer:
        state = self._host(exchange, model, version).state
        told = {"name": model, "ready": state.ready}
        return json_answer(
            told | ({} if state.ready else {"error": state.reason}), 200 if state.ready else 503
        )

    async def _infer(self, exchange: Exchange, model: str, version: str = VERSION) -> HttpAnswer:
        host = self._host(exchange, model, version)
        length = exchange.request.headers.get(JSON_LENGTH)
        if length is not None and not (length.isascii() and length.isdigit() and len(length) < 20):
            raise ProtocolError(f"{JSON_LENGTH} is {length!r:.40}: a count of bytes, please")
        asked = read_request(exchange.body, None if length is None else int(length))
        done = await infer(host, asked, deadline_s=deadline_of(asked.parameters))
        exchange.stages_s, exchange.batch = dict(done.stages_s), done.batch
        parts, headers = write_response(done.response)
        return HttpAnswer(body=b"".join(parts), headers=headers)

    async def _index(self, exchange: Exchange) -> HttpAnswer:
        return json_answer(repository_index(self._registry))

    async def _load(self, exchange: Exchange, model: str) -> HttpAnswer:
        check_load_parameters(_parameters_of(bytes(exchange.body)))
        await self._registry.load(model)
        exchange.model = model
        return json_answer({})

    async def _unload(self, exchange: Exchange, model: str) -> HttpAnswer:
        _parameters_of(bytes(exchange.body))
        await self._registry.unload(model)
        exchange.model = model
        return json_answer({})

    async def _models(self, exchange: Exchange) -> HttpAnswer:
        hosts = [self._registry.host(name) for name in self._registry.names]
        return json_answer([_listed(host) for host in hosts])

    async def _classify(self, exchange: Exchange) -> HttpAnswer:
        query = exchange.request.query()
        if strange := sorted(set(query) - {"model"}):
            raise ProtocolError(f"/v1/classify takes ?model=NAME, and no {strange[0]:.40}")
        host = self._host(exchange, query.get("model") or self._only_one_for_pictures())
        kind = exchange.request.headers.get("content-type", "")
        picture = bytes(exchange.body)
        if kind.lower().startswith("multipart/form-data"):
            picture = file_of_form(kind, picture)
        if not picture:
            raise ProtocolError("there is no picture: curl --data-binary @PICTURE, or -F file=@")
        done = await host.predict([picture])
        exchange.stages_s = dict(done.stages_s)
        if done.errors[0]:
            raise ProtocolError(f"the picture can't be read: {done.errors[0]}")
        return json_answer({"model": host.name, **done.answers[0]})

    def _only_one_for_pictures(self) -> str:
        names = self._registry.names
        taking = [name for name in names if self._registry.host(name).takes_pictures]
        if len(taking) != 1:
            raise ProtocolError(
                f"say which model: /v1/classify?model=NAME, one of {', '.join(taking) or 'none'}"
            )
        return taking[0]

    async def _metrics_text(self, exchange: Exchange) -> HttpAnswer:
        for name in self._registry.names:
            self._metrics.ready(name, self._registry.host(name).state.ready)
        return HttpAnswer(body=self._metrics.text(), headers={"content-type": CONTENT_TYPE})


def _parameters_of(body: bytes) -> Mapping[str, Any]:
    """Those of a request to load or unload, which may have no body."""
    try:
        found = msgspec.json.decode(body, type=dict[str, Any]) if body.strip() else {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"the body is no JSON object: {error}") from None
    parameters = found.get("parameters", {})
    if not isinstance(parameters, dict):
        raise ProtocolError("parameters are no JSON object")
    return parameters


def _listed(host: ModelHost) -> dict[str, Any]:
    state, metadata = host.state, model_metadata(host)
    return {
        "name": host.name,
        "ready": state.ready,
        "reason": state.reason,
        "backend": host.spec.backend,
        "precision": host.spec.options.precision or "fp32",
        "inputs": metadata["inputs"],
        "outputs": metadata["outputs"],
        "proof": state.proof,
        "card": model_card(host),
    }
