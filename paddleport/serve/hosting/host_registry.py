"""All served models by name, and loading and unloading where it is allowed."""

from collections.abc import Iterable

from paddleport.serve.hosting.model_host import HostError, ModelHost


class UnknownModelError(HostError):
    """No model of this name is served."""


class NotAllowedError(HostError):
    """Loading and unloading are off."""


class HostRegistry:
    """The served models."""

    def __init__(self, hosts: Iterable[ModelHost], *, allow_load: bool = False) -> None:
        self._hosts = {host.name: host for host in hosts}
        self._allow_load = allow_load

    @property
    def names(self) -> tuple[str, ...]:
        """In the order in which they were given."""
        return tuple(self._hosts)

    def host(self, name: str) -> ModelHost:
        """The model of this name; raises UnknownModelError, which names those that there are."""
        try:
            return self._hosts[name]
        except KeyError:
            raise UnknownModelError(
                f"there is no model {name!r} here, only {', '.join(self._hosts) or 'none'}"
            ) from None

    async def load(self, name: str) -> None:
        """Open a model that is known and not loaded; done when it is ready, or raises why not."""
        raise NotImplementedError

    async def unload(self, name: str) -> None:
        """Finish what a model was asked, and close it."""
        raise NotImplementedError

    async def close(self) -> None:
        """Take nothing more, finish what was taken, and end every worker."""
        raise NotImplementedError
