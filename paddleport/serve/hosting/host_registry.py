"""All served models by name, and loading and unloading where it is allowed."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from paddleport.errors import PortError
from paddleport.serve.hosting.model_host import HostError, ModelHost, NotReadyError
from paddleport.serve.hosting.model_repository import ModelRepository
from paddleport.serve.hosting.process_host import ProcessHost


class UnknownModelError(HostError):
    """No model of this name is served."""


class NotAllowedError(HostError):
    """Loading and unloading are off."""


class HostRegistry:
    """The served models, and those of a repository that may be."""

    def __init__(
        self,
        hosts: Iterable[ModelHost],
        *,
        allow_load: bool = False,
        repository: ModelRepository | None = None,
    ) -> None:
        """Nothing is loaded yet.

        Args:
            hosts: the models of the command line.
            allow_load: whether ``load`` and ``unload`` may be called by name.
            repository: a folder of further ones, which are loaded when that is asked for.
        """
        self._hosts = {host.name: host for host in hosts}
        self._required = list(self._hosts)
        self._allow_load, self._repository = allow_load, repository
        self._changes: set[asyncio.Task[None]] = set()
        self._find_new()

    @property
    def names(self) -> tuple[str, ...]:
        """In the order in which they were given; the repository's, loaded or not, come last."""
        self._find_new()
        return tuple(self._hosts)

    @property
    def required(self) -> tuple[str, ...]:
        """Those that the server is not ready without: of the command line, and not unloaded."""
        return tuple(self._required)

    def host(self, name: str) -> ModelHost:
        """The model of this name; raises UnknownModelError, which names those that there are."""
        if name not in self._hosts:
            self._find_new()
        try:
            return self._hosts[name]
        except KeyError:
            raise UnknownModelError(
                f"there is no model {name!r} here, only {', '.join(self._hosts) or 'none'}"
            ) from None

    async def load(self, name: str) -> None:
        """Open a model that is known and not loaded; done when it is ready.

        It goes on where the client that asked for it gives up, as ``unload`` does: others may use
        the model by then.

        Raises:
            NotAllowedError: loading is off.
            UnknownModelError: no such model.
            NotReadyError: why it can't be opened, or that it is not proven.
        """
        host = self._changeable(name, "load")
        try:
            await self._changed(host.load())
        except PortError as error:
            raise NotReadyError(f"{name} can't be loaded: {host.state.reason}") from error

    async def unload(self, name: str) -> None:
        """Finish what a model was asked, and close it.

        Raises:
            NotAllowedError: unloading is off.
            UnknownModelError: no such model.
        """
        host = self._changeable(name, "unload")
        if name in self._required:
            self._required.remove(name)
        await self._changed(host.unload())

    async def load_all(self, names: Iterable[str]) -> dict[str, PortError]:
        """Open several beside each other, at the start; allowed always.

        Returns:
            By name, why one could not be opened; its state says so as well.
        """
        names = list(names)
        hosts = [host for host in map(self.host, names) if isinstance(host, ProcessHost)]
        ended = await asyncio.gather(*(host.load() for host in hosts), return_exceptions=True)
        failed: dict[str, PortError] = {}
        for host, error in zip(hosts, ended, strict=True):
            if isinstance(error, PortError):
                failed[host.name] = error
            elif isinstance(error, Exception):  # one that was cancelled, by closing, is no error
                raise error
        return failed

    async def close(self) -> None:
        """Take nothing more, finish what was taken, and end every worker.

        Cancelled, it ends the workers at once, with what they were computing.
        """
        hosts = [host for host in self._hosts.values() if isinstance(host, ProcessHost)]
        try:
            await asyncio.gather(*(host.close() for host in hosts))
        except asyncio.CancelledError:
            for task in self._changes:
                task.cancel()
            await asyncio.gather(*self._changes, return_exceptions=True)
            raise

    async def _changed(self, change: Coroutine[Any, Any, None]) -> None:
        """Done when a change is, which is not ended by who waits for it."""
        task = asyncio.get_running_loop().create_task(change)
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        await asyncio.shield(task)

    def _changeable(self, name: str, what: str) -> ProcessHost:
        if not self._allow_load:
            raise NotAllowedError(
                f"this server does not {what} models by request: start it with --allow-load"
            )
        host = self.host(name)
        if not isinstance(host, ProcessHost):
            raise NotAllowedError(f"{name} is always loaded")
        return host

    def _find_new(self) -> None:
        """Have what has come into the repository's folder."""
        if self._repository is not None:
            for host in self._repository.new_hosts(self._hosts):
                self._hosts[host.name] = host
