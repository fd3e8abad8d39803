"""One server of ``paddleport serve``, from its start to its end."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleport.cli.console import as_json, literal, new_table, print_rows, print_warning, stderr
from paddleport.wording import counted

if TYPE_CHECKING:
    from paddleport.cli.served_models import ServedModels
    from paddleport.runners.predictor import PredictorSpec
    from paddleport.serve.hosting.host_registry import HostRegistry
    from paddleport.serve.hosting.host_settings import HostSettings
    from paddleport.serve.hosting.process_host import Prove
    from paddleport.serve.request_log import RequestLog
    from paddleport.serve.server import Addresses, ServerOptions
    from paddleport.serve.server_metrics import ServerMetrics


@dataclass(frozen=True, kw_only=True)
class ServeRun:
    """One server, from its start to its end."""

    specs: "dict[str, PredictorSpec]"
    models: Mapping[str, str]
    settings: "HostSettings"
    server: "ServerOptions"
    served: "ServedModels"
    repository: Path | None
    backend: str
    allow_load: bool
    prove: bool
    log: "RequestLog"
    json: bool

    def until_ended(self) -> None:
        """Serve in an event loop of its own; raises as ``serve`` does."""
        _loop_runner()(self._until_ended())

    async def _until_ended(self) -> None:
        from paddleport.serve.page import PAGE_HEADERS, page_files
        from paddleport.serve.server import serve as serve_all
        from paddleport.serve.server_metrics import ServerMetrics

        metrics = ServerMetrics()
        registry = self._registry(metrics)
        bound: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
        starting = asyncio.create_task(self._start(registry, bound))
        ended_by_start = partial(_end_if_failed, asyncio.current_task())
        starting.add_done_callback(ended_by_start)
        try:
            await serve_all(
                registry,
                metrics,
                self.server,
                on_bound=bound.set_result,
                log=self.log,
                pages=page_files(),
                page_headers=PAGE_HEADERS,
            )
        finally:
            starting.remove_done_callback(ended_by_start)
            starting.cancel()
            (ended,) = await asyncio.gather(starting, return_exceptions=True)
            await registry.close()
            self.log.close()
            if isinstance(ended, Exception):  # a bug, which would leave a server without a word
                raise ended

    def _registry(self, metrics: "ServerMetrics") -> "HostRegistry":
        from paddleport.serve.hosting.host_registry import HostRegistry
        from paddleport.serve.hosting.model_repository import ModelRepository
        from paddleport.serve.hosting.process_host import ProcessHost

        def make(name: str, path: Path, find: Callable[[], Path]) -> ProcessHost:
            spec, prepare = self.served.later(path, find, self.backend)
            return ProcessHost(
                name,
                spec,
                self.settings,
                metrics=metrics,
                prove=self._prove(str(path)),
                prepare=prepare,
            )

        hosts = [
            ProcessHost(
                name,
                spec,
                self.settings,
                metrics=metrics,
                prove=self._prove(self.models[name]),
            )
            for name, spec in self.specs.items()
        ]
        folder = None if self.repository is None else ModelRepository(self.repository, make)
        return HostRegistry(hosts, allow_load=self.allow_load, repository=folder)

    def _prove(self, model: str) -> "Prove":
        """What a model is compared with; ``model`` is what was typed, or found."""
        from paddleport.serve.proof import prove, prove_with_paddle

        if not self.prove:
            return prove
        return partial(prove_with_paddle, paddle_model=model, weights=self.served.weights)

    async def _start(self, registry: "HostRegistry", bound: "asyncio.Future[Addresses]") -> None:
        """Load the models while the server already says that they are not ready."""
        from paddleport.cli.served_models import state_of

        addresses = await bound
        await registry.load_all(self.specs)
        states = [state_of(registry.host(name)) for name in registry.names]
        with contextlib.suppress(BrokenPipeError):  # who started it reads no further
            if self.json:
                told = {"http": addresses.http, "grpc": addresses.grpc, "models": states}
                print(as_json(told), flush=True)
                return
            named: list[dict[str, Any]] = []
            waiting: list[dict[str, Any]] = []
            for state in states:
                by_request = state["model"] not in self.specs and state["state"] != "ready"
                (waiting if by_request else named).append(state)
            print_serving(named, waiting, addresses, allow_load=self.allow_load)


def _end_if_failed(serving: "asyncio.Task[Any] | None", starting: "asyncio.Task[None]") -> None:
    if serving is not None and not starting.cancelled() and starting.exception() is not None:
        serving.cancel()


def print_serving(
    named: Sequence[dict[str, Any]],
    waiting: Sequence[dict[str, Any]],
    addresses: "Addresses",
    *,
    allow_load: bool,
) -> None:
    """The models in a table, and what to know of them and of the server.

    Args:
        named: the states of the models of the command line, which are to be ready.
        waiting: those of the repository, which are loaded by request.
        addresses: of the server.
        allow_load: whether clients may load one.
    """
    table = new_table("model", "backend", "state", "proof", "REST")
    for state in (*named, *waiting):
        name, shown = state["model"], "not loaded" if state in waiting else state["state"]
        table.add_row(name, state["backend"], shown, state["proof"], f"/v2/models/{name}")
    print_rows(table)
    for state in named:
        if state["reason"]:
            print_warning(f"{state['model']} is not ready: {state['reason']}")
        elif state["proof"] != "agrees" and state["sentence"]:
            stderr().print(f"[dim]{literal(state['model'])}: {literal(state['sentence'])}[/]")
        if state["warning"]:
            print_warning(f"{state['model']}: {state['warning']}")
    ready = sum(state["state"] == "ready" for state in named)
    loading = "POST /v2/repository/models/NAME/load loads one"
    if not allow_load:
        loading = "--allow-load lets clients load them"
    told = (
        f"{ready} of {len(named)} models ready" if named else "",
        f"{counted(len(waiting), 'model')} not loaded: {loading}" if waiting else "",
        f"REST and a page {addresses.http}",
        f"gRPC {addresses.grpc}",
        "Ctrl-C ends",
    )
    stderr().print(f"[dim]{' · '.join(filter(None, told))}[/]")


def _loop_runner() -> Callable[..., Any]:
    """uvloop's, where there is one."""
    if find_spec("uvloop") is None:
        return asyncio.run
    import uvloop

    return partial(uvloop.run)
